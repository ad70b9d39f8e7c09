"""Locks of a workspace, each a file that the system lets go of with the process that holds it.

One job at a time: two that learn, choose or publish at once would each undo what the other relies on.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

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
    with ExitStack() as stack:
        file = _locked(workspace, stack)
        # Removed while it is held: a job that is refused leaves nothing behind.
        stack.callback(workspace.lock.unlink, missing_ok=True)
        holder = {"pid": os.getpid(), "job": name, "since": datetime.now(UTC).isoformat(timespec="seconds")}
        sign(file, workspace.lock, json.dumps(holder) + "\n")
        yield


def _locked(workspace: Workspace, stack: ExitStack) -> FileIO:
    """The lock of jobs, held until the stack ends; taken anew where the job before removed what was just locked."""
    while True:
        with ExitStack() as attempt:
            file = attempt.enter_context(opened_lock(workspace.lock))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SurroundingsError(
                    f"{_holder(file)} is at work in {workspace.root}, and two jobs at once would be in each other's way;"
                    " nothing was done: wait until it has ended, or stop it"
                ) from None
            except OSError as error:
                raise SurroundingsError(f"cannot lock {workspace.lock}: {error.strerror}; use a local disk") from error
            with suppress(FileNotFoundError):
                if os.path.samestat(workspace.lock.stat(), os.fstat(file.fileno())):
                    stack.push(attempt.pop_all())
                    return file


@contextmanager
def opened_lock(path: Path) -> Iterator[FileIO]:
    """The file of a lock, which is not locked yet; its folder is made where it is not there.

    Raises:
        SurroundingsError: it cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer: closing a file would write what a full disk has refused once more, and raise.
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise SurroundingsError(
            f"cannot write {path}: {error.strerror}; check the folder's permissions and the disk"
        ) from error
    with file:
        yield file


def sign(file: FileIO, path: Path, holder: str) -> None:
    """Say in the file of a lock who holds it.

    Raises:
        SurroundingsError: the disk does not take it.
    """
    try:
        file.truncate(0)
        file.write(holder.encode())
    except OSError as error:
        raise SurroundingsError(f"cannot write {path}: {error.strerror}; check the disk") from error


def _holder(file: FileIO) -> str:
    """Who holds the lock, as far as it has said so."""
    try:
        file.seek(0)
        holder = json.loads(file.read(1000))
        return f"process {int(holder['pid'])} (`artwork {holder['job']}`, since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
