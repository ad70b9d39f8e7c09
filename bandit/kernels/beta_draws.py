"""Draws from Beta distributions out of a counted stream: no hidden state, the same numbers on every machine."""

import math

import numpy as np

from bandit.arrays import F64, U64
from bandit.kernels.hashing import absorb
from bandit.kernels.jit import kernel

_ONE = np.uint64(1)
_S12 = np.uint64(12)
_UNIT = 2.0**-52
_LOG4 = math.log(4.0)
_LOG5 = math.log(5.0)
_TOO_LARGE = 2e149  # the product of larger parameters would overflow
_TRIES = 1000  # each ends in a draw half of the time at least


@kernel
def uniform(stream: U64) -> float:
    """The next number of a stream, on the midpoints of 2⁵² cells of (0, 1): never 0 or 1.

    ``stream`` (2,) holds a key and a count; the count is advanced in place.
    """
    word = absorb(stream[0], stream[1])
    stream[1] += _ONE
    return (np.float64(word >> _S12) + 0.5) * _UNIT


@kernel
def draw_beta(a: float, b: float, stream: U64) -> float:
    """A draw from Beta(a, b), both from 1 to 1e149, exact but for rounding; NaN for any others.

    Algorithm BB by rejection from the log-logistic (Cheng 1978, algorithm BB), which needs both above 1; a parameter of 1 has
    a distribution that inverts in closed form. A draw takes 1 uniform there, else 2.0 to 2.6 on average (measured up to 10⁶).
    """
    if not (a >= 1.0 and b >= 1.0 and a + b < _TOO_LARGE):
        return np.nan
    if b == 1.0:
        return math.pow(uniform(stream), 1.0 / a)
    if a == 1.0:
        return 1.0 - math.pow(uniform(stream), 1.0 / b)
    small, large, total = min(a, b), max(a, b), a + b
    scale = math.sqrt((total - 2.0) / (2.0 * a * b - total))
    slope = small + 1.0 / scale
    for _ in range(_TRIES):
        u, v = uniform(stream), uniform(stream)
        logit = scale * math.log(u / (1.0 - u))
        w = small * math.exp(logit)
        z = u * u * v
        r = slope * logit - _LOG4
        s = small + r - w
        # The first test accepts most draws without the logarithms of the others.
        if s + 1.0 + _LOG5 >= 5.0 * z or s >= math.log(z) or r + total * math.log(total / (large + w)) >= math.log(z):
            return w / (large + w) if a <= b else large / (large + w)
    return np.nan


@kernel
def draw_betas(a: F64, b: F64, stream: U64, out: F64) -> None:
    """A draw from each Beta(a[i], b[i]); ``out`` (n,) is overwritten, the count of ``stream`` (2,) advanced."""
    for i in range(a.shape[0]):
        out[i] = draw_beta(a[i], b[i], stream)
