"""What an interval cannot know: whether a reward or two more, where weights are largest, would have led out of it."""

from typing import Final, NamedTuple

import numpy as np

from bandit.arrays import F64
from bandit.evaluation.intervals.normal import Interval
from bandit.evaluation.sample import Sample

FEW_UNITS: Final = 200
"""With as many users or more, a kind of user that the log has none of is rarer than one in a hundred, and not looked for."""

UNSEEN_WIDTHS: Final = 3.0
"""Half-widths by which what nobody saw, at the largest weight that is known to have been possible, may move an answer."""


class _Jumps(NamedTuple):
    """How far one more thing moves an estimate, up and down."""

    up: float
    down: float

    def times(self, count: float) -> "_Jumps":
        return _Jumps(count * self.up, count * self.down)


def fragility(
    sample: Sample, shares: F64, value: float, interval: Interval, more: float, known_bound: float = 0.0
) -> str:
    """Why an interval is not to be believed: what did not happen to come would have led out of it; empty if it would not.

    Rewards that are rare where weights are large come in some logs and not in others. Where none came, the rewards that did
    tell nothing of them, and the interval is narrow. So ``more`` rewards at the largest weight that there was (and as
    many average users who always earn the most, where fewer than 200 are known) must not move the value out of it, on either
    side: the largest possible reward upwards, the smallest one downwards. Where the largest possible weight is known, the
    mass of the target there may have gone unseen although it is up to ``more`` over so many weights; it must not move the
    value by more than three half-widths.

    Args:
        sample: with propensities.
        shares: what each impression counts in the estimate, (m,): w / Σ w, or the difference of two such.
        value: of the estimate, or its difference.
        interval: around it.
        more: rewards more.
        known_bound: the largest share that is known to have been possible; 0 where nothing is known.
    """
    low, high = _ends(sample)
    middle = float(sample.weights @ sample.rewards) / max(float(sample.weights.sum()), 1e-300)
    middle = min(max(middle, low), high)
    above, below = interval.upper - value, value - interval.lower
    gains, losses = np.maximum(shares, 0.0), np.maximum(-shares, 0.0)
    jumps = _jumps(float(gains.max(initial=0.0)), float(losses.max(initial=0.0)), low, middle, high).times(more)
    if jumps.up > above or jumps.down > below:
        return _told(f"{more:g} more rewards at the largest weight")
    if sample.users is not None and sample.n_units < FEW_UNITS:
        one = float(gains.sum()) / sample.n_units, float(losses.sum()) / sample.n_units
        jumps = _jumps(*one, low, middle, high).times(more)
        if jumps.up > above or jumps.down > below:
            return _told(f"{more:g} more users unlike the others")
    unseen = _jumps(known_bound, known_bound if losses.any() else 0.0, low, middle, high).times(more)
    if unseen.up > UNSEEN_WIDTHS * above or unseen.down > UNSEEN_WIDTHS * below:
        return _told("what may have gone unseen at the largest weight that was possible")
    return ""


def _jumps(gain: float, loss: float, low: float, middle: float, high: float) -> _Jumps:
    return _Jumps(
        max(gain * (high - middle), loss * (middle - low)), max(gain * (middle - low), loss * (high - middle))
    )


def _ends(sample: Sample) -> tuple[float, float]:
    """What a reward can be, or else what rewards were."""
    if sample.reward_range is not None:
        return sample.reward_range
    return float(sample.rewards.min()), float(sample.rewards.max())


def _told(what: str) -> str:
    return f"too few rewards where weights are large: {what} would lead out of the interval"
