"""Figures with an interval, and straight lines through measured ones: the arithmetic of a plan, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, NamedTuple, Self

RUN_ERROR: Final = 0.12
"""What a run that was made once may be wrong by: the same training took 7.5 to 9.5 s in three runs in a row on a free machine."""

_SLACK: Final = 1e-9
"""Of what is compared, for rounding."""


@dataclass(frozen=True)
class Estimate:
    """A figure that is not negative, and the interval that it is expected in.

    ``times`` is by how much what it is for exceeds the largest that was measured; up to 1 it is no extrapolation.
    """

    value: float
    low: float
    high: float
    times: float = 1.0

    @classmethod
    def exactly(cls, value: float) -> Self:
        """A figure that follows from what is asked for alone."""
        return cls(value, value, value)

    @classmethod
    def measured(cls, values: Sequence[float]) -> Self:
        """The middle one of repeated measurements, from the lowest to the highest; one alone may be wrong by ``RUN_ERROR``."""
        if len(values) == 1:
            return cls(values[0], values[0] * (1 - RUN_ERROR), values[0] * (1 + RUN_ERROR))
        ordered = sorted(values)
        middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
        return cls(middle, ordered[0], ordered[-1])

    def scaled(self, factor: float) -> "Estimate":
        """So many times as much."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor, self.times)

    def plus(self, other: "Estimate") -> "Estimate":
        """Both together: at the least the least of both, at the most the most of both."""
        return Estimate(
            self.value + other.value, self.low + other.low, self.high + other.high, max(self.times, other.times)
        )

    def by(self, other: "Estimate") -> "Estimate":
        """One times the other."""
        return Estimate(
            self.value * other.value, self.low * other.low, self.high * other.high, max(self.times, other.times)
        )

    def mapped(self, rising: Callable[[float], float]) -> "Estimate":
        """What a function that never falls makes of it."""
        return Estimate(rising(self.value), rising(self.low), rising(self.high), self.times)

    def at_least(self, other: "Estimate") -> "Estimate":
        """The larger of both."""
        return Estimate(
            max(self.value, other.value),
            max(self.low, other.low),
            max(self.high, other.high),
            max(self.times, other.times),
        )

    def inverse(self) -> "Estimate":
        """Of the time that one takes, where this is of how many are done in a time."""
        return Estimate(1 / self.value, 1 / self.high, 1 / self.low, self.times)

    def beyond(self, times: float) -> "Estimate":
        """The same figure for so many times what was measured."""
        return Estimate(self.value, self.low, self.high, max(self.times, times))


class Point(NamedTuple):
    """A measured ``y`` for an amount ``x`` of work."""

    x: float
    y: float


@dataclass(frozen=True)
class Line:
    """y = ``base`` + ``slope`` · x, neither of them negative, and by how much each point may be wrong."""

    base: float
    slope: float
    points: tuple[Point, ...]
    errors: tuple[float, ...]
    least_slope: float = 0.0

    def at(self, x: float) -> Estimate:
        """The line's value, from the lowest to the highest of all lines that pass every point within its error."""
        reached = [base + slope * x for base, slope in self._corners()]
        value = self.base + self.slope * x
        largest = max(point.x for point in self.points)
        return Estimate(value, min(value, *reached), max(value, *reached), x / largest)

    def per_unit(self) -> Estimate:
        """The slope alone."""
        slopes = [slope for _, slope in self._corners()]
        return Estimate(self.slope, min(self.slope, *slopes), max(self.slope, *slopes))

    def _corners(self) -> list[tuple[float, float]]:
        """(base, slope) of the lines at the corners of what is possible: the extremes at any x are among them."""
        # Each limit is a · base + b · slope <= c.
        limits = [(-1.0, 0.0, 0.0), (0.0, -1.0, -self.least_slope)]
        for (x, y), error in zip(self.points, self.errors, strict=True):
            limits += [(1.0, x, y + error), (-1.0, -x, error - y)]
        corners = [(self.base, self.slope)]
        for (a, b, c), (d, e, f) in combinations(limits, 2):
            determinant = a * e - b * d
            if determinant:
                base, slope = (c * e - b * f) / determinant, (a * f - c * d) / determinant
                if all(
                    g * base + h * slope <= i + _SLACK * (abs(i) + abs(g * base) + abs(h * slope)) for g, h, i in limits
                ):
                    corners.append((base, slope))
        return corners


def fit(points: Sequence[Point], least_slope: float = 0.0) -> Line:
    """The best straight line: least squares of the relative errors, since a run errs by a share of what it takes.

    Where all points are of one x, nothing says what is the base: all of it counts as growing, which is the most that it can be.

    Args:
        points: at least one, of positive x and y.
        least_slope: that is known otherwise.

    >>> line = fit([Point(1, 3), Point(3, 7)])
    >>> round(line.base, 9), round(line.slope, 9)
    (1.0, 2.0)
    """
    base, slope = _least_squares(points)
    if slope < least_slope:
        base, slope = max(0.0, _mean([Point(x, y - least_slope * x) for x, y in points], points)), least_slope
    elif base < 0:
        base, slope = 0.0, _proportional(points)
    worst = max(abs(base + slope * x - y) / y for x, y in points)
    return Line(base, slope, tuple(points), tuple((RUN_ERROR + worst) * y for _, y in points), least_slope)


def _least_squares(points: Sequence[Point]) -> tuple[float, float]:
    if len({point.x for point in points}) == 1:
        return 0.0, _proportional(points)
    weights = [1 / point.y**2 for point in points]
    total = sum(weights)
    x_mean = sum(weight * point.x for weight, point in zip(weights, points, strict=True)) / total
    y_mean = sum(weight * point.y for weight, point in zip(weights, points, strict=True)) / total
    spread = sum(weight * (point.x - x_mean) ** 2 for weight, point in zip(weights, points, strict=True))
    both = sum(weight * (point.x - x_mean) * (point.y - y_mean) for weight, point in zip(weights, points, strict=True))
    slope = both / spread
    return y_mean - slope * x_mean, slope


def _proportional(points: Sequence[Point]) -> float:
    """The slope of the best line through the origin."""
    return sum(x / y for x, y in points) / sum((x / y) ** 2 for x, y in points)


def _mean(values: Sequence[Point], weighted_by: Sequence[Point]) -> float:
    weights = [1 / point.y**2 for point in weighted_by]
    return sum(weight * value.y for weight, value in zip(weights, values, strict=True)) / sum(weights)
