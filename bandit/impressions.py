"""The one typed record of logged data, checked once at the door."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, Bool, boolean_array, integer_array, is_count, label_array, ordered_array, row_array
from bandit.checks import checked_arms, checked_contexts, checked_rewards, integer_column, real_column
from bandit.errors import InputError

LEAST_PROPENSITY = 1e-12
"""Smaller ones are no log's: their weights would leave no digit for the others."""


@dataclass(frozen=True, eq=False)
class ImpressionLog:
    """What was shown to whom, with what probability, and what came of it; m impressions, d features, A arms of t titles.

    Arms are numbered through all titles: title i has the arms from ``starts[i]`` to before ``starts[i + 1]``.

    Args:
        contexts: (m, d).
        arms: what was shown, (m,), 0 to A - 1.
        rewards: (m,), any finite numbers up to 1e50, such as takes, money or minutes.
        propensities: probability with which each shown arm was chosen, (m,), above 0 and at most 1; None where they are not
            known, which leaves the direct method alone to judge other policies.
        n_arms: A.
        starts: (t + 1,), from 0 to A; None for one title.
        eligible: which arms of its title a decision could choose, (m, K) with K the largest title; None for all.
        clusters: the decision that each impression belongs to, (m,) integers; None where each is one of its own. Text and other
            names are numbered as they come first.
        positions: place on the page, (m,) integers; None where there is none.
        times: when it was shown, (m,) integers in any unit; None stands for the order of the rows. Dates become their unit,
            fractions their places in order.
        batches: which update of the logging policy chose, (m,) integers, ascending with time; None for one.
        users: the user whom each impression was shown to, (m,) integers; None where not known. Names are numbered.

    All are taken by position from whatever makes an array, and kept as contiguous int64, float64 and booleans; contexts of
    float32 stay so.

    Raises:
        InputError: shapes differ, a value is missing, a feature is not finite, a reward, arm or propensity is out of range, or an
            arm was shown that was not eligible; it names the first such row.
    """

    contexts: npt.NDArray[np.floating]
    arms: I64
    rewards: F64
    propensities: F64 | None
    n_arms: int
    starts: I64 | None = None
    eligible: Bool | None = None
    clusters: I64 | None = None
    positions: I64 | None = None
    times: I64 | None = None
    batches: I64 | None = None
    users: I64 | None = None

    def __post_init__(self) -> None:
        if not is_count(self.n_arms):
            raise InputError(f"n_arms is {self.n_arms!r}, expected a whole number of at least 1")
        self._keep("contexts", checked_contexts(self.contexts))
        self._keep("arms", checked_arms(self.arms, self.n_arms))
        count = len(self)
        if len(self.contexts) != count:
            raise InputError(
                f"there are {len(self.contexts)} contexts and {count} arms, expected one of each per impression"
            )
        self._keep("rewards", checked_rewards(self.rewards, count))
        if self.propensities is not None:
            self._keep("propensities", checked_propensities(self.propensities, count))
        if self.starts is not None:
            self._keep("starts", _checked_starts(self.starts, self.n_arms))
        for name, checked in _OF_IMPRESSIONS.items():
            if getattr(self, name) is not None:
                self._keep(name, checked(name, getattr(self, name), count))
        if self.eligible is not None:
            self._keep("eligible", _checked_eligible(self, self.eligible))

    def _keep(self, name: str, value: npt.NDArray[np.generic]) -> None:
        object.__setattr__(self, name, value)

    def __len__(self) -> int:
        """Impressions, m."""
        return len(self.arms)

    @property
    def n_features(self) -> int:
        """Features of a context, d."""
        return int(self.contexts.shape[1])

    @cached_property
    def title_starts(self) -> I64:
        """``starts``, also where there is one title, (t + 1,)."""
        return np.array([0, self.n_arms]) if self.starts is None else self.starts

    @cached_property
    def titles(self) -> I64:
        """The title of each impression, (m,)."""
        if self.starts is None:
            return np.zeros(len(self), dtype=np.int64)
        return np.searchsorted(self.starts, self.arms, side="right") - 1

    @cached_property
    def n_eligible(self) -> I64:
        """How many arms each decision could choose from, (m,)."""
        if self.eligible is None:
            return np.diff(self.title_starts)[self.titles]
        return np.asarray(self.eligible.sum(axis=1), dtype=np.int64)

    def arms_of(self, title: int) -> I64:
        """The arms of a title, (k,)."""
        return np.arange(self.title_starts[title], self.title_starts[title + 1])

    def eligible_of(self, title: int, rows: I64) -> Bool | None:
        """Which arms of their title some of its impressions could choose, (n, k); None for all."""
        return None if self.eligible is None else self.eligible[row_array(rows, len(self)), : len(self.arms_of(title))]

    def by_title(self, at_most: int = 65_536) -> Iterator[tuple[int, I64]]:
        """Every impression once, title by title: the title, and the rows of at most so many impressions, ascending."""
        order = np.argsort(self.titles, kind="stable")
        titles, first = np.unique(self.titles[order], return_index=True)
        for title, rows in zip(titles.tolist(), np.split(order, first[1:]), strict=True):
            for start in range(0, len(rows), at_most):
                yield title, rows[start : start + at_most]

    def take(self, rows: I64 | Bool) -> Self:
        """The log of some impressions, in the order of ``rows``: indices, or a mask of all.

        Raises:
            InputError: a mask has another length, or there is no such row.
        """
        places = row_array(rows, len(self))
        arrays = {name: value[places] for name, value in vars(self).items() if name in _BY_ROW and value is not None}
        return replace(self, **arrays)


_BY_ROW = (
    "contexts", "arms", "rewards", "propensities", "eligible", "clusters", "positions", "times", "batches",
    "users",
)  # fmt: skip


def checked_propensities(propensities: npt.ArrayLike, count: int) -> F64:
    """Propensities as (m,) float64.

    Raises:
        InputError: there is not one per impression, or one is missing, not above 0 or above 1; says what works without them.
    """
    array = real_column("propensities", propensities, count)
    wrong = ~((array >= LEAST_PROPENSITY) & (array <= 1))  # NaN is neither
    if wrong.any():
        row = int(wrong.argmax())
        least = f"at least {LEAST_PROPENSITY:g}" if 0 < array[row] < 1 else "above 0"
        what = "no propensity" if np.isnan(array[row]) else f"the propensity {array[row]}"
        raise InputError(
            f"row {row} has {what}, expected {least} and at most 1: what was shown had a chance; log it with every choice, or"
            " leave propensities out altogether: of all estimators dm alone works without"
        )
    return array


def _checked_starts(starts: npt.ArrayLike, n_arms: int) -> I64:
    array = integer_array("starts", starts)
    if array.ndim != 1 or len(array) < 2 or array[0] != 0 or array[-1] != n_arms or (np.diff(array) < 1).any():
        raise InputError(
            f"starts are {array.ravel()[:5].tolist()}... {array.shape}, expected (t + 1,) ascending from 0 to the {n_arms} arms"
        )
    return array


_OF_IMPRESSIONS: Final[dict[str, Callable[[str, npt.ArrayLike, int], I64]]] = {
    "clusters": label_array,
    "positions": integer_column,
    "times": ordered_array,
    "batches": ordered_array,
    "users": label_array,
}


def _checked_eligible(log: ImpressionLog, eligible: npt.ArrayLike) -> Bool:
    array = boolean_array("eligible", eligible, "compare with 0 first")
    width = int(np.diff(log.title_starts).max())
    if array.shape != (len(log), width):
        raise InputError(
            f"eligible is {array.shape} {array.dtype}, expected ({len(log)}, {width}) booleans: a column per arm of the"
            " largest title"
        )
    places = log.arms - log.title_starts[log.titles]
    wrong = ~array[np.arange(len(log)), places]
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"row {row} shows arm {places[row]} of its title, which is not among its eligible arms"
            f" {np.flatnonzero(array[row]).tolist()}; correct one of them"
        )
    return array
