import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

from bandit.kernels.normal import CLAMP, cdf, clamped, pdf

GRID = np.linspace(-CLAMP, CLAMP, 1001)


def test_the_distribution_function_errs_by_less_than_three_in_a_billion() -> None:
    assert np.abs([cdf(float(z)) for z in GRID] - ndtr(GRID)).max() < 3e-9


def test_the_density_errs_by_five_in_a_billion_at_most() -> None:
    assert np.abs([pdf(float(z)) for z in GRID] - norm.pdf(GRID)).max() <= 5e-9


@pytest.mark.parametrize("z", [-1e308, -6.0, 0.5, 1e308, np.inf])
def test_what_is_beyond_the_range_is_clamped(z: float) -> None:
    assert clamped(z) == np.clip(z, -CLAMP, CLAMP)
