"""Which days events that came since the last join can change, and what these days are made of.

Nothing that is stored before the first new event changes: when it arrived, and whether it came twice, depends on what is stored
before it alone. So the events from there on, new and old, are looked at, and from each of them it is near to what it can change:

- the rows and plays of its own day, and of those that a window reaches: a play changes an impression before it, an impression
  takes a play that another had, and that one changes too;
- the rows that the clock of the log has closed, because it has moved on;
- what arrived since, which is counted by the day of arrival.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import polars as pl

from batch.events.arrivals import SECONDS_A_DAY, Clock, JoinSettings, Record, SegmentDays

_DAY = SECONDS_A_DAY * 1_000_000


class Scope(NamedTuple):
    """What a join has to do again: numbers of days since 1970, and microseconds.

    Rows and counts of ``days`` may change, ascending; with ``is_whole`` they are all days of the log. Rows are of events that
    happened within ``spans`` (first, last). An id that was used before ``arrived_from`` does not count as used.
    """

    days: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    arrived_from: int
    is_whole: bool

    def has(self, day: int) -> bool:
        """Whether a day is joined again; with ``is_whole``, also one that the log does not have any more."""
        return day >= self.days[0] if self.is_whole else day in self.days

    def happened(self) -> pl.Expr:
        """Whether rows are made of an event, by its ``at``."""
        at = pl.col("at").dt.epoch("us")
        return pl.any_horizontal([at.is_between(*span) for span in self.spans])

    def on_days(self, column: str) -> pl.Expr:
        """Whether a day is joined again, by the name of its column."""
        return pl.col(column).is_in(list(self.days))

    def needs(self, segment: SegmentDays, clock: Clock) -> bool:
        """Whether a segment has events that rows are made of, or that are counted by their day of arrival."""
        if any(first // _DAY <= day <= last // _DAY for first, last in self.spans for day in segment.days):
            return True
        first, last = clock.reached(segment.first), clock.reached(segment.last)
        return last is not None and any(day <= last and (first is None or first <= day) for day in self.days)


def scope_of(
    record: Record | None, segments: Mapping[str, SegmentDays], settings: JoinSettings, unsettled: Collection[int] = ()
) -> Scope | None:
    """What is to be joined again since the last join; None where nothing is new.

    Args:
        record: of the last join, None where there is none that can be used.
        segments: the log.
        settings: of this join.
        unsettled: days with events that may count for more than they did, because of files that have come meanwhile.
    """
    new = [segment for name, segment in segments.items() if record is None or name not in record.segments]
    logged = sorted({day for segment in segments.values() for day in segment.days})
    if record is not None and record.settings == settings and record.segments.keys() <= segments.keys():
        if not new:
            return None
        since = min(segment.first for segment in new)
        reached = Clock(record.segments.values()).reached(since)
        if reached is not None:
            happened = {day for segment in segments.values() if segment.last >= since for day in segment.days}
            counting = {
                day for day in happened if day >= reached - settings.horizon_days
            }  # what is older came too late
            touched = {*_closed(record, segments, settings)}
            for day in counting.union(unsettled):
                touched.update(range(day - settings.window_days, day + settings.window_days + 1))
            late_from = reached - settings.horizon_days - settings.window_days
            days = [day for day in logged if day >= reached or (day in touched and day >= late_from)]
            return _of_days(days, settings, is_whole=False) if days else None
    return _of_days(logged, settings, is_whole=True) if logged else None


def _closed(record: Record, segments: Mapping[str, SegmentDays], settings: JoinSettings) -> range:
    """The days with rows that were open at the last join and are closed now."""
    closing = (settings.window_seconds + settings.grace_seconds) * 1_000_000
    before, now = (max(segment.latest for segment in log.values()) for log in (record.segments, segments))
    return range((before - closing) // _DAY, min(before, now - closing) // _DAY + 1) if now > before else range(0)


def _of_days(days: list[int], settings: JoinSettings, *, is_whole: bool) -> Scope:
    window = settings.window_seconds * 1_000_000
    spans: list[tuple[int, int]] = []
    for day in days:
        first, last = day * _DAY - window, (day + 1) * _DAY - 1 + window
        if spans and first <= spans[-1][1] + 1:
            first = spans.pop()[0]
        spans.append((first, last))
    # Whatever happened within the spans arrived on its day at the earliest.
    return Scope(tuple(days), tuple(spans), days[0] - settings.window_days - settings.horizon_days, is_whole)
