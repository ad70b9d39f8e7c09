"""Interleavings on a workspace: read within users, checked first, refused by what splits users, honest about carry-over."""

import json
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import naive
import numpy as np
import polars as pl
import pytest
from make_impressions import make_generation
from seeded_experiment import (
    END,
    INTERLEAVING,
    LIKE,
    LIVE_DAYS,
    START,
    TODAY,
    Response,
    begin,
    live,
    live_day,
    source_of,
    write_plan,
)
from shell import assert_refused, call

from bandit.errors import InputError
from batch.config import Config
from batch.experiments.assignment import assigned
from batch.experiments.deciding import decide_now
from batch.experiments.interleaving import interleave
from batch.experiments.listing import experiment_config, experiments_of
from batch.experiments.log_source import see_log
from batch.experiments.measuring import EXPOSED
from batch.experiments.planning import plan_power
from batch.experiments.quality import failed
from batch.experiments.reading import check, peek, read
from batch.experiments.register import registered, start
from batch.workspace.generations import read_manifest
from batch.workspace.impressions import append_impressions, day_files
from batch.workspace.workspace import Workspace

NAME = "mix"


@pytest.fixture(scope="module")
def begun(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the interleaving has started, without a live day."""
    root = tmp_path_factory.mktemp("begun")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    begin(Workspace(root), INTERLEAVING, NAME)
    return root


@pytest.fixture
def fresh(begun: Path, tmp_path: Path) -> Workspace:
    """A copy to write to."""
    shutil.copytree(begun, tmp_path / "fresh")
    return Workspace(tmp_path / "fresh")


def test_generations_are_made_by_title_and_name_the_plan(fresh: Workspace) -> None:
    manifest, config = read_manifest(fresh, 1), experiment_config(fresh, NAME, Config(seed=3))
    assert (manifest.config.splits, manifest.config.salt, manifest.config.names) == (
        (0.5, 0.1),
        NAME,
        ("control", "treatment"),
    )
    assert manifest.experiments == experiments_of(fresh, config) == {NAME: registered(fresh, NAME).version.digest}


def test_the_better_variant_is_preferred_and_values_are_those_of_the_log(fresh: Workspace) -> None:
    live(fresh, 1, Response(0.3), Response(0.4))
    made = interleave(source_of(fresh), NAME)
    assert made.is_readable
    assert [one.metric.name for one in made.preferences] == ["take rate", "click rate"]
    clicks = made.preferences[1]
    assert clicks.effect is not None
    assert clicks.effect.lower > 0
    frames = [
        pl.read_parquet(path) for day in range(LIVE_DAYS) for path in day_files(fresh, START + timedelta(days=day))
    ]
    rows = pl.concat(frames).filter(pl.col("eligible").list.len() > 1)
    rates = [float(rows.filter(policy=name)["clicked"].cast(pl.Float64).mean()) for name in ("control", "treatment")]  # type: ignore[arg-type]
    assert clicks.values == pytest.approx(rates)
    assert sum(split.users for split in clicks.splits) == made.users == rows["user_id"].n_unique()
    assert [split.share for split in clicks.splits] == [0.5, 0.1]
    assert not clicks.carries_over
    # By hand: per split the difference of ratios of sums, pooled by users x share x (1 - share).
    apart = [split.effect.value for split in clicks.splits]
    weights = [split.users * split.share * (1 - split.share) for split in clicks.splits]
    assert clicks.effect.value == pytest.approx(np.average(apart, weights=weights))


def test_variants_alike_are_not_preferred_and_a_look_goes_on_the_register(fresh: Workspace) -> None:
    live(fresh, 1, LIKE, LIKE)
    made = interleave(source_of(fresh), NAME)
    assert made.is_readable
    for one in made.preferences:
        assert one.effect is not None
        assert one.effect.lower < 0 < one.effect.upper
    assert [look.day for look in registered(fresh, NAME).register.looks] == [str(END)]
    assert interleave(source_of(fresh), NAME) == made


def test_titles_that_take_from_each_other_are_told_as_carry_over(fresh: Workspace) -> None:
    """What users take of the control falls with the share of their titles that the treatment has: no split tells a lift."""
    shares = dict(zip(*_splits(fresh), strict=True))
    for number in range(LIVE_DAYS):
        day = START + timedelta(days=number)
        frame = live_day(fresh, day, 1, {})
        random = np.random.default_rng(number)
        share = np.array([shares[user] for user in frame["user_id"]])
        treated = (frame["policy"] == "treatment").to_numpy()
        clicked = random.random(frame.height) < np.where(treated, 0.5, 0.6 - 0.8 * share)
        watched = clicked.astype(np.float64)
        append_impressions(fresh, day, frame.with_columns(clicked=clicked, watch_fraction=watched, reward=watched))
    made = interleave(source_of(fresh), NAME)
    primary = made.preferences[0]
    assert primary.carries_over
    assert any("believe neither" in text for text in made.cautions)
    answer = call("experiment", "interleave", NAME, "--workspace", str(fresh.root))
    assert "splits differ" in answer.out


def _splits(workspace: Workspace) -> tuple[list[str], list[float]]:
    users = pl.read_parquet(workspace.users)["user_id"].to_list()
    return users, [(0.5, 0.1)[naive.split_of(3, NAME, 2, user)] for user in users]


def test_titles_under_the_other_variant_than_they_were_dealt_to_stop_the_reading(fresh: Workspace) -> None:
    for number in range(LIVE_DAYS):
        day = START + timedelta(days=number)
        frame = live_day(fresh, day, 1, {})
        swapped = pl.when(pl.int_range(pl.len()) % 20 == 0).then(pl.lit("treatment")).otherwise(pl.col("policy"))
        append_impressions(fresh, day, frame.with_columns(policy=swapped))
    made = interleave(source_of(fresh), NAME)
    assert not made.is_readable
    assert "crossover" in {check.name for check in failed(made.checks)}
    assert made.preferences == ()


def test_picks_of_one_variant_that_are_lost_stop_the_reading(fresh: Workspace) -> None:
    for number in range(LIVE_DAYS):
        day = START + timedelta(days=number)
        frame = live_day(fresh, day, 1, {})
        lost = (pl.col("policy") == "treatment") & (pl.int_range(pl.len()) % 2 == 0)
        append_impressions(fresh, day, frame.filter(~lost))
    made = interleave(source_of(fresh), NAME)
    assert [check.name for check in failed(made.checks)] == ["ratio of titles"]


def test_days_of_other_generations_alone_are_left_out_and_nothing_is_read(fresh: Workspace) -> None:
    other = make_generation(fresh, "popularity")
    for number in range(LIVE_DAYS):
        day = START + timedelta(days=number)
        append_impressions(fresh, day, live_day(fresh, day, other, {}))
    made = interleave(source_of(fresh), NAME)
    assert not made.is_readable
    assert made.users == 0
    assert made.preferences == ()
    assert "of generations with other variants" in made.notes[0]
    answer = call("experiment", "interleave", NAME, "--workspace", str(fresh.root))
    assert (answer.code, "users failed" in answer.out) == (1, True)


def test_whatever_reads_users_refuses_an_interleaving_and_the_reverse(fresh: Workspace) -> None:
    live(fresh, 1)
    source = source_of(fresh)
    for reads in (read, peek, check, decide_now):
        with pytest.raises(InputError, match=r"is an interleaving.*experiment interleave mix"):
            reads(source, NAME)
    with pytest.raises(InputError, match="is an interleaving"):
        plan_power(fresh, NAME, None)
    with pytest.raises(InputError, match="every user has both variants"):
        assigned(registered(fresh, NAME).plan, ["u0001"])
    for command in ("read", "peek", "check", "decide", "plan", "assign", "explain"):
        assert_refused(call("experiment", command, NAME, "--workspace", str(fresh.root)), 2, "interleaving")
    write_plan(
        fresh,
        INTERLEAVING.replace('kind = "interleaving"\nsplits = [0.5, 0.1]\n', "").replace(
            "policy =", "share = 0.5\npolicy ="
        ),
        "plain",
    )
    call("experiment", "stop", NAME, "--workspace", str(fresh.root))
    start(fresh, "plain", late=True, today=TODAY)
    with pytest.raises(InputError, match=r"no interleaving.*experiment read plain"):
        interleave(source, "plain")


def test_the_command_tells_the_preference_the_splits_and_what_it_is_not(fresh: Workspace) -> None:
    live(fresh, 1, Response(0.3), Response(0.4))
    answer = call("experiment", "interleave", NAME, "--workspace", str(fresh.root))
    assert answer.code == 0, answer.err
    for said in ("treatment preferred", "splits agree", "a preference, not a lift", "users stay"):
        assert said in answer.out
    told = json.loads(call("experiment", "interleave", NAME, "--workspace", str(fresh.root), "--json").out)
    assert [split["share"] for split in told["preferences"][0]["splits"]] == [0.5, 0.1]


def test_a_new_plan_of_an_interleaving_starts_as_it_is(fresh: Workspace) -> None:
    call("experiment", "stop", NAME, "--workspace", str(fresh.root))
    where = "--workspace", str(fresh.root)
    drafted = call("experiment", "new", "another", "--interleaving", *where)
    assert drafted.code == 0, drafted.err
    assert "experiment plan" not in drafted.out
    started = call("experiment", "start", "another", *where)
    assert started.code == 0, started.err
    assert registered(fresh, "another").plan.splits == (0.5, 0.1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--variant", "a=policy=thompson,share=0.5", "--variant", "b=policy=greedy"), "share of users"),
        (("--variant", "a=policy=thompson"), "variants are 1, expected two"),
        ([word for name in "abc" for word in ("--variant", f"{name}=policy=thompson")], "variants are 3, expected two"),
        (("--table", "users.csv"), "not of a table"),
    ],
)
def test_a_new_plan_of_what_is_no_interleaving_is_refused(words: Sequence[str], said: str, tmp_path: Path) -> None:
    answer = call("experiment", "new", "x", "--interleaving", *words, "--workspace", str(tmp_path))
    assert_refused(answer, 2, said)
    assert not list(tmp_path.glob("experiments/*"))


def test_explore_data_are_no_variant_s_where_one_is_called_uniform_too(written_tables: Path, tmp_path: Path) -> None:
    """Both are one place of a row and one word of the log: only the hash tells who explored."""
    shutil.copytree(written_tables, tmp_path, dirs_exist_ok=True)
    here = Workspace(tmp_path)
    text = INTERLEAVING.replace('"treatment"\npolicy = "epsilon_greedy:epsilon=0.3"', '"uniform"\npolicy = "uniform"')
    begin(here, text, NAME)
    config = experiment_config(here, NAME, Config(seed=3, explore_share=0.2))
    generation = make_generation(here, config=config)
    assert read_manifest(here, generation).config.names == ("control", "uniform")
    live(here, generation)
    seen = see_log(here, registered(here, NAME).plan)
    users = seen.days.filter(pl.col(EXPOSED) > 0)["user_id"].unique().to_list()
    explorers = {user for user in users if naive.keyed_hash("explore", 3, generation, user, "") < 0.2 * 2**64}
    assert (explorers, seen.facts.mismatched) == (set(), 0)
    assert len(users) > 300
