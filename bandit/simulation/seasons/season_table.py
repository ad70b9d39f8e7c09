"""Seasons of several contenders and seeds as a table: regret, takes, clickbait, new artworks and ages, with their errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from statistics import median

import numpy as np

from bandit.arrays import F64
from bandit.simulation.seasons.season import Season
from bandit.simulation.seasons.season_run import Periods, Ran


@dataclass(frozen=True)
class Mean:
    """A mean over seeds and its standard error; None for a single seed."""

    mean: float
    error: float | None

    @classmethod
    def of(cls, values: Sequence[float] | F64) -> "Mean":
        """Of one number a seed."""
        array = np.asarray(values, dtype=np.float64)
        error = float(array.std(ddof=1)) / sqrt(len(array)) if len(array) > 1 else None
        return cls(float(array.mean()), error)


@dataclass(frozen=True)
class Aged:
    """Expected takes per impression that picks of an age lose beside fresh ones, and their share of the fresh ones' lead.

    The lead is that over uniform choice on the same visits; ``share`` is None where there is none to speak of.
    """

    hours: int
    lost: Mean
    share: float | None


@dataclass(frozen=True)
class Curve:
    """Live days as they went, a number a period.

    ``hours`` from the first live hour to the period's end; ``regret`` of an average user up to then, and its standard error over
    seeds, 0 for a single one; ``closed`` in the period.
    """

    hours: list[float]
    regret: list[float]
    error: list[float]
    closed: list[float]


@dataclass(frozen=True)
class Standing:
    """A contender over all seeds; everything is of the live days.

    ``regret``: takes that an average user missed, Σ over impressions of the best expectation less that of what was shown.
    ``behind``: that minus the least regret of all contenders, seed by seed. ``closed``: share of the way from uniform to the true
    best that expected takes have come. ``clickbait``: share of impressions. Of the ``arrived`` new best artworks of all seeds,
    ``found_hours`` is the median time to find, where one that is never found counts as infinite; None if that is half of them or
    more, or if none arrived. ``never`` is the share that is never found.
    """

    policy: str
    posterior: str | None
    regret: Mean
    behind: Mean
    take_rate: Mean
    closed: Mean
    clickbait: Mean
    arrived: int
    found_hours: float | None
    never: float | None
    ages: list[Aged]
    curve: Curve

    @property
    def name(self) -> str:
        """The policy, and its posterior."""
        return self.policy if self.posterior is None else f"{self.policy} + {self.posterior}"


def standings(runs: Sequence[Ran], season: Season) -> list[Standing]:
    """The table: contenders in the order in which they come, each with the runs of the same seeds.

    Args:
        runs: of every contender and seed.
        season: their dials.
    """
    by_contender: dict[tuple[str, str | None], list[Ran]] = {}
    for run in runs:
        by_contender.setdefault((run.policy, run.posterior), []).append(run)
    regrets = {key: np.array([_regret(run)[-1] for run in own]) for key, own in by_contender.items()}
    least = regrets[min(regrets, key=lambda key: float(regrets[key].mean()))]
    return [_standing(own, regrets[key], least, season) for key, own in by_contender.items()]


def _standing(runs: Sequence[Ran], regrets: F64, least: F64, season: Season) -> Standing:
    sums = [_live(run) for run in runs]
    hours = [inf if time is None else time for run in runs for time in run.hours_to_find]
    middle = median(hours) if hours else inf
    return Standing(
        policy=runs[0].policy,
        posterior=runs[0].posterior,
        regret=Mean.of(regrets),
        behind=Mean.of(regrets - least),
        take_rate=Mean.of([of_run["takes"].sum() / of_run["impressions"].sum() for of_run in sums]),
        closed=Mean.of([float(_closed(*(of_run[name].sum() for name in _GAP))) for of_run in sums]),
        clickbait=Mean.of([of_run["clickbait"].sum() / of_run["impressions"].sum() for of_run in sums]),
        arrived=len(hours),
        found_hours=middle if isfinite(middle) else None,
        never=hours.count(inf) / len(hours) if hours else None,
        ages=_ages(runs, season),
        curve=_curve(runs, sums, season),
    )


_GAP = ("expected", "uniform", "best")
_SPEAKS_OF = 1e-4  # takes per impression: a hundredth of a percentage point


def _live(run: Ran) -> dict[str, F64]:
    """The sums of live periods by name, (p,) each."""
    return {name: np.array(values[run.first_live :], dtype=np.float64) for name, values in vars(run.periods).items()}


def _regret(run: Ran) -> F64:
    """The regret of an average user up to the end of each live period, (p,)."""
    live = _live(run)
    return np.asarray((live["best"] - live["expected"]).cumsum() / run.users)


def _closed(expected: F64, uniform: F64, best: F64) -> F64:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((expected - uniform) / (best - uniform))


def _curve(runs: Sequence[Ran], sums: Sequence[dict[str, F64]], season: Season) -> Curve:
    regrets = np.stack([_regret(run) for run in runs])  # (seeds, p)
    errors = regrets.std(axis=0, ddof=1) / sqrt(len(runs)) if len(runs) > 1 else np.zeros(regrets.shape[1])
    closed = _closed(*(np.sum([of_run[name] for of_run in sums], axis=0) for name in _GAP))
    ends = season.edges[season.first_live + 1 :] - season.edges[season.first_live]
    # A period may be so short that nobody comes in it: NaN has no place in JSON.
    return Curve(
        ends.astype(np.float64).tolist(), regrets.mean(axis=0).tolist(), errors.tolist(), np.nan_to_num(closed).tolist()
    )


def _ages(runs: Sequence[Ran], season: Season) -> list[Aged]:
    if not season.age_hours:
        return []
    rates = np.array([run.aged for run in runs])  # (seeds, ages)
    fresh = rates[:, season.age_hours.index(0)]
    lead = float((fresh - [_uniform_rate(run.periods, season.first_aged) for run in runs]).mean())
    aged = []
    for place, hours in enumerate(season.age_hours):
        lost = Mean.of(fresh - rates[:, place])
        aged.append(Aged(hours, lost, lost.mean / lead if lead > _SPEAKS_OF else None))
    return aged


def _uniform_rate(periods: Periods, first: int) -> float:
    return sum(periods.uniform[first:]) / sum(periods.impressions[first:])
