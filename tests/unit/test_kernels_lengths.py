import numpy as np
import pytest

from bandit.kernels.lengths import lengths, single_lengths


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


@pytest.mark.parametrize("vector", [[3.0, 4.0], [1e-12, 1e-12], [3e12, 1.0]])
def test_a_length_in_single_precision_keeps_seven_digits(vector: list[float]) -> None:
    out = np.empty((1, 1))
    assert single_lengths(np.array([[vector]], dtype=np.float32), out) == 0
    assert out[0, 0] == pytest.approx(np.hypot(vector[0], vector[1]), rel=2e-7)


@pytest.mark.parametrize(
    "vector", [[0.0, 0.0], [1e-13, 1e-13], [4e12, 1.0], [1e38, 1e38], [np.inf, 1.0], [np.nan, 1.0]]
)
def test_a_length_that_single_precision_may_have_spoilt_is_marked_and_counted(vector: list[float]) -> None:
    out = np.empty((2, 1))
    with np.errstate(all="ignore"):  # without numba, Python warns of what overflows
        count = single_lengths(np.array([[vector], [[1.0, 0.0]]], dtype=np.float32), out)
    assert (count, out[:, 0].tolist()) == (1, [-1.0, 1.0])
