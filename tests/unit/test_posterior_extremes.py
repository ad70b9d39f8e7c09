"""Posteriors at the ends of the number range: finite answers, or a refusal that names what is wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bandit.errors import InputError
from bandit.hashing import hash_ids
from bandit.policies import EpsilonGreedy, Greedy, LinUCB, Softmax, ThompsonSampling, Uniform, decide
from bandit.posterior import (
    BetaPosterior,
    Hyperparameters,
    LinearEvidence,
    LinearPosterior,
    LogisticPosterior,
    SharedPosterior,
    SharedPrior,
    estimate_hyperparameters,
    estimate_prior_precision,
    estimate_shared_prior,
)

F64 = npt.NDArray[np.float64]

LOOKS = [[1.0, 0.5], [0.0, 2.0], [1.0, -1.0]]
KINDS: dict[str, Callable[[int], Any]] = {
    "linear": lambda d: LinearPosterior(3, d),
    "logistic": lambda d: LogisticPosterior(3, d),
    "shared": lambda d: SharedPosterior(LOOKS, d, n_draws=16),
    "beta": lambda _: BetaPosterior([0, 0, 0]),
}
POLICIES = [
    ThompsonSampling(),
    Greedy(),
    Uniform(),
    EpsilonGreedy(),
    Softmax(),
    Softmax(1e-300),
    Softmax(1e300),
    LinUCB(0.0),
    LinUCB(1e308),
]
every_kind = pytest.mark.parametrize("kind", KINDS)


def learned(kind: str, scale: float = 1.0, d: int = 2, rewards: float | None = None) -> Any:
    """Three arms, the last never shown; contexts of a constant and features of some scale."""
    random, made = np.random.default_rng(1), KINDS[kind](d)
    contexts = None if kind == "beta" else contexts_of(random, 60, d, scale)
    taken = (random.random(60) < 0.3).astype(float) if rewards is None else np.full(60, rewards)
    made.observe(contexts, random.integers(0, 2, 60), taken)
    return made


def contexts_of(random: np.random.Generator, count: int, d: int, scale: float) -> F64:
    features = scale * random.uniform(-1, 1, (count, d))
    if d > 1:
        features[:, 0] = 1.0
    return features


def assert_answers(made: Any, kind: str, scale: float = 1.0, d: int = 2) -> None:
    asked = None if kind == "beta" else contexts_of(np.random.default_rng(2), 5, d, scale)
    scores = made.scores(asked, [0, 1, 2])
    assert np.isfinite(scores.expected).all()
    assert np.isfinite(scores.deviations).all()
    for policy in POLICIES:
        found = policy.probabilities(scores)
        assert ((found >= 0) & (found <= 1)).all()
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-9)
        decide(found, hash_ids([str(row) for row in range(len(found))]))


@every_kind
@pytest.mark.parametrize("nights", [3000, 6700, 6760, 6800, 7080, 10000])
def test_an_arm_that_is_forgotten_for_years_scores_as_its_prior_says(kind: str, nights: int, tmp_path: Path) -> None:
    made, fresh = learned(kind), KINDS[kind](2)
    for _ in range(nights):
        made.forget(0.9)
    made.save(tmp_path / "kept.npz")
    asked = None if kind == "beta" else contexts_of(np.random.default_rng(3), 5, 2, 1.0)
    for posterior in (made, type(made).load(tmp_path / "kept.npz")):
        assert_answers(posterior, kind)
        scores, wanted = posterior.scores(asked, [0, 1, 2]), fresh.scores(asked, [0, 1, 2])
        np.testing.assert_allclose(scores.expected, wanted.expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(scores.deviations, wanted.deviations, rtol=1e-9, atol=1e-12)


@every_kind
@pytest.mark.parametrize("retention", [5e-324, 1e-310, 1e-300])
def test_a_retired_arm_of_a_vanishing_count_leaves_the_others_as_they_are(kind: str, retention: float) -> None:
    random = np.random.default_rng(4)
    old, made, never = KINDS[kind](2), KINDS[kind](2), KINDS[kind](2)
    columns = contexts_of(random, 50, 2, 1.0), random.integers(0, 2, 50), random.random(50)
    contexts = None if kind == "beta" else columns[0]
    old.observe(contexts, np.full(50, 2), columns[2])  # arm 2 is shown to nobody any more
    old.forget(retention)
    for posterior in (made, never):
        posterior.observe(contexts, *columns[1:])
    made.merge(old)
    asked = None if kind == "beta" else columns[0][:5]
    found, wanted = made.scores(asked, [0, 1, 2]), never.scores(asked, [0, 1, 2])
    np.testing.assert_allclose(found.expected, wanted.expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.deviations, wanted.deviations, rtol=1e-12, atol=1e-15)


def test_the_evidence_of_days_long_past_adds_nothing_to_the_shared_posterior() -> None:
    made, total = learned("shared"), LinearEvidence.empty(3, 2)
    for age in (0, 6760, 7050, 8000):  # as the jobs add days: retention to the power of their age
        for name, sums in vars(total).items():
            np.add(sums, 0.9**age * getattr(made.evidence, name), out=sums)
    found = SharedPosterior.of(total, LOOKS, n_draws=16).moments([[1.0, 0.5]], [0, 1, 2])
    np.testing.assert_allclose(found.means, made.moments([[1.0, 0.5]], [0, 1, 2]).means, rtol=1e-12)


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("scale", [1e-150, 1e-100, 1e-5, 1e5, 1e50, 9e99])
@pytest.mark.parametrize("kind", ["linear", "logistic", "shared"])
def test_features_of_any_scale_have_finite_scores(kind: str, scale: float, d: int) -> None:
    assert_answers(learned(kind, scale, d), kind, scale, d)


@every_kind
@pytest.mark.parametrize("rewards", [0.0, 1.0])
def test_rewards_that_are_all_alike_have_finite_scores(kind: str, rewards: float) -> None:
    assert_answers(learned(kind, rewards=rewards), kind)


@pytest.mark.parametrize("count", [1e12, 1e15, 1e100])
@pytest.mark.parametrize("kind", ["linear", "shared"])
def test_huge_counts_have_finite_scores(kind: str, count: float) -> None:
    made = learned(kind)
    for sums in vars(made.evidence).values():
        np.multiply(sums, count / 60, out=sums)
    if kind == "shared":
        made.refit()
    assert_answers(made, kind)


@pytest.mark.parametrize("scale", [1e-160, 1e-200])
def test_deviations_do_not_vanish_where_squares_of_features_do(scale: float) -> None:
    found = LinearPosterior(1, 1, prior_precision=4.0).moments([[scale]], [0])
    assert found.deviations[0, 0] == pytest.approx(scale / 2, rel=1e-12)


def test_deviations_do_not_overflow_where_their_squares_do() -> None:
    found = LinearPosterior(1, 2, prior_precision=1e-100).moments([[1e100, 1e100]], [0])
    assert found.deviations[0, 0] == pytest.approx(2**0.5 * 1e150, rel=1e-12)


OVERFLOWING: list[tuple[str, Callable[[], Any]]] = [
    ("linear", lambda: LinearPosterior(1, 1, noise_precision=1e300)),
    ("shared", lambda: SharedPosterior([[1.0]], 1, noise_precision=1e300)),
    ("shared features", lambda: SharedPosterior([[1e90]], 1)),
]


@pytest.mark.parametrize(("what", "made_of"), OVERFLOWING)
def test_a_precision_that_overflows_is_refused_by_name(what: str, made_of: Callable[[], Any]) -> None:
    made = made_of()
    made.observe([[1e90], [-1e90]], [0, 0], [1.0, 0.0])
    with pytest.raises(InputError, match=r"a posterior precision overflows.*bring features to a scale near 1"):
        made.scores([[1.0]], [0])


@pytest.mark.parametrize("nights", [0, 6760, 7000, 10000])
@pytest.mark.parametrize("scale", [1e-155, 1e-30, 1.0, 1e50])
def test_precisions_are_estimated_from_evidence_of_any_size(nights: int, scale: float) -> None:
    evidence = learned("linear", scale).evidence
    for _ in range(nights):
        evidence.forget(0.9)
    found = estimate_hyperparameters(evidence, 0.0, Hyperparameters(np.ones(2), 20.0))
    assert ((found.prior_precision >= 1e-3) & (found.prior_precision <= 1e8)).all()
    assert 1e-3 <= found.noise_precision <= 1e8
    shared = estimate_shared_prior(evidence, LOOKS, 0.1, SharedPrior(1.0, 1.0, 20.0))
    assert all(1e-3 <= precision <= 1e8 for precision in shared)


def test_a_feature_that_is_all_but_zero_does_not_disturb_the_precisions_of_others() -> None:
    random = np.random.default_rng(5)
    contexts = np.column_stack([np.ones(400), random.normal(size=400), 1e-40 * random.normal(size=400)])
    arms = random.integers(0, 20, 400)
    rewards = (random.random(400) < 0.3 + 0.2 * np.tanh(contexts[:, 1])).astype(float)
    some, all_of_them = LinearEvidence.empty(20, 2), LinearEvidence.empty(20, 3)
    some.observe(contexts[:, :2], arms, rewards)
    all_of_them.observe(contexts, arms, rewards)
    wanted = estimate_hyperparameters(some, 0.0, Hyperparameters(np.ones(2), 20.0))
    found = estimate_hyperparameters(all_of_them, 0.0, Hyperparameters(np.ones(3), 20.0))
    np.testing.assert_allclose(found.prior_precision, [*wanted.prior_precision, 1e-3], rtol=0.02)


@pytest.mark.parametrize("weight", [1e-17, 1e-30, 1e-310])
def test_rows_that_weigh_nothing_do_not_make_a_logistic_prior_certain(weight: float) -> None:
    columns = np.ones((10, 1)), np.zeros(10, dtype=np.int64), np.tile([0.0, 1.0], 5)
    found = estimate_prior_precision(*columns, np.full(10, weight), np.zeros((1, 1)), np.ones(1))
    almost = estimate_prior_precision(*columns, np.full(10, 1e-9), np.zeros((1, 1)), np.ones(1))
    np.testing.assert_allclose(found, almost, rtol=0.02)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_contexts_and_rewards_in_half_precision_are_learned_in_double(kind: type[np.floating]) -> None:
    random = np.random.default_rng(6)
    contexts, rewards = random.normal(size=(5000, 2)).astype(kind), random.random(5000).astype(kind)
    made, wanted = LinearPosterior(1, 2), LinearPosterior(1, 2)
    made.observe(contexts, np.zeros(5000, dtype=np.uint8), rewards)
    wanted.observe(contexts.astype(np.float64), np.zeros(5000, dtype=np.int64), rewards.astype(np.float64))
    np.testing.assert_allclose(made.mean, wanted.mean, rtol=1e-10)
