"""A look-up service as a process of its own, for commands that need one for a while."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from urllib.request import ProxyHandler, build_opener

from bandit.errors import SurroundingsError

START_SECONDS = 60
STOP_SECONDS = 20
POLL_SECONDS = 0.05
LOG_TAIL = 2000


@contextmanager
def running_service(
    workspace: Path, port: int | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The address of a look-up service of a workspace that lives as long as the context.

    Args:
        workspace: whose store and kept catalogue it uses.
        port: to listen on; None takes a free one.
        settings: ``ARTWORK_*`` variables on top of the environment.

    Raises:
        SurroundingsError: it ends at its start, or is not ready in time; the message ends with what it wrote.
    """
    wanted = str(port or free_port())
    command = [
        sys.executable,
        "-P",
        "-m",
        "artwork.cli",
        "serve",
        "--host",
        "127.0.0.1",
        "--port",
        wanted,
        "-w",
        str(workspace),
    ]
    with TemporaryFile() as log, _stopped_afterwards(command, log, dict(os.environ) | dict(settings or {})) as process:
        address = f"http://127.0.0.1:{wanted}"
        _wait_until_ready(address, process, log)
        yield address


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _stopped_afterwards(
    command: list[str], log: IO[bytes], environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    # A session of its own: Ctrl-C reaches the command, which then stops the service in its order.
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)  # noqa: S603 - our own command, no shell
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_ready(address):
        if process.poll() is not None:
            raise SurroundingsError(f"the service ended with code {process.returncode} at its start: {_tail(log)}")
        if time.monotonic() > deadline:
            raise SurroundingsError(f"the service was not ready within {START_SECONDS} s: {_tail(log)}")
        time.sleep(POLL_SECONDS)


def _is_ready(address: str) -> bool:
    try:
        build_opener(ProxyHandler({})).open(f"{address}/readyz", timeout=5).close()
    except OSError:
        return False
    return True


def _tail(log: IO[bytes]) -> str:
    """The last line that it wrote, which says why it ended."""
    log.seek(0)
    return (log.read().decode(errors="replace")[-LOG_TAIL:].strip().splitlines() or ["it wrote nothing"])[-1]
