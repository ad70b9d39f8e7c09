"""How much a log can tell, and how long explore data have to be gathered until they tell more."""

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
import scipy

from bandit.errors import InputError
from bandit.evaluation.estimators import Terms
from bandit.evaluation.intervals.normal import standard_error
from bandit.evaluation.results import Difference, Evaluation
from bandit.evaluation.sample import I64, Sample
from bandit.evaluation.targets import LOGGING
from bandit.numeric import is_number

POWER = 0.8
_LEAST_LEAD = 1e-9


@dataclass(frozen=True)
class Plan:
    """What a log, and explore data after it, can tell of a policy's lead over the logging policy.

    ``detectable``: the smallest lead that ``power`` of such logs would show, adjusted for all differences of the comparison; None
    where the log cannot judge the policy. ``detectable_share``: by the logging policy's value. ``days``: of explore data until
    ``difference`` is detectable; None where it was not asked for.
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
    """Explore data to be gathered: the share of impressions shown under uniform, all impressions a day, and the lead to be found.

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
        if not (is_number(self.difference) and _LEAST_LEAD <= self.difference <= 1):
            raise InputError(
                f"the difference is {self.difference!r}, expected a lead from {_LEAST_LEAD:g} to 1, in reward an impression"
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

    A lead δ is found with probability ``power`` if δ = (q + z_power) σ, with σ the standard error of the lead, by the estimator
    that is compared, and q the standard errors that an adjusted interval is wide. Of d days of explore data,
    σ² = [Var_u(w_u r) / e + Var(r) / (1 - e)] D / (N d): the policy's value comes from the share e under uniform, w_u = k π(a|x),
    that of the logging policy from the rest. E_u[w_u² | x] = k Σ_a π(a|x)² is known of the policy, whatever was logged. What
    rewards are then, this log tells by its weights if it can judge the policy; else they are taken to be as they were. D ≥ 1 is
    how much wider errors are for impressions of one decision hanging together (Kish 1965).

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
    detectable = _detectable(lead, evaluation.reach, power)
    tail = evaluation.reach or float(scipy.special.ndtri((1 + evaluation.level) / 2))
    days = None
    if gathering is not None:
        rewards = _rewards(sample, by_weight=detectable is not None)
        days = _days(sample, choices, gathering, rewards, tail + float(scipy.special.ndtri(power)))
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


def _detectable(lead: Difference, reach: float, power: float) -> float | None:
    if lead.adjusted_lower is None or lead.adjusted_upper is None:
        return None
    width = (lead.adjusted_upper - lead.adjusted_lower) / 2
    return width * (1 + float(scipy.special.ndtri(power)) / reach) if reach else 0.0


class _Rewards(NamedTuple):
    """The mean of r, and that of r² weighted as w_u², of a policy's rewards."""

    mean: float
    square: float


def _rewards(sample: Sample, *, by_weight: bool) -> _Rewards:
    """By weights w for the mean and w π for the square: as often as uniform would show, times w_u²; or as they were logged."""
    weights = sample.weights if by_weight else np.ones(len(sample))
    squares = weights * sample.target if by_weight else weights
    mean = float(np.average(sample.rewards, weights=weights))
    return _Rewards(mean, float(np.average(sample.rewards**2, weights=squares)))


def _days(sample: Sample, choices: I64, gathering: Gathering, rewards: _Rewards, reach: float) -> float:
    assert sample.target_squares is not None  # noqa: S101 - the caller sees to it
    explored = max(float((choices * sample.target_squares).mean()) * rewards.square - rewards.mean**2, 0.0)
    logged = float(sample.rewards.var())
    share = gathering.explore_share
    variance = (explored / share + logged / (1 - share)) * _design_effect(sample)
    return variance * (reach / gathering.difference) ** 2 / gathering.impressions_a_day


def _design_effect(sample: Sample) -> float:
    """How much larger the variance of the mean is than it were if every impression were a decision of its own; at least 1."""
    if sample.clusters is None:
        return 1.0
    terms = Terms(numerator=sample.weighted_rewards)
    alone = float(sample.weighted_rewards.var(ddof=1)) / len(sample)
    return max(standard_error(sample, terms) ** 2 / alone, 1.0) if alone > 0 else 1.0


def whole_days(days: float) -> int:
    """Days, rounded up.

    >>> whole_days(2.1)
    3
    """
    return ceil(days)
