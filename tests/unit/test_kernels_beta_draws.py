import naive
import numba
import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from bandit.kernels.beta_draws import draw_betas

F64 = npt.NDArray[np.float64]

COUNT = 3_000 if numba.config.DISABLE_JIT else 200_000
# Where an item's counts lead: nothing seen, little, lopsided, a lot; and close to the border of the two methods.
PARAMETERS = [
    (1, 1),
    (1, 5),
    (5, 1),
    (2, 1),
    (2, 2),
    (4, 4),
    (1.01, 1.01),
    (1 + 1e-9, 3),
    (100, 3),
    (3, 100),
    (5e5, 4e5),
    (2, 1e6),
]


def drawn(a: F64, b: F64, key: int) -> F64:
    out = np.empty(len(a))
    with np.errstate(over="ignore"):
        draw_betas(a, b, np.array([key, 0], dtype=np.uint64), out)
    return out


@pytest.mark.parametrize(("a", "b"), PARAMETERS)
def test_draws_follow_the_distribution(a: float, b: float) -> None:
    draws = drawn(np.full(COUNT, float(a)), np.full(COUNT, float(b)), key=7)
    assert stats.kstest(draws, stats.beta(a, b).cdf).pvalue > 1e-3


def test_a_slightly_different_distribution_is_told_apart() -> None:
    draws = drawn(np.full(COUNT, 4.0), np.full(COUNT, 4.0), key=7)
    assert stats.kstest(draws, stats.beta(4.4, 4.0).cdf).pvalue < 1e-3


def test_draws_are_those_of_the_naive_twin() -> None:
    a, b = np.array([p for pair in PARAMETERS for p in (pair,) * 50], dtype=np.float64).T.copy()
    stream = naive.Stream(99)
    wanted = [stream.beta(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    np.testing.assert_allclose(drawn(a, b, key=99), wanted, rtol=1e-12)


def test_successive_draws_are_not_correlated() -> None:
    draws = drawn(np.full(COUNT, 3.0), np.full(COUNT, 2.0), key=11)
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 4 / np.sqrt(COUNT)


def test_another_key_gives_other_draws_and_the_same_key_the_same() -> None:
    ones = np.full(100, 2.0)
    assert (drawn(ones, ones, key=1) == drawn(ones, ones, key=1)).all()
    assert not (drawn(ones, ones, key=1) == drawn(ones, ones, key=2)).any()


def test_draws_lie_inside_the_unit_interval_at_the_extremes() -> None:
    a = np.tile([1.0, 1e9, 1.0, 1e9], 250)
    b = np.tile([1e9, 1.0, 1.0, 1e9], 250)
    draws = drawn(a, b, key=3)
    assert ((draws >= 0) & (draws <= 1)).all()


WILD = [np.nan, np.inf, -np.inf, 0.0, -1.0, 0.999, 5e-324, 1e150, 1e308]


@pytest.mark.parametrize("wild", WILD)
@pytest.mark.parametrize("other", [1.0, 2.0, *WILD])
def test_what_is_no_parameter_has_no_draw_and_takes_no_number(wild: float, other: float) -> None:
    a, b = np.array([wild, other, 3.0]), np.array([other, wild, 2.0])
    draws = drawn(a, b, key=13)
    assert np.isnan(draws[:2]).all()
    assert draws[2] == drawn(a[2:], b[2:], key=13)[0]
    stream = naive.Stream(13)
    np.testing.assert_allclose(draws, [stream.beta(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)])


def test_draws_end_at_the_largest_parameters() -> None:
    large = np.tile([1e149, 1.0, 1 + 1e-15, 1e15], 25)
    draws = drawn(large, large[::-1].copy(), key=17)
    assert ((draws >= 0) & (draws <= 1)).all()


def test_nothing_is_drawn_of_no_parameters() -> None:
    assert drawn(np.empty(0), np.empty(0), key=5).shape == (0,)
