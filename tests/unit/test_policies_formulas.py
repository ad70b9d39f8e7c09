import sys
from functools import partial
from typing import Any

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.errors import InputError
from bandit.policies import (
    EpsilonGreedy,
    Greedy,
    LinUCB,
    Policy,
    Popularity,
    Softmax,
    ThompsonSampling,
    Uniform,
    parse_policy,
)
from bandit.posterior import LinearPosterior
from bandit.scores import BetaScores, Draws, Moments

TWO = Moments(np.array([[0.1, 0.3, 0.2]]), np.array([[0.1, 0.2, 0.3]]))
BETA = BetaScores(np.array([[5.0, 9.0, 9.0]]), np.array([[95.0, 91.0, 91.0]]))


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(1e-6, 2)), min_size=1, max_size=20))
@settings(deadline=None)
def test_thompson_sampling_is_the_integral(arms: list[tuple[float, float]]) -> None:
    means, deviations = (np.array(side) for side in zip(*arms, strict=True))
    found = ThompsonSampling().probabilities(Moments(means[None], deviations[None]))[0]
    np.testing.assert_allclose(found, naive.win_probabilities(means, deviations), atol=1e-6)


def test_thompson_sampling_wins_as_often_as_draws_from_the_posterior_do() -> None:
    random = np.random.default_rng(1)
    draws = random.normal(TWO.means, TWO.deviations, size=(200_000, 3))
    wins = np.bincount(draws.argmax(axis=1), minlength=3) / len(draws)
    np.testing.assert_allclose(ThompsonSampling().probabilities(TWO)[0], wins, atol=5 * 0.5 / np.sqrt(len(draws)))


def test_thompson_sampling_ranks_on_any_link() -> None:
    logit = Moments(TWO.means, TWO.deviations, link="logit")
    assert (ThompsonSampling().probabilities(logit) == ThompsonSampling().probabilities(TWO)).all()


def test_thompson_sampling_of_rates_is_the_integral_of_their_betas() -> None:
    found = ThompsonSampling().probabilities(BETA)[0]
    np.testing.assert_allclose(found, naive.beta_win_probabilities(BETA.successes[0], BETA.failures[0]), atol=1e-6)


def test_thompson_sampling_of_draws_counts_who_wins() -> None:
    values = np.random.default_rng(1).normal(size=(300, 2, 4))
    found = ThompsonSampling().probabilities(Draws(values, values.mean(axis=0)))
    wanted = [np.bincount(values[:, row].argmax(axis=1), minlength=4) / 300 for row in range(2)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_thompson_sampling_keeps_the_correlation_of_draws() -> None:
    shared = np.random.default_rng(1).normal(size=(200, 1, 1))
    draws = Draws(np.concatenate([shared, shared + 0.001], axis=2), np.array([[0.0, 0.001]]))
    assert ThompsonSampling().probabilities(draws).tolist() == [[0, 1]]


def test_the_upper_bound_is_the_mean_and_alpha_deviations() -> None:
    scores = Moments(np.array([[0.1, 0.3, 0.2]]), np.array([[0.1, 0.04, 0.1]]))
    assert LinUCB(1.0).probabilities(scores).tolist() == [[0, 1, 0]]  # 0.20, 0.34, 0.30
    assert LinUCB(2.0).probabilities(scores).tolist() == [[0, 0, 1]]  # 0.30, 0.38, 0.40


@pytest.mark.parametrize("alpha", [1e150, 1e308, sys.float_info.max])
def test_of_a_huge_alpha_the_deviations_decide(alpha: float) -> None:
    scores = Moments(10 * TWO.means, 10 * TWO.deviations)
    assert LinUCB(alpha).probabilities(scores).tolist() == [[0, 0, 1]]


def test_where_there_are_no_deviations_the_means_decide_whatever_alpha() -> None:
    certain = Moments(TWO.means, np.zeros((1, 3)))
    assert LinUCB(1e308).probabilities(certain).tolist() == [[0, 1, 0]]


def test_upper_bounds_of_huge_scores_do_not_overflow() -> None:
    huge = Moments(np.array([[1e308, 1.1e308]]), np.array([[1e308, 1.1e308]]))
    assert LinUCB(1.0).probabilities(huge).tolist() == [[0, 1]]


def test_without_deviations_the_upper_bound_is_greedy() -> None:
    assert (LinUCB(0.0).probabilities(TWO) == Greedy().probabilities(TWO)).all()


def test_the_upper_bound_of_a_rate_has_the_deviation_of_its_beta() -> None:
    rates = BetaScores(np.array([[8.0, 90.0]]), np.array([[92.0, 910.0]]))  # deviations 0.0270 and 0.0090
    assert LinUCB(0.5).probabilities(rates).tolist() == [[0, 1]]  # 0.0935 and 0.0945
    assert LinUCB(1.0).probabilities(rates).tolist() == [[1, 0]]  # 0.1070 and 0.0990


def test_softmax_is_the_exponential_of_rewards_over_the_temperature() -> None:
    wanted = np.exp([0.1 / 0.05, 0.3 / 0.05, 0.2 / 0.05])
    np.testing.assert_allclose(Softmax(0.05).probabilities(TWO)[0], wanted / wanted.sum(), rtol=1e-12)


def test_softmax_takes_log_odds_back_to_rewards() -> None:
    rewards = np.array([[0.1, 0.3, 0.2]])
    logit = Moments(np.log(rewards / (1 - rewards)), TWO.deviations, link="logit")
    np.testing.assert_allclose(Softmax(0.05).probabilities(logit), Softmax(0.05).probabilities(TWO), rtol=1e-12)


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-9])
def test_a_cold_softmax_is_greedy(temperature: float) -> None:
    assert (Softmax(temperature).probabilities(TWO) == Greedy().probabilities(TWO)).all()


def test_a_hot_softmax_is_uniform() -> None:
    np.testing.assert_allclose(Softmax(1e9).probabilities(TWO), 1 / 3, rtol=1e-9)


def test_softmax_of_huge_rewards_does_not_overflow() -> None:
    p = Softmax(0.05).probabilities(Moments(np.array([[1e300, -1e300, 1e300]]), np.ones((1, 3))))
    assert p.tolist() == [[0.5, 0, 0.5]]


def test_softmax_of_the_largest_rewards_does_not_overflow() -> None:
    p = Softmax(0.05).probabilities(Moments(np.array([[1.7e308, -1.7e308, 1.7e308]]), np.ones((1, 3))))
    assert p.tolist() == [[0.5, 0, 0.5]]


@pytest.mark.parametrize("temperature", [0.0, -0.1, float("nan"), float("inf")])
def test_a_temperature_that_is_not_above_0_is_refused(temperature: float) -> None:
    with pytest.raises(InputError, match=f"temperature is {temperature}, expected a reward above 0; use greedy"):
        Softmax(temperature)


@pytest.mark.parametrize("alpha", [-0.1, float("nan"), float("inf")])
def test_an_alpha_that_is_no_number_of_deviations_is_refused(alpha: float) -> None:
    with pytest.raises(InputError, match=f"alpha is {alpha}, expected a number of standard deviations, at least 0"):
        LinUCB(alpha)


def test_popularity_refuses_contextual_scores_with_the_remedy() -> None:
    with pytest.raises(InputError, match="popularity takes BetaScores, got Moments; use greedy"):
        Popularity().probabilities(TWO)


def test_popularity_shares_between_equal_rates() -> None:
    assert Popularity().probabilities(BETA).tolist() == [[0, 0.5, 0.5]]


def test_greedy_takes_the_largest_mean_whatever_the_deviations() -> None:
    assert Greedy().probabilities(TWO).tolist() == [[0, 1, 0]]


def test_greedy_works_where_all_means_are_negative() -> None:
    assert Greedy().probabilities(Moments(np.array([[-3.0, -1.0]]), np.ones((1, 2)))).tolist() == [[0, 1]]


def test_greedy_tells_apart_what_differs_by_more_than_rounding() -> None:
    means = np.array([[0.05, 0.05 * (1 + 1e-8)]])
    assert Greedy().probabilities(Moments(means, np.ones((1, 2)))).tolist() == [[0, 1]]


@pytest.mark.parametrize("k", [3, 9, 12, 20])
def test_arms_without_evidence_tie_though_their_means_differ_in_the_last_bit(k: int) -> None:
    random = np.random.default_rng(k)
    posterior = LinearPosterior(k, 24, random.uniform(1, 9, 24), 20.0, random.normal(size=24))
    scores = posterior.moments(random.normal(size=(256, 24)), np.arange(k))
    np.testing.assert_allclose(Greedy().probabilities(scores), 1 / k)


def test_uniform_looks_at_nothing() -> None:
    assert Uniform().probabilities(TWO).tolist() == [[1 / 3] * 3]


def test_epsilon_greedy_explores_by_epsilon() -> None:
    np.testing.assert_allclose(EpsilonGreedy(0.3).probabilities(TWO), [[0.1, 0.8, 0.1]])


@pytest.mark.parametrize(("epsilon", "wanted"), [(0.0, [0, 1, 0]), (1.0, [1 / 3] * 3)])
def test_epsilon_greedy_ends_in_greedy_and_in_uniform(epsilon: float, wanted: list[float]) -> None:
    np.testing.assert_allclose(EpsilonGreedy(epsilon).probabilities(TWO), [wanted])


@pytest.mark.parametrize(("impressions", "epsilon"), [(0, 0.2), (1000, 0.1), (3000, 0.05)])
def test_a_decaying_epsilon_falls_with_the_titles_impressions(impressions: float, epsilon: float) -> None:
    assert EpsilonGreedy(0.2, halving=1000).for_title(impressions) == EpsilonGreedy(epsilon)


@pytest.mark.parametrize(("total", "epsilon"), [(0, 0.2), (1000, 0.1), (3000, 0.05)])
def test_a_decaying_epsilon_may_fall_with_the_impressions_of_the_whole_log(total: float, epsilon: float) -> None:
    assert EpsilonGreedy(0.2, total_halving=1000).for_title(7, total) == EpsilonGreedy(epsilon)


def test_the_total_leaves_an_epsilon_of_titles_alone() -> None:
    assert EpsilonGreedy(0.2, halving=1000).for_title(1000, 10**9) == EpsilonGreedy(0.1)


def test_an_epsilon_that_falls_with_the_total_asks_for_it() -> None:
    with pytest.raises(InputError, match=r"total is None and total_halving is 1000; pass the impressions of the whole"):
        EpsilonGreedy(0.2, total_halving=1000).for_title(5)


def test_two_halvings_are_refused_with_both() -> None:
    with pytest.raises(InputError, match="halving is 10 and total_halving is 20; give one of them"):
        EpsilonGreedy(0.2, halving=10, total_halving=20)


@pytest.mark.parametrize("count", [-1.0, float("nan"), float("inf")])
def test_a_count_of_impressions_below_0_is_refused(count: float) -> None:
    with pytest.raises(InputError, match=f"impressions is {count}, expected a count"):
        EpsilonGreedy(0.2, halving=10).for_title(count)
    with pytest.raises(InputError, match=f"total is {count}, expected a count"):
        EpsilonGreedy(0.2, total_halving=10).for_title(0, count)


@pytest.mark.parametrize("policy", [Greedy(), Uniform(), Popularity(), ThompsonSampling(), Softmax(), LinUCB()])
def test_a_policy_that_does_not_decay_stays_itself(policy: Policy) -> None:
    assert policy.for_title(10**6, 10**9) is policy


def test_a_constant_epsilon_stays() -> None:
    assert EpsilonGreedy(0.2).for_title(10**6) == EpsilonGreedy(0.2)


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, float("nan")])
def test_an_epsilon_that_is_no_share_is_refused(epsilon: float) -> None:
    with pytest.raises(InputError, match=f"epsilon is {epsilon}, expected a share between 0 and 1"):
        EpsilonGreedy(epsilon)


@pytest.mark.parametrize("nonsense", ["much", None, 1j, [0.1]], ids=str)
def test_parameters_that_are_no_numbers_are_refused_with_what_they_are(nonsense: Any) -> None:
    given: Any = nonsense or "none"  # None is a constant epsilon
    for wrong, name in (
        (partial(EpsilonGreedy, nonsense), "epsilon"),
        (partial(EpsilonGreedy, 0.1, given), "halving"),
        (partial(EpsilonGreedy, 0.1, total_halving=given), "total_halving"),
        (partial(EpsilonGreedy(0.1, 10).for_title, given), "impressions"),
        (partial(LinUCB, nonsense), "alpha"),
        (partial(Softmax, nonsense), "temperature"),
    ):
        with pytest.raises(InputError, match=rf"^{name} is ['\[\w].*, expected"):
            wrong()


def test_a_halving_that_is_refused_says_how_to_do_without() -> None:
    with pytest.raises(InputError, match="above 0; leave it out for a constant epsilon"):
        parse_policy("epsilon_greedy:halving=0")


@pytest.mark.parametrize("halving", [0.0, -5.0, float("nan"), float("inf")])
def test_a_halving_that_is_not_above_0_is_refused(halving: float) -> None:
    with pytest.raises(InputError, match=f"halving is {halving}"):
        EpsilonGreedy(0.1, halving)
    with pytest.raises(InputError, match=f"total_halving is {halving}"):
        EpsilonGreedy(0.1, total_halving=halving)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("thompson", ThompsonSampling()),
        ("uniform", Uniform()),
        ("epsilon_greedy", EpsilonGreedy()),
        ("epsilon_greedy:epsilon=0.2,halving=5000", EpsilonGreedy(0.2, 5000)),
        ("epsilon_greedy:total_halving=1e6", EpsilonGreedy(total_halving=1e6)),
        ("softmax:temperature=0.02", Softmax(0.02)),
        ("softmax", Softmax()),
        ("linucb:alpha=2", LinUCB(2.0)),
    ],
)
def test_a_policy_is_known_by_its_word(text: str, policy: object) -> None:
    assert parse_policy(text) == policy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ucb", "no policy 'ucb'; choose one of thompson, epsilon_greedy"),
        ("", "no policy ''"),
        ("thompson:epsilon=1", "thompson has no parameter 'epsilon'; it takes none"),
        ("epsilon_greedy:eps=1", "no parameter 'eps'; it takes epsilon, halving, total_halving"),
        (
            "epsilon_greedy:epsilon=0.1,epsilon=0.2",
            "epsilon of epsilon_greedy is given twice, 0.1 and 0.2; give it once",
        ),
        ("softmax:temperature=0", "temperature is 0.0"),
        ("linucb:alpha=-1", "alpha is -1.0"),
        ("epsilon_greedy:epsilon=much", "epsilon of epsilon_greedy is 'much', expected a number"),
        ("epsilon_greedy:epsilon", "epsilon of epsilon_greedy is ''"),
        ("epsilon_greedy:epsilon=2", "epsilon is 2.0"),
    ],
)
def test_a_wrong_word_is_refused_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_policy(text)
