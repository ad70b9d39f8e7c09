"""A survey counts for as much as what users do bears it out, and less the more they do."""

import numpy as np
import polars as pl
import pytest

from bandit.arrays import Bool
from batch.datasets import synthetic
from batch.datasets.blending import pulls
from batch.datasets.contexts import TASTES, contexts
from batch.datasets.ratings import GENRES
from batch.datasets.surveys import LEAST_ANSWERS, stated, survey_weight
from batch.datasets.tastes import SHRINKAGE

COUNT = 3000


def answers(said: np.ndarray) -> pl.Series:
    """Lists of the genres that are marked in (n, g)."""
    named = [[GENRES[genre] for genre in np.flatnonzero(row)] for row in said]
    return pl.Series(named, dtype=pl.List(pl.String))


def users(
    weight: float, seed: int, asked: float = 0.5, error: float = 1.0
) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    """Own tastes, shrunk as those of contexts are, ratings, and who named what: tastes lie ``weight`` further where named.

    A rating errs by a variance of κ · ``error`` where users differ by 1.
    """
    random = np.random.default_rng(seed)
    likely = random.random((COUNT, len(GENRES))) < random.uniform(0.1, 0.4, len(GENRES))
    named: Bool = np.asarray(likely & (random.random(COUNT) < asked)[:, None], dtype=np.bool_)
    asked_rows = np.asarray(named.any(axis=1))
    offset = np.where(asked_rows[:, None], named - named[asked_rows].mean(axis=0), 0.0)
    tastes = weight * offset + random.standard_normal(named.shape)
    ratings = np.where(random.random(COUNT) < 0.2, 0, random.integers(1, 200, COUNT))
    noise = np.sqrt(SHRINKAGE * error / np.maximum(ratings, 1))[:, None] * random.standard_normal(named.shape)
    own = (tastes + noise) * (ratings / (ratings + SHRINKAGE))[:, None]
    signals = dict.fromkeys(("country", "device", "campaign"), pl.lit(None, pl.String))
    return own, ratings, pl.DataFrame({"survey": answers(named)}).with_columns(**signals)


def said_of(frame: pl.DataFrame) -> np.ndarray:
    said = stated(frame)
    assert said is not None
    return said


@pytest.mark.parametrize("weight", [0.1, 0.4, 1.0, 2.0])
@pytest.mark.parametrize("error", [0.2, 1.0, 5.0])
def test_a_known_weight_is_found(weight: float, error: float) -> None:
    found = []
    for seed in range(8):
        own, ratings, frame = users(weight, seed, error=error)
        found.append(survey_weight(own, ratings, said_of(frame)))
    assert np.mean(found) == pytest.approx(weight, abs=0.03)
    assert np.std(found) < 0.05


def test_answers_that_say_nothing_weigh_next_to_nothing() -> None:
    found = [
        survey_weight(own, ratings, said_of(frame)) for own, ratings, frame in (users(0.0, seed) for seed in range(40))
    ]
    assert sum(weight == 0 for weight in found) >= 24
    assert max(found) < 0.06
    assert np.mean(found) < 0.01


def test_answers_that_say_the_opposite_of_what_users_do_are_not_believed() -> None:
    own, ratings, frame = users(-0.5, 1)
    assert survey_weight(own, ratings, said_of(frame)) == 0


def test_few_answers_weigh_nothing() -> None:
    own, ratings, frame = users(2.0, 1, asked=1.0)
    known = np.flatnonzero(ratings > 0)
    for count, is_believed in ((LEAST_ANSWERS - 1, False), (LEAST_ANSWERS, True)):
        rows = np.append(
            known[:count], np.flatnonzero(ratings == 0)
        )  # answers of whom nothing else is known tell nothing
        weight = survey_weight(own[rows], ratings[rows], said_of(frame[rows]))
        assert (weight > 0) == is_believed


def test_one_user_who_answers_unlike_all_others_is_not_believed_alone() -> None:
    """499 users name one genre, one names another: 500 answers of which only that one says something."""
    random = np.random.default_rng(6)
    named = np.zeros((500, len(GENRES)), dtype=np.bool_)
    named[1:, 3] = named[0, 4] = True
    said = named - named.mean(axis=0)
    found = []
    for _ in range(60):
        ratings = random.integers(1, 200, 500)
        own = random.standard_normal(named.shape) * np.sqrt(ratings / (ratings + SHRINKAGE))[:, None]
        found.append(survey_weight(own, ratings, said))
    assert sum(weight > 0 for weight in found) <= 3


def test_a_user_of_whom_nothing_else_is_known_has_what_was_stated_and_it_fades() -> None:
    own, ratings, frame = users(1.0, 3)
    said = said_of(frame)
    weight = survey_weight(own, ratings, said)
    assert weight > 0.9
    new = (ratings == 0) & said.any(axis=1)
    sessions = np.where(ratings > 0, 3, 0)
    pulled = pulls(own, ratings, sessions, frame)
    assert np.allclose(pulled[new], weight * said[new])
    assert not pulled[~said.any(axis=1)].any()
    rows = np.flatnonzero(said.any(axis=1) & (ratings > 0))
    share = np.abs(pulled[rows]).sum(axis=1) / np.abs(weight * said[rows]).sum(axis=1)
    assert (share <= SHRINKAGE / (SHRINKAGE + ratings[rows]) + 1e-12).all()
    assert share[ratings[rows] > 150].max() < 0.15


def test_who_gave_no_answer_is_pulled_as_if_nobody_had() -> None:
    own, ratings, frame = users(1.0, 4)
    without = frame.drop("survey")
    empty = without.with_columns(survey=pl.Series([[]] * COUNT, dtype=pl.List(pl.String)))
    null = without.with_columns(survey=pl.lit(None, pl.List(pl.String)))
    assert stated(without) is stated(empty) is stated(null) is None
    sessions = np.where(ratings > 0, 3, 0)
    plain = pulls(own, ratings, sessions, without)
    mine = pulls(own, ratings, sessions, frame)
    rows = ~said_of(frame).any(axis=1)
    assert np.array_equal(plain[rows], mine[rows])


def test_new_users_who_answered_have_tastes_nearer_to_their_own() -> None:
    """Answers are of the world's true tastes: three genres above others, each missed or made up one time in five."""
    dataset = synthetic.build(1500, 5, seed=2)
    assert dataset.history is not None
    random = np.random.default_rng(1)
    truth = dataset.world.tastes
    top = truth.argsort(axis=1).argsort(axis=1) >= truth.shape[1] - 3
    frame = dataset.tables.users
    asked = frame.with_columns(survey=answers(np.where(random.random(top.shape) < 0.2, ~top, top)))
    sessions = frame["sessions"].to_numpy()
    plain, made = (contexts(dataset.history, table, sessions)[:, TASTES] for table in (frame, asked))
    new = sessions == 0
    before, after = (np.corrcoef(own[new].ravel(), truth[new].ravel())[0, 1] for own in (plain, made))
    assert after > before + 0.05
    old = sessions > 0
    before, after = (np.corrcoef(own[old].ravel(), truth[old].ravel())[0, 1] for own in (plain, made))
    assert after > before


def test_plays_that_count_for_a_tenth_of_a_rating_are_weighed_as_such() -> None:
    own, ratings, frame = users(1.0, 5)
    said, sessions = said_of(frame), np.where(ratings > 0, 3, 0)
    new = (ratings == 0) & said.any(axis=1)
    weighed, counted = (
        pulls(own, 10 * ratings, sessions, frame, weights)[new][0] / said[new][0]
        for weights in (ratings.astype(np.float64), None)
    )
    assert weighed[0] == pytest.approx(1.0, abs=0.05)
    assert counted[0] < 0.9
