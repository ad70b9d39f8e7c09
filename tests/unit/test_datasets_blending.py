"""Tastes of new users start at their segment's and become their own."""

import numpy as np
import polars as pl
import pytest

from batch.datasets import synthetic
from batch.datasets.blending import FEWEST_SESSIONS, MOST_SESSIONS, distances, half_sessions, pulls, segment_means
from batch.datasets.contexts import TASTES, contexts
from batch.datasets.tastes import SHRINKAGE
from batch.workspace.tables import context_matrix

COUNT = 2000


def users(says_something: bool = True) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    """Tastes, ratings, and signals: whoever is in the US likes the first of two genres."""
    random = np.random.default_rng(2)
    is_us = random.random(COUNT) < 0.5
    tastes = random.standard_normal((COUNT, 2))
    tastes[:, 0] += (2.0 * is_us - 1.0) * says_something
    ratings = np.where(random.random(COUNT) < 0.2, 0, random.integers(1, 200, COUNT))
    tastes[ratings == 0] = 0.0
    signals = {"country": np.where(is_us, "US", "BR").tolist(), "device": [None] * COUNT, "campaign": [None] * COUNT}
    return tastes, ratings, pl.DataFrame(signals, schema=dict.fromkeys(signals, pl.String))


def test_a_user_without_sessions_has_the_tastes_of_the_segment() -> None:
    tastes, ratings, signals = users()
    pulled = pulls(tastes, ratings, np.where(ratings > 0, 3, 0), signals)
    new = np.flatnonzero(ratings == 0)
    expected = np.where(signals["country"] == "US", 1.0, -1.0)[new]
    assert (tastes + pulled)[new, 0] == pytest.approx(expected, abs=0.15)
    assert np.abs((tastes + pulled)[new, 1]).max() < 0.1


@pytest.mark.parametrize("sessions", [1, 5, 10, 100])
def test_the_segment_fades_as_sessions_come(sessions: int) -> None:
    tastes, ratings, signals = users()
    ratings = np.minimum(ratings, 1)
    means = segment_means(tastes, ratings > 0, signals)
    pulled = pulls(tastes, ratings, np.full(COUNT, sessions), signals)
    share = pulled[:, 0] / means[:, 0]
    assert share.max() == pytest.approx(share.min())
    assert FEWEST_SESSIONS / (FEWEST_SESSIONS + sessions) <= share[0] + 1e-12
    assert share[0] <= MOST_SESSIONS / (MOST_SESSIONS + sessions) + 1e-12


def test_who_has_many_ratings_is_pulled_by_no_more_than_they_leave_open() -> None:
    tastes, ratings, signals = users()
    means = segment_means(tastes, ratings > 0, signals)
    share = pulls(tastes, ratings, np.zeros(COUNT, dtype=np.int64), signals)[:, 0] / means[:, 0]
    assert share == pytest.approx(SHRINKAGE / (SHRINKAGE + ratings))


def test_signals_that_say_nothing_pull_nobody() -> None:
    tastes, ratings, signals = users(says_something=False)
    assert np.abs(pulls(tastes, ratings, np.zeros(COUNT, dtype=np.int64), signals)).max() < 0.05


def test_users_without_signals_are_not_pulled() -> None:
    tastes, ratings, signals = users()
    none = signals.with_columns(country=pl.lit(None, pl.String))
    assert not pulls(tastes, ratings, np.zeros(COUNT, dtype=np.int64), none).any()
    few = slice(0, 20)
    assert not pulls(tastes[few], ratings[few], np.zeros(20, dtype=np.int64), signals[few]).any()


@pytest.mark.parametrize(("error", "low", "high"), [(0.0, 5.0, 5.0), (15.0, 7.0, 8.0), (1000.0, 10.0, 10.0)])
def test_the_sessions_that_count_as_much_as_the_segment_are_found(error: float, low: float, high: float) -> None:
    """Users differ by 1, a rating errs by a variance of ``error``, a session brings two ratings: n0 is error / 2, bounded."""
    random = np.random.default_rng(7)
    ratings = random.integers(1, 60, 20_000)
    seen = random.standard_normal((20_000, 8)) + np.sqrt(error / ratings)[:, None] * random.standard_normal((20_000, 8))
    shrunk = seen * (ratings / (ratings + SHRINKAGE))[:, None]
    found = half_sessions(shrunk, ratings, np.maximum(ratings // 2, 1))
    assert low - 0.3 <= found <= high + 0.3


@pytest.mark.parametrize("ratings", [[], [0, 0, 0], [5], [5, 5, 5]])
def test_where_nothing_tells_it_the_most_sessions_count(ratings: list[int]) -> None:
    own = np.array(ratings, dtype=np.int64)
    assert half_sessions(np.ones((len(own), 2)), own, np.ones_like(own)) == MOST_SESSIONS


def test_new_users_of_a_data_set_have_the_tastes_of_their_segment_and_the_others_nearly_their_own() -> None:
    dataset = synthetic.build(1500, 5, seed=2)
    assert dataset.history is not None
    frame = dataset.tables.users
    plain, made = contexts(dataset.history), context_matrix(frame)
    moved = np.abs(made - plain)[:, TASTES].mean(axis=1)
    sessions = frame["sessions"].to_numpy()
    assert moved[sessions == 0].mean() > 2 * moved[sessions > 0].mean()
    assert not np.delete(np.abs(made - plain), np.arange(TASTES.start, TASTES.stop), axis=1).any()
    truth, new = dataset.world.tastes, sessions == 0
    agree = np.corrcoef(made[new, TASTES].ravel(), truth[new].ravel())[0, 1]
    assert agree > 0.1
    assert not plain[new, TASTES].any()  # without signals there is nothing that could


@pytest.mark.parametrize("apart", [0.0, 1.0, 2.0])
def test_how_far_segments_are_apart_says_nothing_of_how_fast_sessions_overrule_them(apart: float) -> None:
    random = np.random.default_rng(1)
    count, error = 20_000, 240.0  # of a rating, where users of a segment differ by 1
    ratings = np.maximum(1, np.rint(60 * np.exp(random.standard_normal(count)))).astype(np.int64)
    side = np.where(random.random(count) < 0.5, -1.0, 1.0)[:, None]
    noise = np.sqrt(error / ratings)[:, None] * random.standard_normal((count, 6))
    tastes = (apart * side + random.standard_normal((count, 6)) + noise) * (ratings / (ratings + SHRINKAGE))[:, None]
    means = np.where(side > 0, tastes[side[:, 0] > 0].mean(axis=0), tastes[side[:, 0] < 0].mean(axis=0))
    sessions = np.maximum(1, np.rint(ratings / 40)).astype(np.int64)
    expected = error / (ratings.sum() / sessions.sum())
    assert FEWEST_SESSIONS < expected < MOST_SESSIONS
    assert half_sessions(distances(tastes, ratings, means), ratings, sessions) == pytest.approx(expected, rel=0.05)
