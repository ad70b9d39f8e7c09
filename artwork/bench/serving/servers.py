"""The servers that are measured, each a process of its own, one worker on the server's core."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

from artwork.bench.serving.naive import STORE_VARIABLE
from artwork.bench.testbed.cores import on_core
from artwork.bench.testbed.pinned_store import Store
from artwork.bench.testbed.service_process import free_port
from bandit.errors import SurroundingsError

HOST: Final = "127.0.0.1"
OURS, NAIVE, MODELLED, WEBDIS = "ours", "naive", "modelled", "webdis"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.005
_LOG_TAIL: Final = 2000
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
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def resident_bytes(self) -> int | None:
        """Its resident memory, shared pages included; None where the system does not say."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        except OSError:
            return None
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def ours(store: Store, folder: Path, port: int) -> Command:
    """The service, as ``artwork serve`` starts it, with settings of nobody's but for the store."""
    words = [sys.executable, "-P", "-m", "artwork.cli", "serve", "--host", HOST, "--port", str(port), "-w", str(folder)]
    return Command(words, "/readyz", {"ARTWORK_REDIS_URL": store.url})


def naive(store: Store, _folder: Path, port: int) -> Command:
    """FastAPI, pydantic and redis-py; see the module of that name."""
    return Command(_uvicorn("naive", port), "/v1/users/u0/titles/t0/artwork", {STORE_VARIABLE: store.url})


def modelled(_store: Store, _folder: Path, port: int) -> Command:
    """FastAPI that returns a model; see the module of that name."""
    return Command(_uvicorn("modelled", port), "/v1/users/u0/titles/t0/artwork")


def webdis(store: Store, folder: Path, port: int) -> Command:
    """The store's own protocol over HTTP, in C, one thread, over TCP."""
    told = {"redis_host": HOST, "redis_port": store.port, "http_host": HOST, "http_port": port, "daemonize": False}
    told |= {"threads": 1, "pool_size": WEBDIS_CONNECTIONS, "verbosity": 0, "logfile": str(folder / "webdis.log")}
    configuration = folder / "webdis.json"
    configuration.write_text(json.dumps(told), encoding="utf-8")
    return Command(["webdis", str(configuration)], "/PING")


COMMANDS: Final[Mapping[str, Callable[[Store, Path, int], Command]]] = {
    OURS: ours,
    NAIVE: naive,
    MODELLED: modelled,
    WEBDIS: webdis,
}


def is_installed(name: str) -> bool:
    """Whether a server can be started here; all but webdis come with the package."""
    return name != WEBDIS or shutil.which("webdis") is not None


@contextmanager
def running(name: str, store: Store, core: int | None) -> Iterator[Running]:
    """A server on its core until the block ends.

    Raises:
        SurroundingsError: it ends at its start, or does not answer in time; the message ends with what it wrote.
    """
    port = free_port()
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        command = COMMANDS[name](store, Path(folder), port)
        began = time.perf_counter()
        with on_core(core):
            process = _start(command, Path(folder), log)
        try:
            _wait_until_ready(name, Running(port, process.pid, 0.0), command, process, log)
            yield Running(port, process.pid, time.perf_counter() - began)
        finally:
            _stop(process)


def _uvicorn(module: str, port: int) -> list[str]:
    fast = ["--loop", "uvloop", "--http", "httptools", "--ws", "none", "--no-access-log", "--log-level", "warning"]
    application = f"artwork.bench.serving.{module}:create_app"
    return [sys.executable, "-P", "-m", "uvicorn", application, "--factory", "--host", HOST, "--port", str(port), *fast]


def _start(command: Command, folder: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    # Without settings of this shell: every run measures the same service. A session of its own: Ctrl-C reaches the bench.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARTWORK_")}
    return subprocess.Popen(  # noqa: S603 - our own commands, no shell
        command.words,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment | dict(command.variables),
        start_new_session=True,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_ready(
    name: str, server: Running, command: Command, process: subprocess.Popen[bytes], log: IO[bytes]
) -> None:
    give_up = time.monotonic() + START_SECONDS
    while not _answers(server, command.ready_path):
        if process.poll() is not None:
            raise SurroundingsError(f"{name} ended with code {process.returncode} at its start:\n{_tail(log)}")
        if time.monotonic() > give_up:
            raise SurroundingsError(f"{name} did not answer within {START_SECONDS:g} s:\n{_tail(log)}")
        time.sleep(POLL_SECONDS)


def _answers(server: Running, path: str) -> bool:
    try:
        return server.get(path)[0] < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-_LOG_TAIL:].strip()
