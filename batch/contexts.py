"""Contexts as arrays."""

import numpy as np
import numpy.typing as npt
import polars as pl


def context_matrix(users: pl.DataFrame) -> npt.NDArray[np.float32]:
    """The contexts of a users table, (n, d)."""
    return users["context"].explode().to_numpy().reshape(users.height, -1)
