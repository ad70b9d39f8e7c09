"""The servers that are measured, each a process of its own, one worker on the server's core."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from artwork.bench.serving.naive import STORE_VARIABLE
from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.service_process import HOST, free_port, get, is_up, running_process, service_words

OURS, NAIVE, MODELLED, WEBDIS = "ours", "naive", "modelled", "webdis"
_POLL_SECONDS: Final = 0.005
_LOG_LINES: Final = 20
WEBDIS_CONNECTIONS: Final = 4
"""To the store; of 4, 8, 16 and 32 this answered most."""


@dataclass(frozen=True)
class Command:
    """How to start a server, and a path that it answers with less than 500 once it is up."""

    words: list[str]
    ready_path: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A server that answers: its port, its process, and how long its start took."""

    port: int
    pid: int
    ready_seconds: float

    def get(self, path: str) -> tuple[int, bytes]:
        """One answer on a connection of its own.

        Raises:
            OSError, HTTPException: it does not answer.
        """
        return get(self.port, path)

    def resident_bytes(self) -> int | None:
        """Its resident memory, shared pages included; None where the system does not say."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        except OSError:
            return None
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def ours(store: BreakableStore, folder: Path, port: int) -> Command:
    """The service, as ``artwork serve`` starts it, without settings but for the store."""
    return Command(service_words(folder, port), "/readyz", {"ARTWORK_REDIS_URL": store.url})


def naive(store: BreakableStore, _folder: Path, port: int) -> Command:
    """FastAPI, pydantic and redis-py; see the module of that name."""
    return Command(_uvicorn("create_app", port), "/v1/users/u0/titles/t0/artwork", {STORE_VARIABLE: store.url})


def modelled(_store: BreakableStore, _folder: Path, port: int) -> Command:
    """FastAPI that returns a model; see the module ``naive``."""
    return Command(_uvicorn("create_storeless_app", port), "/v1/users/u0/titles/t0/artwork")


def webdis(store: BreakableStore, folder: Path, port: int) -> Command:
    """The store's own protocol over HTTP, in C, one thread, over TCP."""
    settings = {"redis_host": HOST, "redis_port": store.port, "http_host": HOST, "http_port": port, "daemonize": False}
    settings |= {"threads": 1, "pool_size": WEBDIS_CONNECTIONS, "verbosity": 0, "logfile": str(folder / "webdis.log")}
    configuration = folder / "webdis.json"
    configuration.write_text(json.dumps(settings), encoding="utf-8")
    return Command(["webdis", str(configuration)], "/PING")


COMMANDS: Final[Mapping[str, Callable[[BreakableStore, Path, int], Command]]] = {
    OURS: ours,
    NAIVE: naive,
    MODELLED: modelled,
    WEBDIS: webdis,
}


def is_installed(name: str) -> bool:
    """Whether a server can be started here; all but webdis come with the package."""
    return name != WEBDIS or shutil.which("webdis") is not None


@contextmanager
def running(name: str, store: BreakableStore, core: int | None) -> Iterator[Running]:
    """A server on its core until the block ends.

    Raises:
        SurroundingsError: it ends at its start, or does not answer in time; the message ends with what it wrote.
    """
    port = free_port()
    with TemporaryDirectory() as folder:
        command = COMMANDS[name](store, Path(folder), port)
        # Without settings of this shell: every run measures the same service.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ARTWORK_")}
        began = time.perf_counter()
        with running_process(
            name,
            command.words,
            lambda: is_up(port, command.ready_path),
            environment | dict(command.variables),
            core=core,
            poll_seconds=_POLL_SECONDS,
            log_lines=_LOG_LINES,
        ) as process:
            yield Running(port, process.pid, time.perf_counter() - began)


def _uvicorn(factory: str, port: int) -> list[str]:
    fast = ["--loop", "uvloop", "--http", "httptools", "--ws", "none", "--no-access-log", "--log-level", "warning"]
    application = f"artwork.bench.serving.naive:{factory}"
    return [sys.executable, "-P", "-m", "uvicorn", application, "--factory", "--host", HOST, "--port", str(port), *fast]
