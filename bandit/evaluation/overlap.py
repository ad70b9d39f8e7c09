"""Whether a log can tell of a target policy at all: effective sample size, weights, support, and the propensities themselves."""

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from bandit.errors import InputError
from bandit.evaluation.sample import F64, Sample
from bandit.numeric import is_number

OK = "ok"
INSUFFICIENT = "insufficient overlap"
NOT_JUDGED = "overlap not judged: the log has no propensities"

_ROUNDING = 1e-9  # a policy judged on its own log has weights of 1 and no error


@dataclass(frozen=True)
class Thresholds:
    """What a log has to reach, else its answer is withheld.

    Args:
        effective_sample_size: at least; below some hundreds the intervals are not to be believed either.
        weight_share: at most, of one decision in the sum of all weights.
        unsupported: at most, of the target's probability on arms that the log could not show or never showed.
        mean_weight_errors: at most, standard errors between the mean weight and 1, which it is if the propensities are right.
        calibration_errors: at most, standard errors between the weights of an arm's impressions and the target's probability
            of it.
        calibration_impressions: arms shown less often are not tested.
        effective_rewards: at least; below, values are shown, and intervals are not to be believed: where a handful of rewards is
            to be expected, they know nothing of those that happened not to come.

    Raises:
        InputError: a threshold is not a number of at least 0.
    """

    effective_sample_size: float = 200.0
    weight_share: float = 0.05
    unsupported: float = 0.05
    mean_weight_errors: float = 5.0
    calibration_errors: float = 5.0
    calibration_impressions: float = 30.0
    effective_rewards: float = 10.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (is_number(value) and value >= 0):
                raise InputError(f"the threshold {name} is {value!r}, expected a number of at least 0")


@dataclass(frozen=True)
class Overlap:
    """How far a log and a target policy meet.

    ``effective_sample_size`` is (Σ W)² / Σ W² over the decisions' sums of weights W (Kish 1965);
    ``largest_share`` that of one decision in Σ W; ``unsupported`` the target's mean probability on arms without support.
    ``mean_weight`` is 1 up to ``mean_weight_error`` where the propensities are right. ``miscalibrated_arm`` is the arm whose
    weights are the most standard errors, ``miscalibration``, from the target's probability of it; None where no arm was shown
    often enough. ``effective_rewards`` are those of so many decisions at the log's mean reward.
    """

    decisions: int
    effective_sample_size: float
    max_weight: float
    largest_share: float
    unsupported: float
    mean_weight: float
    mean_weight_error: float
    miscalibrated_arm: int | None
    miscalibration: float
    effective_rewards: float

    @property
    def mean_weight_errors(self) -> float:
        """Standard errors between the mean weight and 1."""
        off = abs(self.mean_weight - 1)
        if off <= _ROUNDING:
            return 0.0
        return off / self.mean_weight_error if self.mean_weight_error > 0 else inf

    def reasons(self, thresholds: Thresholds) -> list[str]:
        """Why the log cannot tell; empty if it can."""
        need = thresholds
        found = {
            f"effective sample size {self.effective_sample_size:,.0f} of {self.decisions:,} decisions, expected at least"
            f" {need.effective_sample_size:g}": self.effective_sample_size < need.effective_sample_size,
            f"one decision has {self.largest_share:.1%} of all weight (weight {self.max_weight:,.0f}), expected at most"
            f" {need.weight_share:.1%}": self.largest_share > need.weight_share,
            f"the target shows arms that the log could not or never did {self.unsupported:.1%} of the time, expected at most"
            f" {need.unsupported:.1%}": self.unsupported > need.unsupported,
            f"the mean weight is {self.mean_weight:.3f}, {self.mean_weight_errors:.1f} standard errors from 1, expected at most"
            f" {need.mean_weight_errors:g}": self.mean_weight_errors > need.mean_weight_errors,
            f"propensity calibration failed: the weights of arm {self.miscalibrated_arm} are {self.miscalibration:.1f} standard"
            f" errors from the target's probability of it, expected at most {need.calibration_errors:g}; is its propensity"
            " logged right?": self.miscalibration > need.calibration_errors,
        }
        return [reason for reason, is_short in found.items() if is_short]

    def caution(self, thresholds: Thresholds) -> str:
        """Why intervals are not to be believed where the overlap is enough; empty if they are."""
        if self.effective_rewards >= thresholds.effective_rewards:
            return ""
        return (
            f"too few rewards: an effective sample of this size holds {self.effective_rewards:.1f} of them, expected at least"
            f" {thresholds.effective_rewards:g}; intervals are too narrow"
        )

    def verdict(self, thresholds: Thresholds) -> str:
        """``ok``, or what is insufficient."""
        reasons = self.reasons(thresholds)
        return f"{INSUFFICIENT}: {'; '.join(reasons)}" if reasons else OK


def overlap_of(sample: Sample, thresholds: Thresholds) -> Overlap:
    """How far the log of a sample, which has propensities, and its target policy meet."""
    by_decision = sample.sums(sample.weights)  # (C,)
    total, square = float(by_decision.sum()), float(by_decision @ by_decision)
    size = total**2 / square if square > 0 else 0.0
    arm, errors = _miscalibration(sample, thresholds)
    return Overlap(
        decisions=sample.n_clusters,
        effective_sample_size=size,
        max_weight=float(sample.weights.max(initial=0.0)),
        largest_share=float(by_decision.max(initial=0.0)) / total if total > 0 else 1.0,
        unsupported=float(sample.unsupported.mean()),
        mean_weight=float(sample.weights.mean()),
        mean_weight_error=_error_of_mean(sample, sample.weights),
        miscalibrated_arm=arm,
        miscalibration=errors,
        effective_rewards=size * float(sample.rewards.mean()),
    )


def _error_of_mean(sample: Sample, values: F64) -> float:
    sums = sample.sums(values - values.mean())
    count = sample.n_clusters
    return sqrt(count / (count - 1) * float(sums @ sums)) / len(sample) if count > 1 else inf


def _miscalibration(sample: Sample, thresholds: Thresholds) -> tuple[int | None, float]:
    """The arm a that is the most standard errors off in Σ_i w_i [arm of i is a] = Σ_i π(a|x_i), and how many.

    Both have the same expectation if the propensities are right and the arm had support: the weights are of single impressions,
    so that a propensity that is wrong for some arms shows even where it averages out over all. Too much weight is measured by
    the scatter of the weights, and at least by Σ_i π(a|x_i)² / p̄_a. Too little may be weights that happened not to occur, as
    large as the largest W of a decision: the variance is then at most W Σ_i π(a|x_i), which is taken.
    """
    if sample.arms is None or sample.expected_arms is None or sample.expected_squares is None:
        return None, 0.0
    expected, size = sample.expected_arms, len(sample.expected_arms)
    shown = np.bincount(sample.arms, minlength=size)
    found = np.bincount(sample.arms, weights=sample.weights, minlength=size).astype(np.float64, copy=False)
    tested = shown >= max(thresholds.calibration_impressions, 1)
    if not tested.any():
        return None, 0.0
    above = np.maximum(_variances(sample, found), sample.expected_squares)
    variances = np.where(found > expected, above, sample.sums(sample.weights).max() * expected)
    off = np.abs(found - expected)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.where(tested & (off > _ROUNDING * len(sample)), off / np.sqrt(variances), 0.0)
    worst = int(errors.argmax())
    return worst, float(errors[worst])


def _variances(sample: Sample, found: F64) -> F64:
    """The variance of each arm's sum of weights, (A,): Σ_c W_ca² - (Σ_c W_ca)² / C, with W_ca a decision's weights on the arm."""
    assert sample.arms is not None  # noqa: S101 - the caller looked
    size, arms, weights = len(found), sample.arms, sample.weights
    if sample.clusters is not None:
        pairs, place = np.unique(sample.clusters * size + arms, return_inverse=True)
        arms, weights = pairs % size, np.bincount(place, weights=weights).astype(np.float64, copy=False)
    squares = np.bincount(arms, weights=weights**2, minlength=size)
    return np.maximum(squares - found**2 / sample.n_clusters, 0.0)
