"""The servers that are measured, each a process of its own, one worker on the server's core."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from artwork.bench.serving import bare as bare_application
from artwork.bench.serving.naive import STORE_VARIABLE
from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.service_process import HOST, free_port, get, is_up, running_process, service_words

OURS, BEFORE, NAIVE, MODELLED, WEBDIS = "ours", "before", "naive", "modelled", "webdis"
UVICORN, GRANIAN, FASTPYSGI = "uvicorn", "granian", "fastpysgi"
PORT: Final = "PORT"
_UVICORN_FAST: Final = (
    *("--loop", "uvloop", "--http", "httptools", "--ws", "none"),
    *("--no-access-log", "--log-level", "warning"),
)
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


Maker = Callable[[BreakableStore, Path, int], Command]
"""A store, a folder of the server's own, a port: how to start a server."""


@dataclass(frozen=True)
class Running:
    """A server that answers: its port, its process, how long its start took, and whether it never rests.

    One that never rests takes half of a core from each other server on it: it runs while it is asked, and is stopped else.
    """

    port: int
    pid: int
    ready_seconds: float
    spins: bool = False

    def stop(self) -> None:
        """Stop it where it never rests, until it is ``asked``."""
        if self.spins:
            os.kill(self.pid, signal.SIGSTOP)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Let it run for as long as the block lasts."""
        if self.spins:
            os.kill(self.pid, signal.SIGCONT)
        try:
            yield
        finally:
            self.stop()

    def get(self, path: str) -> tuple[int, bytes]:
        """One answer on a connection of its own.

        Raises:
            OSError, HTTPException: it does not answer.
        """
        with self.asked():
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


def before(tree: Path) -> Maker:
    """``ours`` by the code of another working tree, with this interpreter."""

    def make(store: BreakableStore, folder: Path, port: int) -> Command:
        command = ours(store, folder, port)
        return Command(command.words, command.ready_path, {**command.variables, "PYTHONPATH": str(tree)})

    return make


def bare(*words: str) -> Maker:
    """A server of the module ``bare``: an interpreter's words, in which PORT stands for the port."""

    def make(store: BreakableStore, _folder: Path, port: int) -> Command:
        named = [str(port) if word == PORT else word for word in words]
        variables = {"ARTWORK_REDIS_URL": store.url}
        return Command([sys.executable, "-P", "-m", *named], "/v1/users/u0/titles/t0/artwork", variables)

    return make


def webdis(store: BreakableStore, folder: Path, port: int) -> Command:
    """The store's own protocol over HTTP, in C, one thread, over TCP."""
    settings = {"redis_host": HOST, "redis_port": store.port, "http_host": HOST, "http_port": port, "daemonize": False}
    settings |= {"threads": 1, "pool_size": WEBDIS_CONNECTIONS, "verbosity": 0, "logfile": str(folder / "webdis.log")}
    configuration = folder / "webdis.json"
    configuration.write_text(json.dumps(settings), encoding="utf-8")
    return Command(["webdis", str(configuration)], "/PING")


COMMANDS: Final[Mapping[str, Maker]] = {OURS: ours, NAIVE: naive, MODELLED: modelled, WEBDIS: webdis}

_BARE: Final = f"{bare_application.__name__}:app"
_GRANIAN: Final = ("--interface", "asgi", "--http", "1", "--no-ws", "--loop", "uvloop", "--log-level", "warning")
BARE_COMMANDS: Final[Mapping[str, Maker]] = {
    UVICORN: bare("uvicorn", _BARE, "--host", HOST, "--port", PORT, *_UVICORN_FAST),
    GRANIAN: bare("granian", _BARE, "--host", HOST, "--port", PORT, *_GRANIAN),
    FASTPYSGI: bare(bare_application.__name__, HOST, PORT),
}
"""The service's look-up below the least of ASGI, on each server that could carry it."""


def is_installed(name: str) -> bool:
    """Whether a server can be started here; all but webdis, granian and fastpysgi come with the package."""
    if name in {GRANIAN, FASTPYSGI}:
        return find_spec(name) is not None
    return name != WEBDIS or shutil.which("webdis") is not None


@contextmanager
def running(
    name: str, store: BreakableStore, core: int | None, commands: Mapping[str, Maker] = COMMANDS
) -> Iterator[Running]:
    """A server on its core until the block ends.

    Raises:
        SurroundingsError: it ends at its start, or does not answer in time; the message ends with what it wrote.
    """
    port = free_port()
    with TemporaryDirectory() as folder:
        command = commands[name](store, Path(folder), port)
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
            server = Running(port, process.pid, time.perf_counter() - began, spins=name == FASTPYSGI)
            try:
                server.stop()
                yield server
            finally:
                if server.spins and process.poll() is None:
                    process.send_signal(signal.SIGCONT)  # a process that is stopped is not ended by being asked to end


def _uvicorn(factory: str, port: int) -> list[str]:
    application = f"artwork.bench.serving.naive:{factory}"
    return [
        sys.executable,
        "-P",
        "-m",
        "uvicorn",
        application,
        "--factory",
        "--host",
        HOST,
        "--port",
        str(port),
        *_UVICORN_FAST,
    ]
