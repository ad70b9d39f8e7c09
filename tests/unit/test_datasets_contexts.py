"""Contexts: what ratings before a cut tell of a user, and nothing from after it."""

import numpy as np
import polars as pl
import pytest

from batch.datasets.contexts import FEATURES, contexts, cut_time, history_before, sessions_before
from batch.datasets.movielens import build, user_table
from batch.datasets.ratings import GENRES, Ratings
from batch.datasets.tastes import genre_affinities, standardise, title_appeal, user_bias

DAY = 86_400


def drawn_ratings(seed: int) -> Ratings:
    """Forty users, thirty titles, six hundred ratings over fifty days; the last five users rate late only."""
    random = np.random.default_rng(seed)
    user, title = random.integers(40, size=600), random.integers(30, size=600)
    late = user >= 35
    days = np.where(late, random.uniform(41, 50, 600), random.uniform(0, 50, 600))
    return Ratings(
        users=pl.DataFrame(
            {
                "user_id": [f"u{number:04d}" for number in range(40)],
                "age": [20 + number for number in range(40)],
                "gender": ["M", "F", None, "F"] * 10,
            }
        ),
        titles=pl.DataFrame(
            {
                "title_id": [f"m{number:04d}" for number in range(30)],
                "name": ["A title"] * 30,
                "year": [1999] * 30,
                "genres": [[GENRES[number % 18], GENRES[(number * 5 + 1) % 18]] for number in range(30)],
            }
        ),
        ratings=pl.DataFrame(
            {
                "user_id": [f"u{number:04d}" for number in user],
                "title_id": [f"m{number:04d}" for number in title],
                "rating": random.integers(1, 6, size=600),
                "rated_at": (days * DAY).astype(np.int64),
            }
        ),
    )


CUT = 40.0 * DAY


@pytest.fixture
def ratings() -> Ratings:
    return drawn_ratings(5)


def test_users_do_not_change_when_every_rating_after_the_cut_is_removed(ratings: Ratings) -> None:
    before = Ratings(ratings.users, ratings.titles, ratings.ratings.filter(pl.col("rated_at") < CUT))
    assert before.ratings.height < ratings.ratings.height
    assert user_table(before, CUT, seed=7).equals(user_table(ratings, CUT, seed=7), null_equal=True)


def test_users_do_not_change_when_every_rating_after_the_cut_is_another(ratings: Ratings) -> None:
    late = pl.col("rated_at") >= CUT
    changed = ratings.ratings.with_columns(
        rating=pl.when(late).then(6 - pl.col("rating")).otherwise("rating"),
        title_id=pl.when(late).then(pl.lit("m0003")).otherwise("title_id"),
    )
    assert not changed.equals(ratings.ratings)
    other = Ratings(ratings.users, ratings.titles, changed)
    assert user_table(other, CUT, seed=7).equals(user_table(ratings, CUT, seed=7), null_equal=True)


def test_users_do_change_with_a_rating_before_the_cut(ratings: Ratings) -> None:
    other = Ratings(ratings.users, ratings.titles, ratings.ratings.sort("rated_at")[1:])
    assert not user_table(other, CUT, seed=7).equals(user_table(ratings, CUT, seed=7), null_equal=True)


def test_the_cut_has_four_fifths_of_the_ratings_before_it(ratings: Ratings) -> None:
    assert (ratings.times < cut_time(ratings)).mean() == pytest.approx(0.8, abs=0.01)


def test_contexts_of_selected_users_are_those_of_all(ratings: Ratings) -> None:
    every, some = build(ratings, seed=7).tables.users, build(ratings, seed=7, n_users=10, n_titles=5).tables.users
    assert some.equals(every.filter(pl.col("user_id").is_in(some["user_id"].implode())), null_equal=True)


def test_a_context_has_the_constant_first_and_standardised_features_after(ratings: Ratings) -> None:
    history = history_before(ratings, CUT)
    found = contexts(history)  # (n, d)
    warm = history.ratings > 0
    assert found.shape == (40, len(FEATURES))
    assert (found[:, 0] == 1.0).all()
    for feature in range(1, 1 + len(GENRES)):
        assert found[warm, feature].mean() == pytest.approx(0.0, abs=1e-5)
        assert found[warm, feature].std() == pytest.approx(1.0, abs=1e-5)
    assert found[:4, FEATURES.index("gender")].tolist() == [1.0, -1.0, 0.0, -1.0]


def test_a_user_without_history_stands_at_the_mean(ratings: Ratings) -> None:
    history = history_before(ratings, CUT)
    cold = contexts(history)[history.ratings == 0]
    assert len(cold) == 5
    assert (cold[:, 1 : 1 + len(GENRES)] == 0.0).all()
    assert (cold[:, FEATURES.index("recency")] == 0.0).all()


def test_recency_grows_with_the_days_since_the_last_rating(ratings: Ratings) -> None:
    history = history_before(ratings, CUT)
    last = ratings.ratings.filter((pl.col("rated_at") < CUT) & (pl.col("user_id") == "u0000"))["rated_at"].to_numpy()
    assert history.idle_days[0] == pytest.approx((CUT - last.max()) / DAY)


def test_sessions_are_the_days_with_ratings_before_the_cut(ratings: Ratings) -> None:
    found = sessions_before(ratings, CUT)
    days = {
        user: {time // DAY for rater, _, _, time in ratings.ratings.rows() if rater == user and time < CUT}
        for user in ratings.users["user_id"]
    }
    assert found.tolist() == [len(days[user]) for user in ratings.users["user_id"]]


def test_an_affinity_is_the_one_worked_by_hand() -> None:
    ratings = Ratings(
        users=pl.DataFrame({"user_id": ["u1", "u2", "u3"], "age": [30, 30, 30], "gender": ["M", "M", "M"]}),
        titles=pl.DataFrame(
            {"title_id": ["m1", "m2"], "name": ["", ""], "year": [1, 1], "genres": [["Drama"], ["Comedy"]]}
        ),
        ratings=pl.DataFrame(
            {
                "user_id": ["u1", "u1", "u2", "u2"],
                "title_id": ["m1", "m2", "m1", "m2"],
                "rating": [5, 3, 4, 4],
                "rated_at": [0, 0, 0, 0],
            }
        ),
    )
    found = genre_affinities(ratings)
    # Of four ratings, two are liked dramas and one is a liked comedy: the base is 1/2 and 1/4.
    drama, comedy = GENRES.index("Drama"), GENRES.index("Comedy")
    assert found[0, drama] == pytest.approx(np.log((1 + 20 * 0.5) / (2 + 20) / 0.5))
    assert found[0, comedy] == pytest.approx(np.log((0 + 20 * 0.25) / (2 + 20) / 0.25))
    assert found[2].tolist() == [0.0] * len(GENRES)
    assert (found[:, GENRES.index("War")] == 0.0).all()


def test_biases_and_appeals_are_z_scores(ratings: Ratings) -> None:
    for found in (user_bias(ratings), title_appeal(ratings)):
        assert found.mean() == pytest.approx(0.0, abs=1e-9)
        assert found.std() == pytest.approx(1.0)


def test_a_constant_column_is_standardised_to_nought() -> None:
    assert standardise(np.full((3, 1), 4.0)).tolist() == [[0.0], [0.0], [0.0]]
