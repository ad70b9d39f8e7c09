"""Whether a log can tell of a target policy at all: effective sample size, weights, support, and the propensities themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandit.arrays import F64, is_number
from bandit.errors import InputError
from bandit.evaluation.calibration import (
    NOTHING,
    mean_weight,
    mean_weight_by_impression,
    unsupported_share,
    worst_arm,
    worst_context,
)
from bandit.evaluation.fragility import equal_rewards
from bandit.evaluation.intervals.hall import effective_count
from bandit.evaluation.sample import Sample

OK = "ok"
INSUFFICIENT = "insufficient overlap"
NOT_JUDGED = "overlap not judged: the log has no propensities"


@dataclass(frozen=True)
class Thresholds:
    """What a log has to reach, else its answer is withheld.

    Args:
        effective_sample_size: at least; below some hundreds the intervals are not to be believed either.
        weight_share: at most, of one decision in the sum of all weights.
        unsupported: at most, of the target's probability on arms that the log could not show or never showed.
        mean_weight_errors: at most, standard errors between the mean weight and 1, which it is if the propensities are right.
        calibration_errors: at most, standard errors between the weights of an arm's impressions and the target's probability
            of it, and between the mean of a context feature and that of the weighted log.
        calibration_impressions: arms shown less often are not tested.
        rounding: weights that are off by a smaller share are taken as right, however sure that they are off: propensities are
            logged with some digits.
        context_shift: a context feature whose mean the weights move by fewer of its standard deviations is taken as balanced
            (0.1: Austin 2009).
        effective_rewards: at least; below, values are shown, and intervals are not to be believed: where a handful of rewards
            is to be expected, they know nothing of those that happened not to come. The same goes for rewards that are
            missing from the largest possible one.
        units: at least, users that intervals are to hold for the like of, or else decisions; with fewer, intervals are too
            narrow (Cameron, Gelbach and Miller 2008), and the caution is as for rewards.
        equal_rewards: at least; fewer equal ones would make an answer as skewed as it is to be expected. It hangs on few
            rewards at large weights then, and on whether they came.
        equal_units: at least, of the users (or decisions, where those are repeated) that make up the error.
        more_rewards: so many at the largest weight must not lead out of an interval; 0: no check.
        more_users: so many unlike all others must not either: one log in ten has none of a kind that makes up 2.3 of its users
            on average; 0: no check.

    Raises:
        InputError: a threshold is not a number of at least 0.
    """

    effective_sample_size: float = 200.0
    weight_share: float = 0.05
    unsupported: float = 0.05
    mean_weight_errors: float = 5.0
    calibration_errors: float = 5.0
    calibration_impressions: float = 30.0
    rounding: float = 0.01
    context_shift: float = 0.1
    effective_rewards: float = 10.0
    units: float = 50.0
    equal_rewards: float = 6.0
    equal_units: float = 4.0
    more_rewards: float = 1.5
    more_users: float = 2.3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (is_number(value) and value >= 0):
                raise InputError(f"the threshold {name} is {value!r}, expected a number of at least 0")


@dataclass(frozen=True)
class Overlap:
    """How far a log and a target policy meet.

    ``effective_sample_size`` is (Σ W)² / Σ W² over the decisions' sums of weights W (Kish 1965); ``max_weight`` the largest
    that is there. ``largest_share`` is that of one decision in Σ W, of one that is there or was possible; ``unsupported`` the
    target's mean probability on arms without support. ``mean_weight`` is of decisions, 1 up to ``mean_weight_error`` where
    the propensities are right, less at most ``unsupported``; ``impression_weight`` is of impressions. ``miscalibrated_arm``
    is the arm whose weights are the most standard errors, ``miscalibration``, from the target's probability of it;
    ``lingering_arm`` the same by impressions, off by ``lingering_share`` and ``lingering`` standard errors;
    ``shifted_context`` the feature of contexts whose mean (mean square, if ``is_square``) the weights move furthest, by
    ``context_shift`` standard deviations and ``context_shift_errors`` standard errors; None where there was nothing to test.
    ``effective_rewards`` are the target's own, as ``effective_rewards`` of this module counts them. ``effective_units`` are
    the users (or else decisions) that make up the log, by how much they were shown and by their weights, whichever is fewer.
    ``equal_rewards`` are so many as would make the answer as skewed as it is to be expected (``fragility.equal_rewards``).
    """

    decisions: int
    effective_sample_size: float
    max_weight: float
    largest_share: float
    unsupported: float
    mean_weight: float
    mean_weight_error: float
    mean_weight_errors: float
    impression_weight: float
    impression_weight_errors: float
    miscalibrated_arm: int | None
    miscalibration: float
    lingering_arm: int | None
    lingering_share: float
    lingering: float
    shifted_context: int | None
    is_square: bool
    context_shift: float
    context_shift_errors: float
    effective_rewards: float
    effective_units: float
    equal_rewards: float

    def reasons(self, thresholds: Thresholds, arm_names: Sequence[str] = ()) -> list[str]:
        """Why the log cannot tell; empty if it can. Arms go by their names, or else by their numbers."""
        need, told = thresholds, []
        if self.effective_sample_size < need.effective_sample_size:
            told.append(
                f"effective sample size {self.effective_sample_size:,.0f} of {self.decisions:,} decisions, expected at least"
                f" {need.effective_sample_size:g}"
            )
        if self.largest_share > need.weight_share:
            told.append(
                f"one decision has, or could have had, {self.largest_share:.1%} of all weight (largest weight there:"
                f" {self.max_weight:,.0f}), expected at most {need.weight_share:.1%}"
            )
        if self.unsupported > need.unsupported:
            told.append(_unsupported_reason(self.unsupported, need))
        if _is_off(self.mean_weight, self.mean_weight_errors, self.unsupported, need):
            told.append(
                f"the mean weight is {self.mean_weight:.3f}, {self.mean_weight_errors:.1f} standard errors from 1, expected at"
                f" most {need.mean_weight_errors:g}"
            )
        if self.miscalibration > need.calibration_errors:
            told.append(
                f"propensity calibration failed: the weights of arm {_named(self.miscalibrated_arm, arm_names)} are"
                f" {self.miscalibration:.1f} standard errors from the target's probability of it, expected at most"
                f" {need.calibration_errors:g}; is its propensity logged right?"
            )
        if self.context_shift_errors > need.calibration_errors and self.context_shift > need.context_shift:
            told.append(
                f"propensity calibration failed: the weights move the mean{' square' if self.is_square else ''} of context"
                f" feature {self.shifted_context} by {self.context_shift:.2f} of its standard deviations"
                f" ({self.context_shift_errors:.1f} standard errors), expected at most {need.context_shift:g}; were"
                " propensities logged with the right contexts?"
            )
        return told

    def caution(self, thresholds: Thresholds, arm_names: Sequence[str] = ()) -> str:
        """Why values or intervals are not to be believed where the overlap is enough; empty if they are."""
        told = []
        if self.effective_rewards < thresholds.effective_rewards:
            told.append(few_rewards(self.effective_rewards, thresholds))
        elif self.equal_rewards < thresholds.equal_rewards:
            told.append(few_equal_rewards(self.equal_rewards, thresholds))
        if self.effective_units < thresholds.units:
            told.append(
                f"too few users, or decisions where no user is known: the log is as good as {self.effective_units:,.0f} of them,"
                f" expected at least {thresholds.units:g}; intervals are too narrow"
            )
        if _is_off(self.impression_weight, self.impression_weight_errors, self.unsupported, thresholds):
            told.append(
                f"what is shown says how often it is shown: the mean weight is {self.impression_weight:.3f} by impression and"
                f" {self.mean_weight:.3f} by decision; snips alone knows of it"
            )
        elif self.lingering > thresholds.calibration_errors:
            told.append(
                f"what is shown says how often it is shown: the weights of arm {_named(self.lingering_arm, arm_names)} are"
                f" {self.lingering_share:.0%} off by impression ({self.lingering:.1f} standard errors) and right by decision;"
                " snips alone knows of it"
            )
        return "; ".join(told)

    def verdict(self, thresholds: Thresholds, arm_names: Sequence[str] = ()) -> str:
        """``ok``, or what is insufficient."""
        return _verdict(self.reasons(thresholds, arm_names)) or OK


def overlap_of(sample: Sample, thresholds: Thresholds, known_bound: float = 0.0) -> Overlap:
    """How far the log of a sample, which has propensities, and its target policy meet.

    Args:
        sample: with propensities.
        thresholds: which arms are tested.
        known_bound: the largest weight that is known to have been possible; 0 where the log alone says what was.
    """
    by_decision = sample.sums(sample.weights)  # (C,)
    total = float(by_decision.sum())
    largest = max(float(by_decision.max(initial=0.0)), sample.possible_weight, known_bound)
    decisions, impressions = mean_weight(sample), mean_weight_by_impression(sample)
    arm = worst_arm(sample, thresholds.calibration_impressions, thresholds.rounding)
    lingering = NOTHING
    if sample.are_decisions_repeated:
        lingering = worst_arm(sample, thresholds.calibration_impressions, thresholds.rounding, by_impression=True)
    context = worst_context(sample)
    return Overlap(
        decisions=sample.n_clusters,
        effective_sample_size=kish(by_decision),
        max_weight=float(sample.weights.max(initial=0.0)),
        largest_share=largest / total if total > 0 else 1.0,
        unsupported=unsupported_share(sample),
        mean_weight=decisions.mean,
        mean_weight_error=decisions.error,
        mean_weight_errors=decisions.errors,
        impression_weight=impressions.mean,
        impression_weight_errors=impressions.errors if sample.are_decisions_repeated else 0.0,
        miscalibrated_arm=arm.place,
        miscalibration=arm.errors,
        lingering_arm=lingering.place,
        lingering_share=lingering.off,
        lingering=lingering.errors,
        shifted_context=context.feature,
        is_square=context.is_square,
        context_shift=context.off,
        context_shift_errors=context.errors,
        effective_rewards=effective_rewards(sample, sample.weights),
        effective_units=min(kish(sample.unit_sizes), kish(sample.unit_sums(sample.weights))),
        equal_rewards=equal_rewards(sample, sample.weights),
    )


def kish(sums: F64) -> float:
    """How many equal ones sums of at least 0 (n,) are as good as: (Σ s)² / Σ s² (Kish 1965)."""
    largest = float(sums.max(initial=0.0))
    if largest == 0:
        return 0.0
    scaled = sums / largest
    return float(scaled.sum()) ** 2 / float(scaled @ scaled)


def effective_rewards(sample: Sample, weights: F64) -> float:
    """How many rewards, weighted as a target would earn them, an estimate rests on; the fewer of those that came and did not.

    (Σ_u a_u)² / Σ_u a_u² with a_u = Σ |w| (r - low) of a user, or else a decision, and the same with high - r, low and high
    the ends of what a reward can be: near either, an interval is read off the few that differ. Where nobody knows those ends,
    it is (Σ z²)² / Σ z⁴ of the influences z = Σ w (r - v), v the weighted mean.

    Args:
        sample: whose rewards.
        weights: of the target, or the difference of those of two, (m,).
    """
    if sample.reward_range is None:
        total = float(weights.sum())
        centre = (
            float(weights @ sample.rewards) / total if total > 0 and (weights >= 0).all() else sample.rewards.mean()
        )
        return effective_count(sample.unit_sums(weights * (sample.rewards - centre)))
    low, high = sample.reward_range
    size = np.abs(weights)
    return min(kish(sample.unit_sums(size * part)) for part in (sample.rewards - low, high - sample.rewards))


def few_rewards(found: float, thresholds: Thresholds) -> str:
    """The caution that an interval rests on too few rewards."""
    return (
        f"too few rewards: the answer rests on {found:.1f} of them (or of what is missing from the largest), expected at least"
        f" {thresholds.effective_rewards:g}; intervals are too narrow"
    )


def few_equal_rewards(found: float, thresholds: Thresholds) -> str:
    """The caution that an interval hangs on a few rewards at large weights."""
    return (
        f"too few rewards where weights are large: the answer is as skewed as one of {found:.1f} equal rewards, expected at least"
        f" {thresholds.equal_rewards:g}; whether they came decides what it is"
    )


def verdict_without(sample: Sample, thresholds: Thresholds) -> str:
    """The verdict about a log without propensities: a model knows nothing of arms that were never shown."""
    unsupported = unsupported_share(sample)
    reasons = [_unsupported_reason(unsupported, thresholds)] if unsupported > thresholds.unsupported else []
    return _verdict(reasons) or NOT_JUDGED


def is_refused(verdict: str) -> bool:
    """Whether a verdict withholds the answer."""
    return verdict.startswith(INSUFFICIENT)


def _named(arm: int | None, names: Sequence[str]) -> str:
    return names[arm] if arm is not None and names else str(arm)


def _verdict(reasons: list[str]) -> str:
    return f"{INSUFFICIENT}: {'; '.join(reasons)}" if reasons else ""


def _unsupported_reason(unsupported: float, need: Thresholds) -> str:
    return (
        f"the target shows arms that the log could not or never did {unsupported:.1%} of the time, expected at most"
        f" {need.unsupported:.1%}"
    )


def _is_off(mean: float, errors: float, unsupported: float, need: Thresholds) -> bool:
    off = max(mean - 1, 1 - unsupported - mean)
    return errors > need.mean_weight_errors and off > need.rounding
