"""How much a log can tell, and how long explore data have to be gathered until they tell more."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
import scipy

from bandit.arrays import F64, I64, is_number
from bandit.errors import InputError
from bandit.evaluation.calibration import unsupported_share
from bandit.evaluation.fragility import equal_rewards
from bandit.evaluation.intervals.hall import MOST_FREEDOM
from bandit.evaluation.lead_world import LeadWorld
from bandit.evaluation.overlap import Thresholds, effective_rewards
from bandit.evaluation.results import Evaluation
from bandit.evaluation.sample import Sample
from bandit.evaluation.targets import LOGGING

POWER = 0.8
_LEAST_LEAD, _ROUNDING = 1e-9, 1e-9
_MOST_DAYS = 1e6


@dataclass(frozen=True)
class Plan:
    """What a log, and explore data after it, can tell of a policy's lead over the logging policy.

    ``detectable``: the smallest lead that ``power`` of such logs would show, adjusted for all differences of the comparison;
    None where the log cannot judge the policy. ``detectable_share``: by the logging policy's value. ``days``: of explore data
    until ``power`` of the comparisons of this log and the new days together, made as this one was, find ``difference`` without a
    caution; None where it was not asked for, or where they never do. ``days_alone``: the same where the log cannot judge the
    policy and the explore data are judged by themselves, against the rest of the new days. All are of a world in which the
    policy leads because the arms that it shows more often than the log did earn rewards more often; a lead that comes
    otherwise has another variance.
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
    days_alone: float | None = None


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
    need: Thresholds | None = None,
) -> Plan:
    """Power analysis of a policy's lead over the logging policy (Cohen 1988).

    A lead δ is found with probability ``power`` if δ = (q + z_power) σ(δ), with σ the standard error that adjusted intervals
    of the lead have and q how many of it they are wide. A lead makes its own variance: rewards that are more frequent where
    weights are large scatter more. So σ(δ) is that of the world in which the rewards of arms with w > 1 are so many times as
    frequent that the lead is δ (``LeadWorld``). Where there is no such reward, arms are taken to earn as the log did.

    Explore data: N d impressions of d days, the share e of them under uniform with w_u = k π(a|x), the rest as they were
    logged. They are judged together with the m impressions of this log, as a comparison of the grown log would: σ² = (m V + N
    d (e V_u + (1 - e) V)) / (m + N d)², V and V_u the variance of an impression's part in the lead as logged and under uniform.
    E_u[w_u² | x] = k Σ_a π(a|x)² is known of the policy, whatever was logged. Where this log cannot judge the policy, its
    weights may be missing what is rare, and E[w² | x] is taken as at least π² / p + (1 - π)² / (1 - p) of what was shown.

    A lead that is found with a caution is not found: leads and days are also so large that the rewards to be expected are
    enough in ``power`` of the logs, and that the log judges the policy at all.

    Args:
        policy: one of the evaluation.
        evaluation: with the logging policy.
        sample: of the policy, with propensities.
        choices: arms that each decision could choose from, (m,).
        gathering: what is to be gathered; None leaves the days out.
        power: probability of finding a lead that is there.
        need: what an answer without a caution needs.
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
    world = LeadWorld.of(sample, evaluation.estimator) if can_tell else None
    enough = _Enough.of(Thresholds() if need is None else need, power)
    detectable = None if world is None else max(_detectable(world, width), _unflagged(world, sample, enough))
    days, alone_days = None, None
    if gathering is not None and world is not None:
        days = _days_together(world, sample, choices, gathering, width)
        days = None if days is None else max(days, _unflagged_days(world, sample, gathering, enough))
    elif gathering is not None and sample.rewards.any():
        days = _days_of_refused(sample, choices, gathering, width, enough)
        alone_days = _days_alone(sample, choices, gathering, width)
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
        alone_days,
    )


class _Enough(NamedTuple):
    """What a log needs, counts of rewards as they have to be expected for ``power`` of the logs to have as many."""

    need: Thresholds
    effective_rewards: float
    equal_rewards: float

    @classmethod
    def of(cls, need: Thresholds, power: float) -> "_Enough":
        reserve = float(scipy.special.ndtri(power))
        return cls(need, *(least + reserve * sqrt(least) for least in (need.effective_rewards, need.equal_rewards)))

    def times(self, sample: Sample) -> float:
        """How many times as many rewards as a log has it needs, for the policy and for its lead."""
        shares = sample.weights / float(sample.weights.sum())
        found = [
            (effective_rewards(sample, each), equal_rewards(sample, each))
            for each in (shares, shares - 1 / len(sample))
        ]
        pairs = [
            pair for each in found for pair in zip((self.effective_rewards, self.equal_rewards), each, strict=True)
        ]
        return max(least / count if count > 0 else np.inf for least, count in pairs)


def _unflagged(world: LeadWorld, sample: Sample, enough: _Enough) -> float:
    """The least lead that has enough rewards."""
    if world.is_exact:
        return 0.0
    times = enough.times(sample)
    return world.lead(times) if 1 < times < np.inf else 0.0


def _unflagged_days(world: LeadWorld, sample: Sample, gathering: Gathering, enough: _Enough) -> float:
    """Days until there are enough rewards at a lead."""
    if world.is_exact:
        return 0.0
    more = enough.times(sample) / max(world.times(gathering.difference), 1e-9) - 1
    return max(more, 0.0) * len(sample) / gathering.impressions_a_day if np.isfinite(more) else 0.0


def _detectable(world: LeadWorld, width: float) -> float:
    """The δ at which δ = width · σ(δ)."""
    if world.is_exact:
        return 0.0
    most = width * world.sigma(0.0)
    while most < width * world.sigma(most):
        most *= 2
    return float(scipy.optimize.brentq(lambda lead: lead - width * world.sigma(lead), 0.0, most, xtol=1e-12))


def _days_together(world: LeadWorld, sample: Sample, choices: I64, gathering: Gathering, width: float) -> float | None:
    """Days until this log and the new data show the lead together; None if they never do.

    What is logged then is a mixture with uniform, so that the lead over it changes by what uniform is better or worse.
    """
    lead, count, share = gathering.difference, len(sample), gathering.explore_share
    logged = world.sigma(lead) ** 2 * count  # V
    found = world.moments(lead)
    uniform = _uniform_square(sample, choices, found.squares) - 2 * found.policy_square + found.square - lead**2
    new = share * max(uniform, 0.0) * world.design(lead) + (1 - share) * logged
    shift = world.uniform_lead(sample, choices, lead)

    def missing(days: float) -> float:
        gathered = gathering.impressions_a_day * days
        total = count + gathered
        over_mixture = lead - share * gathered / total * shift
        return width * sqrt(count * logged + gathered * new) / total - over_mixture

    return _first_day(missing)


def _first_day(missing: Callable[[float], float]) -> float | None:
    """The days from which on nothing is missing (at most 0); None if that is never."""
    if missing(0.0) <= 0:
        return 0.0
    most = 1.0
    while missing(most) > 0:
        most *= 2
        if most > _MOST_DAYS:
            return None
    return float(scipy.optimize.brentq(missing, 0.0, most))


def _days_of_refused(sample: Sample, choices: I64, gathering: Gathering, width: float, enough: _Enough) -> float | None:
    """Days until this log and the new data, all of them judged together, show the lead of a policy that the log cannot judge.

    Rewards of the arms that the policy shows are as logged, and so many times as frequent as makes it lead, whatever the
    weight. None if they never do: what the live policy never shows stays without support, however long one waits.
    """
    lead, share, count, mean = gathering.difference, gathering.explore_share, len(sample), float(sample.rewards.mean())
    value, times = mean + lead, 1 + lead / mean if mean > 0 else 1.0
    square = float((sample.rewards**2).mean())
    scatter = max(square * times - value**2, 0.0)
    apiece = square * times / value**2 if value else np.inf  # impressions with one reward
    logged, uniform = _logged_moments(sample), _uniform_moments(sample, choices)
    design, support, need = _design_effect(sample), unsupported_share(sample), enough.need

    def missing(days: float) -> float:
        total = count + gathering.impressions_a_day * days
        explored = share * (1 - count / total)
        second, third = (explored * new + (1 - explored) * old for new, old in zip(uniform, logged, strict=True))
        variance = max((second - 2) * scatter + square - mean**2, 0.0) * design / total
        over_mixture = lead * (1 - explored / uniform[0])
        return max(
            width * sqrt(variance) / over_mixture,
            need.effective_sample_size * second / total,
            sample.possible_weight / total / need.weight_share if need.weight_share else 0.0,
            support * (1 - explored) / need.unsupported if support and need.unsupported else 0.0,
            enough.effective_rewards * second * apiece / total,
            enough.equal_rewards * third**2 / second**3 * apiece / total,
        ) - 1  # fmt: skip

    return _first_day(missing)


def _logged_moments(sample: Sample) -> tuple[float, float]:
    """E[w²] and E[w³] as logged: as seen, and at least what the arm that was shown and all others together come to."""
    assert sample.propensities is not None  # noqa: S101 - the caller looked
    weights, shown, other = sample.weights, sample.propensities, 1 - sample.propensities
    rest = np.maximum(1 - sample.target - sample.unsupported, 0.0)
    others = np.divide(rest, other, out=np.zeros(len(sample)), where=other > 0)
    return (
        max(float((weights**2).mean()), float((weights**2 * shown + others**2 * other).mean())),
        max(float((weights**3).mean()), float((weights**3 * shown + others**3 * other).mean())),
    )


def _uniform_moments(sample: Sample, choices: I64) -> tuple[float, float]:
    """E_u[w_u²], and the most that E_u[w_u³] can be: Σ π³ ≤ (Σ π²)^1.5."""
    assert sample.target_squares is not None  # noqa: S101 - samples of a log have them
    squares = sample.target_squares
    return float((choices * squares).mean()), float((choices**2 * squares**1.5).mean())


def _days_alone(sample: Sample, choices: I64, gathering: Gathering, width: float) -> float:
    """Days until the explore data alone show the lead, judged by themselves, over the rest of the new days.

    Rewards are as logged, and so many times as frequent as makes the policy lead.
    """
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
