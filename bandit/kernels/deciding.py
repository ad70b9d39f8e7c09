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
    n, k = probabilities.shape
    remainders = np.empty(k)
    for i in range(n):
        count, n_new, total = 0, 0, 0.0
        for a in range(k):
            if eligible[i, a]:
                count += 1
                total += probabilities[i, a]
                if new[i, a]:
                    n_new += 1
        share_new = min(n_new * new_floor, _MAX_NEW_SHARE)
        units = _TOTAL - count if floor > 0 else _TOTAL
        left = units
        for a in range(k):
            out[i, a] = 0
            remainders[a] = -1.0
            if eligible[i, a]:
                p = (1.0 - floor - share_new) * (probabilities[i, a] / total) + floor / count
                if new[i, a]:
                    p += share_new / n_new
                target = p * units
                whole = int(target)
                remainders[a] = target - whole
                left -= whole
                out[i, a] = whole + 1 if floor > 0 else whole
        for _ in range(left):
            best = int(np.argmax(remainders))
            out[i, best] += 1
            remainders[best] = -1.0


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
