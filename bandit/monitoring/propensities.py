"""Bets against the propensities of a log, arm by arm: e-values of a night that need no past and no normal law."""

from typing import Final

import numpy as np

from bandit.arrays import F64, I64

BETS: Final = (-0.5, -0.25, -0.1, 0.1, 0.25, 0.5)
"""Stakes on an arm that is shown less, or more often, than its propensities say."""

MOST_RATIO: Final = 2.0
"""The largest π / p at which every bet keeps a stake."""


def propensity_bets(shown: I64, propensities: F64, probabilities: F64, groups: I64, n_groups: int) -> F64:
    """The logarithms of e-values of each group of arms under each bet, (g, b).

    The arm of a decision is A, and p the propensity that the log states. For any π(a|x) that was known before the draw,
    E[1{A = a} π(a|x) / p] = π(a|x) if p is right, so that Π (1 + λ (1{A = a} π / p - π)) over decisions is an e-value for
    every |λ| ≤ 1/2 (Waudby-Smith and Ramdas 2024). It grows where an arm is drawn less often than is stated, or not at all. π
    makes no bet wrong, only weak: the probabilities of the policy that drew, computed again, are the strongest.

    Args:
        shown: the arm of each decision, (n,), a column of the next two; a decision counts once.
        propensities: p, (n,).
        probabilities: π, (n, k), 0 for arms that there are not.
        groups: the group of each decision's arms, (n, k), such as the artwork; -1 leaves an arm out.
        n_groups: how many.
    """
    rows = np.arange(len(shown))
    payoffs = -probabilities  # (n, k)
    payoffs[rows, shown] += np.minimum(probabilities[rows, shown] / propensities, MOST_RATIO)
    own = (groups >= 0) & (probabilities > 0)
    flat, where = payoffs[own], groups[own]
    columns = [np.bincount(where, weights=np.log1p(bet * flat), minlength=n_groups) for bet in BETS]
    return np.stack(columns, axis=1) if len(flat) else np.zeros((n_groups, len(BETS)))


def shown_and_expected(shown: I64, probabilities: F64, groups: I64, n_groups: int, weights: F64) -> tuple[F64, F64]:
    """Of each group Σ w over the decisions that showed it, and Σ π over all, (g,) each: equal on average where p is right."""
    rows, own = np.arange(len(shown)), (groups >= 0) & (probabilities > 0)
    expected = np.bincount(groups[own], weights=probabilities[own], minlength=n_groups).astype(np.float64)
    group = groups[rows, shown]
    there = group >= 0
    return np.bincount(group[there], weights=weights[there], minlength=n_groups).astype(np.float64), expected
