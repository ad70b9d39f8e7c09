"""What is served, reported and joined gives unbiased estimates: the service's own look-ups, its own checks, and the join."""

import numpy as np
import polars as pl
import pytest

from artwork.bench.evaluation.served_days import (
    ESTIMATORS,
    TARGETS,
    Runs,
    ServedDays,
    coverage_of_days,
    estimates_of,
    run_days,
)
from artwork.bench.evaluation.served_visits import Habits
from artwork.bench.evaluation.served_world import N_ARMS, N_TITLES, RETIRED, World
from bandit.posterior import LinearPosterior
from batch.executors import open_executor

MANY, A_TASK = 100, 25


@pytest.fixture(scope="module")
def served_days() -> ServedDays:
    return run_days(Runs(0, 8))


def test_the_days_have_what_could_bias_an_estimate(served_days: ServedDays) -> None:
    shown = served_days.rows.group_by("source", "revision").len()
    assert {(source, revision) for source, revision, _ in shown.rows()} == {
        (source, revision) for source in ("personalized", "popularity") for revision in range(len(RETIRED))
    }
    assert served_days.rows["policy"].n_unique() == 4  # two variants, explore data and the fallback
    assert served_days.joined.days > 1  # some clocks are a day behind
    assert served_days.joined.duplicates > 1000
    assert served_days.joined.set_aside.keys() == {"unknown user"}  # whatever is true is learned from


def test_plays_that_come_late_twice_and_before_their_impressions_are_all_joined(served_days: ServedDays) -> None:
    """Those of users without a context, who are set aside, have nothing to join."""
    rows, joined = served_days.rows, served_days.joined
    assert joined.joined_plays == rows["clicked"].sum()
    of_nobody = 0.3 + 0.7 * 0.1  # they take, or browse
    assert joined.orphan_plays / joined.set_aside["unknown user"] == pytest.approx(of_nobody, abs=0.08)


def test_nothing_is_shown_under_a_revision_that_retires_it(served_days: ServedDays) -> None:
    for row in served_days.rows.select("title_id", "artwork_id", "revision").unique().iter_rows(named=True):
        assert row["artwork_id"] not in RETIRED[row["revision"]].retired.get(row["title_id"], ())


def test_every_artwork_counts_once_under_every_revision(served_days: ServedDays) -> None:
    """Σ 1 / propensity of an artwork over the impressions of its title, by user: 1 on average."""
    users = served_days.rows.group_by("generation", "user_id", "title_id", "revision").agg(
        pl.len(),
        *((pl.col("propensity") ** -1).filter(pl.col("arm") == arm).sum().alias(f"w{arm}") for arm in range(N_ARMS)),
    )
    zs = []
    for (title, revision), own in users.group_by("title_id", "revision"):
        gone = RETIRED[int(str(revision))].retired.get(str(title), ())
        for arm in range(N_ARMS):
            if f"{title}-a{arm}" not in gone:
                off = (own[f"w{arm}"] - own["len"]).to_numpy()
                zs.append(off.mean() / (off.std() / np.sqrt(len(off))))
    assert len(zs) == 12 + 11 + 9
    assert np.abs(zs).max() < 4.5
    assert abs(np.mean(zs)) < 1


def test_of_a_client_that_always_claims_the_fallback_only_what_it_would_have_drawn_is_learned() -> None:
    told = run_days(Runs(0, 3, Habits(failing=(0.0, 0.0, 0.0), claims="popularity")))
    aside = told.joined.set_aside
    known = told.joined.rows + sum(aside.values()) - aside["unknown user"]
    assert 0.3 < told.joined.rows / known < 0.75  # users without a pick and retired picks told the truth
    assert aside.keys() == {"unknown user", "not the draw"}


def test_where_a_client_leaves_out_the_revision_answers_in_place_of_retired_picks_are_set_aside() -> None:
    told = run_days(Runs(0, 3, Habits(tells_revision=False)))
    assert told.joined.set_aside["not the draw"] > 0


@pytest.mark.simulations
def test_estimates_from_what_was_joined_are_unbiased_and_their_intervals_hold_the_truth() -> None:
    tasks = [Runs(first, first + A_TASK) for first in range(0, MANY, A_TASK)]
    with open_executor("processes", 2) as executor:
        found = coverage_of_days(list(executor.map(estimates_of, tasks)))
    assert len(found.rows) == len(TARGETS) * len(ESTIMATORS)
    for row in found.rows:
        assert row.covered >= 0.95 - 3.5 * (0.95 * 0.05 / MANY) ** 0.5, row
        assert abs(row.bias) < 4 * row.error, row


@pytest.mark.simulations
def test_a_posterior_of_what_was_joined_tends_to_the_truth() -> None:
    """Linear rewards, logged by what depends on the context, with fallbacks and retirements."""
    world, rows = World.drawn(), run_days(Runs(1000, 1050)).rows
    arms = rows["title_id"].str.slice(1).cast(pl.Int64).to_numpy() * N_ARMS + rows["arm"].cast(pl.Int64).to_numpy()
    contexts = np.array(rows["context"].to_list(), dtype=np.float64)
    posterior = LinearPosterior(N_TITLES * N_ARMS, contexts.shape[1])
    posterior.observe(contexts, arms, rows["reward"].to_numpy())
    learned = world.contexts.mean(axis=0) @ posterior.mean.T
    errors = np.sqrt(0.25 / np.bincount(arms))
    assert np.abs((learned - world.rates.mean(axis=0).ravel()) / errors).max() < 4.5
