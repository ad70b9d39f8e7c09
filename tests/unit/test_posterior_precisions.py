import numpy as np
import numpy.typing as npt

from bandit.posterior.fixed_point import BOUNDS, fixed_point, ratio

F64 = npt.NDArray[np.float64]


class Slow:
    """A map on precisions that keeps most of the distance to its fixed point, on the logarithm, and counts its rounds."""

    def __init__(self, fixed: F64, keeps: float) -> None:
        self.fixed, self.keeps, self.rounds = fixed, keeps, 0

    def __call__(self, at: F64) -> F64:
        self.rounds += 1
        return np.asarray(self.fixed * (at / self.fixed) ** self.keeps)


def test_a_map_that_crawls_is_followed_to_its_end_in_few_rounds() -> None:
    slow = Slow(np.array([3.0, 500.0]), keeps=0.97)
    found = fixed_point(slow, np.ones(2), 50, 1e-6)
    np.testing.assert_allclose(found, slow.fixed, rtol=1e-5)
    assert slow.rounds < 10


def test_it_ends_after_the_rounds_it_is_given() -> None:
    slow = Slow(np.array([1e6]), keeps=0.99)
    fixed_point(slow, np.ones(1), 2, 1e-12)
    assert slow.rounds == 2


def test_a_precision_without_end_stops_at_its_bound() -> None:
    assert fixed_point(lambda at: np.minimum(10 * at, BOUNDS[1]), np.ones(1), 60, 1e-6)[0] == BOUNDS[1]


def test_a_ratio_stays_within_the_bounds() -> None:
    np.testing.assert_array_equal(
        ratio(np.array([1.0, 0.0, 3.0]), np.array([0.0, 1.0, 2.0])), [BOUNDS[1], BOUNDS[0], 1.5]
    )
