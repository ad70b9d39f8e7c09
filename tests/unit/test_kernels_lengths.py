import numpy as np
import pytest

from bandit.kernels.lengths import lengths


@pytest.mark.parametrize(
    "vector", [[3.0, 4.0], [1e200, 1e200], [1e-200, 3e-200], [0.0, 0.0], [1e308, 1e308], [5e-324, 0.0], [1e300, 1e-300]]
)
def test_a_length_is_right_where_squares_overflow_or_vanish(vector: list[float]) -> None:
    out = np.empty((2, 1))
    with np.errstate(all="ignore"):  # without numba, Python warns of what overflows
        lengths(np.array([[vector], [[1.0, 1.0]]]), out)
    wanted = float(np.sqrt((np.array(vector, dtype=np.longdouble) ** 2).sum()))
    np.testing.assert_allclose(out[:, 0], [wanted, np.sqrt(2)], rtol=1e-15)


@pytest.mark.parametrize(
    ("vector", "wanted"), [([np.inf, 1.0], np.inf), ([np.nan, 1.0], np.nan), ([1.7e308] * 2, np.inf)]
)
def test_what_has_no_finite_length_says_so(vector: list[float], wanted: float) -> None:
    out = np.empty((1, 1))
    with np.errstate(all="ignore"):  # without numba, Python warns of what overflows
        lengths(np.array([[vector]]), out)
    np.testing.assert_array_equal(out, [[wanted]])
