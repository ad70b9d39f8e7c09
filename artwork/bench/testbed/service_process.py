"""Servers as processes of their own, for commands and benches that need one for a while."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from artwork.bench.testbed.cores import on_core
from bandit.errors import SurroundingsError

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60
STOP_SECONDS: Final = 20
POLL_SECONDS: Final = 0.05
_LOG_BYTES: Final = 2000


@contextmanager
def running_service(
    workspace: Path, port: int | None = None, settings: Mapping[str, str] | None = None, core: int | None = None
) -> Iterator[str]:
    """The address of a look-up service of a workspace that lives as long as the context.

    Args:
        workspace: whose store and kept catalogue it uses.
        port: to listen on; None takes a free one.
        settings: ``ARTWORK_*`` variables on top of the environment.
        core: to run on; None for any.

    Raises:
        SurroundingsError: as ``running_process``.
    """
    port = port or free_port()
    environment = dict(os.environ) | dict(settings or {})
    with running_process(
        "the service", service_words(workspace, port), lambda: is_up(port, "/readyz"), environment, core=core
    ):
        yield f"http://{HOST}:{port}"


def service_words(workspace: Path, port: int) -> list[str]:
    """The command that serves a workspace on a port of loopback."""
    serve = ["serve", "--host", HOST, "--port", str(port), "-w", str(workspace)]
    return [sys.executable, "-P", "-m", "artwork.cli", *serve]


@contextmanager
def running_process(
    name: str,
    words: Sequence[str],
    is_ready: Callable[[], bool],
    environment: Mapping[str, str],
    *,
    core: int | None = None,
    poll_seconds: float = POLL_SECONDS,
    log_lines: int = 1,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ready, and is stopped at the end of the block.

    Args:
        name: what messages call it.
        words: of its command.
        is_ready: asked until it is.
        environment: of the process.
        core: to run on; None for any.
        poll_seconds: between two questions.
        log_lines: how many of the last lines that it wrote a message has.

    Raises:
        SurroundingsError: it ends at its start, or is not ready in time; the message ends with what it wrote.
    """
    with TemporaryFile() as log:
        with on_core(core):
            # A session of its own: Ctrl-C reaches the command, which then stops its processes in their order.
            process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        try:
            give_up = time.monotonic() + START_SECONDS
            while not is_ready():
                if process.poll() is not None:
                    raise SurroundingsError(
                        f"{name} ended with code {process.returncode} at its start: {_tail(log, log_lines)}"
                    )
                if time.monotonic() > give_up:
                    raise SurroundingsError(f"{name} was not ready within {START_SECONDS} s: {_tail(log, log_lines)}")
                time.sleep(poll_seconds)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of one answer, on a connection of its own.

    Raises:
        OSError, HTTPException: nothing answers.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def is_up(port: int, path: str) -> bool:
    """Whether a path is answered with less than 500."""
    try:
        return get(port, path)[0] < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _tail(log: IO[bytes], lines: int) -> str:
    """The last lines that it wrote, which say why it ended."""
    log.seek(0)
    written = log.read()[-_LOG_BYTES:].decode(errors="replace").strip().splitlines()
    return "\n".join(written[-lines:] or ["it wrote nothing"])
