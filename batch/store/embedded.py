"""An embedded Valkey of a workspace, which outlives the command that started it."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import redis

from bandit.errors import InputError, SurroundingsError
from bandit.urls import EVENTS_URL_VARIABLE, read_store_url, socket_url
from batch.store.append_only import check_append_only, damaged
from batch.store.client import URL_VARIABLE, store_errors
from batch.store.cluster import has_cluster, running_cluster, start_cluster
from batch.store.private_files import make_runtime, open_private
from batch.store.processes import PAUSE_SECONDS, binary, is_alive, wait_until
from batch.store.server import (
    Server,
    asked,
    client_of,
    close_files,
    find_server,
    is_held,
    is_own_folder,
    is_server,
    locked,
    make_store_folder,
    read_record,
    socket_of,
    store_folder,
    unreachable,
    write_record,
)
from batch.workspace.files import write_json

FSYNC_VARIABLE = "ARTWORK_STORE_FSYNC"
FSYNC = ("everysec", "always")
_FSYNC = "fsync.json"
_FSYNC_BYTES = 100
_LOG = "valkey.log"
_LOG_BYTES = 65_536
_REASON_LETTERS = 300
_SECONDS = 20.0
_DAMAGE = re.compile(r"append.?only|\bAOF\b|\bRDB\b|loading DB|BUG REPORT", re.IGNORECASE)


@dataclass(frozen=True)
class EmbeddedStore:
    """An embedded Valkey: its URL, its process, the folder with its append-only file, and what its user should know."""

    url: str
    pid: int
    folder: Path
    started: bool
    note: str = ""


def store_url(root: Path, *, start: bool = True) -> str:
    """The URL of the store of a workspace: ``ARTWORK_REDIS_URL`` if set, else that of its embedded Valkey or cluster.

    Args:
        root: the workspace's folder.
        start: whether to start the embedded Valkey when it does not run.

    Raises:
        InputError: the variable holds no URL of a store, or there is no workspace to start a store in.
        SurroundingsError: the embedded Valkey does not run, and may not or cannot be started, or is not this user's.
    """
    given = os.environ.get(URL_VARIABLE)
    if given:
        read_store_url(given)  # which refuses what is no URL of a store
        return given
    if has_cluster(root):
        return start_cluster(root).url if start else _url_of_running(root)
    if start:
        return start_store(root).url
    return _url_of_running(root)


def _url_of_running(root: Path) -> str:
    store = running_cluster(root) if has_cluster(root) else running_store(root)
    if store is None:
        raise SurroundingsError(
            f"the store of {root} does not run; start it with `artwork store start --workspace {quote(str(root))}`,"
            f" or set {URL_VARIABLE}"
        )
    return store.url


def events_url(root: Path, *, start: bool = True) -> str:
    """The URL of the store of a workspace's events: ``ARTWORK_EVENTS_URL`` if set, else that of the store.

    Args:
        root: the workspace's folder.
        start: as ``store_url``.

    Raises:
        InputError, SurroundingsError: as ``store_url``.
    """
    given = os.environ.get(EVENTS_URL_VARIABLE)
    if given:
        read_store_url(given, EVENTS_URL_VARIABLE)
        return given
    return store_url(root, start=start)


def running_store(root: Path) -> EmbeddedStore | None:
    """The embedded Valkey of a workspace if it answers.

    Raises:
        SurroundingsError: it does not answer in time, or what is in its place is not this user's.
    """
    folder = store_folder(root)
    server = find_server(folder)
    return None if server is None else EmbeddedStore(socket_url(server.socket), server.pid, folder, started=False)


def store_pid(root: Path) -> int | None:
    """The process id of the embedded Valkey of a workspace if it answers."""
    store = running_store(root)
    return None if store is None else store.pid


def start_store(
    root: Path, *, prepare: Callable[[Path], object] | None = None, seconds: float = _SECONDS
) -> EmbeddedStore:
    """Start the embedded Valkey of a workspace, detached, unless it runs already.

    Args:
        root: the workspace's folder.
        prepare: called with the store's folder before a server is started in it, while no other can be.
        seconds: how long to wait, each, for another command that starts it, for its answer, and until it has read its
            append-only file.

    Raises:
        InputError: there is no such workspace.
        SurroundingsError: the binary is missing for this platform, the server does not come up, its append-only file is
            damaged, or what is in its place is not this user's.
    """
    if not os.path.isdir(root):  # noqa: PTH112 - Path.is_dir raises for a folder that this user may not look into
        raise InputError(
            f"{root} is not a folder; expected a workspace; `artwork data movielens --workspace {quote(str(root))}` makes one"
        )
    folder = store_folder(root)
    try:
        make_store_folder(folder)
        server, started = _server_of(folder, prepare, seconds)
    except OSError as error:
        raise SurroundingsError(
            f"cannot start the embedded store in {folder}: {error}; use a workspace that this user may write"
        ) from error
    _wait_until_read(server, folder, seconds)
    if not started:
        _set_fsync(server, folder)
    note = _cut(folder) if started else ""
    return EmbeddedStore(socket_url(server.socket), server.pid, folder, started=started, note=note)


def stop_store(root: Path, *, force: bool = False) -> int | None:
    """Stop the embedded Valkey of a workspace and wait until it has gone; its process id, or None if it did not run.

    Args:
        root: the workspace's folder.
        force: stop it even if it cannot write its append-only file to the end.

    Raises:
        SurroundingsError: it does not stop, or is not this user's.
    """
    folder = store_folder(root)
    server = find_server(folder)
    pid = _end_unreachable(folder) if server is None else _shut_down(server, folder, force=force)
    if pid is not None:
        complaint = f"process {pid} of the embedded store did not stop; end it with `kill -9 {pid}`"
        wait_until(lambda: not is_alive(pid), complaint, _SECONDS)
    return pid


def _server_of(folder: Path, prepare: Callable[[Path], object] | None, seconds: float) -> tuple[Server, bool]:
    """The server of a folder, and whether it was started here."""
    end = time.monotonic() + seconds
    while True:
        server = find_server(folder)
        if server is not None:
            return server, False
        with locked(folder) as lock:
            if lock is not None and not is_server(read_record(folder), folder):
                if prepare is not None:
                    prepare(folder)
                return _spawn(folder, lock, seconds), True
        if time.monotonic() > end:
            raise SurroundingsError(unreachable(folder))
        time.sleep(PAUSE_SECONDS)


def _spawn(folder: Path, lock: int, seconds: float) -> Server:
    socket = socket_of(folder)
    make_runtime(socket.parent)
    close_files(folder)
    check_append_only(folder)
    process = _started(socket, folder, lock)
    try:
        server = Server(process.pid, socket)
        write_record(folder, server)
        # A server answers while it still reads its append-only file, which is waited for where no lock is held.
        complaint = f"the embedded store did not come up within {seconds:.0f} s; see {folder / _LOG}"
        wait_until(lambda: process.poll() is not None or asked(socket, folder) == process.pid, complaint, seconds)
        if process.returncode is not None:
            raise SurroundingsError(_ended(folder))
    except BaseException:  # Ctrl-C while it comes up, too, must leave no server behind
        process.kill()
        process.wait()
        raise
    # The server outlives this command on purpose, so nobody waits for it.
    process.returncode = 0
    return server


def _started(socket: Path, folder: Path, lock: int) -> subprocess.Popen[bytes]:
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": _fsync(folder),
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": "",  # to its output, which is opened here: Valkey itself would follow a link
    }
    command = [binary(), *(part for name, value in settings.items() for part in (f"--{name}", value))]
    log = open_private(folder / _LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        return subprocess.Popen(  # noqa: S603 - our own arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            umask=0o077,
            start_new_session=True,
        )
    finally:
        os.close(log)


def _fsync(folder: Path) -> str:
    """When the append-only file is synced: each second, or before each answer. What was said last holds until it is said anew.

    Whoever starts a store again after a crash, such as a job by the clock, need not know what its events were promised.
    """
    told = _told_fsync()
    if told is not None:
        write_json(folder / _FSYNC, told, mode=0o600)
        return told
    try:
        with os.fdopen(open_private(folder / _FSYNC, os.O_RDONLY, only_to_look=True), "rb") as file:
            kept = file.read(_FSYNC_BYTES).decode(errors="replace").strip().strip('"')
    except FileNotFoundError:
        return FSYNC[0]
    if kept not in FSYNC:
        raise SurroundingsError(
            f"{folder / _FSYNC} has {kept!r}, expected {' or '.join(FSYNC)}; set {FSYNC_VARIABLE} to one of them"
        )
    return kept


def _told_fsync() -> str | None:
    given = os.environ.get(FSYNC_VARIABLE) or None
    if given is not None and given not in FSYNC:
        raise InputError(f"{FSYNC_VARIABLE} is {given[:100]!r}, expected {' or '.join(FSYNC)}")
    return given


def _set_fsync(server: Server, folder: Path) -> None:
    """Let a store that runs sync as it is told now, where it was started otherwise."""
    told = _told_fsync()
    if told is None:
        return
    with store_errors(socket_url(server.socket)), client_of(server.socket) as client:
        if client.config_get("appendfsync") != {"appendfsync": told}:
            client.config_set("appendfsync", told)
            write_json(folder / _FSYNC, told, mode=0o600)


def _wait_until_read(server: Server, folder: Path, seconds: float) -> None:
    """Until a server has read its append-only file; before, it answers INFO and refuses everything else."""
    end = time.monotonic() + seconds
    while not _has_read(server.socket):
        if not is_alive(server.pid):
            raise SurroundingsError(_ended(folder))
        if time.monotonic() > end:
            raise SurroundingsError(f"the embedded store still reads {folder}; try again in a while")
        time.sleep(PAUSE_SECONDS)


def _has_read(socket: Path) -> bool:
    with store_errors(socket_url(socket)), client_of(socket) as client:
        try:
            return not client.info("persistence")["loading"]
        except (redis.ConnectionError, redis.TimeoutError):
            return False


def _ended(folder: Path) -> str:
    """Why a server ended at its start, by what it wrote to its log."""
    reason = " ".join(_warnings(folder)).partition(": make a backup of your AOF file")[0][:_REASON_LETTERS]
    if _DAMAGE.search(reason):
        return damaged(folder, reason)
    return f"the embedded store did not come up: {reason or 'its log does not say why'}; see {folder / _LOG}"


def _cut(folder: Path) -> str:
    """What a server left out that found its append-only file ended in the middle of a command; usually nothing."""
    if not (cut := [line for line in _warnings(folder) if "Truncating the AOF" in line]):
        return ""
    return (
        f"its append-only file ended in the middle of a command and was cut there ({cut[0].strip('! ')}): if more is missing than"
        f" the last second, `artwork store rebuild --workspace {quote(str(folder.parent))}` publishes again what was served"
    )


def _warnings(folder: Path) -> list[str]:
    """What a server warned of since its last start."""
    with (folder / _LOG).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_BYTES))
        text = log.read().decode(errors="replace").rpartition("Valkey is starting")[2]
    lines = [line for line in re.split(r"\n(?=\d+:\w )", text) if " # " in line and "overcommit" not in line]
    return [" ".join(line.partition(" # ")[2].split()) for line in lines]


def _shut_down(server: Server, folder: Path, *, force: bool) -> int:
    with store_errors(socket_url(server.socket)), client_of(server.socket) as client:
        try:
            client.shutdown(nosave=force, now=force, force=force)
        except (redis.ConnectionError, redis.TimeoutError):  # it is going, or takes its time
            pass
        except redis.ResponseError as error:
            raise SurroundingsError(
                f"the store does not stop, because it cannot write all that it holds ({error}); see {folder / _LOG};"
                f" `artwork store rebuild --workspace {quote(str(folder.parent))}` stops it all the same"
            ) from error
    return server.pid


def _end_unreachable(folder: Path) -> int | None:
    """End a server that runs and cannot be asked, because the folder of its socket is gone."""
    if not is_own_folder(folder):
        return None
    record = read_record(folder)
    if record is not None and is_server(record, folder):
        os.kill(record.pid, signal.SIGTERM)
        return record.pid
    if is_held(folder):
        raise SurroundingsError(unreachable(folder))
    return None
