"""The world in which a plan's lead is there: a log's rewards, made more frequent where the policy shows more than the log did."""

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

import numpy as np

from bandit.arrays import F64, I64
from bandit.evaluation.differences import lead_errors
from bandit.evaluation.estimators import parse_estimator
from bandit.evaluation.sample import Sample
from bandit.evaluation.tuning import resolved

_LEAST_LEAD, _ROUNDING = 1e-9, 1e-9


class LeadWorld(NamedTuple):
    """The log's world, in which rewards at w > 1 can be made more frequent; all (m,) but the last.

    ``excess``: w / w̄ - 1. ``often``: what is made more frequent of each reward, ``seldom``: what is not; ``often_squares`` and
    ``seldom_squares`` the same of squared rewards. ``error`` and ``least_error`` are those of the lead today. What users, or
    else decisions, share is more frequent as their rewards are: ``sample`` knows whose they are.
    """

    excess: F64
    often: F64
    seldom: F64
    often_squares: F64
    seldom_squares: F64
    error: float
    least_error: float
    sample: Sample

    @classmethod
    def of(cls, sample: Sample, estimator: str) -> "LeadWorld":
        """The world of a log and a policy."""
        total = float(sample.weights.mean())
        excess = sample.weights / total - 1 if total > 0 else np.zeros(len(sample))
        above = excess > 0
        rewards, squares = sample.rewards, sample.rewards**2
        if float(excess[above] @ rewards[above]) <= 0:  # nothing to multiply: arms earn as the log did
            rewards, squares = np.full(len(sample), rewards.mean()), np.full(len(sample), squares.mean())
        errors = lead_errors(sample, resolved(parse_estimator(estimator), sample)[1])
        nothing = 0.0
        return cls(
            excess,
            np.where(above, rewards, nothing),
            np.where(above, nothing, rewards),
            np.where(above, squares, nothing),
            np.where(above, nothing, squares),
            *errors,
            sample,
        )

    @property
    def is_exact(self) -> bool:
        """Whether the policy chooses as the log did."""
        return bool(np.abs(self.excess).max(initial=0.0) <= _ROUNDING)

    def times(self, lead: float) -> float:
        """How many times as frequent the rewards at w > 1 have to be for a lead."""
        gained = float((self.excess * self.often).mean())
        return max((lead - float((self.excess * self.seldom).mean())) / gained, 0.0) if gained > 0 else 1.0

    def lead(self, times: float) -> float:
        """The lead if the rewards at w > 1 are so many times as frequent; inverse of ``times``."""
        return times * float((self.excess * self.often).mean()) + float((self.excess * self.seldom).mean())

    def sigma(self, lead: float) -> float:
        """The standard error that adjusted intervals would have at a lead."""
        times = self.times(lead)
        return max(
            self.error * self._ratio(self._variance, times),
            self.least_error * self._ratio(self._reward_variance, times),
        )

    def _ratio(self, variance: Callable[[float], float], times: float) -> float:
        now = variance(1.0)
        return sqrt(max(variance(times), 0.0) / now) if now > 0 else 1.0

    def _variance(self, times: float) -> float:
        """The variance of an impression's part in the lead, and what it has in common with others of its unit."""
        return self._alone(times) + self._common(times)

    def _alone(self, times: float) -> float:
        """The variance of an impression's part in the lead, w (r - v) - (r - r̄) with w of mean 1."""
        rewards = times * self.often + self.seldom
        squares = times * self.often_squares + self.seldom_squares
        mean = float(rewards.mean())
        value = mean + float((self.excess * rewards).mean())
        rest = mean - (1 + self.excess) * value
        return float((self.excess**2 * squares + 2 * self.excess * rewards * rest + rest**2).mean())

    def _common(self, times: float) -> float:
        """Products of the parts of two impressions of a unit: they grow with the square of what is more frequent."""
        if self.sample.units is None:
            return 0.0
        rewards = times * self.often + self.seldom
        mean = float(rewards.mean())
        parts = self.excess * rewards + mean - (1 + self.excess) * (mean + float((self.excess * rewards).mean()))
        sums = self.sample.unit_sums(parts)
        return max(float(sums @ sums) - float(parts @ parts), 0.0) / len(parts)

    def design(self, lead: float) -> float:
        """How much larger the variance is at a lead than if every impression were a unit of its own; at least 1."""
        times = self.times(lead)
        alone = self._alone(times)
        return 1 + self._common(times) / alone if alone > 0 else 1.0

    def _reward_variance(self, times: float) -> float:
        rewards = times * self.often + self.seldom
        return float((times * self.often_squares + self.seldom_squares).mean()) - float(rewards.mean()) ** 2

    def uniform_lead(self, sample: Sample, choices: I64, lead: float) -> float:
        """What uniform is worth more than the log at a lead, as far as the log tells."""
        assert sample.propensities is not None  # noqa: S101 - the caller looked
        rewards = self.times(lead) * self.often + self.seldom
        weights = 1 / (choices * sample.propensities)
        return float(np.average(rewards, weights=weights)) - float(rewards.mean())

    def moments(self, lead: float) -> "RewardMoments":
        """Moments of rewards at a lead."""
        times = self.times(lead)
        rewards = times * self.often + self.seldom
        squares = times * self.often_squares + self.seldom_squares
        weights = 1 + self.excess
        return RewardMoments(
            float(rewards.mean()),
            float(squares.mean()),
            float((weights * rewards).mean()),
            float((weights * squares).mean()),
            squares,
        )


class RewardMoments(NamedTuple):
    """Means of r and r² as logged and as the policy would earn them, and r² of each impression, (m,)."""

    mean: float
    square: float
    policy_mean: float
    policy_square: float
    squares: F64
