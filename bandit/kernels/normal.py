"""Φ and φ of the standard Gaussian: no division, no branch and no table, so that many arguments are one instruction."""

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64
from bandit.kernels.jit import lane_part

Single = np.float32

CLAMP = 5.85  # Φ is taken as constant beyond: 2e-9 from 0 and 1
FAR: Single = np.float32(9.0)
"""Above this many deviations ``tail_and_density`` answers as here: a density of 1e-18."""

# Φ(z) = 1/2 + z P(z²) by Chebyshev interpolation of degree 17 in z². Highest power first. Largest error on the range: 2.3e-9.
# All coefficients are written out, so that they are the same with every version of scipy and LAPACK.
_CDF: F64 = np.array(
    [
        -1.8839330581583499e-25,
        6.245314090231092e-23,
        -9.646781560328574e-21,
        9.246340555360847e-19,
        -6.185491909942113e-17,
        3.0842607009663168e-15,
        -1.197790862545687e-13,
        3.746150299054387e-12,
        -9.699967860152969e-11,
        2.12774693702757e-09,
        -4.021917360769539e-08,
        6.608374186978796e-07,
        -9.426139472488328e-06,
        0.00011538996576208044,
        -0.0011872618773168101,
        0.009973504686419353,
        -0.06649036358751476,
        0.3989422795327119,
    ]
)
_N_CDF = len(_CDF)


@lane_part
def clamped(z: float) -> float:
    """The nearest number within the range of ``cdf``."""
    return min(max(z, -CLAMP), CLAMP)


@lane_part
def cdf(z: float) -> float:
    """Φ for |z| ≤ ``CLAMP``, in double precision."""
    v = z * z
    p: float = _CDF[0]
    for degree in range(1, _N_CDF):
        p = p * v + _CDF[degree]
    return 0.5 + z * p


# 2^f / √(2π) for |f| ≤ 1/2, and Mills' ratio M(s) = Φ(-s) / φ(s) for 0 ≤ s ≤ 6: least squares of the largest error, relative
# for the first; for the second, that of φ(s) M(s) beside 2e-7 of it plus 1e-9. A hundred arms that are alike miss their leader
# in the same places, so what the polynomial errs by adds up: far out it must be small beside the tail. Highest power first.
_POWER: npt.NDArray[np.float32] = np.array(
    [
        0.0005296520539559424,
        0.0038599823601543903,
        0.022144142538309097,
        0.0958343893289566,
        0.2765256464481354,
        0.39894232153892517,
    ],
    dtype=np.float32,
)
_MILLS: npt.NDArray[np.float32] = np.array(
    [
        7.295119530681404e-08,
        -2.24640166379686e-06,
        3.138804459013045e-05,
        -0.0002658355806488544,
        0.0015449151396751404,
        -0.006655020639300346,
        0.022580277174711227,
        -0.06360156834125519,
        0.15489041805267334,
        -0.33270570635795593,
        0.6265408992767334,
        -0.9999921321868896,
        1.2533140182495117,
    ],
    dtype=np.float32,
)
_N_POWER, _N_MILLS = len(_POWER), len(_MILLS)
_HALVED_IN_BITS: Single = np.float32(-0.7213475204444817)  # -s²/2 is this times s² in powers of two
_TO_WHOLE: Single = np.float32(12582912.0)  # 1.5 · 2²³: added and taken away again, it rounds to a whole number
_MANTISSA = np.int32(23)


@lane_part
def tail_and_density(z: Single) -> tuple[Single, Single]:
    """Φ(-|z|) and φ(z) in single precision; the errors are 1.4e-7 and 6e-8 at most, of the tail 5e-9 from |z| = 4 on.

    φ(s) = 2^n · 2^f / √(2π), with n and f the whole number nearest to -s²/2 in powers of two and the rest. The last bits
    of ``t`` are n, which is added to the exponent. The tail is φ(s) M(s), M Mills' ratio (Gordon 1941).
    """
    s = min(abs(z), FAR)
    power = _HALVED_IN_BITS * s * s
    t = power + _TO_WHOLE
    f = power - (t - _TO_WHOLE)
    p = _POWER[0]
    for degree in range(1, _N_POWER):
        p = p * f + _POWER[degree]
    m = _MILLS[0]
    for degree in range(1, _N_MILLS):
        m = m * s + _MILLS[degree]
    exponent = np.int32(np.float32(t).view(np.int32) << _MANTISSA)
    density = np.int32(np.float32(p).view(np.int32) + exponent).view(np.float32)
    return density * m, density
