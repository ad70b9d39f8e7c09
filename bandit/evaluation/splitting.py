"""A log cut in time: policies learn from what came first and are judged by the rest."""

from typing import NamedTuple

import numpy as np

from bandit.arrays import is_number
from bandit.errors import InputError
from bandit.evaluation.sample import I64
from bandit.impressions import ImpressionLog


class Split(NamedTuple):
    """Both parts, each in the order of time."""

    learned_from: ImpressionLog
    judged_by: ImpressionLog


def split_in_time(log: ImpressionLog, share: float) -> Split:
    """The first ``share`` of a log's decisions, and the rest; a decision belongs to where its first impression falls.

    Raises:
        InputError: the share is not between 0 and 1, or a side is left empty.
    """
    check_split(share)
    order = np.arange(len(log)) if log.times is None else np.argsort(log.times, kind="stable")
    decisions = np.arange(len(log)) if log.clusters is None else np.unique(log.clusters[order], return_inverse=True)[1]
    first = _first_places(decisions)  # (C,) places in time of each decision's first impression
    cut = int(np.floor(share * len(first)))
    if not 0 < cut < len(first):
        raise InputError(
            f"a split of {share:g} leaves {cut} of {len(first)} decisions to learn from and {len(first) - cut} to judge by; both"
            " need at least one: take another share, or a longer log"
        )
    early = first[decisions] < np.sort(first)[cut]
    return Split(log.take(order[early]), log.take(order[~early]))


def check_split(share: float) -> None:
    """Refuse what is no share.

    Raises:
        InputError: it is not between 0 and 1.
    """
    if not (is_number(share) and 0 < share < 1):
        raise InputError(
            f"the split is {share!r}, expected a share between 0 and 1: policies learn from it, the rest judges them"
        )


def _first_places(decisions: I64) -> I64:
    return np.unique(decisions, return_index=True)[1].astype(np.int64)
