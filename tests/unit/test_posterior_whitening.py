import numpy as np
import numpy.typing as npt
import pytest

from bandit.errors import InputError
from bandit.posterior.whitening import whitenings

F64 = npt.NDArray[np.float64]


def precisions(k: int = 3, d: int = 5) -> F64:
    root = np.random.default_rng(1).normal(size=(k, d, d))
    return root @ root.swapaxes(1, 2) + np.eye(d)


def test_the_factor_squares_to_the_inverse() -> None:
    found = whitenings(precisions())
    np.testing.assert_allclose(found.swapaxes(1, 2) @ found, np.linalg.inv(precisions()), rtol=1e-10, atol=1e-14)


def test_features_of_scales_far_apart_lose_no_digits() -> None:
    scale = np.array([1e-6, 1e-3, 1.0, 1e3, 1e6])
    found, wanted = whitenings(precisions() * np.outer(scale, scale)), whitenings(precisions())
    np.testing.assert_allclose(found * scale, wanted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("size", [1.0, 1e12])
def test_a_singular_precision_is_raised_by_no_more_than_it_takes(size: float) -> None:
    singular = size * np.ones((1, 2, 2))
    white = whitenings(singular)[0]
    assert np.isfinite(white).all()
    # Along the direction that the evidence knows, the deviation is what it should be.
    assert np.linalg.norm(white @ [0.5, 0.5]) == pytest.approx(0.5 / np.sqrt(size), rel=1e-6)


def test_a_singular_neighbour_changes_not_a_bit() -> None:
    with_singular = np.concatenate([precisions(), np.ones((1, 5, 5))])
    np.testing.assert_array_equal(whitenings(with_singular)[:3], whitenings(precisions()))


def test_what_is_no_precision_is_refused() -> None:
    with pytest.raises(InputError, match="not positive definite"):
        whitenings(np.array([[[1.0, 2.0], [2.0, 1.0]]]))
