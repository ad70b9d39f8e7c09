import numpy as np
import numpy.typing as npt
import pytest

from bandit.posterior.precisions import BOUNDS, Pseudo, Round, best_precisions

F64 = npt.NDArray[np.float64]
NOTHING = Pseudo(np.zeros(2), np.zeros(2))
GROUPS, SIZE = 100, 2


class Levels:
    """Sums of SIZE values around the own level of each of GROUPS, of two kinds; levels and noise of known variance."""

    def __init__(self, precisions: F64, noise: float) -> None:
        random = np.random.default_rng(1)
        own = random.normal(size=(GROUPS, 2)) / np.sqrt(precisions)
        self.sums = SIZE * own + random.normal(size=own.shape) * np.sqrt(SIZE / noise)
        self.noise, self.rounds = noise, 0

    def __call__(self, at: F64) -> Round:
        self.rounds += 1
        precision = at + self.noise * SIZE
        means = self.noise * self.sums / precision
        fit = GROUPS * np.log(at / precision) + (precision * means**2).sum(axis=0)
        return Round(float(fit.sum() / 2), GROUPS * (1 - at / precision), (means**2).sum(axis=0))

    @property
    def best(self) -> F64:
        """In closed form: the variance of the sums is SIZE² / a + SIZE / noise."""
        return np.asarray(SIZE**2 / ((self.sums**2).mean(axis=0) - SIZE / self.noise))


@pytest.mark.parametrize("start", [1e-300, 1e-2, 1.0, 1e4])
def test_the_maximum_in_closed_form_is_found_from_anywhere_in_few_rounds(start: float) -> None:
    levels = Levels(np.array([4.0, 50.0]), noise=20.0)
    found = best_precisions(levels, np.full(2, start), np.full(2, GROUPS), NOTHING)
    np.testing.assert_allclose(found, levels.best, rtol=0.01)
    assert levels.rounds <= 40


def test_what_was_seen_beforehand_counts_as_if_it_were_evidence() -> None:
    levels = Levels(np.array([4.0, 50.0]), noise=20.0)
    pseudo = Pseudo(np.array([30.0, 1.0]), np.array([2.0, 0.05]))
    found = best_precisions(levels, np.ones(2), np.full(2, GROUPS), pseudo)
    at = levels(found)
    np.testing.assert_allclose(found, (at.determined + pseudo.counts) / (at.squares + pseudo.squares), rtol=1e-2)


def test_a_precision_without_end_stops_at_its_bound() -> None:
    still = Levels(np.array([4.0, 50.0]), noise=20.0)
    still.sums[:, 1] = 0
    assert best_precisions(still, np.ones(2), np.full(2, GROUPS), NOTHING)[1] == pytest.approx(BOUNDS[1], rel=1e-9)


def test_rounds_are_bounded_where_no_end_is_near() -> None:
    count = []

    def rising(at: F64) -> Round:  # rises ever more, whatever the gradient promises
        count.append(1)
        return Round(float(np.random.default_rng(len(count)).normal()), np.full(2, 9.0), np.full(2, 5.0))

    best_precisions(rising, np.ones(2), np.full(2, 1e6), NOTHING)
    assert len(count) <= 120
