"""The HTTP interface, against a store in memory."""

import asyncio
import struct
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, Self

import pytest
from httpx import ASGITransport, AsyncClient, Response
from starlette.types import Receive, Scope, Send

from bandit.snapshot import (
    CURRENT_KEY,
    Catalogue,
    CatalogueTitle,
    Current,
    Meta,
    encode_catalogue,
    encode_json,
    encode_row,
    meta_key,
    part_key,
    row_key,
)
from service.app import create_app
from service.settings import Settings
from service.store import MemoryStore

SETTINGS = Settings(poll_seconds=3600)
TITLES = tuple(CatalogueTitle(f"t{n}", (f"t{n}-a", f"t{n}-b"), 0, (60000, 5535)) for n in range(3))


def published() -> dict[str, bytes]:
    digest, parts = encode_catalogue(Catalogue(TITLES, "beta"))
    meta = Meta(5, 7, "manifest", digest, len(parts), 1, len(TITLES), ("thompson",), "2026-01-01T00:00:00Z")
    return {
        CURRENT_KEY: encode_json(Current(5, 9)),
        meta_key(5): encode_json(meta),
        row_key(5, "ann"): encode_row("ann", 5, 0, struct.pack("<BH", 1, 13107) * len(TITLES)),
        **{part_key(digest, number): part for number, part in enumerate(parts)},
    }


class Client:
    """Asks an application in this process, between the start and the end of its lifespan."""

    def __init__(self, store: MemoryStore) -> None:
        self._app = create_app(SETTINGS, store)
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._state: Any = None

    def __enter__(self) -> Self:
        self._runner.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def get(self, url: str, params: dict[str, Any] | None = None) -> Response:
        return self._runner.run(self._http.get(url, params=params))

    def post(self, url: str) -> Response:
        return self._runner.run(self._http.post(url))

    async def _start(self) -> None:
        self._state = await self._stack.enter_async_context(self._app.router.lifespan_context(self._app))
        transport = ASGITransport(self._with_state, raise_app_exceptions=False)
        self._http = await self._stack.enter_async_context(AsyncClient(transport=transport, base_url="http://service"))

    async def _with_state(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "state": dict(self._state)}, receive, send)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(published())


@pytest.fixture
def client(store: MemoryStore) -> Iterator[Client]:
    with Client(store) as client:
        yield client


def problem_of(response: Response, status: int) -> dict[str, Any]:
    """The document of a refusal, checked for what every problem document has."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert {"type", "title", "detail"} <= document.keys()
    return document


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


def test_sign_up_signals_are_accepted(client: Client) -> None:
    signals = {"country": "SE", "device": "tv", "campaign": "spring", "hour": "23"}
    assert client.get("/v1/users/ann/titles/t0/artwork", params=signals).status_code == 200


def test_an_unknown_route_is_a_problem(client: Client) -> None:
    problem_of(client.get("/v1/nothing"), 404)


def test_a_wrong_method_is_a_problem_that_names_the_right_one(client: Client) -> None:
    response = client.post("/v1/users/ann/titles/t0/artwork")
    problem_of(response, 405)
    assert response.headers["allow"] == "GET"


def test_a_bug_is_a_problem_without_internals(store: MemoryStore) -> None:
    class BrokenStore(MemoryStore):
        async def get(self, key: str) -> bytes | None:
            if key == row_key(5, "ann"):
                raise ZeroDivisionError("secret")
            return await super().get(key)

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
    assert client.get("/readyz").json() == {"status": "ready", "generation": 5, "flip": 9, "degraded": []}


def test_readyz_stays_200_and_says_what_is_degraded(client: Client, store: MemoryStore) -> None:
    store.available = False
    client.get("/v1/users/ann/titles/t0/artwork")
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["degraded"][0].startswith("row reads failing since")


def test_metrics_count_requests_by_route_and_picks_by_source(client: Client) -> None:
    client.get("/v1/users/ann/artwork?title_id=t0&title_id=t1")
    client.get("/v1/users/bob/titles/t0/artwork")
    text = client.get("/metrics").text
    assert 'artwork_requests_total{route="/v1/users/{user_id}/artwork",status="200"} 1.0' in text
    assert 'artwork_picks_total{policy="thompson",source="personalized"} 2.0' in text
    assert 'artwork_picks_total{policy="beta",source="popularity"} 1.0' in text
    assert "artwork_generation 5.0" in text
    assert "artwork_store_up 1.0" in text


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
    assert client.get("/docs").status_code == 200


def test_two_applications_share_no_numbers(client: Client) -> None:
    client.get("/livez")
    with Client(MemoryStore()) as other:
        assert "/livez" not in other.get("/metrics").text
