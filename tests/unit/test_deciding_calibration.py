"""Drawn arms follow their weights: for every policy, and over users whose weights all differ."""

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import chisquare, kstest

from bandit.hashing import hash_ids, hash_title, hash_users
from bandit.policies import POLICIES, ThompsonSampling, decide, draw_arms, quantise
from bandit.scores import BetaScores, Draws, Moments, Scores
from bandit.snapshot import TOTAL_WEIGHT

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

USERS, ARMS, SEEDS = 2000, 6, 100


@cache
def decided() -> tuple[list[I64], I64]:
    """The arms of every user under many seeds, and the weights that they were drawn with, (n, k)."""
    random = np.random.default_rng(3)
    scores = Moments(0.05 + 0.01 * random.normal(size=(USERS, ARMS)), 0.01 * random.uniform(0.5, 2, (USERS, ARMS)))
    weights = quantise(ThompsonSampling().probabilities(scores))
    users, title = hash_ids(f"u{n}" for n in range(USERS)), hash_ids(["t"])[0]
    hashes = [hash_title(hash_users("draw", seed, 1, users), title) for seed in range(SEEDS)]
    return [draw_arms(weights, hashed).arms.astype(np.int64) for hashed in hashes], weights.astype(np.int64)


def shifted(weights: I64) -> I64:
    """Weights with 5 % of all mass moved from the largest arm of each row to the smallest."""
    changed, rows = weights.copy(), np.arange(len(weights))
    moved = np.minimum(TOTAL_WEIGHT // 20, weights.max(axis=1))
    changed[rows, weights.argmax(axis=1)] -= moved
    changed[rows, weights.argmin(axis=1)] += moved
    return changed


def ranked(arms: I64, weights: I64) -> tuple[I64, I64]:
    """The rank of each arm by weight, the heaviest first, and the weights in that order: errors of all users add up."""
    order = np.argsort(-weights, axis=1, kind="stable")
    return np.argmax(order == arms[:, None], axis=1), np.take_along_axis(weights, order, axis=1)


def transforms(arms: I64, weights: I64, random: np.random.Generator) -> F64:
    """(w_0 + … + w_{arm-1} + V·w_arm) / 65535: uniform exactly if arms follow the weights (Brockwell 2007, equation 2)."""
    ranks, by_rank = ranked(arms, weights)
    rows = np.arange(len(arms))
    own = by_rank[rows, ranks]
    return np.asarray((by_rank.cumsum(axis=1)[rows, ranks] - own + random.random(len(arms)) * own) / TOTAL_WEIGHT)


def p_value_of_frequencies(draws: list[I64], weights: I64) -> float:
    """Chi-square of the arms ranked by weight, over all users and seeds."""
    observed = np.bincount(np.concatenate([ranked(arms, weights)[0] for arms in draws]), minlength=ARMS)
    expected = -np.sort(-weights, axis=1).sum(axis=0) / TOTAL_WEIGHT * len(draws)
    return float(chisquare(observed, expected).pvalue)


def p_value_of_p_values(draws: list[I64], weights: I64) -> float:
    """Are the p-values of the seeds uniform themselves?"""
    random = np.random.default_rng(11)
    return float(
        kstest([kstest(transforms(arms, weights, random), "uniform").pvalue for arms in draws], "uniform").pvalue
    )


def test_arms_are_drawn_as_often_as_their_weights_say() -> None:
    draws, weights = decided()
    assert p_value_of_frequencies(draws, weights) > 1e-3


def test_the_same_frequencies_deny_weights_shifted_by_five_percent() -> None:
    draws, weights = decided()
    assert p_value_of_frequencies(draws, shifted(weights)) < 1e-6


def test_each_seed_follows_the_weights() -> None:
    draws, weights = decided()
    assert p_value_of_p_values(draws, weights) > 1e-3


def test_the_seeds_deny_weights_shifted_by_five_percent() -> None:
    draws, weights = decided()
    assert p_value_of_p_values(draws, shifted(weights)) < 1e-6


# --- every policy ------------------------------------------------------------------------------------------------------

DECISIONS = 5000  # of each seed: the least likely arm is expected 16 times, enough for the chi-square
MEANS = np.array([[0.05, 0.07, 0.06, 0.02, 0.065, 0.04]])  # (1, k)

SCORES: dict[str, Scores] = {
    "gaussian": Moments(MEANS, np.full(MEANS.shape, 0.02)),
    "logit": Moments(np.log(MEANS / (1 - MEANS)), np.full(MEANS.shape, 0.3), link="logit"),
    "beta": BetaScores(100 * MEANS, 100 * (1 - MEANS)),
    "draws": Draws(MEANS + 0.02 * np.random.default_rng(5).normal(size=(256, 1, ARMS)), MEANS),
}
EVERY = pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in POLICIES for kind in SCORES if name != "popularity" or kind == "beta"]
)


@cache
def pinned_hashes() -> U64:
    """One keyed hash a decision, the decisions of a seed after each other, (seeds · decisions,)."""
    users, title = hash_ids(f"u{n}" for n in range(DECISIONS)), hash_ids(["t"])[0]
    return np.concatenate([hash_title(hash_users("draw", seed, 1, users), title) for seed in range(SEEDS)])


@cache  # two tests ask for each
def decided_by(name: str, kind: str) -> tuple[list[I64], I64]:
    """The arms of each seed's decisions, and the weights (1, k) that a policy drew them with; the last arm is new."""
    p = POLICIES[name]().probabilities(SCORES[kind])
    new = np.arange(ARMS) == ARMS - 1
    weights = quantise(p, new=new).astype(np.int64)
    hashes = pinned_hashes()
    arms, propensities = decide(np.tile(p, (len(hashes), 1)), hashes, new=new)
    assert (propensities == weights[0, arms]).all()
    return np.split(arms.astype(np.int64), SEEDS), weights


def p_value_of_chi_squares(draws: list[I64], weights: I64) -> float:
    """Are the chi-square p-values of the seeds' frequencies uniform?"""
    expected = weights[0] / TOTAL_WEIGHT * DECISIONS
    p_values = [chisquare(np.bincount(arms, minlength=ARMS), expected).pvalue for arms in draws]
    return float(kstest(p_values, "uniform").pvalue)


@EVERY
def test_what_a_policy_draws_follows_its_propensities(name: str, kind: str) -> None:
    assert p_value_of_chi_squares(*decided_by(name, kind)) > 1e-3


@EVERY
def test_what_a_policy_draws_denies_propensities_shifted_by_five_percent(name: str, kind: str) -> None:
    draws, weights = decided_by(name, kind)
    assert p_value_of_chi_squares(draws, shifted(weights)) < 1e-6
