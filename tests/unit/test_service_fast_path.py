"""The fast path of a look-up and the slow one: what the fast path takes, both answer alike."""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from asgi import SETTINGS, Client, problem_of, published
from hypothesis import given
from hypothesis import strategies as st

from service.http.fast_path import fast_answer, plain_titles
from service.http.state import Service
from service.lookup.store import MemoryStore

PLAIN = (
    "/v1/users/ann/titles/t0/artwork",
    "/v1/users/cold/titles/t1/artwork",
    "/v1/users/ann/titles/t0/artwork?country=NL&device=tv&campaign=x&hour=23",
    "/v1/users/ann/artwork?title_id=t0",
    "/v1/users/ann/artwork?title_id=t2&title_id=nope&title_id=t0&title_id=t2",
    "/v1/users/cold/artwork?hour=0&title_id=t0&country=NL&title_id=t1",
    "/v1/users/ann/artwork?title_id=t0&device=tv",
)
NOT_PLAIN = (
    "/v1/users/%61nn/titles/t0/artwork",
    "/v1/users/ann/titles/%74%30/artwork",
    "/v1/users/ann/titles/t0/artwork?country=a%20b",
    "/v1/users/ann/titles/t0/artwork?other=1",
    "/v1/users/ann/titles/t0/artwork?title_id=t0",
    "/v1/users/ann/artwork?title_id=%74%30",
    "/v1/users/ann/artwork?other=1&title_id=t0",
    "/v1/users/ann/artwork?hour=07&title_id=t0",
)
WRONG = (
    ("/v1/users/ann/titles/nope/artwork", 404),
    ("/v1/users/a$/titles/t0/artwork", 422),
    ("/v1/users/" + "a" * 65 + "/titles/t0/artwork", 422),
    ("/v1/users/ann/titles/t0/artwork?hour=24", 422),
    ("/v1/users/ann/titles/t0/artwork?hour=-1", 422),
    ("/v1/users/ann/titles/t0/artwork?country=", 422),
    ("/v1/users/ann/titles/t0/artwork?device=" + "d" * 65, 422),
    ("/v1/users/ann/artwork", 422),
    ("/v1/users/ann/artwork?title_id=", 422),
    ("/v1/users/ann/artwork?title_id=t0&title_id=" + "t" * 65, 422),
    ("/v1/users/ann/artwork?title_id=t0&hour=99", 422),
    ("/v1/users/ann/artwork?" + "&".join(["title_id=t0"] * 201), 422),
    ("/v1/users/ann", 404),
    ("/v1/users//titles/t0/artwork", 422),
    ("/v1%2Fx/users/ann/titles/t0/artwork", 404),
    ("/v1%2Fx/users/ann/artwork?title_id=t0", 404),
    ("/v1/", 404),
)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client(MemoryStore(published())) as client:
        yield client


def taken(service: Service, url: str) -> bytes | None:
    """The body that the fast path gives, or None where it leaves the request to the slow path."""
    path, _, query = url.partition("?")
    scope: Any = {"raw_path": path.encode(), "query_string": query.encode()}
    assert service.poller.serving is not None
    answer = asyncio.run(fast_answer(service.look_up, service.poller.serving, scope, SETTINGS.max_titles))
    return None if answer is None else answer[1]


def slow_path(client: Client, url: str) -> Any:
    """The answer of FastAPI's route, which gets what is percent-encoded."""
    return client.get(url.replace("/users/", "/%75sers/", 1))


@pytest.mark.parametrize("url", PLAIN)
def test_what_is_plain_is_answered_by_the_fast_path_as_by_the_slow_path(client: Client, url: str) -> None:
    body = taken(client.service, url)
    assert body is not None
    assert body == client.get(url).content == slow_path(client, url).content


@pytest.mark.parametrize("url", NOT_PLAIN)
def test_what_is_right_but_not_plain_is_answered_the_slow_path(client: Client, url: str) -> None:
    assert taken(client.service, url) is None
    assert client.get(url).status_code == 200


@pytest.mark.parametrize(("url", "status"), WRONG, ids=[url[:60] for url, _ in WRONG])
def test_what_is_wrong_is_refused_by_the_slow_path(client: Client, url: str, status: int) -> None:
    assert taken(client.service, url) is None
    problem_of(client.get(url), status)


IDS = st.one_of(st.sampled_from(("t0", "t1", "nope", "")), st.text(max_size=5))
PARTS = st.tuples(st.sampled_from(("title_id", "country", "device", "hour", "other")), st.one_of(IDS, st.just("7")))


@given(st.one_of(st.sampled_from(("ann", "cold")), st.text(max_size=66)), st.lists(PARTS, max_size=5))
def test_whatever_the_fast_path_takes_the_slow_path_answers_alike(
    client: Client, user_id: str, parts: list[tuple[str, str]]
) -> None:
    query = "&".join(f"{name}={quote(value, safe='~')}" for name, value in parts)
    for end in ("artwork", "titles/t0/artwork"):
        url = f"/v1/users/{quote(user_id, safe='~')}/{end}?{query}"
        body = taken(client.service, url)
        if body is not None:
            answer = slow_path(client, url)
            assert (answer.status_code, answer.content) == (200, body)


@pytest.mark.parametrize("query", [b"a&b", b"title_id", b"hour=5x", b"country=a+b", b"x=1&title_id=t"])
def test_a_query_of_anything_else_is_not_plain(query: bytes) -> None:
    assert plain_titles(query) is None or plain_titles(query) == [b""]


def test_requests_beyond_the_bound_are_refused_at_once_and_say_when_to_ask_again(client: Client) -> None:
    service = client.service
    service.in_progress = service.settings.max_waiting
    try:
        refused = client.get(PLAIN[0])
    finally:
        service.in_progress = 0
    assert problem_of(refused, 503)["type"].endswith("overloaded")
    assert refused.headers["retry-after"] == "1"
    assert client.get(PLAIN[0]).status_code == 200


def test_the_bound_holds_no_probe_up(client: Client) -> None:
    client.service.in_progress = client.service.settings.max_waiting
    try:
        assert client.get("/livez").status_code == 200
    finally:
        client.service.in_progress = 0


def test_a_request_that_ends_gives_its_place_back_whatever_came_of_it(client: Client) -> None:
    for url in (PLAIN[0], NOT_PLAIN[0], WRONG[0][0]):
        client.get(url)
    assert client.service.in_progress == 0
