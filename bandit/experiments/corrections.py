"""p-values of several hypotheses, adjusted: compare them with the level as if each were the only one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64
from bandit.experiments.columns import checked_p_values


def holm(p_values: npt.ArrayLike) -> F64:
    """Adjusted p-values, in the order given: no false alarm among all of them but for the level (Holm 1979).

    Raises:
        InputError: they are no column of numbers from 0 to 1.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = checked_p_values(p_values)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def benjamini_hochberg(p_values: npt.ArrayLike) -> F64:
    """Adjusted p-values, in the order given: of those called, the level's share is false (Benjamini and Hochberg 1995).

    Raises:
        InputError: they are no column of numbers from 0 to 1.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]
    """
    p = checked_p_values(p_values)
    order = np.argsort(p, kind="stable")[::-1]
    adjusted = np.empty(len(p))
    ranks = np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.minimum.accumulate(p[order] * (len(p) / ranks)), 1.0)
    return adjusted


def bonferroni(p_values: npt.ArrayLike) -> F64:
    """p-values times their number, at most 1, in the order given.

    Raises:
        InputError: they are no column of numbers from 0 to 1.

    >>> bonferroni([0.01, 0.5]).tolist()
    [0.02, 1.0]
    """
    p = checked_p_values(p_values)
    return np.minimum(p * len(p), 1.0)
