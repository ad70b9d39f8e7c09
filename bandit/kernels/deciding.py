"""Floors, quantised weights and draws: what makes the logged propensity the truth."""

import numpy as np
import numpy.typing as npt

from bandit.kernels.jit import kernel

F64 = npt.NDArray[np.float64]
U16 = npt.NDArray[np.uint16]
U64 = npt.NDArray[np.uint64]
Bool = npt.NDArray[np.bool_]

_TOTAL = 65535
_MAX_NEW_SHARE = 0.5
_LOW32 = np.uint64(0xFFFFFFFF)
_S32 = np.uint64(32)
_TOTAL64 = np.uint64(_TOTAL)


@kernel
def quantise_rows(probabilities: F64, eligible: Bool, new: Bool, floor: float, new_floor: float, out: U16) -> None:
    """Floored and quantised weights of each row; ``out`` (n, k) is overwritten.

    Rows of ``probabilities`` are scaled to one over the eligible arms first, which takes out the last bits of rounding.
    """
    k = probabilities.shape[1]
    remainders = np.empty(k)
    for i in range(probabilities.shape[0]):
        count, n_new, total = 0, 0, 0.0
        for a in range(k):
            if eligible[i, a]:
                count += 1
                total += probabilities[i, a]
                n_new += new[i, a]
        share_new = min(n_new * new_floor, _MAX_NEW_SHARE)
        extra = 1 if floor > 0 else 0
        units = _TOTAL - count * extra
        scale, even, fresh = (1.0 - floor - share_new) / total, floor / count, share_new / n_new
        left = units
        for a in range(k):
            out[i, a], remainders[a] = 0, -1.0
            if eligible[i, a]:
                target = (scale * probabilities[i, a] + even + (fresh if new[i, a] else 0.0)) * units
                whole = int(target)
                remainders[a] = target - whole
                left -= whole
                out[i, a] = whole + extra
        _round_up(remainders, left, out[i])


@kernel
def _round_up(remainders: F64, left: int, weights: U16) -> None:
    """One unit more for the ``left`` largest remainders, the lowest arm first among equals.

    Arms are counted that come before each: k² comparisons without a branch, which beat ``left`` searches for the largest.
    """
    for a in range(remainders.shape[0]):
        own, before = remainders[a], 0
        for b in range(a):
            before += remainders[b] >= own
        for b in range(a + 1, remainders.shape[0]):
            before += remainders[b] > own
        weights[a] += before < left


@kernel
def draw_rows(weights: U16, hashes: U64, arms: npt.NDArray[np.uint8], chosen: U16) -> None:
    """The arm that each hash selects from its row of weights; ``arms`` and ``chosen`` (n,) are overwritten.

    ``floor(h * 65535 / 2**64)`` is computed exactly from the two halves of ``h``: h = hi * 2**32 + lo.
    """
    for i in range(weights.shape[0]):
        high, low = hashes[i] >> _S32, hashes[i] & _LOW32
        point = np.int64((high * _TOTAL64 + ((low * _TOTAL64) >> _S32)) >> _S32)
        for a in range(weights.shape[1]):
            point -= np.int64(weights[i, a])
            if point < 0:
                arms[i] = a
                chosen[i] = weights[i, a]
                break
