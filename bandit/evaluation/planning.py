"""How much a log can tell, and how long explore data have to be gathered until they tell more."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy.special import ndtri

from bandit.errors import InputError
from bandit.evaluation.estimators import Terms
from bandit.evaluation.intervals.normal import standard_error
from bandit.evaluation.sample import F64, I64, Sample
from bandit.numeric import is_number

POWER = 0.8


@dataclass(frozen=True)
class Plan:
    """What a log, and explore data after it, can tell of a policy's lead over the logging policy.

    ``detectable``: the smallest lead that ``power`` of such logs would show at ``level``; by ``detectable_share`` of the logging
    policy's value. ``days``: of explore data until ``difference`` is detectable; None where it was not asked for.
    """

    policy: str
    detectable: float
    detectable_share: float
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
        for name, value in (("impressions a day", self.impressions_a_day), ("difference", self.difference)):
            if not (is_number(value) and 0 < value < np.inf):
                raise InputError(f"the {name} is {value!r}, expected a number above 0")


def plan(
    policy: str, sample: Sample, choices: I64, level: float, gathering: Gathering | None = None, power: float = POWER
) -> Plan:
    """Power analysis of the lead of ``ips`` over the mean reward of the log (Cohen 1988).

    A lead δ is found by a two-sided test at 1 - level with probability ``power`` if δ = (z_{(1+level)/2} + z_power) · σ, σ the
    standard error of the lead. Of d days of explore data, σ² = [Var_u(w_u r) / e + Var(r) / (1 - e)] D / (N d): the policy's
    value comes from the share e under uniform, w_u = k π(a|x), that of the logging policy from the rest. Var_u is taken from
    this log by its own weights, and D ≥ 1 is how much wider its errors are for impressions of one decision hanging together
    (Kish 1965).

    Args:
        policy: for the record.
        sample: of the policy, with propensities.
        choices: arms that each decision could choose from, (m,).
        level: of the test, 1 - its size.
        gathering: what is to be gathered; None leaves the days out.
        power: probability of finding a lead that is there.
    """
    reach = float(ndtri((1 + level) / 2) + ndtri(power))
    error = standard_error(sample, Terms(numerator=sample.weighted_rewards - sample.rewards))
    value = float(sample.rewards.mean())
    detectable = reach * error
    days = None if gathering is None else _days(sample, choices, gathering, reach)
    return Plan(
        policy,
        detectable,
        detectable / value if value else float("inf"),
        level,
        power,
        None if gathering is None else gathering.difference,
        None if gathering is None else gathering.explore_share,
        None if gathering is None else gathering.impressions_a_day,
        days,
    )


def _days(sample: Sample, choices: I64, gathering: Gathering, reach: float) -> float:
    assert sample.propensities is not None  # noqa: S101 - the caller sees to it
    as_uniform = 1 / (choices * sample.propensities)  # weights that make this log one under uniform
    explored = _variance(sample.target * choices * sample.rewards, as_uniform / as_uniform.mean())
    logged = float(sample.rewards.var())
    share = gathering.explore_share
    variance = (explored / share + logged / (1 - share)) * _design_effect(sample)
    return variance * (reach / gathering.difference) ** 2 / gathering.impressions_a_day


def _variance(values: F64, weights: F64) -> float:
    mean = float((weights * values).mean())
    return max(float((weights * values**2).mean()) - mean**2, 0.0)


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
