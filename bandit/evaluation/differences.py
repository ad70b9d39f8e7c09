"""Differences between policies on one log, and intervals that hold for all of them together."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import sqrt
from typing import NamedTuple

import numpy as np

from bandit.arrays import F64
from bandit.evaluation.calibration import unsupported_share
from bandit.evaluation.estimators import Terms
from bandit.evaluation.fragility import equal_rewards, fragility
from bandit.evaluation.intervals.bootstrap import resampled_sums
from bandit.evaluation.intervals.hall import hall_interval
from bandit.evaluation.intervals.normal import Interval, influences
from bandit.evaluation.overlap import effective_rewards, few_equal_rewards, few_rewards, is_refused
from bandit.evaluation.results import Difference, Settings
from bandit.evaluation.sample import Sample
from bandit.evaluation.targets import LOGGING

_ROUNDING = 1e-9


class Judged(NamedTuple):
    """A policy: its sample, the terms of the estimator that is compared, the verdict about its overlap, and its caution."""

    policy: str
    sample: Sample
    terms: Terms
    verdict: str
    caution: str


class Differences(NamedTuple):
    """Every pair, and how many standard errors wide, on either side, their adjusted intervals are."""

    pairs: list[Difference]
    reach: float


class _Pair(NamedTuple):
    """Two policies that the log can judge: what each unit adds to the error of the difference, (U,), and its standard errors.

    ``error`` is read off the rewards of both policies; ``least_error`` is what it would be if all arms earned as the log did.
    """

    influences: F64
    error: float
    least_error: float

    @property
    def is_scattered(self) -> bool:
        """Whether the difference has a variance that can be told."""
        return self.error > 0


def differences(policies: Sequence[Judged], estimator: str, settings: Settings) -> Differences:
    """Every pair, the later minus the earlier: with the logging policy first, each policy's lead over it comes first.

    Both values are of the same impressions, so what is common to both cancels. The adjusted intervals hold for all pairs
    together: value ± q max(s, s₀). q is the ``level`` quantile of the largest |Σ_u g_u z_u| / s among all pairs over draws of
    multipliers g (the multiplier bootstrap of a maximum: Chernozhukov, Chetverikov and Kato 2013; single-step max-t:
    Westfall and Young 1993, chapter 2), g Poisson(1) minus 1, z the influences of users, or else decisions. s is the standard
    error that the rewards of both policies tell; where rewards are rare, an arm that earned little by luck tells too small a
    one, and out of many pairs some always has such an arm. So s is at least s₀, the standard error if all arms earned as the
    log did. In logs of seven equally good policies with rewards of 5 % and effective samples of 300 somebody was called better
    or worse in 8 to 14 % of the logs with s alone, in 2 to 3 % so. Pairs with a refused policy have no part in q.
    """
    pairs = list(combinations(range(len(policies)), 2))
    usable = {
        (one, other): _pair(policies[one], policies[other])
        for one, other in pairs
        if not (is_refused(policies[one].verdict) or is_refused(policies[other].verdict))
    }
    reach = _reach(policies, usable, settings)
    told = [
        _difference(policies[one], policies[other], estimator, usable.get((one, other)), reach, settings)
        for one, other in pairs
    ]
    return Differences(told, reach)


class Errors(NamedTuple):
    """Standard errors of a difference: s as the rewards tell it, and s₀ if all arms earned as the log did."""

    error: float
    least_error: float


def lead_errors(sample: Sample, terms: Terms) -> Errors:
    """The standard errors of a policy's lead over the logging policy, as ``differences`` has them."""
    logging = Judged(LOGGING, sample, Terms(numerator=sample.rewards), "", "")
    found = _pair(logging, Judged("", sample, terms, "", ""))
    return Errors(found.error, found.least_error)


def _pair(against: Judged, policy: Judged) -> _Pair:
    sample = policy.sample
    sums = influences(sample, policy.terms) - influences(sample, against.terms)
    count = sample.n_units
    correction = count / (count - 1) if count > 1 else np.inf
    error = np.sqrt(correction * float(sums @ sums)) / len(sample)
    return _Pair(sums, float(error), _least_error(against, policy))


def _least_error(against: Judged, policy: Judged) -> float:
    """s₀: √(D Σ_i (w_i / Σ w - w'_i / Σ w')² V), V the variance of all rewards (or of what the model left of them).

    D ≥ 1 is how much wider errors are for the impressions of a unit hanging together (Kish 1965).
    """
    if policy.terms.numerator is None or policy.sample.propensities is None:  # the direct method: a model alone
        return 0.0
    difference = _normalised(policy) - _normalised(against)
    rest = policy.sample.rewards if policy.terms.base is None else policy.sample.residuals
    together = difference * (rest - rest.mean())
    sums, alone = policy.sample.unit_sums(together), float(together @ together)
    design = max(float(sums @ sums) / alone, 1.0) if alone > 0 else 1.0
    return float(np.sqrt(design * float(difference @ difference) * float(rest.var())))


def _normalised(judged: Judged) -> F64:
    """What each impression counts, w / Σ w, (m,)."""
    if judged.policy == LOGGING:
        return np.full(len(judged.sample), 1 / len(judged.sample))
    total = float(judged.sample.weights.sum())
    return judged.sample.weights / total if total > 0 else np.zeros(len(judged.sample))


def _reach(policies: Sequence[Judged], pairs: Mapping[tuple[int, int], _Pair], settings: Settings) -> float:
    """q; pairs without any scatter have no part in it."""
    scattered = {
        pair: sqrt(float(found.influences @ found.influences)) for pair, found in pairs.items() if found.is_scattered
    }
    if not scattered:
        return 0.0
    table = np.stack([influences(each.sample, each.terms) for each in policies], axis=1)  # (U, P), columns sum to 0
    drawn = resampled_sums(table, settings.resamples, settings.seed)  # (B, P)
    largest = np.zeros(len(drawn))
    for (one, other), size in scattered.items():
        np.maximum(largest, np.abs(drawn[:, other] - drawn[:, one]) / size, out=largest)
    return float(np.quantile(largest, settings.level))


def _difference(
    against: Judged, policy: Judged, estimator: str, found: _Pair | None, reach: float, settings: Settings
) -> Difference:
    value = policy.terms.value - against.terms.value
    if found is None:
        verdict = next(each.verdict for each in (policy, against) if is_refused(each.verdict))
        return Difference(policy.policy, against.policy, estimator, None, None, None, None, None, verdict, value)
    if _is_same(against, policy):
        return Difference(policy.policy, against.policy, estimator, 0.0, 0.0, 0.0, 0.0, 0.0, policy.verdict, None)
    if policy.sample.n_units < 2:
        return Difference(policy.policy, against.policy, estimator, value, None, None, None, None, policy.verdict, None)
    interval = hall_interval(value, found.influences, len(policy.sample), settings.level)
    width, unseen = reach * max(found.error, found.least_error), _unseen(against, policy)
    lower, upper = interval.lower - unseen, interval.upper + unseen
    return Difference(
        policy.policy,
        against.policy,
        estimator,
        value,
        lower,
        upper,
        min(value - width - unseen, lower),
        max(value + width + unseen, upper),
        policy.verdict,
        None,
        _caution(against, policy, interval, found, settings),
    )


def _is_same(against: Judged, policy: Judged) -> bool:
    """Whether both are one policy by two names, and not two that happened to earn the same."""
    if policy.sample.propensities is None:
        return bool(np.array_equal(against.terms.per_decision, policy.terms.per_decision))
    shares = _normalised(policy) - _normalised(against)
    return bool(np.abs(shares).max(initial=0.0) <= _ROUNDING / len(shares))


def _unseen(against: Judged, policy: Judged) -> float:
    """How far what both show without support may move their difference."""
    if policy.sample.reward_range is None:
        return 0.0
    low, high = policy.sample.reward_range
    return (high - low) * sum(unsupported_share(each.sample) for each in (against, policy) if each.policy != LOGGING)


def _caution(against: Judged, policy: Judged, interval: Interval, found: _Pair, settings: Settings) -> str:
    """The cautions of both, and where the difference itself rests on too few rewards."""
    told = [*dict.fromkeys(filter(None, (policy.caution, against.caution)))]
    sample, need = policy.sample, settings.thresholds
    if told or sample.propensities is None or policy.terms.numerator is None:
        return "; ".join(told)
    shares = _normalised(policy) - _normalised(against)
    if (rewards := effective_rewards(sample, shares)) < need.effective_rewards:
        return f"of the difference: {few_rewards(rewards, need)}"
    if (equal := equal_rewards(sample, shares)) < need.equal_rewards:
        return f"of the difference: {few_equal_rewards(equal, need)}"
    value = policy.terms.value - against.terms.value
    fragile = fragility(sample, shares, value, interval, found.influences, need)
    return f"of the difference: {fragile}" if fragile else ""
