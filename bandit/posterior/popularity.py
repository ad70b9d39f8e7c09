"""Popularity as the prior mean of a linear model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, real_array
from bandit.errors import InputError


def popularity_mean(rates: npt.ArrayLike, n_features: int, constant: int = 0) -> F64:
    """Prior means that make every context expect each arm's rate: the rate at the constant feature, 0 elsewhere, (k, d).

    Contexts without a constant feature have no place for a level: whatever weights held it would favour some users over others.
    Their prior mean stays 0, the default of ``LinearPosterior``.

    Args:
        rates: expected reward of each arm, (k,), such as the take rate of its title.
        n_features: d.
        constant: the feature that is 1 in every context.

    Raises:
        InputError: a rate is not finite, or there is no such feature.

    >>> popularity_mean([0.25, 0.1], n_features=2)
    array([[0.25, 0.  ],
           [0.1 , 0.  ]])
    """
    array = real_array("rates", rates)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise InputError(
            f"rates {array.shape} run from {array.min(initial=np.inf)} to {array.max(initial=-np.inf)}, expected (k,) finite"
            " numbers; divide takes by impressions where there are some"
        )
    if not 0 <= constant < n_features:
        raise InputError(
            f"the constant feature is {constant}, expected 0 to {n_features - 1}; without one leave the prior mean at 0"
        )
    mean = np.zeros((len(array), n_features))
    mean[:, constant] = array
    return mean
