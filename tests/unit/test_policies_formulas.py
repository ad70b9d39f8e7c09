import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.errors import InputError
from bandit.policies import EpsilonGreedy, Greedy, Popularity, ThompsonSampling, Uniform, parse_policy
from bandit.posterior import BetaScores, LinearPosterior, Moments

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


def test_thompson_sampling_refuses_correlated_or_beta_scores() -> None:
    with pytest.raises(InputError, match="thompson takes Moments, got BetaScores"):
        ThompsonSampling().probabilities(BETA)


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


def test_a_constant_epsilon_stays() -> None:
    assert EpsilonGreedy(0.2).for_title(10**6) == EpsilonGreedy(0.2)


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, float("nan")])
def test_an_epsilon_that_is_no_share_is_refused(epsilon: float) -> None:
    with pytest.raises(InputError, match=f"epsilon is {epsilon}, expected a share between 0 and 1"):
        EpsilonGreedy(epsilon)


@pytest.mark.parametrize("halving", [0.0, -5.0, float("nan")])
def test_a_halving_that_is_not_above_0_is_refused(halving: float) -> None:
    with pytest.raises(InputError, match=f"halving is {halving}"):
        EpsilonGreedy(0.1, halving)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("thompson", ThompsonSampling()),
        ("uniform", Uniform()),
        ("epsilon_greedy", EpsilonGreedy()),
        ("epsilon_greedy:epsilon=0.2,halving=5000", EpsilonGreedy(0.2, 5000)),
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
        ("epsilon_greedy:eps=1", "no parameter 'eps'; it takes epsilon, halving"),
        ("epsilon_greedy:epsilon=much", "epsilon of epsilon_greedy is 'much', expected a number"),
        ("epsilon_greedy:epsilon", "epsilon of epsilon_greedy is ''"),
        ("epsilon_greedy:epsilon=2", "epsilon is 2.0"),
    ],
)
def test_a_wrong_word_is_refused_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_policy(text)
