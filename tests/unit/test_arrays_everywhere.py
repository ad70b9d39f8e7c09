"""Every array that the library takes goes through its door: one line an argument, against one table of what people have."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest

import bandit.evaluation
import bandit.policies
import bandit.posterior
from bandit import experiments
from bandit.errors import InputError
from bandit.evaluation import Sample, Settings, TableTarget, Thresholds, estimate, evaluate, learn, replay_learning
from bandit.evaluation.intervals.sequence import confidence_sequence
from bandit.evaluation.reward_models import PosteriorModel
from bandit.experiments import Effect, sample_ratio_sequence
from bandit.experiments import confidence_sequence as always_valid
from bandit.hashing import hash_title, hash_users
from bandit.impressions import ImpressionLog
from bandit.policies import EpsilonGreedy, Greedy, LinUCB, Softmax, decide, draw_arms, quantise
from bandit.posterior import (
    BetaEvidence,
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
    fit_laplace,
    logit_mean,
    next_prior_precision,
    popularity_mean,
)
from bandit.rewards import Diversity, EngagedTake, Freshness, WatchedFraction, page_diversity
from bandit.scores import BetaScores, Draws, Moments
from bandit.simulation.linear_world import LinearWorld

CONTEXTS: Any = [[1.0, 0.5], [1.0, 0.25], [1.0, 0.0], [1.0, 2.0], [1.0, 0.5], [1.0, 1.0]]
ARMS: Any = [0, 1, 0, 1, 1, 0]
REWARDS: Any = [0.0, 1.0, 0.5, 1.0, 0.0, 1.0]
HALVES: Any = [0.5] * 6
TARGET: Any = [[0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [0.5, 0.5], [1.0, 0.0], [0.5, 0.5]]
CHOICES: Any = [[True, True], [True, True], [True, False], [True, True], [False, True], [True, True]]
NUMBERS: Any = [3, 1, 3, 2, 2, 1]
SQUARE: Any = [[0.5, 0.25], [0.125, 1.0]]
WATCHED: Any = [True, False, True, True, False, True]
HASHES: Any = [2**63 + 7, 5, 2**64 - 1, 2**62, 1, 0]
LOG: dict[str, Any] = {"contexts": CONTEXTS, "arms": ARMS, "rewards": REWARDS, "propensities": HALVES, "n_arms": 2}
DRAWN = np.array(HASHES, dtype=np.uint64)
LENIENT = Thresholds(0, 1, 1, 1e9, 1e9, 1e9, 1e9, 1e9, 0)
JUDGED: dict[str, Any] = {
    "name": "dr",
    "rewards": REWARDS,
    "arms": ARMS,
    "propensities": HALVES,
    "target_probabilities": TARGET,
    "reward_estimates": TARGET,
    "thresholds": LENIENT,
    "resamples": 20,
}
SEEN: dict[str, Any] = {"contexts": CONTEXTS, "arms": ARMS, "rewards": REWARDS}
FITTED: dict[str, Any] = SEEN | {"weights": HALVES, "n_arms": 2, "prior_precision": [1.0, 2.0], "prior_mean": SQUARE}
SAMPLE: dict[str, Any] = {"rewards": REWARDS, "target": HALVES, "unsupported": [0.0] * 6, "propensities": HALVES}
SCORES = Moments(np.array(SQUARE), np.array(SQUARE))
OUTCOMES: Any = [0.5, 1.0, 0.25, 2.0, 1.0, 0.5, 3.0, 1.5, 2.0, 2.5, 4.0, 1.0]
UNITS: Any = [1, 1, 1, 2, 2, 2, 5, 5, 5, 7, 7, 7]
TIMES: Any = [1, 2, 4] * 4
TREATED: Any = [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1]
SCORED: Any = [-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5]
DAYS: Any = [[0.5, 1.0, 0.25], [2.0, 1.0, 0.5], [3.0, 1.5, 2.0]]


class Entry(NamedTuple):
    """An array argument: its kind, values of it that are right, and what comes of them."""

    kind: str
    good: list[Any]
    comes_to: Callable[[Any], Any]
    takes_long: bool = False


def log(**changed: Any) -> ImpressionLog:
    return ImpressionLog(**LOG | changed)


def judged(**changed: Any) -> list[Any]:
    found = estimate(**JUDGED | changed)
    return [found.value, found.lower, found.upper, found.effective_sample_size]


def evaluated(choices: Any = (2,) * 6, batches: Any = None) -> list[Any]:
    sample = Sample(**SAMPLE)
    found = evaluate({"mine": sample}, Settings(("ips",), resamples=20), choices, batches)
    return [found.n, *(each.value for each in found.results[0].others)]


def linear(**changed: Any) -> Any:
    made = LinearPosterior(2, 2)
    made.observe(**SEEN | changed)
    return made


def logistic(**changed: Any) -> Any:
    made = LogisticPosterior(2, 2)
    made.observe(**SEEN | changed)
    return made


def shared(features: Any = SQUARE, settings: dict[str, Any] | None = None, **changed: Any) -> Any:
    made = SharedPosterior(features, 2, n_draws=4, **settings or {})
    made.observe(**SEEN | changed)
    return made


def beta(titles: Any = (0, 0), prior_rates: Any = None, segments: Any = None, **changed: Any) -> Any:
    made = BetaPosterior(titles, n_segments=0 if segments is None else 4, prior_rates=prior_rates)
    made.observe(segments, **{"arms": ARMS, "rewards": REWARDS} | changed)
    return made


def linear_evidence(**changed: Any) -> LinearEvidence:
    return LinearEvidence(**vars(linear().evidence) | changed)


def laplace(**changed: Any) -> Any:
    return fit_laplace(**FITTED | changed).means


def alphas(**changed: Any) -> Any:
    start = {"prior_mean": SQUARE, "start": [1.0, 2.0], "weights": HALVES}
    return estimate_prior_precision(**SEEN | start | changed)


def following(**changed: Any) -> Any:
    given = {"prior_precision": [1.0, 2.0], "prior_mean": SQUARE, "mean_squares": [1.0, 2.0]} | changed
    return next_prior_precision(fit_laplace(**FITTED), **given)


def sample(**changed: Any) -> Sample:
    return Sample(**SAMPLE | changed)


def table_target(values: Any) -> Any:
    return TableTarget("mine", values, log()).probabilities(log(), 0, np.arange(6))


def learned_by_features(values: Any) -> Any:
    return learn(log(), "shared", values).scorer([0, 1]).scores(CONTEXTS).expected


def predicted_by_features(values: Any) -> Any:
    return PosteriorModel("shared", values).fit(log()).predict(np.ones((1, 2)), np.arange(2))


def replayed_by_features(values: Any) -> Any:
    return replay_learning(log(), Greedy(), "shared", 2, features=values).kept_by_batch


def shared_precision(values: Any) -> Any:
    return shared(settings={"prior_precision": values}).prior_precision


def hyperparameters(mean: Any = 0.0, start: Any = (1.0, 1.0)) -> Any:
    return estimate_hyperparameters(linear().evidence, mean, Hyperparameters(start, 1.0)).prior_precision


def shared_prior(features: Any = SQUARE, mean: Any = 0.0) -> Any:
    return estimate_shared_prior(linear().evidence, features, mean, SharedPrior(1, 1, 1))


def ends(effect: Effect) -> list[float]:
    return [effect.value, effect.lower, effect.upper, effect.p_value]


def mean_effect(**changed: Any) -> list[float]:
    return ends(experiments.mean_effect(**{"treatment": REWARDS, "control": NUMBERS} | changed))


def stratified(**changed: Any) -> list[float]:
    given = {"treatment": REWARDS, "control": NUMBERS, "segments": (NUMBERS, NUMBERS)} | changed
    return ends(experiments.stratified_effect(**given))


def crossed(values: Any) -> list[float]:
    return ends(experiments.interactions((OUTCOMES, REWARDS + NUMBERS), values)[0].effect)


def panel(**changed: Any) -> list[float]:
    given = {"outcomes": OUTCOMES, "units": UNITS, "times": TIMES, "treated": TREATED} | changed
    found = experiments.difference_in_differences(**given)
    return [found.value, found.lower, found.upper, found.p_value]


def jump(**changed: Any) -> list[float]:
    found = experiments.discontinuity(**{"outcomes": OUTCOMES, "scores": SCORED} | changed, cutoff=0.0, bandwidth=8)
    return [found.value, found.lower, found.upper, found.p_value]


REAL, TABLE, WHOLE, NAMES, ORDER, MASK, MASKS, WORDS = (
    "real",
    "table",
    "whole",
    "names",
    "order",
    "mask",
    "masks",
    "words",
)
ENTRIES: dict[str, Entry] = {
    "ImpressionLog.contexts": Entry(TABLE, CONTEXTS, lambda v: log(contexts=v).contexts),
    "ImpressionLog.arms": Entry(WHOLE, ARMS, lambda v: log(arms=v).arms),
    "ImpressionLog.rewards": Entry(REAL, REWARDS, lambda v: log(rewards=v).rewards),
    "ImpressionLog.propensities": Entry(REAL, HALVES, lambda v: log(propensities=v).propensities),
    "ImpressionLog.starts": Entry(WHOLE, [0, 1, 2], lambda v: log(starts=v).titles),
    "ImpressionLog.eligible": Entry(MASKS, CHOICES, lambda v: log(eligible=v).n_eligible),
    "ImpressionLog.clusters": Entry(NAMES, NUMBERS, lambda v: log(clusters=v).clusters),
    "ImpressionLog.users": Entry(NAMES, NUMBERS, lambda v: log(users=v).users),
    "ImpressionLog.positions": Entry(WHOLE, NUMBERS, lambda v: log(positions=v).positions),
    "ImpressionLog.times": Entry(ORDER, NUMBERS, lambda v: log(times=v).times),
    "ImpressionLog.batches": Entry(ORDER, NUMBERS, lambda v: log(batches=v).batches),
    "ImpressionLog.take.rows": Entry(WHOLE, NUMBERS, lambda v: log().take(v).contexts),
    "ImpressionLog.eligible_of.rows": Entry(WHOLE, NUMBERS, lambda v: log(eligible=CHOICES).eligible_of(0, v)),
    "estimate.rewards": Entry(REAL, REWARDS, lambda v: judged(rewards=v)),
    "estimate.arms": Entry(WHOLE, ARMS, lambda v: judged(arms=v)),
    "estimate.propensities": Entry(REAL, HALVES, lambda v: judged(propensities=v)),
    "estimate.target_probabilities": Entry(TABLE, TARGET, lambda v: judged(target_probabilities=v)),
    "estimate.reward_estimates": Entry(TABLE, TARGET, lambda v: judged(reward_estimates=v)),
    "estimate.clusters": Entry(NAMES, NUMBERS, lambda v: judged(clusters=v)),
    "estimate.eligible": Entry(MASKS, CHOICES, lambda v: judged(eligible=v, target_probabilities=[[1, 0]] * 6)),
    "estimate.contexts": Entry(TABLE, CONTEXTS, lambda v: judged(contexts=v)),
    "evaluate.choices": Entry(WHOLE, [2] * 6, lambda v: evaluated(choices=v)),
    "evaluate.batches": Entry(ORDER, NUMBERS, lambda v: evaluated(batches=v)),
    "TableTarget.probabilities": Entry(TABLE, TARGET, table_target),
    "learn.features": Entry(TABLE, SQUARE, learned_by_features, takes_long=True),
    "PosteriorModel.features": Entry(TABLE, SQUARE, predicted_by_features, takes_long=True),
    "replay_learning.features": Entry(TABLE, SQUARE, replayed_by_features, takes_long=True),
    "Learned.scorer.arms": Entry(WHOLE, ARMS, lambda v: learn(log(), "beta").scorer(v).scores(CONTEXTS).expected),
    "confidence_sequence.values": Entry(REAL, REWARDS, lambda v: confidence_sequence(v, 0, 1).lower),
    "LinearPosterior.observe.contexts": Entry(TABLE, CONTEXTS, lambda v: linear(contexts=v).mean),
    "LinearPosterior.observe.arms": Entry(WHOLE, ARMS, lambda v: linear(arms=v).mean),
    "LinearPosterior.observe.rewards": Entry(REAL, REWARDS, lambda v: linear(rewards=v).mean),
    "LinearPosterior.scores.contexts": Entry(TABLE, CONTEXTS, lambda v: linear().scores(v, [0]).expected),
    "LinearPosterior.scores.arms": Entry(WHOLE, ARMS, lambda v: linear().scores(CONTEXTS, v).expected),
    "LinearPosterior.moments.contexts": Entry(TABLE, CONTEXTS, lambda v: linear().moments(v, [0]).means),
    "LinearPosterior.moments.arms": Entry(WHOLE, ARMS, lambda v: linear().moments(CONTEXTS, v).deviations),
    "LinearPosterior.scorer.arms": Entry(WHOLE, ARMS, lambda v: linear().scorer(v).scores(CONTEXTS).expected),
    "LinearPosterior.prior_precision": Entry(REAL, [0.5, 2.0], lambda v: LinearPosterior(2, 2, v).precision),
    "LinearPosterior.prior_mean": Entry(TABLE, SQUARE, lambda v: LinearPosterior(2, 2, prior_mean=v).mean),
    "LinearEvidence.precision": Entry(REAL, [SQUARE, SQUARE], lambda v: linear_evidence(precision=v).precision),
    "LinearEvidence.information": Entry(TABLE, SQUARE, lambda v: linear_evidence(information=v).information),
    "LinearEvidence.counts": Entry(REAL, [3, 2], lambda v: linear_evidence(counts=v).counts),
    "LinearEvidence.squares": Entry(REAL, [3, 2], lambda v: linear_evidence(squares=v).squares),
    "LinearEvidence.sums": Entry(TABLE, SQUARE, lambda v: linear_evidence(sums=v).sums),
    "LinearEvidence.takes": Entry(REAL, [3, 2], lambda v: linear_evidence(takes=v).takes),
    "LogisticPosterior.observe.contexts": Entry(TABLE, CONTEXTS, lambda v: logistic(contexts=v).mean),
    "LogisticPosterior.observe.arms": Entry(WHOLE, ARMS, lambda v: logistic(arms=v).mean),
    "LogisticPosterior.observe.rewards": Entry(REAL, REWARDS, lambda v: logistic(rewards=v).mean),
    "LogisticPosterior.scores.contexts": Entry(TABLE, CONTEXTS, lambda v: logistic().scores(v, [0]).expected),
    "LogisticPosterior.scores.arms": Entry(WHOLE, ARMS, lambda v: logistic().scores(CONTEXTS, v).expected),
    "LogisticPosterior.prior_precision": Entry(REAL, [0.5, 2.0], lambda v: LogisticPosterior(2, 2, v).precision),
    "LogisticPosterior.prior_mean": Entry(TABLE, SQUARE, lambda v: LogisticPosterior(2, 2, prior_mean=v).mean),
    "SharedPosterior.features": Entry(TABLE, SQUARE, lambda v: shared(features=v).moments(CONTEXTS, [0, 1]).means),
    "SharedPosterior.of.features": Entry(TABLE, SQUARE, lambda v: SharedPosterior.of(linear().evidence, v).features),
    "SharedPosterior.prior_precision": Entry(TABLE, [[0.5, 2.0, 1.0], [1.0, 1.0, 3.0]], shared_precision),
    "SharedPosterior.intercept_mean": Entry(REAL, [0.5, 2.0], lambda v: shared(settings={"intercept_mean": v}).intercept_mean),
    "SharedPosterior.observe.contexts": Entry(TABLE, CONTEXTS, lambda v: shared(contexts=v).moments(CONTEXTS, [0, 1]).means),
    "SharedPosterior.observe.arms": Entry(WHOLE, ARMS, lambda v: shared(arms=v).moments(CONTEXTS, [0, 1]).means),
    "SharedPosterior.observe.rewards": Entry(REAL, REWARDS, lambda v: shared(rewards=v).moments(CONTEXTS, [0, 1]).means),
    "SharedPosterior.scores.contexts": Entry(TABLE, CONTEXTS, lambda v: shared().scores(v, [0]).values),
    "SharedPosterior.scores.arms": Entry(WHOLE, ARMS, lambda v: shared().scores(CONTEXTS, v).values),
    "SharedPosterior.moments.contexts": Entry(TABLE, CONTEXTS, lambda v: shared().moments(v, [0]).means),
    "SharedPosterior.moments.arms": Entry(WHOLE, ARMS, lambda v: shared().moments(CONTEXTS, v).means),
    "SharedWeights.covariance.context": Entry(REAL, [1.0, 0.5], lambda v: shared().fitted.covariance(v, [0, 1])),
    "SharedWeights.covariance.arms": Entry(WHOLE, ARMS, lambda v: shared().fitted.covariance([1.0, 0.5], v)),
    "BetaPosterior.titles": Entry(WHOLE, [0, 1], lambda v: beta(titles=v).rates),
    "BetaPosterior.prior_rates": Entry(REAL, [0.5, 0.25], lambda v: beta(prior_rates=v).rates),
    "BetaPosterior.observe.contexts": Entry(WHOLE, NUMBERS, lambda v: beta(segments=v).scores([0, 1, 2, 3], [0, 1]).expected),
    "BetaPosterior.observe.arms": Entry(WHOLE, ARMS, lambda v: beta(arms=v).rates),
    "BetaPosterior.observe.rewards": Entry(REAL, REWARDS, lambda v: beta(rewards=v).rates),
    "BetaPosterior.scores.contexts": Entry(WHOLE, NUMBERS, lambda v: beta(segments=NUMBERS).scores(v, [0, 1]).expected),
    "BetaPosterior.scores.arms": Entry(WHOLE, ARMS, lambda v: beta().scores(None, v).expected),
    "BetaEvidence.takes": Entry(REAL, [1, 2], lambda v: BetaEvidence(v, np.array([3, 4])).takes),
    "BetaEvidence.impressions": Entry(REAL, [3, 4], lambda v: BetaEvidence(np.array([1, 2]), v).impressions),
    "fit_laplace.contexts": Entry(TABLE, CONTEXTS, lambda v: laplace(contexts=v)),
    "fit_laplace.arms": Entry(WHOLE, ARMS, lambda v: laplace(arms=v)),
    "fit_laplace.rewards": Entry(REAL, REWARDS, lambda v: laplace(rewards=v)),
    "fit_laplace.weights": Entry(REAL, HALVES, lambda v: laplace(weights=v)),
    "fit_laplace.prior_precision": Entry(REAL, [0.5, 2.0], lambda v: laplace(prior_precision=v)),
    "fit_laplace.prior_mean": Entry(TABLE, SQUARE, lambda v: laplace(prior_mean=v)),
    "fit_laplace.start": Entry(TABLE, SQUARE, lambda v: laplace(start=v)),
    "estimate_prior_precision.contexts": Entry(TABLE, CONTEXTS, lambda v: alphas(contexts=v)),
    "estimate_prior_precision.arms": Entry(WHOLE, ARMS, lambda v: alphas(arms=v)),
    "estimate_prior_precision.rewards": Entry(REAL, REWARDS, lambda v: alphas(rewards=v)),
    "estimate_prior_precision.weights": Entry(REAL, HALVES, lambda v: alphas(weights=v)),
    "estimate_prior_precision.prior_mean": Entry(TABLE, SQUARE, lambda v: alphas(prior_mean=v)),
    "estimate_prior_precision.start": Entry(REAL, [0.5, 2.0], lambda v: alphas(start=v)),
    "next_prior_precision.prior_precision": Entry(REAL, [0.5, 1.0], lambda v: following(prior_precision=v)),
    "next_prior_precision.prior_mean": Entry(TABLE, SQUARE, lambda v: following(prior_mean=v)),
    "next_prior_precision.mean_squares": Entry(REAL, [0.5, 2.0], lambda v: following(mean_squares=v)),
    "estimate_hyperparameters.prior_mean": Entry(TABLE, SQUARE, lambda v: hyperparameters(mean=v), takes_long=True),
    "Hyperparameters.prior_precision": Entry(REAL, [0.5, 2.0], lambda v: hyperparameters(start=v), takes_long=True),
    "estimate_shared_prior.features": Entry(TABLE, SQUARE, lambda v: shared_prior(features=v), takes_long=True),
    "estimate_shared_prior.intercept_mean": Entry(REAL, [0.5, 2.0], lambda v: shared_prior(mean=v), takes_long=True),
    "popularity_mean.rates": Entry(REAL, [0.5, 0.25], lambda v: popularity_mean(v, 2)),
    "logit_mean.rates": Entry(REAL, [0.5, 0.25], lambda v: logit_mean(v, 2)),
    "Moments.means": Entry(TABLE, SQUARE, lambda v: LinUCB().probabilities(Moments(v, np.ones((2, 2))))),
    "Moments.deviations": Entry(TABLE, SQUARE, lambda v: LinUCB().probabilities(Moments(np.ones((2, 2)), v))),
    "BetaScores.successes": Entry(TABLE, SQUARE, lambda v: BetaScores(v, np.ones((2, 2))).deviations),
    "BetaScores.failures": Entry(TABLE, SQUARE, lambda v: BetaScores(np.ones((2, 2)), v).deviations),
    "Draws.means": Entry(TABLE, SQUARE, lambda v: Draws(np.ones((3, 2, 2)), v).expected),
    "Draws.values": Entry(REAL, [SQUARE, SQUARE, SQUARE], lambda v: Draws(v, np.ones((2, 2))).deviations),
    "Policy.probabilities.eligible": Entry(MASK, [False, True], lambda v: Greedy().probabilities(SCORES, v)),
    "decide.probabilities": Entry(TABLE, TARGET, lambda v: decide(v, DRAWN).arms),
    "decide.hashes": Entry(WORDS, HASHES, lambda v: decide(TARGET, v).arms),
    "decide.eligible": Entry(MASK, [True, False], lambda v: decide([[1.0, 0.0]] * 6, DRAWN, eligible=v).weights),
    "decide.new": Entry(MASK, [True, False], lambda v: decide(TARGET, DRAWN, new=v).weights),
    "quantise.probabilities": Entry(TABLE, TARGET, quantise),
    "quantise.eligible": Entry(MASK, [True, False], lambda v: quantise([[1.0, 0.0]] * 6, eligible=v)),
    "quantise.new": Entry(MASK, [True, False], lambda v: quantise(TARGET, new=v)),
    "draw_arms.weights": Entry(WHOLE, [[65535, 0], [1, 65534]] * 3, lambda v: draw_arms(v, DRAWN).weights),
    "draw_arms.hashes": Entry(WORDS, HASHES, lambda v: draw_arms(quantise(TARGET), v).arms),
    "hash_users.users": Entry(WORDS, HASHES, lambda v: hash_users("draw", 1, 1, v)),
    "hash_title.user_states": Entry(WORDS, HASHES, lambda v: hash_title(v, np.uint64(7))),
    "Reward.rewards.clicked": Entry(MASK, WATCHED, lambda v: EngagedTake().rewards(v, [1.0] * 6)),
    "Reward.rewards.watch_fraction": Entry(REAL, REWARDS, lambda v: WatchedFraction().rewards([True] * 6, v)),
    "Reward.rewards.ages": Entry(REAL, HALVES, lambda v: Freshness().rewards([True] * 6, [1.0] * 6, ages=v)),
    "Reward.rewards.diversity": Entry(
        REAL, HALVES, lambda v: Diversity().rewards([True] * 6, [1.0] * 6, diversity=v)
    ),
    "page_diversity.pages": Entry(WHOLE, ARMS, lambda v: page_diversity(v, range(6), range(6), ARMS)),
    "page_diversity.titles": Entry(WHOLE, ARMS, lambda v: page_diversity([0] * 6, v, range(6), ARMS)),
    "page_diversity.artworks": Entry(WHOLE, ARMS, lambda v: page_diversity([0] * 6, ARMS, v, ARMS)),
    "page_diversity.themes": Entry(WHOLE, ARMS, lambda v: page_diversity([0] * 6, range(6), range(6), v)),
    "Sample.rewards": Entry(REAL, REWARDS, lambda v: sample(rewards=v).weighted_rewards),
    "Sample.target": Entry(REAL, HALVES, lambda v: sample(target=v).weights),
    "Sample.unsupported": Entry(REAL, HALVES, lambda v: sample(unsupported=v).unsupported),
    "Sample.propensities": Entry(REAL, HALVES, lambda v: sample(propensities=v).weights),
    "Sample.logged_estimates": Entry(REAL, HALVES, lambda v: sample(logged_estimates=v).residuals),
    "Sample.target_estimates": Entry(REAL, HALVES, lambda v: sample(target_estimates=v).target_estimates),
    "Sample.target_squares": Entry(REAL, HALVES, lambda v: sample(target_squares=v).target_squares),
    "Sample.arms": Entry(WHOLE, ARMS, lambda v: sample(arms=v).arms),
    "Sample.expected_arms": Entry(REAL, [3.0, 3.0], lambda v: sample(expected_arms=v).expected_arms),
    "Sample.expected_squares": Entry(REAL, [3.0, 3.0], lambda v: sample(expected_squares=v).expected_squares),
    "Sample.shown_arms": Entry(REAL, [3.0, 3.0], lambda v: sample(shown_arms=v).shown_arms),
    "Sample.shown_squares": Entry(REAL, [3.0, 3.0], lambda v: sample(shown_squares=v).shown_squares),
    "Sample.clusters": Entry(NAMES, NUMBERS, lambda v: sample(clusters=v).clusters),
    "Sample.contexts": Entry(TABLE, CONTEXTS, lambda v: sample(contexts=v).contexts),
    "Sample.sums.values": Entry(REAL, REWARDS, lambda v: sample(clusters=NUMBERS).sums(v)),
    "LinearWorld.still.weights": Entry(TABLE, SQUARE, lambda v: LinearWorld.still(v).expected(0, np.array(CONTEXTS))),
    "LinearWorld.weights": Entry(REAL, [SQUARE, SQUARE], lambda v: LinearWorld(v, np.array([0, 3])).weights),
    "mean_effect.treatment": Entry(REAL, REWARDS, lambda v: mean_effect(treatment=v)),
    "mean_effect.control": Entry(REAL, HALVES, lambda v: mean_effect(control=v)),
    "mean_effect.covariates": Entry(REAL, NUMBERS, lambda v: mean_effect(covariates=(v, REWARDS))),
    "ratio_effect.numerators": Entry(REAL, REWARDS, lambda v: ends(experiments.ratio_effect((v, HALVES), (NUMBERS, HALVES)))),
    "ratio_effect.denominators": Entry(REAL, NUMBERS, lambda v: ends(experiments.ratio_effect((HALVES, v), (NUMBERS, HALVES)))),
    "paired_effect.denominators": Entry(REAL, NUMBERS, lambda v: ends(experiments.paired_effect((NUMBERS, HALVES), (HALVES, v)))),
    "quantile_effect.users": Entry(NAMES, NUMBERS, lambda v: ends(experiments.quantile_effect((REWARDS, v), ARMS, 0.5))),
    "stratified_effect.segments": Entry(NAMES, NUMBERS, lambda v: stratified(segments=(v, v))),
    "benjamini_hochberg.p_values": Entry(REAL, HALVES, experiments.benjamini_hochberg),
    "sample_ratio.counts": Entry(WHOLE, [3, 5], lambda v: experiments.sample_ratio(v, [0.5, 0.5]).statistic),
    "sample_ratio.shares": Entry(REAL, [0.25, 0.75], lambda v: experiments.sample_ratio([3, 5], v).statistic),
    "sample_ratio_sequence.counts": Entry(WHOLE, [[3, 5], [8, 9]], lambda v: sample_ratio_sequence(v, [0.5, 0.5]).p_values),
    "confidence_sequence.value": Entry(REAL, [0.5, 0.25], lambda v: always_valid(v, 0.5, 100, 100).lower),
    "confidence_sequence.standard_error": Entry(REAL, [0.5, 0.25], lambda v: always_valid(0.5, v, 100, 100).lower),
    "confidence_sequence.looks.users": Entry(REAL, [50, 100], lambda v: always_valid(0.5, 0.25, v, 100).lower),
    "spending_bounds.information": Entry(REAL, [0.5, 0.75], lambda v: experiments.spending_bounds(v, 0.05, "pocock")),
    "spending_bounds.times": Entry(
        REAL, [0.5, 0.75], lambda v: experiments.spending_bounds([0.5, 1.0], 0.05, "pocock", v)
    ),
    "heterogeneity.values": Entry(REAL, REWARDS, lambda v: experiments.heterogeneity(v, HALVES).statistic),
    "shrunken.standard_errors": Entry(REAL, [0.5, 0.25], lambda v: experiments.shrunken([0.5, 2.0], v)),
    "novelty.treatment": Entry(TABLE, DAYS, lambda v: ends(experiments.novelty(v, DAYS).early)),
    "interactions.assignments": Entry(REAL, [[0, 0], [0, 1], [1, 0], [1, 1]] * 3, crossed),
    "difference_in_differences.outcomes": Entry(REAL, OUTCOMES, lambda v: panel(outcomes=v)),
    "difference_in_differences.units": Entry(NAMES, UNITS, lambda v: panel(units=v)),
    "difference_in_differences.times": Entry(ORDER, TIMES, lambda v: panel(times=v)),
    "difference_in_differences.treated": Entry(REAL, TREATED, lambda v: panel(treated=v)),
    "discontinuity.outcomes": Entry(REAL, OUTCOMES, lambda v: jump(outcomes=v)),
    "discontinuity.scores": Entry(REAL, SCORED, lambda v: jump(scores=v)),
    "LinearWorld.starts": Entry(WHOLE, [0, 3], lambda v: LinearWorld(np.array([SQUARE, SQUARE]), v).starts),
}  # fmt: skip


class Own:
    """Somebody's own class of arrays."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
        return self.values


def plain(entry: Entry) -> npt.NDArray[Any]:
    """The good values as numpy has them."""
    return np.array(entry.good, dtype=np.uint64 if entry.kind == WORDS else None)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array = array.copy()
    array.flags.writeable = False
    return array


def pandas(array: npt.NDArray[Any]) -> Any:
    """A column or table of pandas whose labels are not places; deeper arrays have none."""
    turned = range(len(array))[::-1]
    return (
        pd.Series(array, index=turned) if array.ndim == 1 else pd.DataFrame(array, turned, range(array.shape[1])[::-1])
    )


def polars(array: npt.NDArray[Any]) -> Any:
    return pl.Series(array) if array.ndim == 1 else pl.DataFrame(array, orient="row")


def narrow(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """In half the bits where that loses nothing."""
    kinds = {"f": np.float32, "i": np.uint8, "u": np.uint64, "b": np.bool_}
    told: npt.NDArray[Any] = array.astype(kinds[array.dtype.kind])
    return told if (told == array).all() else array


ACCEPTED: dict[str, Callable[[npt.NDArray[Any]], Any]] = {
    "list": lambda array: array.tolist(),
    "tuple": lambda array: tuple(array.tolist()),
    "rows": list,
    "objects": lambda array: array.astype(object),
    "columns first": np.asfortranarray,
    "every other": lambda array: np.repeat(array, 2, axis=0)[::2],
    "from the end": lambda array: array[::-1].copy()[::-1],
    "other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "read only": read_only,
    "narrow": narrow,
    "masked nowhere": np.ma.masked_array,
    "own class": Own,
    "pandas": pandas,
    "polars": polars,
}
IN_TABLES = {"pandas", "polars", "pandas nullable"}
BRIEFLY = {"objects", "columns first", "narrow", "masked nowhere", "pandas"}
NUMERIC = (REAL, TABLE, WHOLE, NAMES, ORDER)
FOR_SOME: dict[str, tuple[tuple[str, ...], Callable[[npt.NDArray[Any]], Any]]] = {
    "longdouble": (NUMERIC, lambda array: array.astype(np.longdouble)),
    "floats": (NUMERIC, lambda array: array.astype(np.float64)),
    "decimals": ((REAL, TABLE, WHOLE), np.vectorize(lambda v: Decimal(str(v)), otypes=[object])),
    "pandas nullable": (NUMERIC, lambda array: pandas(array).convert_dtypes()),
    "a column of lists": ((TABLE,), lambda array: pd.Series(array.tolist(), index=range(len(array))[::-1])),
    "a column of lists of polars": ((TABLE,), lambda array: pl.Series(array.tolist())),
}


def forms(entry: Entry) -> Iterator[tuple[str, Any]]:
    """The good values of an argument in every form that people have them in, with the word for the form."""
    array = plain(entry)
    told = ACCEPTED | {have: of for have, (kinds, of) in FOR_SOME.items() if entry.kind in kinds}
    for have, of in told.items():
        is_left_out = (array.ndim > 2 and have in IN_TABLES) or (entry.takes_long and have not in BRIEFLY)
        if not is_left_out:
            yield have, of(array)


@pytest.mark.parametrize("name", ENTRIES)
def test_what_people_have_comes_to_what_plain_arrays_come_to(name: str) -> None:
    entry = ENTRIES[name]
    array = plain(entry)
    wanted = np.asarray(entry.comes_to(array), dtype=np.float64)
    for have, values in forms(entry):
        np.testing.assert_array_equal(np.asarray(entry.comes_to(values), dtype=np.float64), wanted, err_msg=have)


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.kind == NAMES])
def test_names_come_to_what_their_numbers_come_to(name: str) -> None:
    entry = ENTRIES[name]
    first = {number: place for place, number in enumerate(dict.fromkeys(entry.good))}
    wanted = entry.comes_to(np.array([first[number] for number in entry.good]))
    np.testing.assert_array_equal(entry.comes_to([f"u{number}" for number in entry.good]), wanted)


def with_at(array: npt.NDArray[Any], value: Any) -> Any:
    """The values as objects, one of the second row another."""
    changed = array.astype(object)
    changed[(1, *(0,) * (array.ndim - 1))] = value
    return changed


def behind_mask(array: npt.NDArray[Any]) -> Any:
    mask = np.zeros(array.shape, dtype=np.bool_)
    mask[(1, *(0,) * (array.ndim - 1))] = True
    return np.ma.masked_array(array, mask)


BY_ROW: dict[str, Callable[[npt.NDArray[Any]], Any]] = {
    "None": lambda array: with_at(array, None),
    "None in a list": lambda array: with_at(array, None).tolist(),
    "NA": lambda array: with_at(array, pd.NA),
    "NaT": lambda array: with_at(array, np.datetime64("NaT")),
    "nan": lambda array: with_at(array, float("nan")),
    "a mask": behind_mask,
    "rows with a mask": lambda array: list(behind_mask(array)),
    "a list": lambda array: with_at(array, {"a": 1}),
    "pandas": lambda array: pandas(with_at(array, None)),
}
NEVER: dict[str, Callable[[npt.NDArray[Any]], Any]] = {
    "generator": lambda array: (each for each in array),
    "set": lambda array: set(array.ravel().tolist()),
    "dict": lambda array: dict(enumerate(array.tolist())),
    "text": lambda _: "0.5, 1.0",
    "complex": lambda array: array.astype(np.complex128),
    "records": lambda array: np.zeros(len(array), dtype=[("a", int)]),
    "an object": lambda _: object(),
    "ragged": lambda array: [array.tolist(), array.tolist()[:1]],
    "one dimension more": lambda array: array[None, None, None],
}


def words(name: str) -> str:
    """What a message calls an argument: its name, or the thing of which there is one."""
    argument = name.rpartition(".")[2]
    called = {
        "start": "start|prior.precision",
        "contexts": "context|segment",
        "values": "values|value|draws",
        "probabilities": "probabilit|table mine|mine",
    }
    return f"{argument}|{argument.replace('_', ' ')}|{argument.rstrip('s')}|{called.get(argument, argument)}"


@pytest.mark.parametrize("name", ENTRIES)
def test_a_missing_or_foreign_value_is_refused_by_name_and_row(name: str) -> None:
    entry = ENTRIES[name]
    array = plain(entry)
    for have, of in BY_ROW.items():
        if have in IN_TABLES and array.ndim > 2:
            continue
        with pytest.raises(InputError) as caught:
            entry.comes_to(of(array))
        said = str(caught.value)
        assert re.search(words(name), said), have
        assert re.search(r"row 1\b|value 1\b|arm 1\b|at \[1|runs? from nan|masked|smallest", said), have


@pytest.mark.parametrize("name", ENTRIES)
def test_what_is_no_array_or_has_another_shape_is_refused_by_name(name: str) -> None:
    entry = ENTRIES[name]
    for have, of in NEVER.items():
        with pytest.raises(InputError) as caught:
            entry.comes_to(of(plain(entry)))
        assert re.search(words(name), str(caught.value)), have


RESULTS = {
    "Ends",
    "Estimate",
    "Evaluation",
    "Laplace",
    "SharedWeights",
    "Learned",
    "Split",
    "Evidence",
    "SampleRatioSequence",
    "Scorer",
    "Shrunken",
    "Target",
}
"""What the library makes and hands out, and protocols that others keep."""


def public() -> Iterator[tuple[str, Any]]:
    """Everything that can be called, by its name."""
    for module in (bandit.evaluation, experiments, bandit.policies, bandit.posterior):
        for name in module.__all__:
            yield name, getattr(module, name)
    yield from ((each.__name__, each) for each in (ImpressionLog, Draws, confidence_sequence, hash_users, hash_title))


def arguments() -> Iterator[str]:
    """Array arguments of the public library, as in ``ENTRIES``."""
    for name, thing in public():
        if name in RESULTS:
            continue
        calls = {name: thing} if callable(thing) else {}
        if inspect.isclass(thing) and not dataclasses.is_dataclass(thing):
            methods = inspect.getmembers(thing, inspect.isroutine)
            calls |= {f"{name}.{method}": call for method, call in methods if not method.startswith("_")}
        for path, call in calls.items():
            try:
                parameters = inspect.signature(call).parameters.items()
            except ValueError:
                continue
            yield from (
                f"{path}.{each}"
                for each, told in parameters
                if re.search("ndarray|_SupportsArray", str(told.annotation))
            )


def test_every_array_argument_of_the_library_is_in_the_table() -> None:
    known = {name.rpartition(".")[2] for name in ENTRIES}
    assert {name for name in arguments() if name not in ENTRIES and name.rpartition(".")[2] not in known} == set()


I8, U8, I16, F16, F32 = (cast("Any", kind) for kind in (np.int8, np.uint8, np.int16, np.float16, np.float32))
SMALL: dict[str, tuple[Any, Any]] = {
    "alpha of int8": (LinUCB(I8(127)), LinUCB(127.0)),
    "alpha of uint8": (LinUCB(U8(255)), LinUCB(255.0)),
    "alpha of float16": (LinUCB(F16(0.5)), LinUCB(0.5)),
    "temperature": (Softmax(F16(0.25)), Softmax(0.25)),
    "epsilon": (EpsilonGreedy(F16(0.25)), EpsilonGreedy(0.25)),
    "impressions": (EpsilonGreedy(0.5, 1000).for_title(U8(250)), EpsilonGreedy(0.4)),
    "total": (EpsilonGreedy(0.5, total_halving=U8(250)).for_title(0, I16(1000)), EpsilonGreedy(0.1)),
}


@pytest.mark.parametrize("name", SMALL)
def test_settings_of_small_types_do_not_overflow(name: str) -> None:
    small, plain_ = SMALL[name]
    np.testing.assert_array_equal(small.probabilities(SCORES), plain_.probabilities(SCORES))


def test_floors_of_small_types_decide_as_numbers_do() -> None:
    found = quantise(TARGET, new=[True, False], floor=F16(0.25), new_floor=F32(0.125))
    np.testing.assert_array_equal(found, quantise(TARGET, new=[True, False], floor=0.25, new_floor=0.125))


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.int64, np.float16])
def test_counts_of_small_types_do_not_overflow(kind: type[np.generic]) -> None:
    takes, rest = np.array([[200, 100]]), np.array([[250, 240]])
    if kind is np.int32:
        takes, rest = takes * 10_000, rest * 10_000
    wanted = BetaScores(takes.astype(np.float64), rest.astype(np.float64))
    found = BetaScores(takes.astype(kind), rest.astype(kind))
    np.testing.assert_array_equal(found.deviations, wanted.deviations)
    np.testing.assert_array_equal(LinUCB().probabilities(found), LinUCB().probabilities(wanted))


@pytest.mark.parametrize("have", ["pandas", "a list"])
def test_rates_of_a_log_go_by_position_whatever_its_labels(have: str) -> None:
    random = np.random.default_rng(3)
    arms = random.integers(0, 3, 600)
    rewards = (random.random(600) < np.array([0.1, 0.2, 0.3])[arms]).astype(float)
    turned = np.arange(600)[::-1]
    given = {"arms": arms, "rewards": rewards, "propensities": np.full(600, 1 / 3), "times": np.arange(600)}
    columns = {name: pd.Series(each, turned) if have == "pandas" else each.tolist() for name, each in given.items()}
    log_ = ImpressionLog(contexts=np.ones((600, 1)), n_arms=3, **columns)
    late = log_.take(np.arange(300, 600))
    np.testing.assert_array_equal(late.arms, arms[300:])
    np.testing.assert_array_equal(late.rewards, rewards[300:])
