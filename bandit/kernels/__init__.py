"""numba kernels: arrays in, ``out`` filled. No validation, no hidden randomness, nothing raised; the callers check."""
