import re
from typing import Any

import naive
import numpy as np
import numpy.typing as npt
import pytest

from bandit.errors import InputError
from bandit.posterior import Laplace, estimate_prior_precision, fit_laplace, logit_mean, next_prior_precision

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


def made_of(contexts: F64, rewards: F64, alpha: F64, prior_mean: F64 | None = None) -> Laplace:
    """The fit of one arm."""
    m, d = contexts.shape
    mean = np.zeros((1, d)) if prior_mean is None else prior_mean[None]
    return fit_laplace(contexts, np.zeros(m, dtype=np.int64), rewards, np.ones(m), 1, alpha, mean)


def distance_from_the_mode(fitted: Laplace, contexts: F64, rewards: F64, alpha: F64, mean: F64) -> float:
    """What Newton's step would still move, in posterior deviations, by the naive gradient and curvature."""
    rows = (contexts, rewards, np.ones(len(rewards)))
    _, gradient, hessian = naive.log_posterior(rows, alpha, mean, fitted.means[0])
    return float(np.sqrt(gradient @ np.linalg.lstsq(np.array(hessian), gradient, rcond=None)[0]))


def mixed(k: int = 40, m: int = 600) -> tuple[F64, I64, F64, F64]:
    random = np.random.default_rng(3)
    contexts = random.normal(size=(m, 3)) * [1.0, 30.0, 1e-2]
    return contexts, random.integers(0, k, m), (random.random(m) < 0.3).astype(np.float64), random.random(m)


@pytest.mark.parametrize("arms", [[0], [7, 8], [39, 3, 20]])
def test_an_arm_has_the_same_bytes_whatever_arms_are_fitted_with_it(arms: list[int]) -> None:
    contexts, shown, rewards, weights = mixed()
    everyone = fit_laplace(contexts, shown, rewards, weights, 40, np.ones(3), np.zeros((40, 3)))
    own = np.isin(shown, arms)
    places = np.array([arms.index(arm) for arm in shown[own]])
    some = fit_laplace(
        contexts[own], places, rewards[own], weights[own], len(arms), np.ones(3), np.zeros((len(arms), 3))
    )
    np.testing.assert_array_equal(some.means, everyone.means[arms])
    np.testing.assert_array_equal(some.precisions, everyone.precisions[arms])


def test_how_rows_of_other_arms_are_mixed_in_changes_not_a_bit() -> None:
    contexts, arms, rewards, weights = mixed()
    order = np.argsort(arms, kind="stable")
    columns = contexts[order], arms[order], rewards[order], weights[order]
    one = fit_laplace(contexts, arms, rewards, weights, 40, np.ones(3), np.zeros((40, 3)))
    other = fit_laplace(*columns, 40, np.ones(3), np.zeros((40, 3)))
    np.testing.assert_array_equal(one.means, other.means)
    np.testing.assert_array_equal(one.precisions, other.precisions)


def test_columns_that_cannot_be_written_to_are_fitted_alike() -> None:
    contexts, arms, rewards, weights = mixed()
    wanted = fit_laplace(contexts, np.sort(arms), rewards, weights, 40, np.ones(3), np.zeros((40, 3)))
    for column in (contexts, rewards, weights):
        column.flags.writeable = False
    found = fit_laplace(contexts, np.sort(arms), rewards, weights, 40, np.ones(3), np.zeros((40, 3)))
    np.testing.assert_array_equal(found.means, wanted.means)


@pytest.mark.parametrize("alpha", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("level", [0.0, 30.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("kind", ["separable", "no takes", "fractions"])
def test_the_mode_is_found_for_collinear_features_of_any_scale(
    kind: str, scale: float, level: float, alpha: float
) -> None:
    random = np.random.default_rng(1)
    signal = random.normal(size=400)
    contexts = np.column_stack([np.ones(400), scale * signal, scale * signal])
    rewards = {"separable": (signal > 0).astype(np.float64), "no takes": np.zeros(400), "fractions": random.random(400)}
    precision, mean = np.full(3, alpha), np.array([level, 0.0, 0.0])
    fitted = made_of(contexts, rewards[kind], precision, mean)
    assert distance_from_the_mode(fitted, contexts, rewards[kind], precision, mean) < 1e-6
    scores = fitted.scorer([0]).scores(contexts)
    assert np.isfinite(scores.means).all()
    assert (scores.deviations > 0).all()


def test_a_step_that_overshoots_is_halved_until_the_log_posterior_rises() -> None:
    # From a mean where every take is certain, the first full step lands beyond a million.
    contexts, rewards, alpha, mean = np.ones((1000, 1)), np.zeros(1000), np.array([1e-6]), np.array([40.0])
    fitted = made_of(contexts, rewards, alpha, mean)
    assert distance_from_the_mode(fitted, contexts, rewards, alpha, mean) < 1e-9
    assert -20 < fitted.means[0, 0] < -15


def extreme(seed: int) -> tuple[F64, I64, F64, F64, F64, F64]:
    """Rows of three arms whose features and prior precisions lie many orders of magnitude apart, and the prior."""
    random = np.random.default_rng(seed)
    d, m = int(random.integers(1, 8)), int(random.integers(0, 60))
    contexts = random.normal(size=(m, d)) * 10 ** random.uniform(-3, 3, size=d)
    if d > 2 and seed % 3 == 0:
        contexts[:, 1] = contexts[:, 0]
    takes, signs = random.random(m) < 0.3, contexts[:, 0] > 0
    kinds: list[F64] = [takes.astype(np.float64), signs.astype(np.float64), random.random(m), np.zeros(m)]
    weights, alpha = random.choice([1.0, 0.5, 1e-8, 0.0], m), 10 ** random.uniform(-8, 8, d)
    return contexts, random.integers(0, 3, m), kinds[seed % 4], weights, alpha, random.normal(size=(3, d)) * 10


def test_modes_are_found_where_features_and_precisions_lie_orders_of_magnitude_apart() -> None:
    furthest = 0.0
    for seed in range(150):
        contexts, arms, rewards, weights, alpha, mean = extreme(seed)
        fitted = fit_laplace(contexts, arms, rewards, weights, 3, alpha, mean)
        again = fit_laplace(contexts, arms, rewards, weights, 3, alpha, mean, start=fitted.means)
        moved = again.means - fitted.means
        furthest = max(furthest, float(np.einsum("kd,kde,ke->k", moved, fitted.precisions, moved).max()))
    assert furthest < 1e-6


def test_a_fit_that_does_not_end_says_so() -> None:
    random = np.random.default_rng(830)
    contexts = random.normal(size=(20, 6)) * 10 ** random.uniform(-4, 4, size=6)
    alpha, mean = 10 ** random.uniform(-10, 10, 6), 100 * random.normal(size=6)
    with pytest.raises(InputError, match=r"arm 0 has no mode after \d+ rounds.*raise the prior precision"):
        fit_laplace(contexts, np.zeros(20, dtype=np.int64), np.zeros(20), np.full(20, 0.5), 1, alpha, mean[None])


ROWS: dict[str, Any] = {
    "contexts": np.ones((4, 2)),
    "arms": np.array([0, 0, 1, 1]),
    "rewards": np.array([0.0, 1.0, 0.5, 0.0]),
    "weights": np.ones(4),
    "n_arms": 2,
    "prior_precision": np.ones(2),
    "prior_mean": np.zeros((2, 2)),
}


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        ({"arms": np.full(4, 9)}, "row 0 has the arm 9, expected 0 to 1"),
        ({"arms": np.array([0, 0, 1])}, "there are 4 contexts and 3 arms"),
        ({"arms": -np.ones(4, dtype=np.int64)}, "row 0 has the arm -1"),
        ({"contexts": np.ones((4, 9))}, "contexts have the shape (4, 9), expected (n, 2)"),
        ({"contexts": np.full((4, 2), np.nan)}, "row 0 of the contexts has a feature that is not finite"),
        ({"rewards": np.ones(1)}, "rewards have the shape (1,), expected (4,)"),
        ({"rewards": np.full(4, 2.0)}, "row 0 has the reward 2.0"),
        ({"weights": np.ones(1)}, "weights have the shape (1,), expected (4,): one per impression"),
        (
            {"weights": np.array([1.0, -1.0, 1.0, 1.0])},
            "row 1 has the weight -1.0, expected a finite number of at least 0",
        ),
        ({"weights": np.full(4, np.inf)}, "row 0 has the weight inf"),
        ({"prior_precision": np.array([1.0, 0.0])}, "the smallest prior precision is 0.0, expected above 0"),
        ({"prior_mean": np.zeros((3, 2))}, "prior_mean has the shape (3, 2)"),
        ({"start": np.zeros((3, 2))}, "start has the shape (3, 2)"),
    ],
)
def test_rows_that_do_not_fit_together_reach_no_kernel(spoiled: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        fit_laplace(**(ROWS | spoiled))


def test_a_start_near_or_far_changes_no_more_than_rounding() -> None:
    contexts, arms, rewards, weights = mixed()
    rows = (contexts, arms, rewards, weights, 40, np.ones(3), np.zeros((40, 3)))
    far = fit_laplace(*rows, np.full((40, 3), 5.0))
    np.testing.assert_allclose(far.means, fit_laplace(*rows).means, rtol=1e-8, atol=1e-10)


def test_the_prior_mean_from_rates_expects_them_everywhere() -> None:
    mean = logit_mean([0.2, 0.9], n_features=3, constant=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-mean @ [0.7, 1.0, -3.0])), [0.2, 0.9])


@pytest.mark.parametrize(
    ("rates", "constant", "said"),
    [
        ([0.0, 0.5], 0, "run from 0.0 to 0.5"),
        ([[0.5]], 0, r"rates \(1, 1\)"),
        ([0.5], 2, "feature is 2, expected 0 to 1"),
    ],
)
def test_rates_without_a_logit_are_refused(rates: list[float], constant: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        logit_mean(rates, 2, constant)


ALPHA = np.array([4.0, 9.0, 25.0])


def planted(k: int, m: int) -> tuple[F64, I64, F64, F64, F64]:
    """Rows of a world whose prior precision is ``ALPHA``, and the prior mean."""
    random = np.random.default_rng(2)
    mean = np.tile([-0.5, 0.0, 0.2], (k, 1))
    weights = mean + random.normal(size=(k, 3)) / np.sqrt(ALPHA)
    contexts = random.normal(size=(k * m, 3))
    contexts[:, 0] = 1
    arms = np.repeat(np.arange(k), m)
    chances = 1 / (1 + np.exp(-np.einsum("md,md->m", contexts, weights[arms])))
    return contexts, arms, (random.random(k * m) < chances).astype(np.float64), np.ones(k * m), mean


def test_planted_prior_precisions_are_found() -> None:
    found = estimate_prior_precision(*planted(1500, 100), np.ones(3))
    np.testing.assert_allclose(found / ALPHA, 1, atol=0.2)


@pytest.mark.parametrize("start", [1e-2, 1e4])
def test_the_estimate_of_prior_precisions_has_settled(start: float) -> None:
    world = planted(200, 30)
    found = estimate_prior_precision(*world, np.full(3, start))
    fitted = fit_laplace(*world[:4], 200, found, world[4])
    scales = (world[0] ** 2).mean(axis=0)
    np.testing.assert_allclose(next_prior_precision(fitted, found, world[4], scales) / found, 1, atol=0.015)


@pytest.mark.parametrize("start", [1e-2, 1e4])
def test_where_the_estimate_starts_does_not_matter(start: float) -> None:
    world = planted(300, 100)
    found, wanted = estimate_prior_precision(*world, np.full(3, start)), estimate_prior_precision(*world, np.ones(3))
    np.testing.assert_allclose(found / wanted, 1, atol=0.05)


def test_arms_without_rows_tell_nothing_of_the_prior() -> None:
    contexts, arms, rewards, weights, mean = planted(50, 100)
    found = estimate_prior_precision(contexts, 2 * arms, rewards, weights, np.repeat(mean, 2, axis=0), np.ones(3))
    wanted = estimate_prior_precision(contexts, arms, rewards, weights, mean, np.ones(3))
    np.testing.assert_array_equal(found, wanted)


def test_without_rows_the_start_of_the_estimate_stands() -> None:
    none = np.empty((0, 3)), np.empty(0, dtype=np.int64), np.empty(0), np.empty(0)
    np.testing.assert_array_equal(estimate_prior_precision(*none, np.zeros((2, 3)), ALPHA), ALPHA)


def test_a_feature_that_was_never_there_keeps_its_weight_at_the_prior_mean() -> None:
    contexts, arms, rewards, weights, mean = planted(50, 100)
    contexts[:, 1] = 0
    found = estimate_prior_precision(contexts, arms, rewards, weights, mean, np.ones(3))
    assert found[1] == 1e8
    assert found[0] < 100


def test_a_first_day_without_takes_leaves_prior_precisions_within_reason() -> None:
    contexts, arms, _, weights, _ = planted(50, 100)
    found = estimate_prior_precision(
        contexts, arms, np.zeros(5000), weights, logit_mean(np.full(50, 0.05), 3), np.ones(3)
    )
    assert (found < 1e6).all()


@pytest.mark.parametrize(
    ("mean", "start", "said"),
    [
        (np.zeros(3), np.ones(3), "prior_mean has the shape (3,), expected (k, d)"),
        (np.zeros((2, 3)), np.ones(2), "prior_precision has the shape (2,)"),
        (np.zeros((2, 3)), np.array([1.0, -1.0, 1.0]), "the smallest prior precision is -1.0"),
        (np.zeros((1, 3)), np.ones(3), "row 1 has the arm 1, expected 0 to 0"),
    ],
)
def test_a_wrong_mean_or_start_of_the_estimate_is_refused(mean: F64, start: F64, said: str) -> None:
    rows = np.ones((2, 3)), np.array([0, 1]), np.ones(2), np.ones(2)
    with pytest.raises(InputError, match=re.escape(said)):
        estimate_prior_precision(*rows, mean, start)


def test_a_fit_and_a_mean_of_other_arms_have_no_next_precision() -> None:
    fitted = Laplace(np.zeros((2, 3)), np.tile(np.eye(3), (2, 1, 1)))
    with pytest.raises(InputError, match=re.escape("prior_mean has the shape (4, 3)")):
        next_prior_precision(fitted, np.ones(3), np.zeros((4, 3)))


def test_the_next_precision_of_a_fit_at_the_fixed_point_is_the_same() -> None:
    world = planted(300, 100)
    found = estimate_prior_precision(*world, np.ones(3))
    fitted = fit_laplace(*world[:4], 300, found, world[4])
    np.testing.assert_allclose(next_prior_precision(fitted, found, world[4]) / found, 1, atol=0.02)


def test_a_prior_precision_that_is_not_that_of_the_fit_is_refused() -> None:
    fitted = fit_laplace(np.ones((2, 1)), [0, 0], [1.0, 0.0], np.ones(2), 1, [2.0], [[0.0]])
    with pytest.raises(InputError, match=r"prior_precision is \[1e\+19\].*pass the one it was fitted under"):
        next_prior_precision(fitted, [1e19], [[0.0]])
