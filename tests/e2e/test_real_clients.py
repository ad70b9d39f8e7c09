"""Clients and load generators as people have them, each in its usual ways: every answer is the slow path's, and none is missing.

Between a client and the service is a tap, so that also the answers of those that show none are compared.
"""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import httpx
import pytest
import requests
from tapped import HANG_SECONDS, tapped
from wire import Answer

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.service_process import running_service
from artwork.bench.testbed.store_fixture import StoreFixture, publish

ASKED = 240
"""Requests of a load generator."""
CONNECTIONS = 4
SINGLE = "/v1/users/u7/titles/t3/artwork"
PAGE = "/v1/users/u8/artwork?title_id=t1&title_id=t0&title_id=unknown"
COLD = "/v1/users/nobody/titles/t3/artwork?country=NL&hour=7"
NOWHERE = "/v1/users/u7/titles/unknown/artwork"
PATHS = (SINGLE, PAGE, COLD)


@dataclass(frozen=True)
class Service:
    """A running service, and the bodies of its slow path."""

    port: int
    bodies: dict[str, bytes]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """On a busy machine it waits for its store, so that an answer is always that of the row."""
    with TemporaryDirectory() as folder, BreakableStore(Path(folder), forgets=True) as store:
        with store.client() as client:
            publish(client, StoreFixture(users=20, titles=5), 1, 1)
        settings = {"ARTWORK_REDIS_URL": store.url, "ARTWORK_STORE_DEADLINE_MS": "20000"}
        with running_service(Path(folder), settings=settings) as address:
            # A request that closes its connection is not plain.
            asked = {path: httpx.get(f"{address}{path}", headers={"Connection": "close"}) for path in (*PATHS, NOWHERE)}
            assert [asked[path].status_code for path in PATHS] == [200] * len(PATHS)
            assert [json.loads(asked[path].content).get("source") for path in PATHS] == [
                "personalized",
                None,
                "popularity",
            ]
            yield Service(int(address.rpartition(":")[2]), {path: asked[path].content for path in asked})


def urls_at(port: int, paths: Sequence[str] = PATHS) -> list[str]:
    return [f"http://127.0.0.1:{port}{path}" for path in paths]


def run(*words: str) -> str:
    """What a program prints; it ends well."""
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=HANG_SECONDS)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


# --- load generators: what each reports, as (answers of 2xx, all else that it counts) ---------------------------------


def hey(url: str, *words: str) -> tuple[int, int]:
    told = run("hey", "-n", str(ASKED), "-c", str(CONNECTIONS), *words, url)
    counts = {int(status): int(count) for status, count in re.findall(r"\[(\d{3})\]\t(\d+) responses", told)}
    return counts.pop(200, 0), sum(counts.values()) + told.count("Error distribution")


def h2load(url: str, *words: str) -> tuple[int, int]:
    told = run("h2load", "--h1", "-n", str(ASKED), "-c", str(CONNECTIONS), *words, url)
    succeeded, *others = map(
        int, _figures(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", told)
    )
    [good] = map(int, _figures(r"status codes: (\d+) 2xx", told))
    assert good == succeeded
    return good, sum(others)


def ab(url: str, *words: str) -> tuple[int, int]:
    told = run("ab", "-q", "-n", str(ASKED), "-c", str(CONNECTIONS), *words, url)
    complete, failed = (int(_figures(rf"{name} requests:\s+(\d+)", told)[0]) for name in ("Complete", "Failed"))
    return complete - failed, failed + told.count("Non-2xx responses")


def autocannon(url: str, *words: str) -> tuple[int, int]:
    told = json.loads(run("autocannon", "-j", "-n", "-c", str(CONNECTIONS), *words, url))
    return told["2xx"], sum(told[name] for name in ("non2xx", "errors", "timeouts", "mismatches"))


def _figures(pattern: str, told: str) -> tuple[str, ...]:
    match = re.search(pattern, told)
    assert match is not None, told
    return match.groups()


@pytest.mark.parametrize("path", [SINGLE, PAGE], ids=["single", "page"])
@pytest.mark.parametrize(
    ("generator", "words"),
    [
        (hey, ()),
        (hey, ("-disable-keepalive",)),
        (hey, ("-disable-compression", "-H", "Origin: https://shop.example")),
        (h2load, ()),
        (h2load, ("-m", "8")),
        (h2load, ("-H", "Accept-Encoding: gzip")),
        (ab, ()),
        (ab, ("-k",)),
        (ab, ("-k", "-H", "Connection: keep-alive")),
        (autocannon, ("-a", str(ASKED))),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value.__name__,
)
def test_a_load_generator_counts_every_request_as_answered_rightly(
    service: Service, generator: Callable[..., tuple[int, int]], words: tuple[str, ...], path: str
) -> None:
    with tapped(service.port) as tap:
        [url] = urls_at(tap.port, [path])
        assert generator(url, *words) == (ASKED, 0)
    assert_right(tap.answers, service.bodies[path])
    assert len(tap.answers) == ASKED


@pytest.mark.parametrize("path", [SINGLE, PAGE], ids=["single", "page"])
@pytest.mark.parametrize("words", [(), ("-D", "7")], ids=["kept", "reconnecting"])
def test_autocannon_reads_pipelined_answers_with_the_body_that_it_expects(
    service: Service, words: tuple[str, ...], path: str
) -> None:
    with tapped(service.port) as tap:
        [url] = urls_at(tap.port, [path])
        # For a time: of a number of requests, autocannon does not wait for those that are last in the pipeline.
        good, others = autocannon(url, "-d", "1", "-p", "10", "-E", service.bodies[path].decode(), *words)
    assert good > ASKED
    assert others == 0
    assert_right(tap.answers, service.bodies[path])
    assert len(tap.answers) >= good


def assert_right(answers: Sequence[Answer], body: bytes) -> None:
    """Every answer is 200 and has the body."""
    wrong = [answer for answer in answers if (answer.status, answer.body) != (200, body)]
    assert not wrong, (len(wrong), wrong[0])


# --- curl ------------------------------------------------------------------------------------------------------------


CLOSING = (("--http1.0",), ("--http2",), ("-H", "Connection: close"))
"""Each answer ends its connection; also one to an offer to change to HTTP/2, because bytes of another protocol may follow it."""
KEEPING = (
    *((), ("--compressed",), ("--tr-encoding",), ("-A", "")),
    *(("-H", "Host: art.example"), ("-H", "X-Empty;"), ("-H", "Connection: keep-alive")),
)


@pytest.mark.parametrize("words", [*KEEPING, *CLOSING], ids=" ".join)
def test_curl_shows_the_same_bodies_and_stays_connected_unless_it_asked_otherwise(
    service: Service, words: tuple[str, ...]
) -> None:
    with tapped(service.port) as tap:
        told = run("curl", "-sS", "--fail", "--max-time", "20", *words, *urls_at(tap.port, PATHS * 2))
    assert told.encode() == b"".join(service.bodies[path] for path in PATHS * 2)
    assert len(tap.conversations) == (2 * len(PATHS) if words in CLOSING else 1)


def test_curl_reads_an_unknown_title_between_others_and_stays_connected(service: Service) -> None:
    asked = (SINGLE, NOWHERE, PAGE, NOWHERE, SINGLE)
    with tapped(service.port) as tap:
        told = run("curl", "-sS", "--max-time", "20", "-w", r"\n%{http_code}\n", *urls_at(tap.port, asked))
    lines = [line for path in asked for line in (service.bodies[path].decode(), "404" if path == NOWHERE else "200")]
    assert told.splitlines() == lines
    assert len(tap.conversations) == 1


# --- libraries of Python ---------------------------------------------------------------------------------------------


def by_requests(port: int) -> list[tuple[int, bytes]]:
    with requests.Session() as session:
        session.trust_env = False
        return [(answer.status_code, answer.content) for url in urls_at(port) * 20 for answer in [session.get(url)]]


def by_httpx(port: int) -> list[tuple[int, bytes]]:
    with httpx.Client(trust_env=False) as client:
        return [(answer.status_code, answer.content) for url in urls_at(port) * 20 for answer in [client.get(url)]]


def by_httpx_at_once(port: int) -> list[tuple[int, bytes]]:
    async def ask() -> list[tuple[int, bytes]]:
        limits = httpx.Limits(max_connections=CONNECTIONS)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=HANG_SECONDS) as client:
            answers = await asyncio.gather(*(client.get(url) for url in urls_at(port) * 20))
            return [(answer.status_code, answer.content) for answer in answers]

    return asyncio.run(ask())


def by_aiohttp_at_once(port: int) -> list[tuple[int, bytes]]:
    async def ask_one(session: aiohttp.ClientSession, url: str) -> tuple[int, bytes]:
        async with session.get(url) as answer:
            return answer.status, await answer.read()

    async def ask() -> list[tuple[int, bytes]]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
            return await asyncio.gather(*(ask_one(session, url) for url in urls_at(port) * 20))

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "ask", [by_requests, by_httpx, by_httpx_at_once, by_aiohttp_at_once], ids=lambda ask: ask.__name__
)
def test_a_library_of_python_reads_the_same_bodies_on_connections_that_it_keeps(
    service: Service, ask: Callable[[int], list[tuple[int, bytes]]]
) -> None:
    with tapped(service.port) as tap:
        found = ask(tap.port)
    assert found == [(200, service.bodies[path]) for path in PATHS] * 20
    assert len(tap.conversations) <= CONNECTIONS
