"""The HTTP interface, against a store in memory."""

import re
import time
from collections.abc import Iterator

import pytest
from asgi import IDENTITY, Client, problem_of, published
from samples import sample

from bandit.snapshot import Current
from service.lookup.row_reads import Take
from service.lookup.store import MemoryStore
from service.metrics.health import SETTLED_SECONDS


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(published())


@pytest.fixture
def client(store: MemoryStore) -> Iterator[Client]:
    with Client(store) as client:
        yield client


def test_a_single_look_up_answers_the_pick(client: Client) -> None:
    response = client.get("/v1/users/ann/titles/t0/artwork")
    assert response.json() == {
        "user_id": "ann",
        "title_id": "t0",
        "artwork_id": "t0-b",
        "source": "personalized",
        "policy": "thompson",
        "propensity": 0.2,
        "generation": 5,
        "revision": 0,
        "segment": None,
    }


def test_a_page_answers_in_the_order_asked_unknown_and_doubled_titles_included(client: Client) -> None:
    page = client.get("/v1/users/ann/artwork?title_id=t2&title_id=nope&title_id=t0&title_id=t2").json()
    assert (page["user_id"], page["generation"]) == ("ann", 5)
    assert [pick["title_id"] for pick in page["picks"]] == ["t2", "nope", "t0", "t2"]
    assert [pick["artwork_id"] for pick in page["picks"]] == ["t2-b", None, "t0-b", "t2-b"]


def test_an_unknown_title_of_a_page_has_every_field_null_that_a_draw_would_fill(client: Client) -> None:
    [pick] = client.get("/v1/users/ann/artwork?title_id=nope").json()["picks"]
    assert [pick[name] for name in ("artwork_id", "source", "policy", "propensity", "segment")] == [None] * 5


def test_a_single_look_up_of_an_unknown_title_is_404(client: Client) -> None:
    document = problem_of(client.get("/v1/users/ann/titles/nope/artwork"), 404)
    assert document["type"].endswith("unknown-title")
    assert [error["field"] for error in document["errors"]] == ["title_id"]


def test_a_page_without_titles_is_refused(client: Client) -> None:
    document = problem_of(client.get("/v1/users/ann/artwork"), 422)
    assert document["errors"][0]["field"] == "title_id"


def test_a_page_of_too_many_titles_is_refused_with_the_limit(client: Client) -> None:
    document = problem_of(client.get("/v1/users/ann/artwork", params={"title_id": ["t0"] * 201}), 422)
    assert [(error["field"], error["limit"]) for error in document["errors"]] == [("title_id", 200)]


def test_a_page_of_as_many_titles_as_allowed_is_answered(client: Client) -> None:
    assert len(client.get("/v1/users/ann/artwork", params={"title_id": ["t0"] * 200}).json()["picks"]) == 200


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("/v1/users/a%20b/titles/t0/artwork", "user_id"),
        (f"/v1/users/{'a' * 65}/artwork?title_id=t0", "user_id"),
        ("/v1/users/ann%0A/artwork?title_id=t0", "user_id"),
        ("/v1/users/ann/titles/a%C3%A4/artwork", "title_id"),
        ("/v1/users/ann/artwork?title_id=t0&title_id=a:b", "title_id"),
        ("/v1/users/ann/artwork?title_id=", "title_id"),
        ("/v1/users/ann/titles/t0/artwork?hour=24", "hour"),
        ("/v1/users/ann/titles/t0/artwork?hour=noon", "hour"),
        ("/v1/users/ann/artwork?title_id=t0&country=" + "x" * 65, "country"),
    ],
)
def test_a_wrong_field_is_refused_by_name(client: Client, url: str, field: str) -> None:
    document = problem_of(client.get(url), 422)
    assert [error["field"] for error in document["errors"]] == [field]


SLASHES = (
    "%2F",
    "%2f",
    "%252F",
    "%5C",
    "%00",
    "%0A",
    "%2F..%2F",
    "%2e%2e%2f",
    "%EF%BC%8F",
    "%C0%AF",
    "%",
    "%zz",
    ";x=1",
)
"""What somebody may put into an id to get elsewhere."""


@pytest.mark.parametrize("slash", SLASHES)
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/users/ann{0}x/titles/t0/artwork", "user_id"),
        ("/v1/users/{0}/titles/t0/artwork", "user_id"),
        ("/v1/users/ann/titles/t0{0}x/artwork", "title_id"),
        ("/v1/users/ann{0}titles{0}t0/artwork?title_id=t0", "user_id"),
        ("/v1/users/ann{0}x/artwork?title_id=t0", "user_id"),
        ("/v1/users/ann/artwork?title_id=t0{0}x", "title_id"),
    ],
)
def test_an_id_that_holds_a_slash_of_whatever_spelling_is_refused_by_name(
    client: Client, path: str, field: str, slash: str
) -> None:
    document = problem_of(client.get(path.format(slash)), 422)
    assert [error["field"] for error in document["errors"]] == [field]


def test_ids_that_begin_or_end_with_dots_are_ids(client: Client) -> None:
    for user in ("...", ".a", "a.", "..a", "-", "~"):
        assert client.get(f"/v1/users/{user}/titles/t0/artwork").json()["user_id"] == user


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/users//titles/t0/artwork", ["user_id"]),
        ("/v1/users//artwork?title_id=t0", ["user_id"]),
        ("/v1/users/ann/titles//artwork", ["title_id"]),
        ("/v1/users//titles//artwork", ["user_id", "title_id"]),
    ],
)
def test_a_missing_id_is_refused_by_name(client: Client, path: str, fields: list[str]) -> None:
    document = problem_of(client.get(path), 422)
    assert [error["field"] for error in document["errors"]] == fields


ELSEWHERE = [
    "/v1/users/ann/titles/t0/artwork/",
    "/v1/users/ann/artwork/?title_id=t0",
    "/v1/users/ann//artwork?title_id=t0",
    "//v1/users/ann/titles/t0/artwork",
    "/v1//users/ann/titles/t0/artwork",
    "/v1/users/ann/titles/t0//artwork",
    "/v1%2Fusers/ann/titles/t0/artwork",
    "/v1/users%2Fann/titles/t0/artwork",
    "/v1/users/ann%2Ftitles/t0/artwork",
    "/v1/users/ann/titles%2Ft0/artwork",
    "/v1/users/ann/titles/t0%2Fartwork",
    "/v1/users/ann/titles/t0/artwork%2F",
    "/v1/users/ann/titles/t0/artwork%3Fhour=3",
    "/v1/users/ann/titles/t0/artwork%0A",
    "/v1/users/ann/artwork%0a?title_id=t0",
    "/v1/events%0A",
    "/livez%0A",
    "/readyz%0A",
    "/v1/users/x%2F..%2F..%2F..%2Flivez",
    "/livez/",
    "/livez%2F",
    "/%2Flivez",
    "/readyz/",
    "/metrics/",
    "/docs/",
    "/docs//",
    "/docs/nothing",
    "/docs/..%2F..%2Fapp.py",
    "/docs/oauth2-redirect",
    "/openapi.json/",
    "/redoc",
    "/",
]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_path_with_a_slash_or_a_line_end_too_many_is_another_one_and_leads_nowhere(client: Client, path: str) -> None:
    response = client.get_raw(path)
    document = problem_of(response, 404)
    assert [error["field"] for error in document["errors"]] == ["path"]
    assert "location" not in response.headers


def test_sign_up_signals_are_accepted(client: Client) -> None:
    signals = {"country": "SE", "device": "tv", "campaign": "spring", "hour": "23"}
    assert client.get("/v1/users/ann/titles/t0/artwork", params=signals).status_code == 200


def test_an_unknown_route_is_a_problem(client: Client) -> None:
    problem_of(client.get("/v1/nothing"), 404)


def test_a_wrong_method_is_a_problem_that_names_the_right_one(client: Client) -> None:
    response = client.post("/v1/users/ann/titles/t0/artwork")
    problem_of(response, 405)
    assert response.headers["allow"] == "GET, HEAD"


def test_a_bug_is_a_problem_without_internals(store: MemoryStore) -> None:
    class BrokenStore(MemoryStore):
        def read_into(self, key: bytes, take: Take) -> None:  # noqa: ARG002 - a store's signature
            raise ZeroDivisionError("secret")

    with Client(BrokenStore(store.values)) as client:
        response = client.get("/v1/users/ann/titles/t0/artwork")
        problem_of(response, 500)
        assert "secret" not in response.text
        assert 'status="500"' in client.get("/metrics").text


def test_without_a_catalogue_look_ups_and_readiness_are_503_with_retry_after() -> None:
    with Client(MemoryStore()) as client:
        for url in ("/v1/users/ann/titles/t0/artwork", "/v1/users/ann/artwork?title_id=t0", "/readyz"):
            response = client.get(url)
            assert problem_of(response, 503)["type"].endswith("no-catalogue")
            assert response.headers["retry-after"] == "1"


def test_livez_never_asks_the_store(client: Client, store: MemoryStore) -> None:
    reads = store.reads
    store.available = False
    assert client.get("/livez").status_code == 200
    assert store.reads == reads


def test_readyz_tells_what_is_served(client: Client) -> None:
    assert client.get("/readyz").json() == {
        "status": "ready",
        "generation": 5,
        "identity": IDENTITY,
        "flip": 9,
        "revision": 0,
        "named_generation": 5,
        "named_flip": 9,
        "behind_seconds": 0.0,
        "degraded": [],
    }


def test_readyz_stays_200_and_says_what_is_degraded(client: Client) -> None:
    client.service.health.rows_failed()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["degraded"][0].startswith("row reads failing since")


def lag(client: Client, seconds: float) -> None:
    """Let the worker serve another generation than the store names, for some seconds."""
    health = client.service.health
    health.store_named(Current(6, "6" * 32, 10), Current(5, IDENTITY, 9))
    health.behind_since = time.monotonic() - seconds
    client.service.metrics.behind(health.behind_since)


def test_a_worker_that_lags_is_ready_and_says_for_how_long(client: Client) -> None:
    lag(client, 60.0)
    response = client.get("/readyz")
    body = response.json()
    assert (response.status_code, body["status"], body["generation"]) == (200, "degraded", 5)
    assert (body["named_generation"], body["named_flip"]) == (6, 10)
    assert 60 <= body["behind_seconds"] < 160
    assert body["degraded"][0].startswith("generation 5 (flip 9) is served, the store names generation 6 (flip 10) for")


def test_a_worker_that_takes_a_flip_is_not_degraded_by_it(client: Client) -> None:
    lag(client, 0.0)
    body = client.get("/readyz").json()
    assert (body["status"], body["degraded"], body["named_generation"]) == ("ready", [], 6)
    assert 0 < body["behind_seconds"] < SETTLED_SECONDS


@pytest.mark.parametrize(("most", "status"), [("0", 503), ("59.5", 503), ("3600", 200), ("86400", 200)])
def test_a_load_balancer_may_ask_that_a_worker_that_lags_be_refused(client: Client, most: str, status: int) -> None:
    lag(client, 60.0)
    response = client.get(f"/readyz?max_behind_seconds={most}")
    assert response.status_code == status
    if status == 503:
        document = problem_of(response, 503)
        assert document["type"].endswith("behind")
        assert response.headers["retry-after"] == "1"
        assert "serves generation 5 (flip 9), the store names generation 6 (flip 10)" in document["detail"]


def test_a_worker_that_follows_is_ready_however_little_it_may_lag(client: Client) -> None:
    assert client.get("/readyz?max_behind_seconds=0").status_code == 200


def test_a_worker_that_lags_still_answers_from_its_generation(client: Client) -> None:
    lag(client, 60.0)
    assert client.get("/v1/users/ann/titles/t0/artwork").json()["generation"] == 5


@pytest.mark.parametrize("most", ["-1", "nan", "inf", "soon", "", "86401", "1e400"])
def test_no_number_of_seconds_is_refused_by_name(client: Client, most: str) -> None:
    document = problem_of(client.get(f"/readyz?max_behind_seconds={most}"), 422)
    assert document["errors"][0]["field"] == "max_behind_seconds"


def test_metrics_count_requests_by_route_and_picks_by_source(client: Client) -> None:
    client.get("/v1/users/ann/artwork?title_id=t0&title_id=t1")
    client.get("/v1/users/bob/titles/t0/artwork")
    text = client.get("/metrics").text
    assert 'artwork_requests_total{route="/v1/users/{user_id}/artwork",status="200"} 1.0' in text
    assert 'artwork_picks_total{policy="thompson",source="personalized"} 2.0' in text
    assert 'artwork_picks_total{policy="beta",source="popularity"} 1.0' in text
    assert sample(text, "artwork_generation", worker="0") == 5
    assert sample(text, "artwork_store_up", worker="0") == 1


def test_metrics_never_take_a_label_from_an_unknown_path(client: Client) -> None:
    client.get("/somewhere/private")
    text = client.get("/metrics").text
    assert "private" not in text
    assert 'artwork_requests_total{route="unmatched",status="404"} 1.0' in text


def test_the_documentation_describes_both_look_ups(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    page, single = paths["/v1/users/{user_id}/artwork"], paths["/v1/users/{user_id}/titles/{title_id}/artwork"]
    assert page["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("PageBody")
    assert {"200", "404", "422", "503"} <= single["get"]["responses"].keys()


def test_the_page_of_the_documentation_asks_nobody_but_this_service(client: Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert re.findall(r"(?:https?:)?//[\w.]+", page.text) == []
    asked = re.findall(r"""(?:src|href)=["']([^"']+)|url: ["']([^"']+)""", page.text)
    addresses = {first or second for first, second in asked}
    assert addresses == {"docs/swagger-ui-bundle.js", "docs/swagger-ui.css", "docs/favicon-32x32.png", "openapi.json"}
    for address in addresses:
        assert client.get(f"/{address}").status_code == 200
    assert '"validatorUrl": null' in page.text  # else it shows a badge that another host draws
    assert re.findall(r"[\w-]+://", page.headers["content-security-policy"]) == []


def test_the_files_of_the_documentation_are_swagger_ui_5_and_ask_nobody_else_for_signs_or_fonts(client: Client) -> None:
    script, style = client.get("/docs/swagger-ui-bundle.js"), client.get("/docs/swagger-ui.css")
    assert (script.headers["content-type"], style.headers["content-type"]) == (
        "text/javascript; charset=utf-8",
        "text/css; charset=utf-8",
    )
    assert "swagger-ui-bundle" in script.text
    assert re.findall(r"@import|url\((?!\s*[\"']?data:)", style.text) == []


def test_two_applications_share_no_numbers(client: Client) -> None:
    client.get("/livez")
    with Client(MemoryStore()) as other:
        assert "/livez" not in other.get("/metrics").text
