"""How much a log can tell, and how long explore data have to be gathered until they tell more."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
import scipy

from bandit.arrays import F64, I64, is_number
from bandit.errors import InputError
from bandit.evaluation.differences import lead_errors
from bandit.evaluation.estimators import parse_estimator
from bandit.evaluation.intervals.hall import MOST_FREEDOM
from bandit.evaluation.results import Evaluation
from bandit.evaluation.sample import Sample
from bandit.evaluation.targets import LOGGING
from bandit.evaluation.tuning import resolved

POWER = 0.8
_LEAST_LEAD, _ROUNDING = 1e-9, 1e-9
_MOST_DAYS = 1e6


@dataclass(frozen=True)
class Plan:
    """What a log, and explore data after it, can tell of a policy's lead over the logging policy.

    ``detectable``: the smallest lead that ``power`` of such logs would show, adjusted for all differences of the comparison;
    None where the log cannot judge the policy. ``detectable_share``: by the logging policy's value. ``days``: of explore data
    until ``difference`` is detectable; None where it was not asked for. Both are of a world in which the policy leads because
    the arms that it shows more often than the log did earn rewards more often; a lead that comes otherwise has another
    variance.
    """

    policy: str
    detectable: float | None
    detectable_share: float | None
    level: float
    power: float
    difference: float | None
    explore_share: float | None
    impressions_a_day: float | None
    days: float | None


@dataclass(frozen=True)
class Gathering:
    """Explore data to be gathered: the share of impressions under uniform, all impressions a day, and the lead to be found.

    Raises:
        InputError: a number is out of range.
    """

    explore_share: float
    impressions_a_day: float
    difference: float

    def __post_init__(self) -> None:
        if not (is_number(self.explore_share) and 0 < self.explore_share < 1):
            raise InputError(f"the explore share is {self.explore_share!r}, expected a share between 0 and 1")
        if not (is_number(self.impressions_a_day) and 0 < self.impressions_a_day < np.inf):
            raise InputError(f"the impressions a day are {self.impressions_a_day!r}, expected a number above 0")
        if not (is_number(self.difference) and _LEAST_LEAD <= self.difference < np.inf):
            raise InputError(
                f"the difference is {self.difference!r}, expected a lead of at least {_LEAST_LEAD:g}, in reward per impression"
            )


def plan(
    policy: str,
    evaluation: Evaluation,
    sample: Sample,
    choices: I64,
    gathering: Gathering | None = None,
    power: float = POWER,
) -> Plan:
    """Power analysis of a policy's lead over the logging policy (Cohen 1988).

    A lead δ is found with probability ``power`` if δ = (q + z_power) σ(δ), with σ the standard error that adjusted intervals
    of the lead have and q how many of it they are wide. A lead makes its own variance: rewards that are more frequent where
    weights are large scatter more. So σ(δ) is that of the world in which the rewards of arms with w > 1 are so many times as
    frequent that the lead is δ (``_World``). Where there is no such reward, arms are taken to earn as the log did.

    Explore data: N d impressions of d days, the share e of them under uniform with w_u = k π(a|x), the rest as they were
    logged. Where this log can judge the policy, its m impressions judge too: σ² = (m V + N d (e V_u + (1 - e) V)) / (m + N
    d)², V and V_u the variance of an impression's part in the lead as logged and under uniform. Where it cannot, the new data
    judge alone, the policy by the share under uniform and the logging policy by the rest: σ² = (Var_u(w_u r) / e + Var(r) /
    (1 - e)) D / (N d), D ≥ 1 how much wider errors are for the impressions of a user, or else a decision, hanging together
    (Kish 1965). E_u[w_u² | x] = k Σ_a π(a|x)² is known of the policy, whatever was logged.

    Args:
        policy: one of the evaluation.
        evaluation: with the logging policy.
        sample: of the policy, with propensities.
        choices: arms that each decision could choose from, (m,).
        gathering: what is to be gathered; None leaves the days out.
        power: probability of finding a lead that is there.
    """
    lead = next(each for each in evaluation.differences if (each.policy, each.against) == (policy, LOGGING))
    value = float(sample.rewards.mean())
    alone = float(
        scipy.special.stdtrit(MOST_FREEDOM, (1 + evaluation.level) / 2)
    )  # adjusted ends lie around the single ones
    width = max(evaluation.reach, alone) + float(scipy.special.ndtri(power))
    if sample.propensities is None:
        raise InputError("a plan needs propensities, and there are none; log them with every choice")
    can_tell = lead.value is not None and lead.lower is not None and bool(sample.rewards.any())
    world = _World.of(sample, evaluation.estimator) if can_tell else None
    detectable = None if world is None else _detectable(world, width)
    days = None
    if gathering is not None:
        if world is None:
            days = _days_alone(sample, choices, gathering, width)
        else:
            days = _days_together(world, sample, choices, gathering, width)
    return Plan(
        policy,
        detectable,
        detectable / value if detectable is not None and value else None,
        evaluation.level,
        power,
        None if gathering is None else gathering.difference,
        None if gathering is None else gathering.explore_share,
        None if gathering is None else gathering.impressions_a_day,
        days,
    )


class _World(NamedTuple):
    """The log's world, in which rewards at w > 1 can be made more frequent; all (m,) but the last.

    ``excess``: w / w̄ - 1. ``often``: what is made more frequent of each reward, ``seldom``: what is not; ``often_squares`` and
    ``seldom_squares`` the same of squared rewards. ``error`` and ``least_error`` are those of the lead today.
    """

    excess: F64
    often: F64
    seldom: F64
    often_squares: F64
    seldom_squares: F64
    error: float
    least_error: float

    @classmethod
    def of(cls, sample: Sample, estimator: str) -> "_World":
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
        )

    @property
    def is_exact(self) -> bool:
        """Whether the policy chooses as the log did."""
        return bool(np.abs(self.excess).max(initial=0.0) <= _ROUNDING)

    def times(self, lead: float) -> float:
        """How many times as frequent the rewards at w > 1 have to be for a lead."""
        gained = float((self.excess * self.often).mean())
        return max((lead - float((self.excess * self.seldom).mean())) / gained, 0.0) if gained > 0 else 1.0

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
        """The variance of an impression's part in the lead, w (r - v) - (r - r̄) with w of mean 1."""
        rewards = times * self.often + self.seldom
        squares = times * self.often_squares + self.seldom_squares
        mean = float(rewards.mean())
        value = mean + float((self.excess * rewards).mean())
        rest = mean - (1 + self.excess) * value
        return float((self.excess**2 * squares + 2 * self.excess * rewards * rest + rest**2).mean())

    def _reward_variance(self, times: float) -> float:
        rewards = times * self.often + self.seldom
        return float((times * self.often_squares + self.seldom_squares).mean()) - float(rewards.mean()) ** 2

    def uniform_lead(self, sample: Sample, choices: I64, lead: float) -> float:
        """What uniform is worth more than the log at a lead, as far as the log tells."""
        assert sample.propensities is not None  # noqa: S101 - the caller looked
        rewards = self.times(lead) * self.often + self.seldom
        weights = 1 / (choices * sample.propensities)
        return float(np.average(rewards, weights=weights)) - float(rewards.mean())

    def moments(self, lead: float) -> "_Moments":
        """Moments of rewards at a lead."""
        times = self.times(lead)
        rewards = times * self.often + self.seldom
        squares = times * self.often_squares + self.seldom_squares
        weights = 1 + self.excess
        return _Moments(
            float(rewards.mean()),
            float(squares.mean()),
            float((weights * rewards).mean()),
            float((weights * squares).mean()),
            squares,
        )


class _Moments(NamedTuple):
    """Means of r and r² as logged and as the policy would earn them, and r² of each impression, (m,)."""

    mean: float
    square: float
    policy_mean: float
    policy_square: float
    squares: F64


def _detectable(world: _World, width: float) -> float:
    """The δ at which δ = width · σ(δ)."""
    if world.is_exact:
        return 0.0
    most = width * world.sigma(0.0)
    while most < width * world.sigma(most):
        most *= 2
    return float(scipy.optimize.brentq(lambda lead: lead - width * world.sigma(lead), 0.0, most, xtol=1e-12))


def _days_together(world: _World, sample: Sample, choices: I64, gathering: Gathering, width: float) -> float | None:
    """Days until this log and the new data show the lead together; None if they never do.

    What is logged then is a mixture with uniform, so that the lead over it changes by what uniform is better or worse.
    """
    lead, count, share = gathering.difference, len(sample), gathering.explore_share
    logged = world.sigma(lead) ** 2 * count  # V
    found = world.moments(lead)
    uniform = _uniform_square(sample, choices, found.squares) - 2 * found.policy_square + found.square - lead**2
    new = share * max(uniform, 0.0) * _design_effect(sample) + (1 - share) * logged
    shift = world.uniform_lead(sample, choices, lead)

    def missing(days: float) -> float:
        gathered = gathering.impressions_a_day * days
        total = count + gathered
        over_mixture = lead - share * gathered / total * shift
        return width * sqrt(count * logged + gathered * new) / total - over_mixture

    if missing(0.0) <= 0:
        return 0.0
    most = 1.0
    while missing(most) > 0:
        most *= 2
        if most > _MOST_DAYS:
            return None
    return float(scipy.optimize.brentq(missing, 0.0, most))


def _days_alone(sample: Sample, choices: I64, gathering: Gathering, width: float) -> float | None:
    """Days until the explore data alone show the lead, judged by themselves; None without a reward to go by.

    Rewards are as logged, and so many times as frequent as makes the policy lead.
    """
    if not sample.rewards.any():
        return None
    mean, squares = float(sample.rewards.mean()), sample.rewards**2
    lead, share = gathering.difference, gathering.explore_share
    times = 1 + lead / mean if mean > 0 else 1.0
    explored = max(_uniform_square(sample, choices, None) * times - (mean + lead) ** 2, 0.0)
    variance = (explored / share + float(squares.mean() - mean**2) / (1 - share)) * _design_effect(sample)
    return variance * (width / lead) ** 2 / gathering.impressions_a_day


def _uniform_square(sample: Sample, choices: I64, squares: F64 | None) -> float:
    """E_u[w_u² r²]: k Σ_a π(a|x)², times r² as weights w π tell it of ``squares`` (m,), or as it was logged if that is None."""
    assert sample.target_squares is not None  # noqa: S101 - samples of a log have them
    weights = np.ones(len(sample)) if squares is None else sample.weights * sample.target
    values = sample.rewards**2 if squares is None else squares
    return float((choices * sample.target_squares).mean()) * float(np.average(values, weights=weights))


def _design_effect(sample: Sample) -> float:
    """How much larger the variance of a weighted mean is than if every impression were a unit of its own; at least 1."""
    values = sample.weighted_rewards - sample.weighted_rewards.mean()
    sums, alone = sample.unit_sums(values), float(values @ values)
    return max(float(sums @ sums) / alone, 1.0) if alone > 0 else 1.0


def whole_days(days: float) -> int:
    """Days, rounded up.

    >>> whole_days(2.1)
    3
    """
    return ceil(days)
