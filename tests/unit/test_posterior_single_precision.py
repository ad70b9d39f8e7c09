"""Where a scorer whitens in single precision, where it does not, and what that does to scores."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from bandit.posterior import LinearPosterior

F64 = npt.NDArray[np.float64]

ARMS, FEATURES = 4, 6


def learned(contexts: F64) -> LinearPosterior:
    random = np.random.default_rng(1)
    made = LinearPosterior(ARMS, contexts.shape[1])
    made.observe(contexts, random.integers(0, ARMS, len(contexts)), random.random(len(contexts)))
    return made


def plain_contexts(count: int = 2000) -> F64:
    random = np.random.default_rng(2)
    return np.column_stack([np.ones(count), random.normal(size=(count, FEATURES - 1))])


def of_groups() -> LinearPosterior:
    """One of three groups, and a constant beside them, which is their sum."""
    groups = np.random.default_rng(3).integers(0, 3, 2000)
    return learned(np.column_stack([np.ones(2000), np.eye(3)[groups]]))


def of_years() -> LinearPosterior:
    return learned(np.column_stack([np.ones(2000), np.random.default_rng(4).normal(2005.0, 10.0, size=2000)]))


def of_a_prior_that_knows_nothing() -> LinearPosterior:
    return LinearPosterior(ARMS, FEATURES, prior_precision=1e-22)


def test_means_are_those_of_double_precision() -> None:
    made, asked = learned(plain_contexts()), plain_contexts(300)
    scorer = made.scorer(range(ARMS))
    assert (scorer.scores(asked).means == scorer.moments(asked).means).all()


def test_standard_deviations_err_by_a_few_parts_in_ten_million() -> None:
    made, asked = learned(plain_contexts()), 3 * np.random.default_rng(5).normal(size=(3000, FEATURES))
    scorer = made.scorer(range(ARMS))
    assert scorer.single is not None
    found, wanted = scorer.scores(asked).deviations, scorer.moments(asked).deviations
    assert 0 < np.abs(found / wanted - 1).max() <= 5e-7


def test_moments_of_a_posterior_are_in_double_precision() -> None:
    made, asked = learned(plain_contexts()), plain_contexts(10)
    found = made.moments(asked, range(ARMS)).deviations
    covariances = np.linalg.inv(made.precision)
    np.testing.assert_allclose(found, np.sqrt(np.einsum("nd,kde,ne->nk", asked, covariances, asked)), rtol=1e-12)


@pytest.mark.parametrize("make", [of_groups, of_years, of_a_prior_that_knows_nothing])
def test_features_that_would_cost_digits_are_whitened_in_double_precision(make: Callable[[], LinearPosterior]) -> None:
    scorer = make().scorer(range(ARMS))
    assert scorer.single is None
    asked = np.random.default_rng(6).normal(size=(20, len(scorer.means)))
    assert (scorer.scores(asked).deviations == scorer.moments(asked).deviations).all()


@pytest.mark.parametrize("scale", [0.0, 1e-100, 1e-30, 1e-14, 1e14, 1e39, 1e90])
def test_contexts_beyond_single_precision_are_whitened_in_double(scale: float) -> None:
    scorer, asked = learned(plain_contexts()).scorer(range(ARMS)), plain_contexts(5)
    asked[2] *= scale
    assert scorer.single is not None
    found, wanted = scorer.scores(asked).deviations, scorer.moments(asked).deviations
    np.testing.assert_allclose(found, wanted, rtol=5e-7, atol=0)


def test_a_single_huge_feature_does_not_spoil_its_row() -> None:
    scorer, asked = learned(plain_contexts()).scorer(range(ARMS)), plain_contexts(3)
    asked[1, 2] = 1e60
    np.testing.assert_allclose(scorer.scores(asked).deviations, scorer.moments(asked).deviations, rtol=5e-7)


@pytest.mark.parametrize("count", [1, 2, 3, 17, 255, 256, 257])
def test_standard_deviations_of_a_row_have_the_same_bits_among_any_other_rows(count: int) -> None:
    scorer, asked = learned(plain_contexts()).scorer(range(ARMS)), plain_contexts(600)
    asked[::7] *= 1e20
    together = scorer.scores(asked).deviations
    some = np.random.default_rng(count).permutation(600)[:count]
    plain = some % 7 != 0
    assert (scorer.scores(asked[some]).deviations[plain] == together[some][plain]).all()
    np.testing.assert_allclose(scorer.scores(asked[some]).deviations, together[some], rtol=1e-14)
