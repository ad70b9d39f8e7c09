"""One job at a time in a workspace: two that learn, choose or publish at once would each undo what the other relies on."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO

from bandit.errors import SurroundingsError
from batch.workspace.workspace import Workspace


@contextmanager
def only_job(workspace: Workspace, name: str) -> Iterator[None]:
    """Hold the workspace for a job, for as long as the block lasts; a process that dies lets go of it.

    Args:
        workspace: that the job changes. One that is not there is left to the job to refuse.
        name: of the job, for the message of whoever comes second.

    Raises:
        SurroundingsError: another process is at work in the workspace; or the lock cannot be written.
    """
    if not workspace.root.is_dir():
        yield
        return
    try:
        file = workspace.lock.open("a+b")
    except OSError as error:
        raise SurroundingsError(f"cannot write {workspace.lock}: {error.strerror}; check the permissions") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SurroundingsError(
                f"{_holder(file)} is at work in {workspace.root}, and two jobs at once would be in each other's way;"
                " nothing was done: wait until it has ended, or stop it"
            ) from None
        except OSError as error:
            raise SurroundingsError(f"cannot lock {workspace.lock}: {error.strerror}; use a local disk") from error
        _sign(file, {"pid": os.getpid(), "job": name, "since": datetime.now(UTC).isoformat(timespec="seconds")})
        yield


def _sign(file: IO[bytes], holder: dict[str, object]) -> None:
    try:
        file.truncate(0)
        file.write(json.dumps(holder).encode() + b"\n")
        file.flush()
    except OSError as error:
        raise SurroundingsError(f"cannot write the workspace's lock: {error.strerror}; check the disk") from error


def _holder(file: IO[bytes]) -> str:
    """Who holds the lock, as far as it has said so."""
    try:
        file.seek(0)
        holder = json.loads(file.read(1000))
        return f"process {int(holder['pid'])} (`artwork {holder['job']}`, since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
