"""A service as a process of its own beside a store that tests break."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from shell import environment
from visitors import HANG_SECONDS

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.service_process import free_port

DEADLINE_MS = 40
"""Of a store read: far enough from 250 ms, and long enough that a busy machine does not miss it all the time."""
POLL_SECONDS = 0.05
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Service:
    """A running service: where it answers, and what it has logged."""

    address: str
    log: Path

    def get(self, path: str) -> httpx.Response:
        """Ask once, on a connection of its own."""
        return httpx.get(self.address + path, timeout=HANG_SECONDS)

    def degraded(self) -> list[str]:
        """What ``/readyz`` says is wrong."""
        return list(self.get("/readyz").json()["degraded"])

    def total(self, name: str, **labels: str) -> float:
        """A metric, summed over the labels that are not named."""
        families = text_string_to_metric_families(self.get("/metrics").text)
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder for sockets, not pytest's: the path of a socket has 108 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        yield Path(folder)


@contextmanager
def new_store() -> Iterator[BreakableStore]:
    """A Valkey that runs until it is killed, at the latest at the end of the block."""
    with short_folder() as folder, BreakableStore(folder) as store:
        yield store


@contextmanager
def running_service(workspace: Path, store_url: str, **settings: str) -> Iterator[Service]:
    """``artwork serve`` on a free port; back when it is alive, whatever the store does.

    Args:
        workspace: where it keeps its catalogue.
        store_url: of its store.
        settings: in small letters and without their prefix.
    """
    port, log = free_port(), workspace / "service.log"
    given = {
        "redis_url": store_url,
        "poll_seconds": str(POLL_SECONDS),
        "store_deadline_ms": str(DEADLINE_MS),
    } | settings
    variables = environment(**{f"ARTWORK_{name.upper()}": value for name, value in given.items()})
    command = [sys.executable, "-m", "artwork.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--workspace", str(workspace)], stdout=output, stderr=output, env=variables
        )
        try:
            service = Service(f"http://127.0.0.1:{port}", log)
            until(lambda: _is_alive(service, process), f"alive; its log: {log}")
            yield service
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def until(what: Callable[[], bool], hope: str) -> None:
    """Ask until it is so."""
    give_up = time.monotonic() + HANG_SECONDS
    while not what():
        assert time.monotonic() < give_up, f"it never came to be: {hope}"
        time.sleep(0.01)


def _is_alive(service: Service, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, service.log.read_text()
    try:
        return service.get("/livez").status_code == 200
    except httpx.TransportError:
        return False
