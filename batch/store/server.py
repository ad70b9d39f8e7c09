"""Which server, if any, is the one of a store's folder.

Whether one runs is told by a lock on ``store/lock``, which the server inherits and holds as long as it lives: a process id
could by now be another process's, and a record may have been copied along with its workspace. Which one runs is told by the
server itself: it names the folder that it writes to.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bandit.errors import SurroundingsError
from bandit.urls import SOCKET_PATH_BYTES, socket_url
from batch.store.client import URL_VARIABLE, store_errors
from batch.store.private_files import check_runtime, file_fault, make_private, open_private, peer_of
from batch.workspace.files import write_json

_RECORD = "server.json"
_LOCK = "lock"
_SOCKET = "valkey.sock"
_RECORD_BYTES = 65_536
_FOLDER_BYTES = 1000  # a server that is asked for its folder has room for 1,024
_ASIDE = ".damaged-"


class Server(NamedTuple):
    """A process and its socket. As a record it is what the command that started a server wrote down: a hint, never more."""

    pid: int
    socket: Path


def store_folder(root: Path) -> Path:
    """Where the embedded Valkey of a workspace keeps its data; the same folder by whatever name the workspace is called."""
    return Path(os.path.realpath(root)) / "store"


def find_server(folder: Path) -> Server | None:
    """The server that writes to a store's folder, if one does and answers.

    Raises:
        SurroundingsError: it does not answer in time, or what is in its place is not this user's.
    """
    if not is_own_folder(folder):
        return None
    record = read_record(folder)
    if not is_held(folder) and not is_server(record, folder):
        return None
    own = socket_of(folder)
    for socket in [own] if record is None or record.socket == own else [record.socket, own]:
        if check_runtime(socket.parent) and (pid := asked(socket, folder)) is not None:
            return Server(pid, socket)
    return None


def asked(socket: Path, folder: Path) -> int | None:
    """The process id of the server at a socket in a checked folder, if it is this user's and ``folder`` is what it writes to.

    Raises:
        SurroundingsError: another user listens there, or there is no answer in time.
    """
    peer = peer_of(socket)
    if peer is None:
        return None
    with store_errors(socket_url(socket)), client_of(socket) as client:
        try:
            pid = peer.pid or int(client.info("server").get("process_id", 0))
            reply = client.execute_command("CONFIG", "GET", "dir")
        except redis.TimeoutError as error:
            raise SurroundingsError(_silent(Server(peer.pid or 0, socket), folder, error)) from error
        except redis.ConnectionError:
            return None
    value = reply[1] if isinstance(reply, list) and len(reply) == 2 else b""
    return pid if isinstance(value, bytes) and _is_same(Path(os.fsdecode(value)), folder) else None


def client_of(socket: Path) -> redis.Redis:
    """A client of the server at a socket; it does not try twice."""
    return redis.Redis(unix_socket_path=str(socket), protocol=2, socket_timeout=2.0, retry=Retry(NoBackoff(), 0))


def read_record(folder: Path) -> Server | None:
    """The record in a store's folder; None if it is missing or damaged."""
    # The runtime folder follows XDG_RUNTIME_DIR, which a login shell and a cron job see differently; the record does not.
    try:
        with os.fdopen(open_private(folder / _RECORD, os.O_RDONLY, only_to_look=True), "rb") as file:
            value: Any = json.loads(file.read(_RECORD_BYTES))
        pid, socket = value["pid"], Path(value["socket"])
        is_process = isinstance(pid, int) and not isinstance(pid, bool) and 1 < pid < 2**31
        return Server(pid, socket) if is_process and _is_runtime(socket) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SurroundingsError):
        return None


def write_record(folder: Path, record: Server) -> None:
    """Write down which server was started in a store's folder."""
    value = {"pid": record.pid, "socket": str(record.socket), "folder": str(folder)}
    write_json(folder / _RECORD, value, mode=0o600)


def is_server(record: Server | None, folder: Path) -> bool:
    """Whether the recorded process is a Valkey of this user that works in the folder; False where there is no /proc."""
    if record is None:
        return False
    process = Path(f"/proc/{record.pid}")
    try:
        return (
            process.stat().st_uid == os.getuid()
            and _is_same(process / "cwd", folder)
            and b"valkey" in (process / "cmdline").read_bytes()
        )
    except OSError:
        return False


def is_held(folder: Path) -> bool:
    """Whether a server, or a command that starts one, has the lock of a store's folder."""
    try:
        handle = open_private(folder / _LOCK, os.O_RDWR, only_to_look=True)
    except FileNotFoundError:
        return False
    try:
        return not _flock(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


@contextmanager
def locked(folder: Path) -> Iterator[int | None]:
    """The lock of a store's folder as a descriptor, or None if somebody else has it; a child that inherits it keeps it."""
    handle = open_private(folder / _LOCK, os.O_RDWR | os.O_CREAT)
    try:
        yield handle if _flock(handle, fcntl.LOCK_EX) else None
    finally:
        os.close(handle)


def unreachable(folder: Path) -> str:
    """Why a store's folder is taken though no server answers for it, and what to do."""
    record = read_record(folder)
    if record is not None and is_server(record, folder):
        return (
            f"the embedded store of {folder} runs as process {record.pid} but does not answer at {record.socket};"
            f" `artwork store stop --workspace {quote(str(folder.parent))}` ends it, then start again"
        )
    return (
        f"another process holds {folder / _LOCK} and no store answers: another command is starting the store, or it runs"
        f" where this command cannot see it, as in a container; `fuser -v {quote(str(folder / _LOCK))}` names it"
    )


def is_own_folder(folder: Path) -> bool:
    """Whether a store's folder is there; if it is, it is a real one of this user.

    Raises:
        SurroundingsError: it is a link, no folder, or another user's.
    """
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SurroundingsError(f"cannot look at {folder}: {error.strerror}; use a workspace of your own") from error
    if folder.is_symlink() or not folder.is_dir():
        raise SurroundingsError(
            f"{folder} is a link or no folder, expected a folder; move it away and start the store again"
        )
    if status.st_uid != os.getuid():
        raise SurroundingsError(
            f"{folder} belongs to another user (uid {status.st_uid}), whose store this is; use a workspace of your own,"
            f" or set {URL_VARIABLE} to a store that you may use"
        )
    return True


def make_store_folder(folder: Path) -> None:
    """Give a workspace its ``store/`` with mode 700, whatever the umask.

    Raises:
        OSError: it cannot be made.
        SurroundingsError: it is a link, no folder, or another user's, or its path is too long.
    """
    if len(os.fsencode(folder)) > _FOLDER_BYTES:
        raise SurroundingsError(
            f"the path of {folder} has {len(os.fsencode(folder))} bytes, and an embedded store takes at most"
            f" {_FOLDER_BYTES}; move the workspace, or set {URL_VARIABLE}"
        )
    make_private(folder)
    if is_own_folder(folder):
        folder.chmod(0o700)


def close_files(folder: Path) -> None:
    """Take the rights of others from the files that a server will open.

    Raises:
        SurroundingsError: one is not a plain file of this user alone: a link, say, that a server would write through.
    """
    uid = os.getuid()
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if _ASIDE not in name]  # nobody opens what was put aside
        for path in (Path(parent, name) for name in folders):
            if path.is_symlink() or path.lstat().st_uid != uid:
                raise SurroundingsError(f"{path} is a link or belongs to another user; remove it")
            path.chmod(0o700)
        for path in (Path(parent, name) for name in files if _ASIDE not in name):
            if fault := file_fault(path.lstat(), uid):
                raise SurroundingsError(f"{path} {fault}; put a copy in its place, or remove it")
            path.chmod(0o600)


def socket_of(folder: Path) -> Path:
    """The socket of a server that is started for a store's folder here and now.

    Raises:
        SurroundingsError: there is no folder that it could be in.
    """
    # By device and inode: a workspace that was moved keeps its socket, and a new one in its old place gets another.
    status = folder.stat()
    name = blake2b(f"{status.st_dev}:{status.st_ino}".encode(), digest_size=8).hexdigest()
    for base in (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("TMPDIR"), "/tmp"):  # noqa: S108 - the folder in it is private
        # One that is relative, is not there or may not be written cannot be meant; whether it can be trusted is another question.
        if base and os.path.isabs(base) and os.path.isdir(base) and os.access(base, os.W_OK | os.X_OK):  # noqa: PTH112, PTH117
            socket = Path(os.path.realpath(base), _runtime_name(), name, _SOCKET)
            if len(os.fsencode(socket)) <= SOCKET_PATH_BYTES and _is_utf8(socket):
                return socket
    raise SurroundingsError(
        "there is no folder for the socket of the store: XDG_RUNTIME_DIR, TMPDIR and /tmp are none that this user may write;"
        " set XDG_RUNTIME_DIR to a folder of your own with a short path and mode 700"
    )


def _silent(record: Server, folder: Path, error: Exception) -> str:
    who = f"process {record.pid}" if is_server(record, folder) else "it"
    end = f", or end it with `kill -9 {record.pid}`" if is_server(record, folder) else ""
    return (
        f"the store at {socket_url(record.socket)} failed: {error}; {who} takes connections and does not answer, because it is"
        f" stopped or busy: wait{end}"
    )


def _runtime_name() -> str:
    return f"artwork-bandit-{os.getuid()}"


def _is_runtime(socket: Path) -> bool:
    """Whether a path is one that a socket of this user may have."""
    shape = (socket.name, socket.parent.parent.name) == (_SOCKET, _runtime_name())
    return shape and socket.is_absolute() and "\0" not in str(socket) and len(os.fsencode(socket)) <= SOCKET_PATH_BYTES


def _flock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise SurroundingsError(
            f"the lock of the embedded store cannot be taken: {error.strerror}; keep the workspace on a disk that has locks,"
            f" or set {URL_VARIABLE}"
        ) from error
    return True


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
