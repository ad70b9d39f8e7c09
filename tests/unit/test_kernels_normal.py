import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

from bandit.kernels.normal import CLAMP, FAR, cdf, clamped, tail_and_density

GRID = np.linspace(-CLAMP, CLAMP, 1001)
SINGLE = np.linspace(-8.5, 8.5, 3001).astype(np.float32)


def test_the_distribution_function_errs_by_less_than_three_in_a_billion() -> None:
    assert np.abs([cdf(float(z)) for z in GRID] - ndtr(GRID)).max() < 3e-9


@pytest.mark.parametrize("z", [-1e308, -6.0, 0.5, 1e308, np.inf])
def test_what_is_beyond_the_range_is_clamped(z: float) -> None:
    assert clamped(z) == np.clip(z, -CLAMP, CLAMP)


def test_a_tail_in_single_precision_errs_by_fourteen_in_a_hundred_million_at_most() -> None:
    tails = [tail_and_density(z)[0] for z in SINGLE]
    assert np.abs(tails - ndtr(-np.abs(SINGLE.astype(np.float64)))).max() <= 1.4e-7


def test_a_density_in_single_precision_errs_by_six_in_a_hundred_million_at_most() -> None:
    densities = [tail_and_density(z)[1] for z in SINGLE]
    assert np.abs(densities - norm.pdf(SINGLE.astype(np.float64))).max() <= 6e-8


@pytest.mark.parametrize("z", [FAR, 10.0, 1e30, np.inf])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_far_out_there_is_neither_tail_nor_density_in_single_precision(z: float, sign: float) -> None:
    tail, density = tail_and_density(np.float32(sign * z))
    assert abs(tail) < 1e-14
    assert 0 < density < 1e-17
    assert np.float32(1) - tail == 1


def test_single_precision_stays_single() -> None:
    assert {type(value) for value in tail_and_density(np.float32(0.5))} <= {np.float32, float}
