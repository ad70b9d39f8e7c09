"""What an interval cannot know: how skewed the answer was to be expected, and what a reward more would have done to it."""

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from bandit.arrays import F64
from bandit.evaluation.intervals.hall import effective_count
from bandit.evaluation.intervals.normal import Interval
from bandit.evaluation.sample import Sample

if TYPE_CHECKING:
    from bandit.evaluation.overlap import Thresholds

_MOST_HALVINGS: Final = 64

UNSEEN_WIDTHS: Final = 3.0
"""Half-widths by which what nobody saw, at the largest weight that is known to have been possible, may move an answer."""


class _Jumps(NamedTuple):
    """How far one more thing moves an estimate, up and down."""

    up: float
    down: float

    def times(self, count: float) -> "_Jumps":
        return _Jumps(count * self.up, count * self.down)


def fragility(
    sample: Sample,
    shares: F64,
    value: float,
    interval: Interval,
    influences: F64,
    need: "Thresholds",
    known_bound: float = 0.0,
) -> str:
    """Why an interval is not to be believed: what did not happen to come would have led out of it; empty if it would not.

    Rewards that are rare where weights are large come in some logs and not in others. Where none came, the rewards that did
    tell nothing of them, and the interval is narrow. So ``more_rewards`` at the largest weight that there was, or that the
    log shows to have been possible, must not move the value out of it, on either side: the largest possible reward upwards,
    the smallest one downwards. Nor must ``more_users`` who always earn the most, where users are known, each with as
    much of the log as the user of an average impression. Where they did come, one or two of many users make up the error; so
    ``equal_units`` of them have to. Where the largest possible weight is known, the mass of the target there may have gone
    unseen although it is up to ``more_rewards`` over so many weights; it must not move the value by more than three
    half-widths.

    Args:
        sample: with propensities.
        shares: what each impression counts in the estimate, (m,): w / Σ w, or the difference of two such.
        value: of the estimate, or its difference.
        interval: around it.
        influences: what each unit adds to its error, (U,).
        need: how much more, and of how many.
        known_bound: the largest share that is known to have been possible; 0 where nothing is known.
    """
    low, high = _ends(sample)
    total = max(float(sample.weights.sum()), 1e-300)
    middle = float(sample.weights @ sample.rewards) / total
    middle = min(max(middle, low), high)
    above, below = interval.upper - value, value - interval.lower
    gains, losses = np.maximum(shares, 0.0), np.maximum(-shares, 0.0)
    one = _jumps(float(gains.max(initial=0.0)), float(losses.max(initial=0.0)), low, middle, high)
    jumps = one.times(need.more_rewards)
    if jumps.up > above or jumps.down > below:
        return _told(f"{need.more_rewards:g} more rewards at the largest weight")
    jumps = _jumps(sample.unseen_weight(need.more_rewards) / total, 0.0, low, middle, high)
    if jumps.up > above or jumps.down > below:
        return _told(f"{need.more_rewards:g} more rewards at a larger weight, which was possible and never came,")
    if sample.users is not None:
        users = float(sample.unit_sizes.sum()) ** 2 / float(sample.unit_sizes @ sample.unit_sizes)  # alike: Kish (1965)
        user = float(gains.sum()) / users, float(losses.sum()) / users
        jumps = _jumps(*user, low, middle, high).times(need.more_users)
        if jumps.up > above or jumps.down > below:
            return _told(f"{need.more_users:g} more users unlike the others")
    if sample.units is not None and (alike := effective_count(influences)) < need.equal_units:
        return (
            f"too few rewards: the error is that of {alike:.1f} users, or decisions where no user is known, expected at least"
            f" {need.equal_units:g}"
        )
    unseen = _jumps(known_bound, known_bound if losses.any() else 0.0, low, middle, high).times(need.more_rewards)
    if unseen.up > UNSEEN_WIDTHS * above or unseen.down > UNSEEN_WIDTHS * below:
        return _told("what may have gone unseen at the largest weight that was possible")
    return ""


def equal_rewards(sample: Sample, shares: F64) -> float:
    """How many equal rewards would make an answer as skewed as this one is to be expected; infinite if it is not skewed.

    The skewness of K rare rewards of one weight is 1 / √K. That of Σ s r, shares s and rewards r independent, is Σ s³ κ₃ / (Σ
    s² κ₂)^1.5, κ₂ and κ₃ the central moments of r; K is one over its square. What was to be expected, and not what came: where
    three rewards were to be expected at the largest weights, one log in twenty has none, looks like many small ones, and is
    wrong. So moments at a weight are those of all rewards at weights at least as large (by powers of two), and those of the
    whole log for as many impressions more as have one reward on average.

    Args:
        sample: whose rewards.
        shares: what each impression counts, (m,), as for ``fragility``.
    """
    size = np.abs(shares)
    largest = float(size.max(initial=0.0))
    if largest == 0:
        return float("inf")
    rewards, apiece = _scaled_rewards(sample)
    if not np.isfinite(apiece):
        return 0.0
    scaled = shares / largest
    halvings = np.clip(
        -np.frexp(size / largest)[1], 0, _MOST_HALVINGS - 1
    )  # (m,): 0 of shares of half the largest or more
    halvings[size == 0] = _MOST_HALVINGS - 1
    squares = rewards * rewards
    powers = (np.ones(len(rewards)), rewards, squares, squares * rewards)
    above = np.stack(
        [_by(halvings, power).cumsum() + apiece * power.mean() for power in powers]
    )  # (4, H), as large or larger
    first, second, third = above[1:] / above[0]
    square = float(_by(halvings, scaled * scaled) @ np.maximum(second - first**2, 0.0))
    cube = float(_by(halvings, scaled * scaled * scaled) @ (third - 3 * first * second + 2 * first**3))
    if square == 0:
        return 0.0
    return square**3 / cube**2 if cube else float("inf")


def _scaled_rewards(sample: Sample) -> tuple[F64, float]:
    """Rewards, (m,), with what they can be from 0 to 1, or else around 0; and how many impressions have one of them.

    That is by the rarer of what came and what is missing from the largest possible reward; infinite where nothing differs.
    """
    if sample.reward_range is None:
        centred = sample.rewards - sample.rewards.mean()
        scaled = centred / max(float(np.abs(centred).max(initial=0.0)), 1e-300)
        count = effective_count(scaled)
        return scaled, len(scaled) / count if count > 0 else float("inf")
    low, high = sample.reward_range
    scaled = (sample.rewards - low) / (high - low)
    sums = [(float(part.sum()), float(part @ part)) for part in (scaled, 1 - scaled)]
    return scaled, max(len(scaled) * square / total**2 if total > 0 else float("inf") for total, square in sums)


def _by(halvings: "np.ndarray[tuple[int], np.dtype[np.intp]]", values: F64) -> F64:
    return np.bincount(halvings, weights=values, minlength=_MOST_HALVINGS).astype(np.float64, copy=False)


def _jumps(gain: float, loss: float, low: float, middle: float, high: float) -> _Jumps:
    return _Jumps(
        max(gain * (high - middle), loss * (middle - low)), max(gain * (middle - low), loss * (high - middle))
    )


def _ends(sample: Sample) -> tuple[float, float]:
    """What a reward can be, or else as far again beyond what rewards were: the largest that can be has seldom come."""
    if sample.reward_range is not None:
        return sample.reward_range
    low, high = float(sample.rewards.min()), float(sample.rewards.max())
    return low - (high - low), high + (high - low)


def _told(what: str) -> str:
    return f"too few rewards where weights are large: {what} would lead out of the interval"
