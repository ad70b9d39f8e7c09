"""What belongs to this user alone: folders, files, and the other end of a socket.

Everything here looks at names without following links. A folder is only trusted together with the folders above it: whoever
may rename one of those could put another in its place between the look and the use.
"""

import os
import socket
import stat
import struct
from pathlib import Path
from typing import NamedTuple

from bandit.errors import SurroundingsError

_CONNECT_SECONDS = 2.0


class Peer(NamedTuple):
    """The process at the other end of a socket, as the kernel says; a number is None where this system does not say it."""

    pid: int | None
    uid: int | None


def private_fault(status: os.stat_result, uid: int) -> str | None:
    """Why a folder is not one of this user alone; None if it is.

    Args:
        status: what ``lstat`` says of it.
        uid: of this user.
    """
    if fault := _no_folder(status):
        return fault
    if status.st_uid != uid:
        return f"belongs to another user (uid {status.st_uid})"
    if status.st_mode & 0o077:
        return f"is open to other users (mode {stat.S_IMODE(status.st_mode):o}, expected 700)"
    return None


def ancestor_fault(status: os.stat_result, uid: int) -> str | None:
    """Why others could replace what is in a folder; None if only this user and root could.

    Args:
        status: what ``lstat`` says of it.
        uid: of this user.
    """
    if fault := _no_folder(status):
        return fault
    if status.st_uid not in {0, uid}:
        return f"belongs to another user (uid {status.st_uid}), who could replace what is in it"
    if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
        return f"lets other users replace what is in it (mode {stat.S_IMODE(status.st_mode):o} without the sticky bit)"
    return None


def file_fault(status: os.stat_result, uid: int, *, may_have_names: bool = False) -> str | None:
    """Why a file is not one that only this user has; None if it is.

    Args:
        status: what ``lstat`` or ``fstat`` says of it.
        uid: of this user.
        may_have_names: whether other names of the file, which may lie in folders of others, are no fault.
    """
    if stat.S_ISLNK(status.st_mode):
        return "is a link, expected a file"
    if not stat.S_ISREG(status.st_mode):
        return "is not a plain file"
    if status.st_uid != uid:
        return f"belongs to another user (uid {status.st_uid})"
    if status.st_nlink > 1 and not may_have_names:
        return f"has {status.st_nlink} names (hard links), so that others may share it"
    return None


def make_private(folder: Path) -> None:
    """Make a folder of this user alone, whatever the umask; one that is there stays as it is, and is not yet trusted.

    Raises:
        OSError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    folder.chmod(0o700)


def make_runtime(folder: Path) -> None:
    """Make a runtime folder and its parent, or trust those that are there.

    Raises:
        SurroundingsError: they cannot be made, or somebody else could be behind them.
    """
    try:
        make_private(folder.parent)
        make_private(folder)
    except OSError as error:
        # A parent of another user, or a link to nothing, is told as what it is.
        check_runtime(folder)
        raise SurroundingsError(
            f"cannot make the runtime folder {folder}: {error.strerror}; {_OTHER_RUNTIME}"
        ) from error
    check_runtime(folder)


def check_runtime(folder: Path) -> bool:
    """Whether a runtime folder is there; if it is, it and its parent are of this user alone, and nobody else can replace them.

    Args:
        folder: absolute, without links.

    Raises:
        SurroundingsError: somebody else could be behind it.
    """
    uid = os.getuid()
    for path in [*reversed(folder.parents), folder]:
        try:
            status = path.lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise SurroundingsError(f"cannot look at the runtime folder {folder}: {error}; {_OTHER_RUNTIME}") from error
        is_own = path in {folder, folder.parent}
        if fault := (private_fault if is_own else ancestor_fault)(status, uid):
            raise SurroundingsError(f"{path} {fault}; nothing was read from or sent to it: {_REMEDY[is_own]}")
    return True


_OTHER_RUNTIME = "set XDG_RUNTIME_DIR to a folder of your own with mode 700"
_REMEDY = {True: f"remove it, or {_OTHER_RUNTIME}", False: _OTHER_RUNTIME}


def peer_of(path: Path) -> Peer | None:
    """Who listens at a socket in a checked runtime folder; None if nobody does.

    Raises:
        SurroundingsError: it is no socket, another user listens, or no connection is taken.
    """
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISSOCK(mode):
            raise SurroundingsError(f"{path} is {'a link' if stat.S_ISLNK(mode) else 'no socket'}; remove it")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_CONNECT_SECONDS)
            probe.connect(str(path))
            peer = _credentials(probe)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except OSError as error:
        raise SurroundingsError(
            f"the store at {path} takes no connection: {error}; is it stopped or overloaded?"
        ) from error
    if peer.uid not in {None, os.getuid()}:
        raise SurroundingsError(f"the server at {path} belongs to another user (uid {peer.uid}); {_OTHER_RUNTIME}")
    return peer


def open_private(path: Path, flags: int, *, only_to_look: bool = False) -> int:
    """A file of this user alone as a descriptor, made if ``O_CREAT`` says so, with mode 600; links are not followed.

    Args:
        path: of the file.
        flags: of ``os.open``.
        only_to_look: nothing is written, so that a second name of the file is no fault.

    Raises:
        FileNotFoundError: it is not there and is not to be made.
        SurroundingsError: it is a link, a pipe or a folder, belongs to another user, has a second name, or cannot be opened.
    """
    try:
        # Without O_NONBLOCK, opening a pipe that somebody put there would wait for its other end.
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        why = "is a link, expected a file" if path.is_symlink() else f"cannot be opened: {error.strerror}"
        raise SurroundingsError(f"{path} {why}; remove it") from error
    fault = file_fault(os.fstat(handle), os.getuid(), may_have_names=only_to_look)
    if fault is not None:
        os.close(handle)
        raise SurroundingsError(f"{path} {fault}; remove it")
    if not only_to_look:
        os.fchmod(handle, 0o600)
    return handle


def _no_folder(status: os.stat_result) -> str | None:
    if stat.S_ISLNK(status.st_mode):
        return "is a link, expected a folder"
    return None if stat.S_ISDIR(status.st_mode) else "is not a folder"


def _credentials(connected: socket.socket) -> Peer:
    if not hasattr(socket, "SO_PEERCRED"):  # not Linux: the folder is what protects the socket
        return Peer(None, None)
    pid, uid, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return Peer(pid or None, uid)  # 0 stands for a process that this one cannot see
