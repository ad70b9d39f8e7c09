"""The digest of each day's files; of old days, whose files stay as they are, without reading them every night."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from bandit.errors import SurroundingsError
from batch.workspace.files import write_json
from batch.workspace.impressions import day_digest, day_files, days
from batch.workspace.workspace import Workspace

READ_AGAIN_DAYS: Final = 14
"""Days that are at most so much older than the newest one are read every time: what is joined late changes them."""

_SETTLED_NS: Final = (
    10_000_000_000  # a file that changed so shortly before it was read may change again within one tick of a clock
)


def day_digests(
    workspace: Workspace, *, verify: bool = False, clock: Callable[[], int] = time.time_ns
) -> dict[date, str]:
    """The digest of each day's files, by day in order (``day_digest``).

    A file cannot change without the file system setting the time of its last change (ctime), which no program sets by hand; so
    an old day whose files have the names, sizes, numbers and times that they had when they were read is not read again.

    Args:
        workspace: that holds the impressions.
        verify: read every file of every day.
        clock: nanoseconds since 1970.

    Raises:
        InputError, SurroundingsError: as ``days``.
    """
    logged = days(workspace)
    known = {} if verify else _read(_path(workspace))
    digests: dict[date, str] = {}
    kept: dict[str, Any] = {}
    for day in logged:
        began = clock()
        stamps = _stamps(workspace, day)
        entry = known.get(day.isoformat())
        is_old = (logged[-1] - day).days > READ_AGAIN_DAYS
        trusted = is_old and isinstance(entry, Mapping) and entry.get("stamps") == stamps
        digests[day] = str(entry["digest"]) if trusted and entry else day_digest(workspace, day)
        if is_old and (trusted or all(max(stamp[2:4]) < began - _SETTLED_NS for stamp in stamps)):
            kept[day.isoformat()] = {"digest": digests[day], "stamps": stamps}
    if kept != known:
        write_json(_path(workspace), kept | {"check": _check(kept)})
    return digests


def _stamps(workspace: Workspace, day: date) -> list[list[Any]]:
    try:
        looked_at = [(path.name, path.stat()) for path in day_files(workspace, day)]
    except OSError as error:
        raise SurroundingsError(f"cannot read {workspace.impressions}: {error}; check the disk") from error
    return [[name, it.st_size, it.st_mtime_ns, it.st_ctime_ns, it.st_ino] for name, it in looked_at]


def _read(path: Path) -> dict[str, Any]:
    """What was kept; nothing where that cannot be read, for it is made again."""
    try:
        kept = json.loads(path.read_bytes())
        whole = kept.pop("check", "") == _check(kept)
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
    return kept if whole else {}


def _path(workspace: Workspace) -> Path:
    return workspace.evidence / "days.json"


def _check(kept: Mapping[str, Any]) -> str:
    return blake2b(json.dumps(kept, sort_keys=True).encode(), digest_size=16).hexdigest()
