"""Whether another library believes and chooses what our posterior says; where it does not, its row says how."""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from artwork.bench.rivals.base import Rival
from bandit.arrays import F64, I64
from bandit.scores import Moments

_FALSE_ALARM = 6.0  # standard errors
_LEVEL = 1e-9
_SMALLEST_EXPECTED = 5.0  # cells that are expected less often are counted together, as the chi-square test asks


@dataclass(frozen=True)
class Agreement:
    """How a rival's draws and choices compare with the posterior, from ``count`` draws of some contexts.

    ``mean_error`` and ``deviation_error`` are in standard errors, ``deviation_ratio`` is the draws' deviation over ours.
    ``correlation`` is between the draws of different arms, which are independent. ``choice_error`` is the largest difference
    between how often an arm was chosen and its win probability, ``choice_p`` the chance of differences as large.
    """

    mean_error: float
    deviation_error: float
    deviation_ratio: float
    correlation: float
    choice_error: float
    choice_p: float

    def sentence(self) -> str:
        """What differs beyond chance; empty if nothing does."""
        differences = []
        if self.mean_error > _FALSE_ALARM and self.deviation_error <= _FALSE_ALARM:
            differences.append(f"its means are off by {self.mean_error:.0f} standard errors")
        if self.deviation_error > _FALSE_ALARM:
            differences.append(f"its draws deviate {self.deviation_ratio:,.2g} x what the posterior does")
        if self.correlation > 0.5:
            differences.append(f"its arms share random numbers (correlation {self.correlation:.2f})")
        if self.choice_p < _LEVEL:
            differences.append(f"its choices are off the win probabilities by up to {self.choice_error:.2f}")
        return ", ".join(differences)


def compare_beliefs(rival: Rival, contexts: F64, scores: Moments, wins: F64, count: int = 1000) -> Agreement:
    """Draws and choices of a rival against moments and win probabilities of the same contexts (n, d)."""
    drawn = rival.draws(contexts, count)  # (count, n, k)
    deviations = drawn.std(axis=0)
    ratios = deviations / scores.deviations
    worst = np.unravel_index(np.abs(np.log(ratios)).argmax(), ratios.shape)
    chosen = np.stack([np.asarray(rival.choose(contexts), dtype=np.int64) for _ in range(count)], axis=1)  # (n, count)
    shares = np.stack([np.bincount(row, minlength=wins.shape[1]) for row in chosen]) / count
    return Agreement(
        mean_error=float((np.abs(drawn.mean(axis=0) - scores.means) / deviations).max() * np.sqrt(count)),
        deviation_error=float(np.abs(np.log(ratios)).max() * np.sqrt(2 * count)),
        deviation_ratio=float(ratios[worst]),
        correlation=_correlation(drawn),
        choice_error=float(np.abs(shares - wins).max()),
        choice_p=_chance(chosen, wins),
    )


def _correlation(drawn: F64) -> float:
    """The middle one of the correlations between two arms' draws for the same context."""
    k = drawn.shape[2]
    pairs = np.triu_indices(k, 1)
    matrices = np.stack([np.asarray(np.corrcoef(drawn[:, row].T)) for row in range(drawn.shape[1])])  # (n, k, k)
    return float(np.median(matrices[:, pairs[0], pairs[1]]))


def _chance(chosen: I64, wins: F64) -> float:
    """P(a chi-square as large) if each row of choices (n, count) came from its row of probabilities."""
    statistic, freedom = 0.0, 0
    for row, p in zip(chosen, wins, strict=True):
        expected, observed = p * len(row), np.bincount(row, minlength=len(p))
        often = expected >= _SMALLEST_EXPECTED
        cells = np.append(expected[often], expected[~often].sum())
        counts = np.append(observed[often], observed[~often].sum())
        kept = cells >= _SMALLEST_EXPECTED
        statistic += float(((counts[kept] - cells[kept]) ** 2 / cells[kept]).sum())
        freedom += int(kept.sum()) - 1
    return float(chdtrc(max(freedom, 1), statistic))
