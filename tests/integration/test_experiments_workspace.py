"""Experiments on a workspace: what its generations say of them, what counts as exposed, and what they are read as."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fresh_salts import p_values_of_splits
from full_size import FULL_SIZE
from make_impressions import silent
from scipy.stats import kstest
from seeded_experiment import (
    END,
    EXPLORE_DAYS,
    LIKE,
    PLAN,
    START,
    Response,
    begin,
    live,
    live_day,
    make_generation_of,
    source_of,
    write_plan,
)

from bandit.errors import InputError
from bandit.experiments import ratio_effect
from batch.config import Config
from batch.experiments.assignment import assigned
from batch.experiments.deciding import decide_now, replay
from batch.experiments.explaining import explain_mixed
from batch.experiments.listing import experiment_config, experiments_of, listed
from batch.experiments.log_source import history
from batch.experiments.offline_online import explain_neutral
from batch.experiments.planning import plan_power
from batch.experiments.plans.file import plan_path, read_plan
from batch.experiments.quality import failed
from batch.experiments.reading import Source, check, peek, read
from batch.experiments.register import registered, running, start, stop
from batch.workspace.generations import read_manifest
from batch.workspace.impressions import append_impressions, day_files, day_folder
from batch.workspace.workspace import Workspace

CLICKBAIT = Response(0.5, 0.8)


@pytest.fixture(scope="module")
def begun(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the experiment has started, without a live day."""
    root = tmp_path_factory.mktemp("begun")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    begin(Workspace(root))
    return root


@pytest.fixture(scope="module")
def mixed(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The treatment gets more clicks, and less of what is clicked is watched. Nobody writes to it but readings."""
    root = tmp_path_factory.mktemp("mixed")
    shutil.copytree(begun, root, dirs_exist_ok=True)
    live(Workspace(root), 1, LIKE, CLICKBAIT)
    return Workspace(root)


@pytest.fixture
def fresh(begun: Path, tmp_path: Path) -> Workspace:
    """A copy to write to."""
    shutil.copytree(begun, tmp_path / "fresh")
    return Workspace(tmp_path / "fresh")


def test_a_generation_names_the_plan_that_it_was_made_under(mixed: Workspace) -> None:
    manifest = read_manifest(mixed, 1)
    assert manifest.experiments == {"bolder": registered(mixed, "bolder").version.digest}
    assert manifest.config.names == ("control", "treatment")
    assert manifest.config.salt == "bolder"


def test_a_generation_of_no_experiment_has_the_manifest_that_it_always_had(fresh: Workspace) -> None:
    stop(fresh, "bolder", "")
    assert experiments_of(fresh, Config()) == {}
    plain = json.loads((fresh.generations / "000001" / "manifest.json").read_text())
    assert "experiments" in plain
    del plain["experiments"]
    before = read_manifest(fresh, 1).identity
    (fresh.generations / "000001" / "manifest.json").write_text(json.dumps(plain))
    assert read_manifest(fresh, 1).identity == before  # whatever it is called under, its picks are the same


def test_effects_are_those_of_the_impressions_of_picks(mixed: Workspace) -> None:
    made = read(source_of(mixed), "bolder")
    paths = [path for number in range(4) for path in day_files(mixed, START + timedelta(days=number))]
    shown = pl.concat(pl.read_parquet(path, hive_partitioning=False) for path in paths)
    sums = shown.group_by("user_id", "policy").agg(clicks=pl.col("clicked").sum(), count=pl.len())
    sides = [
        tuple(sums.filter(pl.col("policy") == name)[column].to_numpy() for column in ("clicks", "count"))
        for name in ("treatment", "control")
    ]
    expected = ratio_effect(sides[0], sides[1])
    clicks = made.effects[2].effect
    assert clicks is not None
    assert (clicks.value, clicks.standard_error) == pytest.approx((expected.value, expected.standard_error))
    assert failed(made.checks) == []


def test_users_have_the_variant_that_assignment_says(mixed: Workspace) -> None:
    plan = read_plan(mixed, "bolder")
    shown = pl.read_parquet(day_files(mixed, START)[0], hive_partitioning=False).unique("user_id").sort("user_id")
    places = assigned(plan, shown["user_id"], seed=3)
    assert [plan.names[place] for place in places] == shown["policy"].to_list()


def test_fallback_answers_and_titles_with_one_artwork_expose_nobody(fresh: Workspace) -> None:
    day = live_day(fresh, START, 1, {})
    place = pl.int_range(pl.len())
    frame = day.with_columns(
        source=pl.when(place % 4 == 0).then(pl.lit("popularity")).otherwise("source"),
        policy=pl.when(place % 4 == 0).then(pl.lit("popularity")).otherwise("policy"),
        eligible=pl.when(place % 4 == 1).then(pl.concat_list("arm")).otherwise("eligible"),
    )
    append_impressions(fresh, START, frame)
    _, seen, checks = check(source_of(fresh), "bolder")
    assert seen.days["exposed"].sum() == frame.height - len(range(0, frame.height, 4)) - len(range(1, frame.height, 4))
    assert seen.days["fallback"].sum() == len(range(0, frame.height, 4))
    assert [one.name for one in failed(checks)] == ["fallback"]  # 25 % of all answers


def test_new_users_whom_segments_answer_are_no_alarm(fresh: Workspace) -> None:
    day = live_day(fresh, START, 1, {})
    new = day.with_columns(
        pl.lit("segment").alias("source"),
        pl.lit("control").alias("policy"),
        ("new-" + pl.col("user_id")).alias("user_id"),
        ("new-" + pl.col("event_id")).alias("event_id"),
    )
    append_impressions(fresh, START, pl.concat([day, new]))  # half of all answers
    _, seen, checks = check(source_of(fresh), "bolder")
    assert seen.days["fallback"].sum() == day.height
    assert failed(checks) == []


@pytest.mark.parametrize("variant", ["control", "treatment"])
def test_a_fallback_that_meets_one_variant_alone_stops_the_reading(fresh: Workspace, variant: str) -> None:
    day = live_day(fresh, START, 1, {})
    own = (pl.col("policy") == variant) & (pl.int_range(pl.len()) % 6 == 0)
    frame = day.with_columns(
        source=pl.when(own).then(pl.lit("popularity")).otherwise("source"),
        policy=pl.when(own).then(pl.lit("popularity")).otherwise("policy"),
    )
    append_impressions(fresh, START, frame)
    assert [one.name for one in failed(check(source_of(fresh), "bolder")[2])] == ["fallback"]


def test_the_check_of_exposure_says_how_far_apart_the_variants_choose(mixed: Workspace) -> None:
    exposure = next(one for one in check(source_of(mixed), "bolder")[2] if one.name == "exposure")
    assert exposure.passed
    assert exposure.figures["differ"] > 0.9  # popularity and an epsilon-greedy policy
    assert 0 < exposure.figures["variation"] < 1


def test_variants_that_choose_alike_are_a_test_of_the_test(fresh: Workspace) -> None:
    stop(fresh, "bolder", "over")
    alike = PLAN.replace('policy = "epsilon_greedy:epsilon=0.3"\nposterior = "beta"', 'policy = "popularity"')
    write_plan(fresh, alike, "alike")
    start(fresh, "alike", late=False, today=START)
    live(fresh, make_generation_of(fresh, "alike"), LIKE, LIKE)
    exposure = next(one for one in check(source_of(fresh), "alike")[2] if one.name == "exposure")
    assert (exposure.passed, exposure.figures["variation"]) == (None, 0.0)
    assert read(source_of(fresh), "alike").is_readable


def test_picks_under_the_other_variant_are_crossover(fresh: Workspace) -> None:
    day = live_day(fresh, START, 1, {})
    swapped = pl.when(pl.col("policy") == "control").then(pl.lit("treatment")).otherwise(pl.lit("control"))
    some = pl.col("user_id").hash(seed=5) % 20 == 0
    append_impressions(fresh, START, day.with_columns(policy=pl.when(some).then(swapped).otherwise("policy")))
    assert "crossover" in [one.name for one in failed(check(source_of(fresh), "bolder")[2])]


def test_events_posted_twice_under_other_ids_are_duplicates(fresh: Workspace) -> None:
    day = live_day(fresh, START, 1, {})
    twice = day.head(50).with_columns(event_id=pl.concat_str(pl.lit("again-"), "event_id"))
    append_impressions(fresh, START, pl.concat([day, twice]))
    assert [one.name for one in failed(check(source_of(fresh), "bolder")[2])] == ["duplicated events"]


def test_a_missing_day_stops_the_reading(mixed: Workspace, tmp_path: Path) -> None:
    shutil.copytree(mixed.root, tmp_path / "gap")
    there = Workspace(tmp_path / "gap")
    shutil.rmtree(day_folder(there, START + timedelta(days=1)))
    assert [one.name for one in failed(read(source_of(there), "bolder").checks)] == ["missing days"]
    assert [one.verdict for one in decide_now(source_of(there), "bolder").verdicts] == ["INVALID"]


def test_a_start_that_the_log_has_seen_is_refused(fresh: Workspace) -> None:
    stop(fresh, "bolder", "over")
    write_plan(fresh, PLAN.replace(f"start = {START}", f"start = {START - timedelta(days=1)}"), "past")
    with pytest.raises(InputError, match="is past: the log ends with 2026-01-03"):
        start(fresh, "past", late=False, today=START)


def test_one_layer_of_picks_has_one_experiment_at_a_time(fresh: Workspace) -> None:
    write_plan(fresh, PLAN, "second")
    with pytest.raises(InputError, match=r"experiment bolder runs in the layer picks.*stop it first"):
        start(fresh, "second", late=False, today=START)
    stop(fresh, "bolder", "over")
    assert start(fresh, "second", late=False, today=START).register.state == "running"
    with pytest.raises(InputError, match="was stopped"):
        experiment_config(fresh, "bolder", Config())


def test_an_experiment_whose_file_is_broken_or_gone_still_runs_and_can_be_stopped(fresh: Workspace) -> None:
    path = plan_path(fresh, "bolder")
    path.write_text("no plan")
    assert list(running(fresh)) == ["bolder"]
    path.unlink()
    assert list(running(fresh)) == ["bolder"]
    stop(fresh, "bolder", "over")
    assert running(fresh) == {}


def test_a_register_that_cannot_be_read_keeps_no_generation_from_being_made(fresh: Workspace) -> None:
    (fresh.experiments / "bolder" / "register.json").write_text("{}{")
    assert experiments_of(fresh, Config()) == {}
    with pytest.raises(InputError, match="is no register"):
        experiment_config(fresh, "bolder", Config())


def test_an_experiment_of_another_layer_runs_beside_that_of_picks_and_measures_all_impressions(
    fresh: Workspace,
) -> None:
    text = PLAN.replace("smallest_effect", 'layer = "page"\nsmallest_effect')
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("policy", "posterior")))
    write_plan(fresh, text, "page")
    start(fresh, "page", late=False, today=START)
    generation = make_generation_of(fresh)
    assert sorted(read_manifest(fresh, generation).experiments) == ["bolder", "page"]
    live(fresh, generation, LIKE, LIKE)
    made = read(source_of(fresh), "page")
    assert failed(made.checks) == []
    assert sum(made.users.values()) == 600
    assert made.effects[0].effect is not None


def test_before_the_first_day_there_is_nothing_to_check(fresh: Workspace) -> None:
    with pytest.raises(InputError, match="has no day of experiment bolder, which starts on 2026-01-04"):
        check(source_of(fresh), "bolder")


def test_a_fixed_interval_waits_for_its_look_and_a_peek_does_not(fresh: Workspace) -> None:
    live(fresh, 1, LIKE, CLICKBAIT, days=2)
    with pytest.raises(
        InputError, match="no planned look of bolder has come, the next is 2026-01-07: the data end with 2026-01-05"
    ):
        read(source_of(fresh), "bolder")
    assert peek(source_of(fresh), "bolder").day == "2026-01-05"


def test_a_look_waits_for_the_end_of_its_day(mixed: Workspace) -> None:
    with pytest.raises(InputError, match="no planned look of bolder has come"):
        read(Source(mixed, None, END), "bolder")
    assert read(Source(mixed, None, END + timedelta(days=1)), "bolder").day == str(END)


def test_a_plan_says_users_and_days_from_the_log_before_its_start(mixed: Workspace) -> None:
    made = plan_power(mixed, "bolder", None)
    take = made.metrics[0]
    assert (made.history_days, made.days, take.effect) == (EXPLORE_DAYS, 4, 0.02)
    assert take.plain.users > 500
    assert 0 < take.plain.at_end < 1
    assert [one.metric.name for one in made.metrics] == ["take rate", "watched"]


def test_a_plan_says_which_policies_showed_what_its_variances_are_of(mixed: Workspace) -> None:
    notes = plan_power(mixed, "bolder", None).notes
    assert any("that uniform showed" in note for note in notes)


def test_an_effect_that_is_there_on_the_first_day_alone_is_novelty(fresh: Workspace) -> None:
    live(fresh, 1, LIKE, Response(0.4, first_day_clicks=0.95))
    steps = {step.check: step for step in explain_neutral(source_of(fresh), "bolder", silent, lead=0.1).steps}
    assert steps["novelty"].is_reason
    assert steps["novelty"].figures["day 1"] > 2 * abs(steps["novelty"].figures["days 2 to 3"])


def test_a_decision_of_a_workspace_is_replayed_to_the_same_bytes(mixed: Workspace) -> None:
    made = decide_now(source_of(mixed), "bolder")
    assert made.verdicts[0].verdict == "ROLL BACK"
    assert replay(made.record).same
    assert [(one.name, one.state, one.verdict) for one in listed(mixed)] == [("bolder", "running", "ROLL BACK")]


def test_more_clicks_and_less_watched_is_explained_as_clicks_that_promise_too_much(mixed: Workspace) -> None:
    made = explain_mixed(source_of(mixed), "bolder")
    steps = {step.check: step for step in made.steps}
    assert list(steps) == [
        "which metrics go which way", "takes per click", "clickbait share", "by day since exposure",
        "what another reward would say", "guardrails and their margins",
    ]  # fmt: skip
    assert steps["which metrics go which way"].is_reason
    assert steps["takes per click"].is_reason
    assert steps["clickbait share"].figures["treatment"] > steps["clickbait share"].figures["control"]
    assert (
        steps["what another reward would say"].figures["click"]
        > 0
        > steps["what another reward would say"].figures["take"]
    )
    assert "promise too much" in made.conclusion


def test_a_lead_that_the_online_interval_excludes_is_told(mixed: Workspace) -> None:
    made = explain_neutral(source_of(mixed), "bolder", silent, lead=0.2)
    steps = {step.check: step for step in made.steps}
    assert list(steps) == [
        "sample ratio", "power", "offline lead against the online interval", "propensity calibration", "overlap",
        "is the offline reward the online metric", "fallback", "both variants learn from shared data", "age of picks", "novelty",
    ]  # fmt: skip
    assert steps["offline lead against the online interval"].is_reason
    assert steps["propensity calibration"].is_reason is False
    assert steps["is the offline reward the online metric"].is_reason is False


@pytest.mark.simulations
def test_an_experiment_without_an_effect_has_uniform_p_values_over_fresh_salts_of_one_log(mixed: Workspace) -> None:
    """Splits of the same users that nobody lived under: the linearised ratio per user has to be right for them to be."""
    for p_values in p_values_of_splits(mixed, "bolder", 1000 if FULL_SIZE else 400).values():
        assert kstest(p_values, "uniform").pvalue > 1e-3


NEXT = """
hypothesis = "More takes."
start = {start}
end = {end}
smallest_effect = 0.03
[[variants]]
name = "control"
share = 0.5
policy = "popularity"
[[variants]]
name = "other"
share = 0.5
policy = "uniform"
[[metrics]]
name = "take rate"
role = "primary"
of = "take"
covariate = 2
"""


@pytest.mark.simulations
def test_a_plan_has_the_power_that_splits_of_the_log_of_its_control_show(fresh: Workspace) -> None:
    live(fresh, 1, LIKE, LIKE)
    write_plan(fresh, NEXT.format(start=END + timedelta(days=1), end=END + timedelta(days=2)), "next")
    made = plan_power(fresh, "next", None)
    assert made.history_days == 4  # days of picks; the explore days before them were shown by another policy
    log, plan = history(fresh, read_plan(fresh, "next"), 30), read_plan(fresh, "next")
    last = [END - timedelta(days=1), END]
    now, then = (
        log.filter(own).group_by("user_id", maintain_order=True).agg(pl.col("of_0", "per_0").sum())
        for own in (pl.col("day").is_in(last), ~pl.col("day").is_in(last))
    )
    then = then.with_columns(
        before=pl.col("of_0") - then["of_0"].to_numpy().sum() / then["per_0"].to_numpy().sum() * pl.col("per_0")
    )
    users = now.join(then.select("user_id", "before"), on="user_id", how="left").fill_null(0.0)
    of, per, before = (users[name].to_numpy() for name in ("of_0", "per_0", "before"))
    random, more = np.random.default_rng(8), plan.smallest_effect / (1 - of.sum() / per.sum())
    shown, splits = np.zeros(2), 2500
    for _ in range(splits):
        own = random.random(len(of)) < 0.5
        taken = of[own] + random.binomial((per - of)[own].astype(np.int64), more)
        sides = (taken, per[own]), (of[~own], per[~own])
        effects = ratio_effect(*sides), ratio_effect(*sides, covariates=(before[own], before[~own]))
        shown += [effect.lower > 0 for effect in effects]
    take = made.metrics[0]
    assert take.with_covariate is not None
    assert 0.3 < take.plain.at_end < 0.97
    assert shown / splits == pytest.approx([take.plain.at_end, take.with_covariate.at_end], abs=0.03)
