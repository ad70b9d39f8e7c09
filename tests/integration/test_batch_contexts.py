"""Contexts of users from their own rows: who has played gets new ones, and what is its owner's stays as it is."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from shell import assert_refused, call
from simulated_days import SimulatedWorkspace

from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.contexts import FEATURES, contexts
from batch.datasets.ratings import GENRES
from batch.datasets.refreshing import Refreshed, refresh_contexts
from batch.store.client import URL_VARIABLE
from batch.workspace.generations import finished, folder_of
from batch.workspace.tables import context_matrix
from batch.workspace.workspace import Workspace

USERS = 250


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of explore data in a workspace whose contexts were made here; nobody else writes to it."""
    root = tmp_path_factory.mktemp("played")
    loop = SimulatedWorkspace.build(root, synthetic.build(USERS, 30, seed=5), Config(seed=5))
    for day in range(2):
        loop.explore(day)
    return root


@pytest.fixture
def workspace(played: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(played, tmp_path, dirs_exist_ok=True)
    return Workspace(tmp_path)


def contexts_of(workspace: Workspace) -> np.ndarray:
    return context_matrix(pl.read_parquet(workspace.users).sort("user_id"))


def only(workspace: Workspace, wanted: pl.Expr) -> None:
    """Leave some rows of the log alone."""
    for path in workspace.impressions.rglob("*.parquet"):
        pl.read_parquet(path).filter(wanted).write_parquet(path)


def test_contexts_of_data_are_those_of_the_history_that_is_kept(workspace: Workspace) -> None:
    dataset = synthetic.build(USERS, 30, seed=5)
    assert dataset.history is not None
    kept = pl.read_parquet(workspace.history)
    assert kept["user_id"].to_list() == pl.read_parquet(workspace.users)["user_id"].to_list()
    users = dataset.tables.users
    assert (contexts(dataset.history, users, users["sessions"].to_numpy()) == contexts_of(workspace)).all()


def test_who_has_played_gets_a_new_context_and_nobody_else(workspace: Workspace) -> None:
    before, ids = contexts_of(workspace), pl.read_parquet(workspace.users).sort("user_id")["user_id"]
    some = ids[:40].to_list()
    only(workspace, pl.col("user_id").is_in(some))
    made = refresh_contexts(workspace)
    assert (made.users, made.kept) == (40, "")
    changed = (contexts_of(workspace) != before).any(axis=1)
    assert ids.filter(pl.Series(changed)).to_list() == some


def test_a_second_time_gives_the_same_bytes(workspace: Workspace) -> None:
    first = refresh_contexts(workspace)
    after = workspace.users.read_bytes()
    assert refresh_contexts(workspace) == first
    assert workspace.users.read_bytes() == after


def test_without_a_play_every_context_stays(workspace: Workspace) -> None:
    before = workspace.users.read_bytes()
    only(workspace, ~pl.col("clicked"))
    assert refresh_contexts(workspace) == Refreshed(0, 0)
    assert workspace.users.read_bytes() == before


def test_once_the_log_is_gone_every_context_is_the_first_one_again(workspace: Workspace) -> None:
    before = workspace.users.read_bytes()
    refresh_contexts(workspace)
    shutil.rmtree(workspace.impressions)
    refresh_contexts(workspace)
    assert (contexts_of(workspace) == context_matrix(pl.read_parquet(workspace.history))).all()
    assert workspace.users.read_bytes() == before


def test_a_run_refreshes_contexts_unless_it_is_to_keep_them(workspace: Workspace, store: str) -> None:
    before = workspace.users.read_bytes()
    words = ("run", "-w", str(workspace.root), "--json")
    kept = json.loads(call(*words, "--contexts", "keep", **{URL_VARIABLE: store}).out)
    assert (kept["refreshed"]["kept"], workspace.users.read_bytes() == before) == ("as was asked", True)
    done = json.loads(call(*words, **{URL_VARIABLE: store}).out)
    assert done["refreshed"]["users"] > USERS / 2
    generation = folder_of(workspace, done["trained"]["generation"])
    drawn_from = context_matrix(pl.read_parquet(generation / "contexts" / "part-000000.parquet"))
    assert (drawn_from == contexts_of(workspace)).all()


def test_takes_of_a_genre_raise_its_affinity(workspace: Workspace) -> None:
    titles = pl.read_parquet(workspace.titles)
    of_genre = titles.filter(pl.col("genres").list.contains("Drama"))["title_id"].to_list()
    users = pl.read_parquet(workspace.users).sort("user_id")["user_id"]
    fan = users[3]
    own = pl.col("user_id") == fan
    only(workspace, ~own | pl.col("title_id").is_in(of_genre))
    before = contexts_of(workspace)[3]
    refresh_contexts(workspace)
    after, drama = contexts_of(workspace)[3], 1 + GENRES.index("Drama")
    assert FEATURES[drama] == "Drama"
    others = [place for place in range(1, 19) if place != drama]
    assert after[drama] - before[drama] > np.mean(after[others] - before[others])


def test_plays_tell_the_tastes_of_users_of_whom_nothing_was_known(workspace: Workspace) -> None:
    """The correlation with the true tastes is above that of the segment's, and above 0 by more than four standard errors."""
    loop = SimulatedWorkspace.of(workspace.root, Config(seed=5))
    cold = pl.read_parquet(workspace.history)["ratings"].to_numpy() == 0
    of_segment = contexts_of(workspace)[cold, 1:19]
    refresh_contexts(workspace)
    known = contexts_of(workspace)[cold, 1:19]
    before, after = (
        np.corrcoef((found - found.mean(axis=0)).ravel(), loop.world.tastes[cold].ravel())[0, 1]
        for found in (of_segment, known)
    )
    assert after > max(before, 4 / np.sqrt(known.size)), (before, after)


@pytest.mark.parametrize(
    "change", ["other contexts", "other users", "no history", "no record", "other features", "damaged"]
)
def test_contexts_of_their_owner_stay_as_they_are(workspace: Workspace, change: str) -> None:
    if change == "other contexts":
        users = pl.read_parquet(workspace.users)
        users.with_columns(context=pl.col("context").list.eval(pl.element() * 2)).write_parquet(workspace.users)
    elif change == "other users":
        pl.read_parquet(workspace.users)[:-1].write_parquet(workspace.users)
    elif change == "no history":
        workspace.history.unlink()
    elif change == "no record":
        workspace.made_contexts.unlink()
    elif change == "other features":
        record = json.loads(workspace.made_contexts.read_bytes())
        workspace.made_contexts.write_text(json.dumps(record | {"features": ["constant"]}))
    else:
        workspace.made_contexts.write_bytes(b"\xff{")
    before = workspace.users.read_bytes()
    made = refresh_contexts(workspace)
    assert (made.users, bool(made.kept)) == (0, True)
    assert workspace.users.read_bytes() == before


def test_a_write_that_died_between_record_and_table_is_taken_up(workspace: Workspace) -> None:
    before = workspace.users.read_bytes()
    refresh_contexts(workspace)
    after = workspace.users.read_bytes()
    workspace.users.write_bytes(before)  # as if the table had not been written
    assert refresh_contexts(workspace).kept == ""
    assert workspace.users.read_bytes() == after


def with_survey(workspace: Workspace, answers: pl.Expr) -> None:
    pl.read_parquet(workspace.users).with_columns(survey=answers).write_parquet(workspace.users)


@pytest.mark.parametrize(
    "nothing",
    [pl.lit(None, pl.List(pl.String)), pl.lit(None), pl.lit([], pl.List(pl.Null)), pl.lit([], pl.List(pl.String))],
)
def test_a_survey_without_answers_changes_no_byte_of_a_context(
    nothing: pl.Expr, workspace: Workspace, tmp_path: Path
) -> None:
    """Whatever a writer of Parquet makes of a column in which nobody said anything."""
    other = Workspace(shutil.copytree(workspace.root, tmp_path / "other"))
    with_survey(other, nothing)
    for own in (workspace, other):
        assert refresh_contexts(own).answers == 0
    assert contexts_of(workspace).tobytes() == contexts_of(other).tobytes()


def test_answers_of_a_fixed_number_are_answers_and_without_them_contexts_are_as_before(workspace: Workspace) -> None:
    refresh_contexts(workspace)
    before = contexts_of(workspace)
    genre = pl.read_parquet(workspace.titles)["genres"].explode()[0]
    with_survey(workspace, pl.lit([genre], pl.Array(pl.String, 1)))
    assert refresh_contexts(workspace).answers == USERS
    with_survey(workspace, pl.lit(None))
    assert refresh_contexts(workspace).kept == ""
    assert contexts_of(workspace).tobytes() == before.tobytes()


def test_a_run_gives_who_answered_a_context_of_it_before_anything_is_played(workspace: Workspace, store: str) -> None:
    """Everybody names what the world says is their favourite genre of the titles; new users get it as a taste."""
    world = SimulatedWorkspace.of(workspace.root, Config(seed=5)).world
    there = set(pl.read_parquet(workspace.titles)["genres"].explode())
    genres = [place for place, genre in enumerate(GENRES) if genre in there]
    favourites = [genres[place] for place in world.tastes[:, genres].argmax(axis=1)]
    users = pl.read_parquet(workspace.users).sort("user_id")
    bare = dict.fromkeys(("country", "device", "campaign"), pl.lit(None, pl.String))
    users = users.with_columns(survey=pl.Series([[GENRES[place]] for place in favourites]), **bare)
    users.write_parquet(workspace.users)
    shutil.rmtree(workspace.impressions)
    done = call("run", "-w", str(workspace.root), **{URL_VARIABLE: store})
    assert f"made of 0 plays and {USERS} answers to the survey" in done.out
    assert (done.code, pl.read_parquet(workspace.users).columns[-1]) == (0, "survey")
    cold = np.flatnonzero(pl.read_parquet(workspace.history)["ratings"].to_numpy() == 0)
    tastes = contexts_of(workspace)[cold, 1:19]
    assert len(cold) > 20
    assert (tastes[np.arange(len(cold)), np.array(favourites)[cold]] > 0.2).all()
    assert np.corrcoef(tastes.ravel(), world.tastes[cold].ravel())[0, 1] > 0.2
    generation = folder_of(workspace, max(finished(workspace, "precomputed")))
    drawn_from = context_matrix(pl.read_parquet(generation / "contexts" / "part-000000.parquet"))
    assert (drawn_from == contexts_of(workspace)).all()


def test_a_genre_that_no_title_has_is_refused_and_nothing_is_made(workspace: Workspace, store: str) -> None:
    with_survey(workspace, pl.lit(["Telenovela"]))
    before = workspace.users.read_bytes()
    refused = call("run", "-w", str(workspace.root), **{URL_VARIABLE: store})
    assert_refused(refused, 2, "column survey, row 1")
    assert "expected genres of titles.parquet" in refused.err
    assert workspace.users.read_bytes() == before
