"""Where the look-up service of a workspace answers: a record that it keeps while it runs, and how another command trusts it.

The record is a hint, not a lock: it counts only while the process that wrote it lives, is of this user, and answers.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from loadtest.address import WrongAddressError, read_host

_MOST_BYTES: Final = 4096
_PATIENCE_SECONDS: Final = 2.0
_EVERYWHERE: Final = {"http://0.0.0.0:": "http://127.0.0.1:", "http://[::]:": "http://[::1]:"}
"""Addresses of a service that listens on all of them, and where this machine reaches it."""


def record_path(workspace: Path) -> Path:
    """The file that says where the service of a workspace answers."""
    return workspace / "service" / "running.json"


@contextmanager
def recorded(workspace: Path, url: str) -> Iterator[None]:
    """Keep the record of this process's service while the block runs; where it cannot be written, there is none."""
    path, pid = record_path(workspace), os.getpid()
    record = {"url": url, "pid": pid, "started": _started(pid)}
    fresh = path.with_name(f"{path.name}.{pid}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(record, file)
        fresh.replace(path)
    try:
        yield
    finally:
        with suppress(OSError):
            if _read(path) == record:  # a service that was started later has its own
                path.unlink()


def find_running(workspace: Path) -> str | None:
    """The address of the service of a workspace that runs on this machine under this user; None if there is none."""
    record = _read(record_path(workspace))
    if record is None:
        return None
    url, pid, started = record.get("url"), record.get("pid"), record.get("started")
    if not isinstance(url, str) or not isinstance(pid, int) or isinstance(pid, bool) or not _is_ours(pid, started):
        return None
    for everywhere, here in _EVERYWHERE.items():
        url = url.replace(everywhere, here)
    try:
        address = read_host(url)
    except WrongAddressError:
        return None
    return address if _answers(address) else None


def _read(path: Path) -> dict[str, Any] | None:
    """The record, if it is a plain file of this user that nobody else may write."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
                return None
            value = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _is_ours(pid: int, started: object) -> bool:
    """Whether this process lives, is of this user, and is the one that wrote the record: numbers of processes come again."""
    if pid <= 0 or started is None or _started(pid) != started:
        return False
    try:
        return Path(f"/proc/{pid}").stat().st_uid == os.getuid()
    except OSError:
        return False


def _started(pid: int) -> int | None:
    """When a process started, in ticks since the machine did; None where this system does not say it."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(said.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _answers(address: str) -> bool:
    """Whether there is an answer, of whatever status: a service that is not ready is there too."""
    try:
        build_opener(ProxyHandler({})).open(f"{address}/livez", timeout=_PATIENCE_SECONDS).close()
    except HTTPError:
        return True
    except (OSError, HTTPException):
        return False
    return True
