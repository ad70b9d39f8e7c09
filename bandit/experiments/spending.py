"""Group-sequential bounds: what z has to reach at each planned look, so that all looks together have one level.

The level is spent by a function of the share of information (Lan and DeMets 1983); bounds follow by integrating the distribution
of the statistic from look to look (Armitage, McPherson and Rowe 1969; Jennison and Turnbull 2000, chapter 19).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil, e, inf, pi, sqrt
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.experiments.columns import checked_error, column

_FARTHEST: Final = 38.0
"""z beyond which the smallest double cannot hold a tail of the normal distribution."""
_SEEN: Final = 8.5
"""z up to which the distribution is integrated: what is left out has a probability below 1e-16."""
_PANEL_NODES, _PANEL_DEVIATIONS = 16, 3.0
"""Of a Gauss-Legendre rule per panel: bounds change by less than 1e-12 with twice as many."""
_LEAST_STEP: Final = 1e-3
"""Of a look's information that is not of the look before; the integral's matrices grow with 1 / step."""
_LEAST_SHARED: Final = 1e-6
"""Of a look's information that the look before is taken to have had: less makes no difference to bounds."""


class _Density(NamedTuple):
    """Where the score can be without having crossed: points, and density times the weight of the point."""

    points: F64
    masses: F64


def spending_bounds(information: npt.ArrayLike, level: float, spending: str, times: npt.ArrayLike | None = None) -> F64:
    """How far from 0 on either side z has to be at each look, (looks,).

    Args:
        information: its share at each look, of what the plan comes to at its end, (looks,): rising, above 0, at most 1.
            With ``times`` its share of what there is at the last of these looks.
        level: false alarms at all looks together, 0.05; 0.95 means the same.
        spending: ``"power:3"`` spends α t³ (any power above 0), ``"obrien_fleming"`` and ``"pocock"`` as Lan and DeMets have
            them, each side half of the level: 4 (1 - Φ(z_{1 - α/4} / √t)), and α ln(1 + (e - 1) t).
        times: the t by which the level is spent, (looks,), where it is not the information: such as the share of the days,
            rising, above 0, at most 1 (Lan and DeMets 1989). Information decides how alike looks are, and need not be foreseen.

    Raises:
        InputError: the information does not rise or is not in (0, 1], or the level or the name is wrong.

    >>> spending_bounds([0.2, 0.4, 0.6, 0.8, 1.0], 0.05, "obrien_fleming").round(3).tolist()
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    shares = _checked_information(information)
    spent = spent_by(shares if times is None else _checked_times(times, len(shares)), level, spending)
    bounds = np.empty(len(shares))
    steps, to_spend = np.diff(shares, prepend=0.0), np.diff(spent, prepend=0.0)
    density = None
    for look, (share, step) in enumerate(zip(shares.tolist(), steps.tolist(), strict=True)):
        bounds[look] = _bound(density, step, share, float(to_spend[look]))
        end = sqrt(share) * min(float(bounds[look]), _SEEN)
        density = _after(density, step, end, float(steps[look : look + 2].min()))
    return bounds


def crossing_power(information: npt.ArrayLike, bounds: npt.ArrayLike, drift: float) -> float:
    """The share of experiments in which z reaches a bound at one of the looks, on either side.

    Args:
        information: as the looks really have it, (looks,): rising, above 0; that of the last look is 1.
        bounds: as of ``spending_bounds``, (looks,).
        drift: the mean of z at the last look: the effect in standard errors.

    Raises:
        InputError: the information does not rise or is not in (0, 1].

    >>> bounds = spending_bounds([0.5, 1.0], 0.05, "pocock")
    >>> round(crossing_power([0.5, 1.0], bounds, 0.0), 4), round(crossing_power([0.5, 1.0], bounds, 2.8), 4)
    (0.05, 0.7508)
    """
    shares, limits = _checked_information(information), np.asarray(bounds, dtype=np.float64)
    steps = np.diff(shares, prepend=0.0)
    density = None
    for look, (share, step) in enumerate(zip(shares.tolist(), steps.tolist(), strict=True)):
        end = sqrt(share) * min(float(limits[look]), _SEEN)
        density = _after(density, step, end, float(steps[look : look + 2].min()))
    if density is None:
        return 0.0
    # The density under a drift is that without one times the likelihood ratio of the score.
    weights = np.exp(float(drift) * density.points - float(drift) ** 2 * shares[-1] / 2)
    return float(np.clip(1 - density.masses @ weights, 0.0, 1.0))


def told_apart(information: npt.ArrayLike) -> F64:
    """Shares of information that rise enough for bounds, (looks,): a look that has next to all of the next one's has less.

    Looks that are far apart stay so, however little there is at the first ones: 10 users are as far from 20 as 500 from 1,000.

    >>> told_apart([0.0, 0.25, 0.9999, 1.0]).tolist()
    [2.5e-07, 0.25, 0.998, 1.0]
    """
    shares = np.array(information, dtype=np.float64)
    for place in range(len(shares) - 2, -1, -1):
        following = shares[place + 1]
        shares[place] = min(max(shares[place], _LEAST_SHARED * following), (1 - 2 * _LEAST_STEP) * following)
    return shares


def least_shared(shared: npt.ArrayLike) -> F64:
    """Shares of information that make no two looks more alike than any of several measures says, (looks,).

    Bounds see looks through steps from one to the next, so the least share at each look is not enough: measures of 0.3, 0.9 and
    0.35, 0.7 have 0.3 and 0.7, of which the first is 0.43 of the second, where the first measure says a third.

    Args:
        shared: by each measure, how much of what there is at a look (columns) there was at one before it (rows), in 0 to 1,
            (measures, looks, looks).

    >>> least_shared([[[1, 1 / 3, 0.3], [0, 1, 0.9], [0, 0, 1]], [[1, 0.5, 0.35], [0, 1, 0.7], [0, 0, 1]]]).round(3).tolist()
    [0.233, 0.7, 1.0]
    """
    least = np.asarray(shared, dtype=np.float64).min(axis=0)  # (looks, looks)
    shares = np.ones(len(least))
    for place in range(len(least) - 2, -1, -1):
        shares[place] = (shares[place + 1 :] * least[place, place + 1 :]).min()
    return told_apart(shares)


def spent_by(information: F64, level: float, spending: str) -> F64:
    """The probability of a false alarm up to each look, (looks,).

    Raises:
        InputError: the level or the name is wrong.
    """
    return _function(spending)(information, checked_error(level))


def _function(spending: str) -> Callable[[F64, float], F64]:
    name, _, power = str(spending).partition(":")
    if name == "power":
        try:
            exponent = float(power)
        except ValueError:
            exponent = 0.0
        if 0 < exponent < inf:
            return partial(_power, exponent=exponent)
    elif not power and name in _FUNCTIONS:
        return _FUNCTIONS[name]
    raise InputError(
        f"spending is {spending!r}, expected 'power:3' with a number above 0, or one of {', '.join(_FUNCTIONS)}"
    )


def _power(information: F64, error: float, exponent: float) -> F64:
    return error * information**exponent


def _obrien_fleming(information: F64, error: float) -> F64:
    return 4 * np.asarray(scipy.special.ndtr(scipy.special.ndtri(error / 4) / np.sqrt(information)))


def _pocock(information: F64, error: float) -> F64:
    return error * np.log(1 + (e - 1) * information)


_FUNCTIONS: Final = {"obrien_fleming": _obrien_fleming, "pocock": _pocock}


def _checked_information(information: npt.ArrayLike) -> F64:
    shares = column("information", information, least=1)
    if shares[0] <= 0 or shares[-1] > 1:
        odd = shares[0] if shares[0] <= 0 else shares[-1]
        raise InputError(
            f"information is {odd}, expected shares above 0 and at most 1: users so far / users at the end"
        )
    steps = np.diff(shares, prepend=0.0) / shares
    if steps.min() < _LEAST_STEP:
        look = int(steps.argmin())
        raise InputError(
            f"information is {shares[look]} at look {look}, expected at least {_LEAST_STEP:g} of it more than before: it rises"
        )
    return shares


def _checked_times(times: npt.ArrayLike, count: int) -> F64:
    shares = column("times", times, least=1)
    if len(shares) != count or shares[0] <= 0 or shares[-1] > 1 or np.diff(shares).min(initial=1.0) <= 0:
        raise InputError(
            f"times are {shares.tolist()}, expected {count} rising shares above 0 and at most 1: one for each look"
        )
    return shares


def _bound(density: _Density | None, step: float, share: float, to_spend: float) -> float:
    """The z at which what crosses is what this look may spend; infinite if that is nothing."""
    if to_spend <= 0:
        return inf
    if density is None:
        return -float(scipy.special.ndtri(to_spend / 2))

    def excess(z: float) -> float:
        return _crossing(density, step, z * sqrt(share)) - to_spend

    if excess(_FARTHEST) >= 0:
        return inf
    if excess(0.0) <= 0:
        return 0.0
    return float(scipy.optimize.brentq(excess, 0.0, _FARTHEST, xtol=1e-12, rtol=1e-14))


def _crossing(density: _Density, step: float, bound: float) -> float:
    deviation = sqrt(step)
    above = scipy.special.ndtr((density.points - bound) / deviation)
    under = scipy.special.ndtr((-bound - density.points) / deviation)
    return float(density.masses @ (above + under))


def _after(density: _Density | None, step: float, end: float, finest: float) -> _Density:
    """The density of the score that has not crossed, up to ``end`` on either side; ``finest`` is the smaller step around it."""
    points, weights = _rule(end, sqrt(finest))
    if density is None:
        values = np.exp(-(points**2) / (2 * step))
    else:
        values = np.exp(-((points[:, np.newaxis] - density.points) ** 2) / (2 * step)) @ density.masses
    return _Density(points, weights * values / sqrt(2 * pi * step))


def _rule(end: float, deviation: float) -> tuple[F64, F64]:
    """Points and weights of Gauss-Legendre rules side by side from -end to end."""
    nodes, weights = np.polynomial.legendre.leggauss(_PANEL_NODES)
    panels = max(ceil(2 * end / (_PANEL_DEVIATIONS * deviation)), 1)
    half = end / panels
    centres = half * (2 * np.arange(panels) + 1) - end
    return (centres[:, np.newaxis] + half * nodes).ravel(), np.tile(half * weights, panels)
