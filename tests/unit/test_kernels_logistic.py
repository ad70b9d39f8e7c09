from typing import NamedTuple

import naive
import numpy as np
import numpy.typing as npt
import pytest

from bandit.kernels.logistic import log_posteriors, newton_steps

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

ALPHA = np.array([0.5, 1.0, 4.0])


class Case(NamedTuple):
    """Rows sorted by arm, and where each arm is looked at."""

    contexts: npt.NDArray[np.floating]
    rewards: F64
    weights: F64
    starts: I64
    points: F64
    prior_mean: F64


class Found(NamedTuple):
    objective: F64
    gradient: F64
    precision: F64


def case(seed: int = 1, counts: tuple[int, ...] = (5, 0, 12, 1)) -> Case:
    random = np.random.default_rng(seed)
    m, k = sum(counts), len(counts)
    return Case(
        random.normal(size=(m, 3)),
        random.random(m),
        random.random(m),
        np.concatenate([[0], np.cumsum(counts)]),
        random.normal(size=(k, 3)),
        random.normal(size=(k, 3)),
    )


def looked_at(case: Case, arms: list[int] | None = None) -> Found:
    asked = np.arange(len(case.points)) if arms is None else np.array(arms)
    j, d = len(asked), case.points.shape[1]
    found = Found(np.full(j, 7.0), np.full((j, d), 7.0), np.full((j, d, d), 7.0))
    rows = (case.contexts, case.rewards, case.weights, case.starts)
    with np.errstate(invalid="ignore", over="ignore"):  # uncompiled, an infinite feature warns
        log_posteriors(*rows, asked, ALPHA, case.prior_mean[asked], case.points[asked], *found)
    return found


def rows_of(case: Case, arm: int) -> tuple[F64, F64, F64]:
    own = slice(case.starts[arm], case.starts[arm + 1])
    return case.contexts[own].astype(np.float64), case.rewards[own], case.weights[own]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_value_gradient_and_curvature_are_those_of_the_naive_twin(seed: int) -> None:
    made = case(seed)
    found = looked_at(made)
    for arm in range(4):
        value, gradient, precision = naive.log_posterior(
            rows_of(made, arm), ALPHA, made.prior_mean[arm], made.points[arm]
        )
        np.testing.assert_allclose(found.objective[arm], value, rtol=1e-12)
        np.testing.assert_allclose(found.gradient[arm], gradient, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(found.precision[arm], precision, rtol=1e-12, atol=1e-14)


def test_contexts_of_single_precision_are_summed_in_double() -> None:
    narrow = case()._replace(contexts=case().contexts.astype(np.float32))
    wide = narrow._replace(contexts=narrow.contexts.astype(np.float64))
    for found, wanted in zip(looked_at(narrow), looked_at(wide), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_arms_asked_for_alone_have_the_same_bytes() -> None:
    together, apart = looked_at(case()), looked_at(case(), [2, 3])
    for everyone, some in zip(together, apart, strict=True):
        np.testing.assert_array_equal(everyone[[2, 3]], some)


@pytest.mark.parametrize("size", [1e3, 1e8, 1e150])
def test_certain_rewards_far_out_stay_finite(size: float) -> None:
    made = case()._replace(rewards=np.ones(18), points=np.full((4, 3), size), prior_mean=np.full((4, 3), size))
    found = looked_at(made)
    for arm in range(4):
        value = naive.log_posterior(rows_of(made, arm), ALPHA, made.prior_mean[arm], made.points[arm])[0]
        np.testing.assert_allclose(found.objective[arm], value, rtol=1e-12)
        assert np.isfinite(found.gradient[arm]).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_feature_that_is_not_finite_stays_within_its_arm(wrong: float) -> None:
    made = case()
    made.contexts[0, 1] = wrong
    found, wanted = looked_at(made), looked_at(case())
    assert not np.isfinite(found.gradient[0]).all()
    for some, all_of_it in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(some[1:], all_of_it[1:])


def stepped(precision: F64, gradient: F64) -> tuple[F64, F64]:
    steps, decrements = np.full_like(gradient, 7.0), np.full(len(gradient), 7.0)
    newton_steps(precision, gradient, steps, decrements)
    return steps, decrements


@pytest.mark.parametrize("d", [1, 2, 23])
def test_steps_solve_the_precision(d: int) -> None:
    random = np.random.default_rng(d)
    root, gradient = random.normal(size=(4, d, d)), random.normal(size=(4, d))
    precision = root @ root.swapaxes(1, 2) + np.eye(d)
    steps, decrements = stepped(precision, gradient)
    wanted = np.linalg.solve(precision, gradient[:, :, None])[:, :, 0]
    np.testing.assert_allclose(steps, wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(decrements, (wanted * gradient).sum(axis=1), rtol=1e-9)


def test_a_precision_singular_to_the_last_bit_still_gives_a_direction_of_ascent() -> None:
    steps, decrements = stepped(np.full((1, 2, 2), 1e12), np.array([[1.0, 3.0]]))
    assert np.isfinite(steps).all()
    assert (steps @ [1.0, 3.0] > 0).all()
    assert (decrements > 0).all()


def test_a_gradient_that_is_not_finite_stays_within_its_arm() -> None:
    steps, decrements = stepped(np.stack([np.eye(2)] * 2), np.array([[np.nan, 1.0], [1.0, 2.0]]))
    assert np.isnan(decrements[0])
    assert steps[1].tolist() == [1.0, 2.0]
