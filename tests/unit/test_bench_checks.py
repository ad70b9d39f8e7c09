"""What is timed is checked first, and the checks refuse wrong answers."""

from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest

from artwork.bench.kernels.checks import (
    check_decisions,
    check_frequencies,
    check_joint,
    check_mode,
    check_moments,
    check_sums,
    check_wins,
)
from artwork.bench.kernels.data import Log, Size, learned, make_contexts, make_log
from artwork.bench.kernels.winning import make_draws, make_rates, make_scores
from artwork.bench.targets import WrongAnswerError
from bandit.hashing import hash_ids
from bandit.policies import ThompsonSampling, decide
from bandit.posterior import Laplace, LinearEvidence, SharedPosterior, fit_laplace
from bandit.scores import BetaScores, Draws, Moments

SMALL = Size(users=500, impressions=600, features=3, arms=4)

refused = partial(pytest.raises, WrongAnswerError)


@pytest.fixture(scope="module")
def log() -> Log:
    return make_log(SMALL, 5)


def moments(log: Log) -> Moments:
    return learned(log).moments(make_contexts(SMALL), np.arange(log.n_arms))


def test_moments_pass_and_a_deviation_that_is_off_by_a_hundred_thousandth_does_not(log: Log) -> None:
    scores, contexts = moments(log), make_contexts(SMALL)
    check_moments(scores, log, contexts)
    with refused(match="deviations of arm 0"):
        check_moments(Moments(scores.means, scores.deviations * (1 + 1e-5)), log, contexts)
    with refused(match="means of arm 0"):
        check_moments(Moments(scores.means * (1 + 1e-5), scores.deviations), log, contexts)


def test_sums_pass_and_a_missing_impression_does_not(log: Log) -> None:
    evidence = LinearEvidence.empty(log.n_arms, SMALL.features)
    evidence.observe(log.contexts[1:], log.arms[1:], log.rewards[1:])
    with refused(match="precision of arm"):
        check_sums(evidence, log)
    evidence.observe(log.contexts[:1], log.arms[:1], log.rewards[:1])
    check_sums(evidence, log)


@pytest.mark.parametrize("name", [field.name for field in fields(LinearEvidence)])
def test_every_sum_is_checked(log: Log, name: str) -> None:
    evidence = learned(log).evidence
    getattr(evidence, name)[2] *= 1 + 1e-5
    with refused(match=f"{name} of arm 2 err by"):
        check_sums(evidence, log)


@pytest.mark.parametrize("scores", [make_scores(5, 10, 25.0), make_rates(5, 4)], ids=["Gaussian", "Beta"])
def test_win_probabilities_pass_and_an_error_of_two_millionths_does_not(scores: Moments | BetaScores) -> None:
    wins = ThompsonSampling().probabilities(scores)
    assert check_wins(scores, wins, 5) < 1e-6
    wins[2, 3] += 2e-6
    with refused(match="win probabilities err by 2"):
        check_wins(scores, wins, 5)


def test_win_frequencies_pass_and_those_of_one_draw_less_do_not() -> None:
    draws = make_draws(20, 5, 4)
    check_frequencies(draws, ThompsonSampling().probabilities(draws))
    fewer = Draws(draws.values[1:], draws.means)
    with refused(match="win frequencies of 20 draws"):
        check_frequencies(draws, ThompsonSampling().probabilities(fewer))


def test_win_probabilities_that_are_not_numbers_do_not_pass() -> None:
    scores = make_scores(1, 3, 5.0)
    with refused(match="nan"):
        check_wins(scores, np.full((1, 3), np.nan), 1)


def test_decisions_pass_and_those_that_ignore_their_weights_do_not() -> None:
    wins = ThompsonSampling().probabilities(make_scores(500, 5, 5.0))
    made = decide(wins, hash_ids(f"u{row}" for row in range(500)))
    check_decisions(wins, made)
    with refused(match="does not carry the weight"):
        check_decisions(wins, made._replace(arms=np.zeros_like(made.arms)))
    with refused(match="standard errors off"):
        check_decisions(wins, decide(wins, np.zeros(500, dtype=np.uint64)))


def test_a_logistic_fit_passes_at_its_mode_and_nowhere_else(log: Log) -> None:
    d = SMALL.features
    prior = np.ones(d), np.zeros((log.n_arms, d))
    fit = fit_laplace(log.contexts, log.arms, log.rewards, np.ones(len(log.arms)), log.n_arms, *prior)
    check_mode(fit, log)
    with refused(match="gradient of arm 0"):
        check_mode(Laplace(fit.means + 1e-3, fit.precisions), log)
    with refused(match="precision of arm 0"):
        check_mode(Laplace(fit.means, fit.precisions * 1.001), log)


def test_a_shared_posterior_passes_and_one_with_another_prior_does_not(log: Log) -> None:
    evidence = learned(log).evidence
    features = np.random.default_rng(0).normal(size=(log.n_arms, 2))
    check_joint(SharedPosterior.of(evidence, features), log)
    with refused(match="shared"):
        check_joint(SharedPosterior.of(evidence, features, intercept_precision=1.1), log)


@pytest.mark.parametrize("ratio", [1.0, 5.0, 100.0])
def test_arms_get_the_impressions_that_spread_their_deviations(ratio: float) -> None:
    size = replace(SMALL, impressions=200_000, users=200)
    scores = learned(make_log(size, ratio)).moments(make_contexts(size), np.arange(size.arms))
    spread = np.median(scores.deviations.max(axis=1) / scores.deviations.min(axis=1))
    assert ratio / 1.2 < spread < ratio * 1.2
