"""Cholesky factors of precisions that may be singular to working precision."""

from __future__ import annotations

import numpy as np

from bandit.arrays import F64
from bandit.errors import InputError

# A share of each diagonal entry, added where rounding has lost a pivot. The first share that helps is taken.
_RIDGES = (1e-15, 1e-14, 1e-13, 1e-12, 1e-10, 1e-8)
_SMALL = 1e-290


def whitenings(precisions: F64) -> F64:
    """W_a with W_aᵀ W_a the inverse of each precision, (k, d, d) lower triangular.

    The standard deviation of wᵀx is the length of W_a x.

    Rows and columns are scaled to a diagonal of one first, so that features of scale 10⁻³ and 10³ lose no digits to each other.
    What remains is collinearity: where features repeat each other so often that the prior is under the last bit of the
    sums, the diagonal is raised by the least of some shares from 10⁻¹⁵ on that can be factored: a prior that is
    stronger by that share of the evidence, which narrows deviations in a direction that no context ever took. An arm's
    factor depends on its own precision alone.

    Raises:
        InputError: a precision overflows, or is not positive definite whatever is added.
    """
    diagonal = np.einsum("kii->ki", precisions)
    if not (np.isfinite(precisions).all() and (diagonal > 0).all()):
        raise InputError(
            "a posterior precision overflows, or is not above 0; bring features to a scale near 1, or lower the noise precision"
        )
    scales = np.sqrt(diagonal)  # (k, d)
    with np.errstate(under="ignore"):
        products = scales[:, :, None] * scales[:, None, :]
    small = (products < _SMALL).any()  # where their digits are few; one after the other they lose none
    scaled = precisions / scales[:, :, None] / scales[:, None, :] if small else precisions / products
    try:
        factors = np.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:
        factors = np.stack([_ridged(one) for one in scaled])
    return np.asarray(np.linalg.inv(factors) / scales[:, None, :])


def _ridged(scaled: F64) -> F64:
    for ridge in (0.0, *_RIDGES):
        try:
            return np.asarray(np.linalg.cholesky(scaled + ridge * np.eye(len(scaled))))
        except np.linalg.LinAlgError:
            continue
    raise InputError(
        "a posterior precision is not positive definite; bring features to a scale near 1, or raise the prior precision"
    )
