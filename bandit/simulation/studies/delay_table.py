"""Regret by delay beside the published figures: means, errors, and whether they rise as published."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.simulation.delay import Delay
from bandit.simulation.studies.chapelle_li import POLICIES

WORLD = "chapelle-li"
FULL_STEPS = 1_000_000
TOLERANCE = 0.10
"""How far Thompson sampling without a delay may be off the published regret."""

_ERRORS = 3.0  # a difference of paired repetitions beyond this many of its standard errors is not chance
_NAMES = (*POLICIES, "ratio")


class Published(NamedTuple):
    """One column of table 1 of Chapelle and Li (2011): mean regret of 100 repetitions of 10⁶ steps."""

    ucb: float
    thompson: float
    ratio: float


PUBLISHED = {
    1: Published(24_145, 9_105, 2.65),
    3: Published(24_695, 9_199, 2.68),
    10: Published(25_662, 9_049, 2.84),
    32: Published(28_148, 9_451, 2.98),
    100: Published(37_141, 11_550, 3.22),
    316: Published(77_687, 21_594, 3.60),
    1000: Published(226_220, 59_256, 3.82),
}


@dataclass(frozen=True)
class Figure:
    """A mean over repetitions with its standard error; beside it, at full size, what was published, and how far it is off.

    ``deviation`` is a share: 0.05 is 5 % above the published figure.
    """

    mean: float
    error: float
    published: float | None = None
    deviation: float | None = None


@dataclass(frozen=True)
class Row:
    """One delay in one reading; ``reading`` is ``any`` at δ = 1, where the readings are the same."""

    delay: int
    reading: str
    ucb: Figure
    thompson: Figure
    ratio: Figure


@dataclass(frozen=True)
class Comparison:
    """The table, and what failed; ``judged`` only at full size, with δ = 1 and another delay among the delays."""

    world: str
    steps: int
    repetitions: int
    seed: int
    rows: tuple[Row, ...]
    judged: bool
    wanting: tuple[str, ...]


def compare(regrets: F64, delays: tuple[Delay, ...], steps: int, seed: int) -> Comparison:
    """The table of all repetitions.

    Args:
        regrets: of each repetition, delay and policy, (repetitions, delays, 2).
        delays: as given to the repetitions.
        steps: T.
        seed: of the repetitions, for the record.

    Raises:
        InputError: there are fewer than two repetitions.
    """
    if len(regrets) < 2:
        raise InputError(f"there is {len(regrets)} repetition; a standard error needs at least 2")
    influences = _influences(regrets)
    rows = tuple(_row(influences[:, place], delay, steps) for place, delay in enumerate(delays))
    sizes = {delay.steps for delay in delays}
    judged = steps == FULL_STEPS and 1 in sizes and len(sizes) > 1
    wanting = (*_off(rows), *_not_rising(influences, delays)) if judged else ()
    return Comparison(WORLD, steps, len(regrets), seed, rows, judged, wanting)


def _influences(regrets: F64) -> F64:
    """What each repetition contributes to both mean regrets and to the ratio of the means, (repetitions, delays, 3).

    Their mean over repetitions is the estimate, their scatter its error: for the ratio by the delta method,
    R + (u - R t) / t̄ with R = ū / t̄. Repetitions are paired, so differences of influences give errors of differences.
    """
    ucb, thompson = regrets[..., 0], regrets[..., 1]
    ratio = ucb.mean(axis=0) / thompson.mean(axis=0)
    of_ratio = ratio + (ucb - ratio * thompson) / thompson.mean(axis=0)
    return np.stack((ucb, thompson, of_ratio), axis=-1)


def _mean_and_error(values: F64) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def _row(influences: F64, delay: Delay, steps: int) -> Row:
    known = PUBLISHED.get(delay.steps) if steps == FULL_STEPS else None
    figures = {}
    for place, name in enumerate(_NAMES):
        mean, error = _mean_and_error(influences[:, place])
        published = None if known is None else float(known[place])
        figures[name] = Figure(mean, error, published, None if published is None else mean / published - 1.0)
    return Row(delay.steps, "any" if delay.steps == 1 else delay.reading, **figures)


def _off(rows: tuple[Row, ...]) -> list[str]:
    figure = next(row.thompson for row in rows if row.delay == 1)
    if figure.deviation is None or abs(figure.deviation) <= TOLERANCE:
        return []
    sentence = (
        f"Thompson sampling's regret at δ = 1 is {figure.mean:,.0f}, {figure.deviation:+.1%} off the published"
        f" {figure.published:,.0f}; at most {TOLERANCE:.0%} is accepted"
    )
    return [sentence]


def _not_rising(influences: F64, delays: tuple[Delay, ...]) -> list[str]:
    """Sentences about falls between neighbouring delays, and about ends between which nothing rises, beyond chance."""
    found = []
    for reading in dict.fromkeys(delay.reading for delay in delays):
        places = [place for place, delay in enumerate(delays) if delay.steps == 1 or delay.reading == reading]
        for column, name in enumerate(_NAMES):
            series = influences[:, places, column]  # (repetitions, delays)
            for place in range(1, len(places)):
                step, error = _mean_and_error(series[:, place] - series[:, place - 1])
                if step < -_ERRORS * error:
                    before, after = (delays[places[i]].steps for i in (place - 1, place))
                    found.append(f"{name} falls by {-step:,.2f} from δ = {before} to {after} ({reading})")
            rise, error = _mean_and_error(series[:, -1] - series[:, 0])
            if rise <= _ERRORS * error:
                found.append(f"{name} does not rise from the smallest δ to the largest ({reading})")
    return found
