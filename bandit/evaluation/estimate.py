"""One estimate of one target policy, with an interval, or a refusal."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import Final

import numpy as np
import numpy.typing as npt

from bandit.arrays import is_count, is_number
from bandit.checks import checked_contexts
from bandit.errors import InputError
from bandit.evaluation.arrays import choices_of, sample_of_arrays
from bandit.evaluation.calibration import unsupported_share
from bandit.evaluation.estimators import Estimator, Terms, make_estimator
from bandit.evaluation.fragility import fragility
from bandit.evaluation.intervals.bernstein import bernstein_interval
from bandit.evaluation.intervals.bootstrap import percentile_interval, resample
from bandit.evaluation.intervals.hall import hall_interval
from bandit.evaluation.intervals.normal import Interval, influences, normal_interval, standard_error
from bandit.evaluation.overlap import Overlap, Thresholds, is_refused, overlap_of, verdict_without
from bandit.evaluation.sample import Sample, reward_range_of
from bandit.evaluation.tuning import resolved
from bandit.impressions import LEAST_PROPENSITY
from bandit.snapshot import ROW_FORMATS

INTERVALS: Final = ("hall", "bootstrap", "normal", "bernstein")
RESAMPLES: Final = 1000
LEVEL: Final = 0.95

_LARGEST_BOUND = 1 / LEAST_PROPENSITY
_UNIFORM_TOLERANCE = 1e-3  # logs keep some digits
_WHOLE = 1e-6


@dataclass(frozen=True)
class Estimate:
    """What a log says of a target policy's reward an impression.

    ``value`` with the ends of its interval at ``level``; all None where ``verdict`` says "insufficient overlap", and then
    ``unreliable_value`` has the number, which is None otherwise. ``n`` impressions; ``effective_sample_size`` in decisions and
    ``max_weight`` are None where the log has no propensities. ``caution`` says why the interval is not to be believed though
    there is one, if it is not.
    """

    value: float | None
    lower: float | None
    upper: float | None
    level: float
    n: int
    effective_sample_size: float | None
    max_weight: float | None
    verdict: str
    unreliable_value: float | None
    caution: str = ""

    @property
    def is_reliable(self) -> bool:
        """Whether there is a value to go by."""
        return self.value is not None


def estimate(
    name: str,
    rewards: npt.ArrayLike,
    arms: npt.ArrayLike,
    propensities: npt.ArrayLike | None,
    target_probabilities: npt.ArrayLike,
    reward_estimates: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
    *,
    users: npt.ArrayLike | None = None,
    eligible: npt.ArrayLike | None = None,
    contexts: npt.ArrayLike | None = None,
    level: float = LEVEL,
    interval: str = "hall",
    resamples: int = RESAMPLES,
    seed: int = 0,
    weight_bound: float | None = None,
    reward_range: tuple[float, float] | None = None,
    thresholds: Thresholds | None = None,
    **tuning: float | None,
) -> Estimate:
    """The value of a target policy by one estimator, from plain arrays of m impressions of k arms.

    Args:
        name: ``replay``, ``ips``, ``snips``, ``dm``, ``dr``, ``sndr``, ``switch_dr`` or ``dros``; the class of each has its
            formula and source.
        rewards: (m,), finite.
        arms: what was shown, (m,), 0 to k - 1.
        propensities: probability with which it was chosen, (m,); None leaves ``dm`` alone.
        target_probabilities: of the target policy, (m, k); rows sum to one.
        reward_estimates: expected reward of each arm, (m, k), from a model that has not seen the impression; for ``dm``,
            ``dr``, ``sndr``, ``switch_dr`` and ``dros``.
        clusters: the decision of each impression, (m,); None where each is one of its own.
        users: who saw each impression, (m,): intervals are then of what users like them would see. None takes decisions for
            independent, which is too narrow where users come back.
        eligible: arms that could be shown, (m, k) or (k,); None for all.
        contexts: (m, d), which the propensities are tested with; None leaves that test out.
        level: of the interval.
        interval: ``hall`` (studentised, without its skewness), ``bootstrap`` (percentiles), ``normal``, or ``bernstein``, which
            holds for any m, for the users of this log, if decisions are shown once and no weight above ``weight_bound`` was
            possible.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        weight_bound: the largest weight that was possible, if that is known; None takes what the log shows of it.
        reward_range: the smallest and the largest possible reward; None takes 0 and 1 where all rewards lie there, and says
            that it is needed by ``bernstein`` elsewhere.
        thresholds: what the log has to reach for an answer.
        tuning: ``clip`` of ``ips``, ``snips``, ``dr`` and ``sndr``, ``threshold`` of ``switch_dr``, ``shrinkage`` of ``dros``;
            None lets SLOPE choose.

    Raises:
        InputError: names what is wrong, and the first such row.

    >>> random = np.random.default_rng(1)
    >>> arms, propensities = random.integers(0, 2, 4000), np.full(4000, 0.5)
    >>> rewards = (random.random(4000) < np.where(arms == 1, 0.3, 0.1)).astype(float)
    >>> judged = estimate("snips", rewards, arms, propensities, np.tile([0.2, 0.8], (4000, 1)))
    >>> round(judged.value, 3), round(judged.lower, 3), round(judged.upper, 3), judged.verdict
    (0.264, 0.247, 0.282, 'ok')
    """
    estimator = make_estimator(name, **tuning)
    check_settings(level, resamples)
    if interval not in INTERVALS:
        raise InputError(f"there is no interval {interval!r}; choose one of {', '.join(INTERVALS)}")
    if not (is_number(seed) and is_count(seed + 1)):
        raise InputError(f"seed is {seed!r}, expected a whole number of at least 0")
    sample = sample_of_arrays(
        rewards, arms, propensities, target_probabilities, reward_estimates, clusters, eligible, users
    )
    if len(sample) == 0:
        raise InputError("there are no impressions to judge by; pass at least one")
    sample = replace(sample, reward_range=reward_range_of(sample.rewards, reward_range))
    if contexts is not None:
        sample = replace(sample, contexts=checked_contexts(contexts, count=len(sample)))
    check_works(estimator, sample)
    if name == "replay":
        check_uniform(sample, choices_of(eligible, sample))
    used, terms = resolved(estimator, sample)
    if interval == "hall":
        ends = usual_interval(sample, terms, level)
    elif interval == "bootstrap":
        ends = percentile_interval(resample(sample, [terms], resamples, seed)[:, 0], level)
    elif interval == "normal":
        ends = normal_interval(terms.value, standard_error(sample, terms), level)
    else:
        ends = bernstein_interval(sample, terms, value_range(estimator, sample, weight_bound), level)
    thresholds = Thresholds() if thresholds is None else thresholds
    bound = 0.0 if weight_bound is None or sample.propensities is None else bound_of(sample, weight_bound)
    overlap = None if sample.propensities is None else overlap_of(sample, thresholds, bound)
    verdict = verdict_without(sample, thresholds) if overlap is None else overlap.verdict(thresholds)
    cautions = [
        "" if overlap is None else overlap.caution(thresholds),
        bias_caution(used, estimator.word, overlap),
        fragility_of(sample, terms, ends, thresholds, bound),
    ]
    return make_estimate(terms.value, ends, level, sample, overlap, verdict, "; ".join(filter(None, cautions)))


def fragility_of(sample: Sample, terms: Terms, interval: Interval, thresholds: Thresholds, known_bound: float) -> str:
    """Why the interval of an estimate knows too little of what did not come; empty if it knows enough, or rests on a model alone.

    ``known_bound`` is the largest weight that is known to have been possible, 0 where nothing is known.
    """
    if sample.propensities is None or terms.numerator is None or not isfinite(terms.value):
        return ""
    total = float(sample.weights.sum())
    if total == 0 or not isfinite(interval.lower):
        return ""
    shares = sample.weights / total
    return fragility(sample, shares, terms.value, interval, influences(sample, terms), thresholds, known_bound / total)


def usual_interval(sample: Sample, terms: Terms, level: float) -> Interval:
    """Hall's interval of an estimate."""
    return hall_interval(terms.value, influences(sample, terms), len(sample), level)


def make_estimate(
    value: float, interval: Interval, level: float, sample: Sample, overlap: Overlap | None, verdict: str, caution: str
) -> Estimate:
    """An estimate whose number stands where it may be believed, and aside where it may not.

    What the target shows without support may earn whatever a reward can be: the interval is wider by that much. It is cut at the
    ends of what a reward can be, where the truth is.
    """
    number, n = value if isfinite(value) else None, len(sample)
    size, weight = (None, None) if overlap is None else (overlap.effective_sample_size, overlap.max_weight)
    if is_refused(verdict) or number is None:
        return Estimate(None, None, None, level, n, size, weight, verdict, number)
    lower, upper = (end if isfinite(end) else None for end in interval)
    if lower is not None and upper is not None and sample.reward_range is not None:
        low, high = sample.reward_range
        unseen = unsupported_share(sample)
        lower, upper = lower - unseen * max(number - low, 0.0), upper + unseen * (high - low)
        if not low <= number <= high:
            outside = (
                f"the value is outside of what a reward can be, {low:g} to {high:g}: look at the model and the weights"
            )
            caution = "; ".join(filter(None, (caution, outside)))
        elif lower <= high and upper >= low:
            lower, upper = max(lower, low), min(upper, high)
    return Estimate(number, lower, upper, level, n, size, weight, verdict, None, caution)


def bias_caution(used: Estimator, word: str, overlap: Overlap | None) -> str:
    """That an estimator with its setting is biased on such a log; empty if it is not."""
    if used.is_consistent(0.0 if overlap is None else overlap.max_weight):
        return ""
    return f"{word} is biased, by how much the log does not say, and its interval does not know of it"


def check_works(estimator: Estimator, sample: Sample) -> None:
    """Refuse an estimator that the sample lacks something for.

    Raises:
        InputError: propensities or a model are missing.
    """
    if estimator.needs_weights and sample.propensities is None:
        raise InputError(f"{estimator.name} needs propensities, and there are none; dm alone works without them")
    if estimator.needs_model and sample.logged_estimates is None:
        others = "" if sample.propensities is None else "; replay, ips and snips work without them"
        raise InputError(f"{estimator.name} needs reward_estimates, (m, k), and there are none{others}")


def check_uniform(sample: Sample, choices: npt.NDArray[np.integer]) -> None:
    """Refuse replay on a log whose propensities are not one over the number of arms to choose from, (m,).

    Raises:
        InputError: they are not.
    """
    assert sample.propensities is not None  # noqa: S101 - was checked before
    p = sample.propensities
    wrong = np.abs(p * choices - 1) > _UNIFORM_TOLERANCE
    for form in ROW_FORMATS:  # ours are whole weights, which may be one off
        weights = p * form.total
        is_ours = np.abs(weights - np.round(weights)) <= _WHOLE
        wrong &= ~(is_ours & (np.abs(weights - form.total / choices) <= 1 + _WHOLE))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"replay needs a log under uniform, and row {row} has the propensity {sample.propensities[row]:.6g} with"
            f" {int(choices[row])} arms to choose from; use snips or dr, which weight"
        )


def value_range(estimator: Estimator, sample: Sample, weight_bound: float | None) -> float:
    """The width of the range that values lie in, for rewards in their range, weights up to a bound, and estimates as they are.

    Raises:
        InputError: the bound is not a number above 0, or below a weight that is there; or nobody knows what rewards can be.
    """
    if sample.reward_range is None:
        raise InputError(
            f"rewards are from {sample.rewards.min():g} to {sample.rewards.max():g}, and what they can be is not known; pass the"
            " smallest and the largest possible one as reward_range"
        )
    least, most = sample.reward_range
    lowest, highest = 0.0, 0.0
    if estimator.needs_model:
        assert sample.logged_estimates is not None  # noqa: S101 - was checked before
        assert sample.target_estimates is not None  # noqa: S101
        both = sample.logged_estimates, sample.target_estimates
        lowest, highest = min(float(rewards.min()) for rewards in both), max(float(rewards.max()) for rewards in both)
    if not estimator.needs_weights:
        return highest - lowest
    bound = bound_of(sample, weight_bound)
    setting = estimator.setting
    used = bound if setting is None or estimator.tuned == "shrinkage" else min(bound, setting)
    return highest - lowest + used * (max(most - lowest, 0.0) - min(least - highest, 0.0))


def bound_of(sample: Sample, weight_bound: float | None) -> float:
    """The largest weight that was possible: as given, or as far as the log shows it.

    That is one over the smallest propensity that is there, or ``Sample.possible_weight``. A log cannot show all that was
    possible: who knows the smallest propensity that there could have been should say so.

    Raises:
        InputError: it is not a number, or below a weight that is there.
    """
    assert sample.propensities is not None  # noqa: S101 - was checked before
    if weight_bound is None:
        return max(float(1 / sample.propensities.min()), sample.possible_weight)
    largest = float(sample.weights.max())
    if not (is_number(weight_bound) and weight_bound <= _LARGEST_BOUND and weight_bound * (1 + 1e-9) >= largest):
        raise InputError(
            f"weight_bound is {weight_bound!r}, expected a number of at least {largest:g}, a weight that is there, and at most"
            f" {_LARGEST_BOUND:g}"
        )
    return float(weight_bound)


def check_settings(level: float, resamples: int) -> None:
    """Refuse what no interval can be made with.

    Raises:
        InputError: the level is not between 0 and 1, or there are fewer than two resamples.
    """
    if not (is_number(level) and 0 < level < 1):
        raise InputError(f"level is {level!r}, expected a share between 0 and 1, such as 0.95")
    if not (is_count(resamples) and resamples >= 2):
        raise InputError(f"resamples is {resamples!r}, expected a whole number of at least 2")
