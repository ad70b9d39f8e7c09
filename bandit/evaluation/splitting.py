"""A log cut in time: policies learn from what came first and are judged by the rest."""

from typing import NamedTuple

import numpy as np

from bandit.arrays import I64, is_number
from bandit.errors import InputError
from bandit.impressions import ImpressionLog


class Split(NamedTuple):
    """Both parts, each in the order of time."""

    learned_from: ImpressionLog
    judged_by: ImpressionLog


def in_time(log: ImpressionLog) -> ImpressionLog:
    """The impressions in the order of their times; as they are if there are none."""
    if log.times is None or (np.diff(log.times) >= 0).all():
        return log
    return log.take(np.argsort(log.times, kind="stable"))


def split_in_time(log: ImpressionLog, share: float) -> Split:
    """The first ``share`` of a log's decisions, and the rest; a decision belongs to where its first impression falls.

    Raises:
        InputError: the share is not between 0 and 1, or a side is left empty.
    """
    check_split(share)
    log = in_time(log)
    decisions, first = _decisions(log)
    cut = int(np.floor(share * len(first)))
    if not 0 < cut < len(first):
        raise InputError(
            f"a split of {share:g} leaves {cut} of {len(first)} decisions to learn from and {len(first) - cut} to judge by; both"
            " need at least one: take another share, or a longer log"
        )
    early = first[decisions] < np.sort(first)[cut]
    return Split(log.take(early), log.take(~early))


def split_at(log: ImpressionLog, time: int) -> Split:
    """The decisions that were first shown before a time, and the rest: the same cut however long the log grows.

    Raises:
        InputError: the log has no times, or a side is left empty.
    """
    if log.times is None:
        raise InputError("the log has no times to be split at; split it by a share of its decisions")
    log = in_time(log)
    assert log.times is not None  # noqa: S101 - it had
    decisions, first = _decisions(log)
    early = log.times[first[decisions]] < time
    if early.all() or not early.any():
        raise InputError(
            f"the split leaves {early.sum()} impressions to learn from and {(~early).sum()} to judge by; both need some: take a"
            " time within the log"
        )
    return Split(log.take(early), log.take(~early))


def nearest_day(log: ImpressionLog, share: float, day: int) -> int | None:
    """The start of a day nearest to where ``share`` of the decisions is reached, with some on either side; None if there is none.

    Args:
        log: with times, in units of which ``day`` make a day.
        share: of decisions.
        day: units of time.
    """
    check_split(share)
    assert log.times is not None  # noqa: S101 - the caller looked
    log = in_time(log)
    times = log.times[np.sort(_decisions(log)[1])]  # type: ignore[index]  # (C,) of first impressions
    wanted = times[min(int(share * len(times)), len(times) - 1)]
    starts = np.arange(times[0] // day + 1, times[-1] // day + 1) * day
    return int(starts[np.abs(starts - wanted).argmin()]) if len(starts) else None


def check_split(share: float) -> None:
    """Refuse what is no share.

    Raises:
        InputError: it is not between 0 and 1.
    """
    if not (is_number(share) and 0 < share < 1):
        raise InputError(
            f"the split is {share!r}, expected a share between 0 and 1: policies learn from it, the rest judges them"
        )


def _decisions(log: ImpressionLog) -> tuple[I64, I64]:
    """The decision of each impression, (m,), and the place of each decision's first impression, (C,)."""
    if log.clusters is None:
        places = np.arange(len(log))
        return places, places
    _, first, decisions = np.unique(log.clusters, return_index=True, return_inverse=True)
    return decisions.astype(np.int64), first.astype(np.int64)
