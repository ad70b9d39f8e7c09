"""A browser's own fetch against the look-up service, from a page of the service itself and from a page of another origin."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.service_process import HOST, free_port, running_service
from artwork.bench.testbed.store_fixture import StoreFixture, publish

PATHS = ("/v1/users/u7/titles/t3/artwork", "/v1/users/u8/artwork?title_id=t1&title_id=t0")
ASKED = 40
"""At once, of each path: more than the browser opens connections for."""
FETCH = """async ([origin, paths, times]) => {
    const read = async path => { const answer = await fetch(origin + path); return [answer.status, await answer.text()]; };
    return Promise.all(Array.from({length: times}, () => paths).flat().map(read));
}"""


@pytest.fixture(scope="module")
def services() -> Iterator[tuple[int, int]]:
    """Ports of two services of one store; pages of the second may look up at the first."""
    with TemporaryDirectory() as folder, BreakableStore(Path(folder), forgets=True) as store:
        with store.client() as client:
            publish(client, StoreFixture(users=20, titles=5), 1, 1)
        asked, other = free_port(), free_port()
        settings = {"ARTWORK_REDIS_URL": store.url, "ARTWORK_STORE_DEADLINE_MS": "20000"}
        allowed = settings | {"ARTWORK_ALLOWED_ORIGINS": f"http://{HOST}:{other}"}
        with running_service(Path(folder), asked, allowed), running_service(Path(folder), other, settings):
            yield asked, other


@pytest.mark.parametrize("place", [0, 1], ids=["same-origin", "other-origin"])
def test_fetch_reads_the_bodies_of_the_slow_path(browser: Any, services: tuple[int, int], place: int) -> None:
    page = browser.new_page()
    try:
        page.goto(f"http://{HOST}:{services[place]}/livez")
        found = page.evaluate(FETCH, [f"http://{HOST}:{services[0]}", PATHS, ASKED])
    finally:
        page.close()
    assert found == [[200, slowly(services[0], path)] for path in PATHS] * ASKED


def test_fetch_from_a_page_that_is_not_allowed_is_kept_from_the_answer(browser: Any, services: tuple[int, int]) -> None:
    page = browser.new_page()
    try:
        page.goto(f"http://{HOST}:{services[0]}/livez")
        with pytest.raises(Exception, match="Failed to fetch"):
            page.evaluate(FETCH, [f"http://{HOST}:{services[1]}", PATHS, 1])
    finally:
        page.close()


def slowly(port: int, path: str) -> str:
    """The body of a request that ends its connection, which is not plain; it is JSON."""
    connection = HTTPConnection(HOST, port, timeout=30)
    connection.request("GET", path, headers={"Connection": "close"})
    body = connection.getresponse().read().decode()
    assert json.loads(body)["user_id"]
    return body
