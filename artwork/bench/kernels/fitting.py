"""Posteriors that are refitted as a whole: logistic by Newton's method, shared by its arrow structure."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from artwork.bench.kernels.checks import check_joint, check_mode
from artwork.bench.kernels.data import BLOCK, Log, Size, make_log, summed
from artwork.bench.kernels.results import Measured, Row, Setting
from artwork.bench.timing import Side
from bandit.posterior import Laplace, LinearEvidence, SharedPosterior, SharedWeights, fit_laplace

PART = "refits"
_TITLE, _DRAWS = 8, 256  # arms scored together; joint draws


def measure(setting: Setting) -> Iterator[Row]:
    """Impressions per second through a logistic fit, seconds of a shared fit, and scores per second from its joint draws.

    Raises:
        WrongAnswerError: the logistic fit is not at a mode, or the shared one is not that of the dense normal equations.
    """
    log = make_log(setting.size)
    check_mode(_logistic(log), log)
    logistic = Side(partial(_logistic, log), len(log.arms))
    about = f"{len(log.arms):,} impressions, d = {log.contexts.shape[1]}, {log.n_arms} arms"
    yield Measured(PART, "logistic, to the mode", "impressions/s", logistic, about).alone(setting.pace)
    yield from _shared(setting)


def _logistic(log: Log) -> Laplace:
    d = log.contexts.shape[1]
    weights = np.ones(len(log.arms))
    return fit_laplace(log.contexts, log.arms, log.rewards, weights, log.n_arms, np.ones(d), np.zeros((log.n_arms, d)))


def _shared(setting: Setting) -> Iterator[Row]:
    size = setting.size
    small = make_log(Size(impressions=600, features=3, arms=5))
    check_joint(_posterior(summed(small), features=2), small)
    log = make_log(Size(impressions=size.impressions, features=size.catalogue_features, arms=size.catalogue))
    evidence = summed(log)
    about = f"{size.catalogue:,} arms of {size.artwork_features} features, d = {size.catalogue_features}"
    solving = Side(partial(_fit, evidence, size.artwork_features), 1)
    fit = Measured(PART, "shared, all arms", "s per fit", solving, about).alone(setting.pace)
    yield replace(fit, ours=fit.ours.inverse())
    scorer = _fit(evidence, size.artwork_features).scorer(np.arange(_TITLE))
    scoring = Side(partial(scorer.scores, log.contexts[:BLOCK]), BLOCK * _TITLE)
    about = f"blocks of {BLOCK} users, {_TITLE} arms, {_DRAWS} draws"
    yield Measured(PART, "shared, joint draws", "scores/s", scoring, about).alone(setting.pace)


def _posterior(evidence: LinearEvidence, features: int) -> SharedPosterior:
    artworks = np.random.default_rng(5).normal(size=(evidence.shape[0], features))
    return SharedPosterior.of(evidence, artworks, n_draws=_DRAWS)


def _fit(evidence: LinearEvidence, features: int) -> SharedWeights:
    return _posterior(evidence, features).fitted
