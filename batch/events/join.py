"""``join``: what clients reported becomes the impressions that are learned from.

Rows of a day are a pure function of the events that are stored: whatever executor, shards and order of segments, and however
often a join ran or was killed. Only days that new segments can change are made again (``batch.events.scope``).
"""

import fcntl
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import numpy as np
from polars.exceptions import PolarsError
from pydantic import TypeAdapter, ValidationError

from bandit.arrays import I64
from bandit.errors import InputError, SurroundingsError
from batch.events.arrivals import (
    Clock,
    JoinSettings,
    Lacking,
    SegmentDays,
    days_of_segments,
    read_record,
    write_record,
)
from batch.events.cutting import CutPiece, Cuts, Cutting, IdPiece, find_repeated, first_users, ids_of, pieces_of
from batch.events.day_files import NAME, DayParts, write_day
from batch.events.decisions import UNKNOWN_REVISION
from batch.events.scope import Scope, scope_of
from batch.events.segments import segments
from batch.events.shard import (
    DUPLICATES,
    JOINED_PLAYS,
    LATE_IMPRESSIONS,
    LATE_PLAYS,
    OPEN_ROWS,
    ORPHAN_PLAYS,
    ROWS,
    SET_ASIDE,
    Joining,
)
from batch.executors import Executor, Progress, Result, Shard
from batch.workspace.files import first_line, write_json
from batch.workspace.generations import find_manifest, verify_files
from batch.workspace.impressions import day_folder
from batch.workspace.lock import opened_lock
from batch.workspace.overlays import known_revisions
from batch.workspace.workspace import Workspace

UNKNOWN_GENERATION: Final = "unknown generation"
CHANGED_GENERATION: Final = "generation changed"

_UNSETTLED: Final = frozenset(
    SET_ASIDE + reason for reason in (UNKNOWN_GENERATION, CHANGED_GENERATION, UNKNOWN_REVISION)
)
"""What a file that comes later may mend, or one that is mended."""

_FIRST: Final = date(1970, 1, 1)
_SCRATCH: Final = ".joining-"

DayCounts = dict[str, dict[str, int]]
"""How many events of each day had which outcome. Duplicates and what was late are counted on the day that they arrived."""


@dataclass(frozen=True)
class Joined:
    """What joining has made of all events so far; ``changed`` are the days whose file was written or removed this time.

    ``set_aside`` counts impressions by the reason why they are not learned from.
    """

    report: Path
    events: int
    watermark: str | None
    rows: int
    days: int
    changed: tuple[str, ...]
    open_rows: int
    joined_plays: int
    orphan_plays: int
    duplicates: int
    late_impressions: int
    late_plays: int
    set_aside: dict[str, int]


def join(
    workspace: Workspace,
    executor: Executor,
    report: Progress,
    *,
    settings: JoinSettings | None = None,
    cuts: Cuts | None = None,
) -> Joined:
    """Join all events of the workspace's segments to impressions, a file a day.

    Args:
        workspace: with segments, generations and overlays.
        executor: runs the shards.
        report: told how far it is.
        settings: None takes the usual ones.
        cuts: how much is in memory at a time; rows do not depend on it.

    Raises:
        InputError: there is no workspace, or a segment or an overlay is damaged.
        SurroundingsError: the disk does not take it, or another join is at work.
    """
    settings, cuts = settings or JoinSettings(), cuts or Cuts()
    if not workspace.root.is_dir():
        raise InputError(f"{workspace.root} is not a folder; expected a workspace")
    stored = segments(workspace)
    if not stored and not report_path(workspace).exists():
        return _joined(workspace, {}, {}, ())
    with _alone(workspace), _scratch(workspace) as folder:
        days, record = _read_days(workspace), read_record(workspace)
        if days is None or any(_lacks_file(workspace, day) for day, counts in days.items() if counts.get(ROWS)):
            record = None
        known = days_of_segments(stored, record)
        doubtful = _doubtful(days or {}, settings)
        lacked = None if record is None else record.lacking
        has_come = lacked is None or _has_come(workspace, lacked)
        scope = scope_of(record, known, settings, doubtful if has_come else ())
        if scope is None:
            return _joined(workspace, known, days or {}, ())
        paths = {segment.path.name: segment.path for segment in stored}
        run = _Run(workspace, executor, report, settings, folder, scope, known, paths, cuts)
        counts, changed, lacking = run.rows_and_files()
        before = {day: own for day, own in (days or {}).items() if not scope.has(_number(day))}
        joined = _joined(workspace, known, before | counts, changed)
        _write_report(settings, joined, before | counts)
        if lacked is not None and doubtful and not (has_come or scope.is_whole):
            lacking = lacking.plus(lacked)
        write_record(workspace, settings, known, lacking)
        return joined


def report_path(workspace: Workspace) -> Path:
    """The file that says what joining has made of the events."""
    return workspace.events / "join.json"


@dataclass(frozen=True)
class _Run:
    """One pass over what has to be joined again."""

    workspace: Workspace
    executor: Executor
    report: Progress
    settings: JoinSettings
    folder: Path
    scope: Scope
    known: Mapping[str, SegmentDays]
    paths: Mapping[str, Path]
    cuts: Cuts

    def rows_and_files(self) -> tuple[DayCounts, tuple[str, ...], Lacking]:
        """Counts by day, the days whose file changed, and what events named that is not there."""
        clock = Clock(self.known.values())
        needed = {name: path for name, path in self.paths.items() if self.scope.needs(self.known[name], clock)}
        rows = sum(self.known[name].rows for name in needed)
        users = first_users(list(needed.values()), rows, -(-rows // self.cuts.rows_a_shard))
        buckets = max(1, -(-rows // self.cuts.ids_a_bucket))
        cutting = Cutting(self.folder, clock, self.scope, self.settings.horizon_days, users, buckets)
        tasks = list(enumerate(pieces_of(needed, self.known, self.cuts.rows_a_piece)))
        pieces = self._each("reading events", cutting.cut, tasks)
        find = partial(
            find_repeated,
            [*pieces, *self._ids_beside(needed, pieces, cutting)],
            scope=self.scope,
            horizon_days=self.settings.horizon_days,
        )
        counts: Counter[tuple[int, str]] = Counter()
        repeated: dict[int, list[I64]] = {}
        for found in self._each("finding duplicates", find, range(buckets)):
            counts.update(found.counts)
            for piece, places in found.rows.items():
                repeated.setdefault(piece, []).append(places)
        revisions = frozenset([0, *known_revisions(self.workspace)])
        refused = self._refused(pieces)
        named = {number for piece in pieces for number in piece.revisions}
        lacking = Lacking(tuple(sorted(refused)), tuple(sorted(named - revisions)))
        joining = Joining(
            self.workspace,
            self.folder,
            self.settings,
            self.scope,
            max(segment.latest for segment in self.known.values()),
            revisions,
            refused,
            pieces,
            {piece: np.sort(np.concatenate(places)) for piece, places in repeated.items()},
        )
        parts: dict[int, list[Path]] = {}
        for shard in self._each("joining events", joining.join_shard, range(len(users) + 1)):
            counts.update(shard.counts)
            for day, path in shard.days.items():
                parts.setdefault(day, []).append(path)
        return _by_day(counts), self._write_days(parts), lacking

    def _ids_beside(self, needed: Collection[str], pieces: Sequence[CutPiece], cutting: Cutting) -> list[IdPiece]:
        """The ids that events of the horizon before had already, of those that are in pieces."""
        before = {
            name: path
            for name, path in self.paths.items()
            if name not in needed
            and (reached := cutting.clock.reached(self.known[name].last)) is not None
            and reached >= self.scope.arrived_from
        }
        tasks = list(enumerate(pieces_of(before, self.known, self.cuts.rows_a_piece), start=len(pieces)))
        if not tasks:
            return []
        cut_ids = partial(cutting.cut_ids, known=ids_of(pieces, self.folder / "ids.npy"))
        return self._each("reading ids", cut_ids, tasks)

    def _each(self, what: str, task: Callable[[Shard], Result], shards: Sequence[Shard]) -> list[Result]:
        results = []
        for done, result in enumerate(self.executor.map(task, shards)):
            results.append(result)
            self.report(what, done + 1, len(shards))
        return results

    def _refused(self, pieces: Sequence[CutPiece]) -> dict[int, str]:
        """The generations that events name and nothing can be learned of, with the reason."""
        numbers = sorted({number for piece in pieces for number in piece.generations})
        reasons = {number: _why_refused(self.workspace, number) for number in numbers}
        return {number: reason for number, reason in reasons.items() if reason}

    def _write_days(self, parts: Mapping[int, Sequence[Path]]) -> tuple[str, ...]:
        """Write the file of every day that has rows, and remove those of days that have none any more."""
        days = sorted(parts)
        tasks = [
            DayParts(day_folder(self.workspace, _date(day)) / NAME, parts[day], self.folder / f"{day}-{NAME}")
            for day in days
        ]
        written = self._each("writing days", write_day, tasks)
        changed = [_date(day).isoformat() for day, is_new in zip(days, written, strict=True) if is_new]
        for path in self.workspace.impressions.glob(f"day=*/{NAME}"):
            name = path.parent.name.removeprefix("day=")
            if _is_date(name) and self.scope.has(_number(name)) and _number(name) not in parts:
                path.unlink()
                changed.append(name)
        return tuple(sorted(changed))


def _why_refused(workspace: Workspace, generation: int) -> str:
    """Why nothing can be learned of a generation; empty where it can."""
    manifest = find_manifest(workspace, generation)
    if manifest is None or manifest.stage != "precomputed":
        return UNKNOWN_GENERATION
    try:
        verify_files(workspace, manifest)
    except InputError:
        return CHANGED_GENERATION
    return ""


def _doubtful(days: DayCounts, settings: JoinSettings) -> list[int]:
    """The days, not frozen yet, with events that were set aside for lack of a file, which may have come."""
    newest = max(map(_number, days), default=0)
    frozen = newest - settings.horizon_days - settings.window_days
    return [number for day, counts in days.items() if _UNSETTLED & counts.keys() and (number := _number(day)) >= frozen]


def _has_come(workspace: Workspace, lacking: Lacking) -> bool:
    """Whether something that was lacking is there now."""
    if not {*known_revisions(workspace)}.isdisjoint(lacking.revisions):
        return True
    return any(not _why_refused(workspace, number) for number in lacking.generations)


def _by_day(counts: Mapping[tuple[int, str], int]) -> DayCounts:
    days: DayCounts = {}
    for (day, outcome), count in sorted(counts.items()):
        days.setdefault(_date(day).isoformat(), {})[outcome] = count
    return days


def _joined(
    workspace: Workspace, known: Mapping[str, SegmentDays], days: DayCounts, changed: tuple[str, ...]
) -> Joined:
    total: Counter[str] = Counter()
    for counts in days.values():
        total.update(counts)
    latest = max((segment.latest for segment in known.values()), default=None)
    return Joined(
        report=report_path(workspace),
        events=sum(segment.rows for segment in known.values()),
        watermark=None
        if latest is None
        else (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=latest)).isoformat(),
        rows=total[ROWS],
        days=sum(1 for counts in days.values() if counts.get(ROWS)),
        changed=changed,
        open_rows=total[OPEN_ROWS],
        joined_plays=total[JOINED_PLAYS],
        orphan_plays=total[ORPHAN_PLAYS],
        duplicates=total[DUPLICATES],
        late_impressions=total[LATE_IMPRESSIONS],
        late_plays=total[LATE_PLAYS],
        set_aside={
            name.removeprefix(SET_ASIDE): count for name, count in sorted(total.items()) if name.startswith(SET_ASIDE)
        },
    )


def _write_report(settings: JoinSettings, joined: Joined, days: DayCounts) -> None:
    total = {name: value for name, value in vars(joined).items() if name not in {"report", "changed", "watermark"}}
    plain = {"settings": vars(settings), "watermark": joined.watermark, "total": total, "by_day": days}
    write_json(joined.report, plain)


def _read_days(workspace: Workspace) -> DayCounts | None:
    """The counts of the last join; None where there are none that could be used."""
    try:
        report = _adapter().validate_json(report_path(workspace).read_bytes())
    except (OSError, ValidationError):
        return None
    return report.by_day if all(map(_is_date, report.by_day)) else None


@dataclass(frozen=True)
class _Report:
    """What is read again of the report."""

    by_day: DayCounts


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[_Report]:
    return TypeAdapter(_Report)


def _lacks_file(workspace: Workspace, day: str) -> bool:
    return not (day_folder(workspace, date.fromisoformat(day)) / NAME).is_file()


def _date(number: int) -> date:
    return _FIRST + timedelta(days=number)


def _number(day: str) -> int:
    return (date.fromisoformat(day) - _FIRST).days


def _is_date(day: str) -> bool:
    try:
        return date.fromisoformat(day).isoformat() == day
    except ValueError:
        return False


@contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    """Keep a second join out while the block runs; the lock goes with the process."""
    with opened_lock(workspace.events / ".join.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SurroundingsError(
                f"another join is at work in {workspace.events}; wait until it has ended, then run this again"
            ) from None
        yield


@contextmanager
def _scratch(workspace: Workspace) -> Iterator[Path]:
    """A folder for what is between two passes, removed at the end; one that a killed join left is removed before."""
    _remove(workspace.events.glob(f"{_SCRATCH}*"))
    folder: Path | None = None
    try:
        folder = Path(mkdtemp(prefix=_SCRATCH, dir=workspace.events))
        yield folder
    except (OSError, PolarsError) as error:
        raise SurroundingsError(f"cannot join in {workspace.events}: {first_line(error)}; check the disk") from error
    finally:
        _remove([] if folder is None else [folder])


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
