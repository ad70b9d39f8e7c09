"""Take rates of policies that are live: of each, how far one is ahead, and how small a difference can be told.

Intervals are bootstraps over users, with all that they saw: a user's impressions hang together (Field and Welsh 2007).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtri

from bandit.arrays import F64, I64, Bool
from bandit.evaluation.estimators import Terms
from bandit.evaluation.intervals.bootstrap import percentile_interval, resample
from bandit.evaluation.planning import POWER
from bandit.evaluation.results import Settings
from bandit.evaluation.sample import Sample

LEAST_USERS: Final = 30
"""A policy with fewer gets no interval: of 5 to 30 clusters bootstraps are too narrow (Cameron, Gelbach and Miller 2008)."""

_LEAD_RESAMPLES: Final = 2000
_MOST_BCA_USERS: Final = 5000  # its jackknife takes time with the square of the users: 0.5 s at 5,000, 4 s at 20,000


@dataclass(frozen=True)
class LiveRate:
    """What a policy came to: ``rate`` is the reward per impression, the ends are None where it had too few users."""

    policy: str
    users: int
    impressions: int
    rate: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class RateDifference:
    """Two policies that were live side by side, and ``difference``: the rate of ``policy`` minus that of ``against``."""

    policy: LiveRate
    against: LiveRate
    difference: float
    lower: float | None
    upper: float | None
    level: float
    resamples: int


@dataclass(frozen=True)
class Lead:
    """A policy's reward per impression minus what another is known to earn on the same impressions."""

    difference: float
    lower: float
    upper: float
    impressions: int
    users: int

    @property
    def is_above(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.lower > 0


def compare_rates(
    names: tuple[str, str], rewards: F64, users: I64, is_first: Bool, blocks: I64, settings: Settings
) -> RateDifference:
    """The take rates of two policies and their difference, with intervals.

    A block counts as many impressions for one policy as for the other, whatever its users' shares: else a share that was
    raised while both got better would make a lead of its own. Intervals are percentiles of Poisson counts of users; whoever
    saw both policies, at some time or other, is drawn for both.

    Args:
        names: of both policies.
        rewards: of each impression, (m,).
        users: who saw it, (m,), numbered from 0.
        is_first: whether the first policy chose, (m,); each has an impression in every block.
        blocks: of impressions that are compared with each other, such as a generation, (m,), numbered from 0.
        settings: level, resamples and seed.
    """
    of_block, of_first = np.bincount(blocks), np.bincount(blocks, weights=is_first)
    weights = of_block[blocks] / np.where(is_first, of_first[blocks], (of_block - of_first)[blocks])
    nothing = np.zeros(len(rewards))
    sample = Sample(rewards, nothing, nothing, None, clusters=users)
    shown = [is_first, ~is_first]
    terms = [Terms(numerator=weights * rewards * own, denominator=weights * own) for own in shown]
    drawn = resample(sample, terms, settings.resamples, settings.seed)  # (B, 2)
    counts = [len(np.unique(users[own])) for own in shown]
    level = settings.level if min(counts) >= LEAST_USERS else None
    first, second = (
        LiveRate(name, count, int(own.sum()), term.value, *_ends(draws, level))
        for name, count, own, term, draws in zip(names, counts, shown, terms, drawn.T, strict=True)
    )
    ends = _ends(drawn[:, 0] - drawn[:, 1], level)
    return RateDifference(first, second, first.rate - second.rate, *ends, settings.level, settings.resamples)


def lead_over_known(lead: F64, shown: F64, level: float, seed: int) -> Lead:
    """A policy's lead over one whose expected rewards are known for every impression, as in a simulated world.

    The interval is bias-corrected and accelerated (Efron 1987, equation 2.3); percentiles for more than 5,000 users.

    Args:
        lead: each user's rewards minus the expected ones, summed over impressions, (n,).
        shown: impressions of each user, (n,); who has none does not count.
        level: of the interval.
        seed: of the bootstrap.
    """
    from scipy.stats import bootstrap  # noqa: PLC0415 - takes 0.6 s to import, for one line of a demo

    came = shown > 0
    interval = bootstrap(
        (lead[came], shown[came]),
        lambda lead, shown, axis: lead.sum(axis=axis) / shown.sum(axis=axis),
        paired=True,
        method="BCa" if came.sum() <= _MOST_BCA_USERS else "percentile",
        confidence_level=level,
        n_resamples=_LEAD_RESAMPLES,
        batch=100,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    difference = float(lead.sum() / shown.sum())
    return Lead(difference, float(interval.low), float(interval.high), int(shown.sum()), int(came.sum()))


def detectable(lower: float | None, upper: float | None, level: float) -> float | None:
    """The smallest difference that such data would show four times in five; None where there is no interval.

    (z_{(1+level)/2} + z_power) σ, with σ read off the width of the interval, as if it were normal (Cohen 1988).
    """
    if lower is None or upper is None:
        return None
    quantile = float(ndtri((1 + level) / 2))
    return (upper - lower) / 2 * (1 + float(ndtri(POWER)) / quantile)


def _ends(drawn: F64, level: float | None) -> tuple[float | None, float | None]:
    if level is None:
        return None, None
    lower, upper = percentile_interval(drawn, level)
    return lower, upper
