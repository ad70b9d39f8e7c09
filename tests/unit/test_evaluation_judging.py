"""From a log and policies to samples: the same numbers as whole tables of probabilities give."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bandit.deploying import Floors
from bandit.errors import InputError
from bandit.evaluation import (
    LoggingPolicy,
    PolicyTarget,
    PosteriorModel,
    RegressorModel,
    TableTarget,
    cross_fit,
    estimate,
    learn,
    samples_of,
    split_in_time,
)
from bandit.evaluation.reward_models import CrossFitted
from bandit.impressions import ImpressionLog
from bandit.policies import (
    POLICIES,
    EpsilonGreedy,
    Greedy,
    LinUCB,
    Policy,
    Popularity,
    ThompsonSampling,
    Uniform,
    quantise,
)

F64 = npt.NDArray[np.float64]
STARTS = np.array([0, 3, 5, 9])


def log_of(m: int = 900, seed: int = 1, *, eligible: bool = False, repeats: int = 1) -> ImpressionLog:
    """Three titles of 3, 2 and 4 arms, arm by arm better; uniform among what is eligible."""
    random = np.random.default_rng(seed)
    titles = random.integers(0, 3, m)
    sizes = np.diff(STARTS)[titles]
    mask = np.arange(4) < sizes[:, None]
    if eligible:
        mask &= ~((np.arange(4) == 1) & (random.random(m) < 0.5)[:, None])
    places = np.array([random.choice(np.flatnonzero(row)) for row in mask])
    contexts = np.column_stack([np.ones(m), random.normal(size=(m, 2))])
    rates = 0.1 + 0.15 * places + 0.1 * np.tanh(contexts[:, 1]) * (places % 2)
    decisions = np.repeat(np.arange(m), repeats)
    return ImpressionLog(
        contexts=contexts[decisions],
        arms=(STARTS[titles] + places)[decisions],
        rewards=(random.random(m * repeats) < rates[decisions]).astype(float),
        propensities=(1 / mask.sum(axis=1))[decisions],
        n_arms=9,
        starts=STARTS,
        eligible=mask[decisions] if eligible else None,
        clusters=None if repeats == 1 else decisions,
        times=decisions,
    )


def single(m: int = 600, seed: int = 2) -> ImpressionLog:
    """One title of 4 arms."""
    log = log_of(4 * m, seed)
    own = log.take(np.flatnonzero(log.titles == 2)[:m])
    return ImpressionLog(own.contexts, own.arms - 5, own.rewards, own.propensities, 4)


@pytest.mark.parametrize(
    "policy",
    [Uniform(), EpsilonGreedy(0.2), Greedy(), ThompsonSampling(), LinUCB(2.0), Popularity()],
    ids=lambda p: p.name,
)
def test_a_sample_says_what_the_whole_table_says(policy: Policy) -> None:
    log = single()
    learned = learn(log, "linear" if policy.contextual else "beta")
    target = PolicyTarget(policy, learned, floors=Floors(0.1, 0.0))
    model = cross_fit(PosteriorModel("linear"), log)
    [sample] = samples_of(log, [target], model)
    rows = np.arange(len(log))
    bare = policy.probabilities(learned.scorer(np.arange(4)).scores(log.contexts))
    p = quantise(bare, floor=0.1, new_floor=0.0, total=4095) / 4095  # as of the largest title
    q = model.predict(log, rows, np.arange(4))
    np.testing.assert_allclose(sample.target, p[rows, log.arms], rtol=1e-9)
    assert sample.logged_estimates is not None
    assert sample.target_estimates is not None
    assert sample.expected_arms is not None
    np.testing.assert_allclose(sample.logged_estimates, q[rows, log.arms], rtol=1e-9)
    np.testing.assert_allclose(sample.target_estimates, (p * q).sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(sample.expected_arms, p.sum(axis=0), rtol=1e-9)
    plain = estimate("dr", log.rewards, log.arms, log.propensities, p, q, interval="normal")
    from bandit.evaluation.estimators import make_estimator  # noqa: PLC0415

    assert make_estimator("dr").terms(sample).value == pytest.approx(plain.value or plain.unreliable_value, rel=1e-9)


def test_titles_are_judged_each_among_its_own_arms() -> None:
    log = log_of()
    [sample] = samples_of(log, [PolicyTarget(Uniform(), learn(log, "beta"))])
    np.testing.assert_allclose(sample.weights, 1, rtol=1e-12)
    np.testing.assert_allclose(sample.unsupported, 0)


def test_arms_that_were_not_eligible_have_no_probability() -> None:
    log = log_of(eligible=True)
    [sample] = samples_of(log, [PolicyTarget(Uniform(), learn(log, "beta"), floors=Floors(0.05, 0.0))])
    np.testing.assert_allclose(sample.weights, 1, atol=4 / 4095)  # quantised


def test_a_table_is_in_proportion_among_the_eligible_arms_and_unsupported_where_none_of_its_is() -> None:
    log = log_of(eligible=True)
    table = np.array([0.5, 0.5, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    [sample] = samples_of(log, [TableTarget("mine", table, log)])
    assert log.eligible is not None
    lacking = ~log.eligible[:, 1]
    np.testing.assert_allclose(sample.unsupported[lacking & (log.titles == 0)], 0.0)
    of_first = lacking & (log.arms == 0)
    np.testing.assert_allclose(sample.target[of_first], 1.0)
    np.testing.assert_allclose(sample.unsupported[lacking & (log.titles == 2)], 1.0)
    np.testing.assert_allclose(sample.unsupported[~lacking], 0)


def test_the_logging_policy_has_weights_of_one_and_earns_what_was_logged() -> None:
    log = log_of()
    sample, *_ = samples_of(log, [LoggingPolicy()], cross_fit(PosteriorModel("beta"), log))
    assert (sample.weights == 1).all()
    assert sample.weighted_rewards.mean() == log.rewards.mean()


def test_a_log_without_propensities_makes_samples_for_the_direct_method() -> None:
    log = log_of()
    bare = ImpressionLog(log.contexts, log.arms, log.rewards, None, 9, STARTS)
    sample = samples_of(bare, [PolicyTarget(Greedy(), learn(bare, "linear"))], cross_fit(PosteriorModel("beta"), bare))[
        0
    ]
    assert sample.propensities is None
    assert sample.target_estimates is not None
    assert sample.target_estimates.mean() > log.rewards.mean()


class Wrong:
    """A policy that gives too little."""

    name = "wrong"

    def __init__(self, shape: tuple[int, ...] | None = None) -> None:
        self._shape = shape

    def probabilities(self, log: ImpressionLog, title: int, rows: npt.NDArray[np.int64]) -> F64:
        return np.full(self._shape or (len(rows), len(log.arms_of(title))), 0.1)


def test_somebodys_probabilities_are_checked_by_name() -> None:
    log = log_of()
    with pytest.raises(InputError, match=r"row 0 of the probabilities of policy wrong, title 0 sums to 0\.3"):
        samples_of(log, [Wrong()])
    with pytest.raises(
        InputError, match=r"policy wrong gives probabilities of the shape \(2, 2\).*one row per impression"
    ):
        samples_of(log, [Wrong((2, 2))])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (np.full(9, 0.5), "row 0 of the table mine, title 0: sums to 1.5"),
        (np.full(4, 0.25), r"table mine has the shape (4,), expected (9,)"),
        (np.full((900, 9), 1 / 9), "table mine has the shape (900, 9), expected (9,)"),
    ],
)
def test_wrong_tables_are_refused(table: F64, said: str) -> None:
    with pytest.raises(InputError) as caught:
        TableTarget("mine", table, log_of())
    assert said in str(caught.value)


def test_a_table_may_have_a_row_an_impression() -> None:
    log = single()
    table = np.random.default_rng(1).dirichlet(np.ones(4), 600)
    [sample] = samples_of(log, [TableTarget("mine", table, log)])
    np.testing.assert_allclose(sample.target, table[np.arange(600), log.arms])


# --- reward models -----------------------------------------------------------------------------------------------------


def test_an_impressions_estimate_comes_from_models_that_have_not_seen_its_decision() -> None:
    log = log_of(300, repeats=3)
    model = cross_fit(PosteriorModel("beta"), log, folds=3)
    assert log.clusters is not None
    for decision in np.unique(log.clusters):
        assert len(np.unique(model.folds[log.clusters == decision])) == 1
    turned = log.rewards.copy()
    turned[model.folds == 1] = 1 - turned[model.folds == 1]
    other = ImpressionLog(log.contexts, log.arms, turned, log.propensities, 9, STARTS, clusters=log.clusters)
    again = cross_fit(PosteriorModel("beta"), other, folds=3)
    rows = np.flatnonzero((model.folds == 1) & (log.titles == 0))
    assert (again.predict(other, rows, np.arange(3)) == model.predict(log, rows, np.arange(3))).all()
    seen = np.flatnonzero((model.folds == 0) & (log.titles == 0))
    assert (again.predict(other, seen, np.arange(3)) != model.predict(log, seen, np.arange(3))).any()


@pytest.mark.parametrize("name", ["beta", "linear", "logistic"])
def test_posteriors_expect_what_the_arms_earn(name: str) -> None:
    log = log_of(6000)
    expected = cross_fit(PosteriorModel(name), log).predict(log, np.flatnonzero(log.titles == 2), np.arange(5, 9))
    np.testing.assert_allclose(expected.mean(axis=0), [0.1, 0.25, 0.4, 0.55], atol=0.1 if name == "beta" else 0.06)


def test_the_shared_posterior_learns_from_features() -> None:
    log, features = log_of(3000), np.array([[0.0], [1.0], [2.0], [0.0], [1.0], [0.0], [1.0], [2.0], [3.0]])
    expected = cross_fit(PosteriorModel("shared", features), log).predict(log, np.arange(50), np.arange(9))
    assert (np.diff(expected[:, 5:].mean(axis=0)) > 0.05).all()
    with pytest.raises(InputError, match="the posterior shared needs features of the artworks"):
        cross_fit(PosteriorModel("shared"), log)


def regressor(kind: str) -> RegressorModel:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from sklearn.linear_model import Ridge  # noqa: PLC0415

    makers: dict[str, Any] = {"ridge": Ridge, "boosting": lambda: HistGradientBoostingClassifier(max_iter=20)}
    return RegressorModel(kind, makers[kind])


@pytest.mark.parametrize("kind", ["ridge", "boosting"])
def test_any_regressor_or_classifier_of_scikit_learn_will_do(kind: str) -> None:
    log = log_of(4000)
    expected = cross_fit(regressor(kind), log, folds=2).predict(log, np.flatnonzero(log.titles == 2), np.arange(5, 9))
    np.testing.assert_allclose(expected.mean(axis=0), [0.1, 0.25, 0.4, 0.55], atol=0.08)


def test_a_classifier_takes_no_fractions() -> None:
    log = log_of(200)
    parts = ImpressionLog(log.contexts, log.arms, log.rewards / 2, log.propensities, 9, STARTS)
    with pytest.raises(InputError, match="boosting is a classifier and rewards are not all 0 or 1; take a regressor"):
        cross_fit(regressor("boosting"), parts)


@pytest.mark.parametrize("folds", [1, 901])
def test_folds_that_cannot_be_are_refused(folds: int) -> None:
    with pytest.raises(InputError, match=f"{folds} folds of 900 decisions, expected 2 to as many folds as decisions"):
        cross_fit(PosteriorModel("beta"), log_of(), folds)


def test_a_seed_repeats_the_folds() -> None:
    log = log_of()
    one, same, other = (cross_fit(PosteriorModel("beta"), log, seed=seed) for seed in (1, 1, 2))
    assert isinstance(one, CrossFitted)
    assert (one.folds == same.folds).all()
    assert (one.folds != other.folds).any()


# --- learning and splitting --------------------------------------------------------------------------------------------


def test_an_unknown_posterior_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="there is no posterior 'deep'; choose one of beta, linear, logistic, shared"):
        learn(log_of(), "deep")


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "popularity"])
def test_every_policy_can_be_judged_with_what_it_learned(name: str) -> None:
    first, rest = split_in_time(log_of(), 0.5)
    [sample] = samples_of(rest, [PolicyTarget(POLICIES[name](), learn(first, "linear"), floors=Floors(0.02, 0.0))])
    assert sample.weights.mean() == pytest.approx(1, abs=0.25)


def test_a_split_is_in_time_and_keeps_decisions_whole() -> None:
    log = log_of(300, repeats=3)
    shuffled = log.take(np.random.default_rng(5).permutation(900))
    first, rest = split_in_time(shuffled, 0.4)
    assert first.times is not None
    assert rest.times is not None
    assert first.times.max() < rest.times.min()
    assert (len(first), len(rest)) == (360, 540)
    assert (np.diff(rest.times) >= 0).all()
    assert first.clusters is not None
    assert not set(first.clusters.tolist()) & set(rest.clusters.tolist())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "the split is 0.0, expected a share between 0 and 1"),
        (1.0, "the split is 1.0"),
        (float("nan"), "the split is nan"),
        (0.001, "a split of 0.001 leaves 0 of 300 decisions to learn from and 300 to judge by"),
    ],
)
def test_a_split_that_leaves_a_side_empty_is_refused(share: float, said: str) -> None:
    with pytest.raises(InputError) as caught:
        split_in_time(log_of(300), share)
    assert said in str(caught.value)
