"""Cholesky factors of precisions that may be singular to working precision."""

import numpy as np

from bandit.posterior.checks import F64

# A share of each diagonal entry, added where rounding has lost a pivot. The first share that helps is taken.
_RIDGES = (1e-15, 1e-14, 1e-13, 1e-12, 1e-10, 1e-8)


def whitenings(precisions: F64) -> F64:
    """W_a with W_aᵀ W_a the inverse of each precision, (k, d, d) lower triangular: the deviation of wᵀx is the length of W_a x.

    Rows and columns are scaled to a diagonal of one first, so that features of scale 10⁻³ and 10³ lose no digits to each other.
    What remains is collinearity: where features repeat each other so often that the prior is under the last bit of the
    sums, the diagonal is raised by the least of some shares from 10⁻¹⁵ on that can be factored: a prior that is
    stronger by that share of the evidence, which narrows deviations in a direction that no context ever took. An arm's
    factor depends on its own precision alone.
    """
    scales = np.sqrt(np.einsum("kii->ki", precisions))  # (k, d)
    scaled = precisions / (scales[:, :, None] * scales[:, None, :])
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
    raise np.linalg.LinAlgError("a precision is not positive definite")
