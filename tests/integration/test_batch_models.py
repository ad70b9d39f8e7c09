"""Posteriors of a generation are those that the library fits to the same impressions, whatever the days and shards."""

import numpy as np
import polars as pl
import pytest
from make_impressions import FIRST_DAY, log_days, shorten, silent

from bandit.posterior import LinearPosterior
from bandit.posterior.laplace import Laplace, fit_laplace
from bandit.posterior.logistic_prior import logit_mean
from bandit.posterior.shared import SharedPosterior
from bandit.posterior.shared_weights import SharedWeights
from batch.config import Config
from batch.executors import SerialExecutor
from batch.learning.day_rows import DaySource, as_log, day_rows
from batch.learning.train import Trained, train
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import folder_of
from batch.workspace.impressions import days
from batch.workspace.tables import Tables, read_tables
from batch.workspace.workspace import Workspace

RETENTION = 0.8
DAYS, COUNT = 3, 2000


class AllRows:
    """Every impression of a workspace as arrays, with the weight that its age leaves."""

    def __init__(self, workspace: Workspace, tables: Tables) -> None:
        catalogue = Catalogue.of(tables)
        parts = []
        for day in days(workspace):
            frame = day_rows(DaySource(workspace, day, catalogue, tables.n_features, "take")).frame
            parts.append(frame.with_columns(weight=RETENTION ** (DAYS - 1 - (day - FIRST_DAY).days)))
        frame = pl.concat(parts)
        log = as_log(frame, catalogue.n_artworks, tables.n_features)
        self.contexts, self.artworks, self.rewards = log.contexts.astype(np.float64), log.arms, log.rewards
        self.weights = frame["weight"].to_numpy()
        self.catalogue = catalogue


@pytest.fixture
def tables(workspace: Workspace) -> Tables:
    shorten(workspace)
    log_days(workspace, DAYS, COUNT)
    return read_tables(workspace)


def trained(workspace: Workspace, posterior: str) -> Trained:
    config = Config.of(posterior=posterior, retention=RETENTION)
    return train(workspace, config, SerialExecutor(), silent, shard_size=1)


def title_rates(rows: AllRows) -> np.ndarray:
    """Take rate of each artwork's title, shrunk to the catalogue's by 100 impressions, (a,)."""
    catalogue_rate = (rows.weights @ rows.rewards + 1) / (rows.weights.sum() + 20)
    titles = rows.catalogue.titles[rows.artworks]
    takes, shown = (np.bincount(titles, rows.weights * part) for part in (rows.rewards, np.ones(len(titles))))
    return np.asarray(((takes + 100 * catalogue_rate) / (shown + 100))[rows.catalogue.titles])


def test_the_linear_posterior_is_the_weighted_regression_of_all_days(workspace: Workspace, tables: Tables) -> None:
    made, rows = trained(workspace, "linear"), AllRows(workspace, tables)
    posterior = LinearPosterior.load(folder_of(workspace, made.generation) / "posterior" / "linear.npz")
    root = np.sqrt(rows.weights)
    for artwork in range(0, rows.catalogue.n_artworks, 7):
        own = rows.artworks == artwork
        x, r = rows.contexts[own] * root[own, None], rows.rewards[own] * root[own]
        precision = np.diag(posterior.prior_precision) + posterior.noise_precision * x.T @ x
        target = posterior.prior_precision * posterior.prior_mean[artwork] + posterior.noise_precision * x.T @ r
        assert np.allclose(posterior.mean[artwork], np.linalg.solve(precision, target), rtol=1e-8)
    assert np.allclose(posterior.prior_mean[:, 0], title_rates(rows))
    assert not posterior.prior_mean[:, 1:].any()


def test_the_logistic_posterior_is_fitted_to_the_weighted_rows_of_all_days(
    workspace: Workspace, tables: Tables
) -> None:
    made, rows = trained(workspace, "logistic"), AllRows(workspace, tables)
    kept = Laplace.load(folder_of(workspace, made.generation) / "posterior" / "logistic.npz")
    n_artworks, precision = rows.catalogue.n_artworks, np.array(made.models[-1].prior_precision)
    mean = logit_mean(title_rates(rows), tables.n_features)
    expected = fit_laplace(rows.contexts, rows.artworks, rows.rewards, rows.weights, n_artworks, precision, mean)
    assert np.allclose(kept.means, expected.means, rtol=1e-6)
    assert np.allclose(kept.precisions, expected.precisions, rtol=1e-6)


def test_the_shared_posterior_is_that_of_the_artworks_features_and_the_weighted_evidence(
    workspace: Workspace, tables: Tables
) -> None:
    made, rows = trained(workspace, "shared"), AllRows(workspace, tables)
    kept = SharedWeights.load(folder_of(workspace, made.generation) / "posterior" / "shared.npz")
    features = np.array(tables.artworks["features"].to_list())
    precision, intercept_precision = made.models[-1].prior_precision
    noise = made.models[-1].noise_precision
    assert noise is not None
    posterior = SharedPosterior(
        features, tables.n_features, precision, intercept_precision, noise, intercept_mean=title_rates(rows)
    )
    for age in reversed(range(DAYS)):
        own = rows.weights == RETENTION**age
        posterior.observe(rows.contexts[own], rows.artworks[own], rows.rewards[own])
        if age:
            posterior.forget(RETENTION)
    contexts, arms = rows.contexts[:20], np.arange(8)
    mine, expected = kept.moments(contexts, arms), posterior.moments(contexts, arms)
    assert np.allclose(mine.means, expected.means, rtol=1e-8)
    assert np.allclose(mine.deviations, expected.deviations, rtol=1e-8)


@pytest.mark.parametrize("posterior", ["beta", "linear", "logistic", "shared"])
def test_a_generation_without_any_impressions_has_a_posterior(workspace: Workspace, posterior: str) -> None:
    shorten(workspace)
    made = train(workspace, Config.of(posterior=posterior), SerialExecutor(), silent, shard_size=1)
    assert (folder_of(workspace, made.generation) / "posterior" / f"{posterior}.npz").is_file()
