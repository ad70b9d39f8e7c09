"""A gated experiment on a workspace: what is better is shipped, what is worse is taken back, and a layer has one at a time."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from gated_workspace import BETTER, DAYS, GATED, NAME, WORSE, at_night, live_gated, make_generation, open_gate
from make_impressions import log_days
from seeded_experiment import (
    EXPLORE_DAYS,
    LIKE,
    PLAN,
    START,
    TODAY,
    Response,
    live_day,
    make_generation_of,
    source_of,
    write_plan,
)

from artwork.console.choosing_options import ChoosingOptions
from artwork.web.gates import Gates
from bandit.errors import InputError
from bandit.hashing import hash_ids
from batch.choosing.variants import variants_of
from batch.config import Config, Variant
from batch.experiments.deciding import replay
from batch.experiments.gated.gate import check_gate
from batch.experiments.gated.shipped import Shipped, read_shipped, write_shipped
from batch.experiments.gated.standing import standing_of
from batch.experiments.listing import experiment_config, listed
from batch.experiments.plans.drafting import USUAL_VARIANTS, draft_workspace
from batch.experiments.plans.file import plan_path, read_plan
from batch.experiments.quality import failed
from batch.experiments.reading import check, peek
from batch.experiments.register import RUNNING, read_register, registered, start, stop
from batch.workspace.generations import read_manifest
from batch.workspace.impressions import append_impressions, read_day
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace


@pytest.fixture(scope="module")
def opened(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose gate is open, without a live day."""
    root = tmp_path_factory.mktemp("opened")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    log_days(Workspace(root), EXPLORE_DAYS, 1500)
    open_gate(Workspace(root))
    return root


@pytest.fixture(scope="module")
def shipped(opened: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One whose treatment was better. Nobody writes to it."""
    root = tmp_path_factory.mktemp("shipped")
    shutil.copytree(opened, root, dirs_exist_ok=True)
    live_gated(Workspace(root), BETTER)
    return Workspace(root)


@pytest.fixture
def fresh(opened: Path, tmp_path: Path) -> Workspace:
    """A copy to write to."""
    shutil.copytree(opened, tmp_path / "fresh")
    return Workspace(tmp_path / "fresh")


def one_day(workspace: Workspace, number: int = 0, rows: int = 3000) -> None:
    """A night and the day after it, on which the treatment is liked a little better."""
    generation, day = make_generation(workspace, at_night(workspace)), START + timedelta(days=number)
    append_impressions(
        workspace, day, live_day(workspace, day, generation, {"control": LIKE, "treatment": Response(0.5)}, rows)
    )


def test_what_is_better_is_shipped_and_becomes_the_policy_of_the_workspace(shipped: Workspace) -> None:
    standing = standing_of(shipped, read_plan(shipped, NAME))
    assert (standing.action, standing.share) == ("SHIP", 1.0)
    policy = read_shipped(shipped)
    assert policy is not None
    assert (policy.experiment, policy.variant.policy) == (NAME, "epsilon_greedy:epsilon=0.3")
    assert ChoosingOptions().config(shipped).variants == (replace(policy.variant, share=1.0),)
    assert ChoosingOptions(policy="greedy").config(shipped).variants[0].policy == "greedy"
    assert at_night(shipped).config.variants[0].name == "treatment"
    register = read_register(shipped, NAME)
    assert (register.state, register.stopped_for) == ("stopped", "gate: SHIP")


def test_what_is_worse_is_taken_back_for_everybody(fresh: Workspace) -> None:
    standings = live_gated(fresh, WORSE)
    assert (standings[-1].action, standings[-1].share) == ("ROLL BACK", 0.0)
    after = at_night(fresh)
    assert [variant.name for variant in after.config.variants] == ["control"]
    assert after.standing == standings[-1]
    assert read_shipped(fresh) is None
    assert read_register(fresh, NAME).stopped_for == "gate: ROLL BACK"


def test_what_is_neither_widens_and_ends_with_the_control_once_the_last_day_is_over(fresh: Workspace) -> None:
    end = START + timedelta(days=DAYS - 1)
    shares = [one.share for one in live_gated(fresh, LIKE, today=end)]
    assert shares == sorted(shares)
    assert shares[-1] > shares[0]
    made = at_night(fresh, today=end + timedelta(days=1))
    assert (made.standing.action, made.standing.share) == ("END", 0.0)
    assert [variant.name for variant in made.config.variants] == ["control"]


def test_before_the_first_day_the_first_share_is_served_and_nothing_is_on_record(fresh: Workspace) -> None:
    gated = at_night(fresh)
    assert (gated.standing.action, gated.standing.record) == ("START", None)
    assert [(one.name, one.share) for one in gated.config.variants] == [("control", 0.9), ("treatment", 0.1)]
    generation = make_generation(fresh, gated)
    assert read_manifest(fresh, generation).experiments == {NAME: registered(fresh, NAME).version.digest}


def test_a_run_that_was_killed_after_its_record_decides_the_same_again(fresh: Workspace) -> None:
    one_day(fresh)
    first = at_night(fresh)
    assert (first.standing.action, first.standing.step, first.standing.records) == ("WIDEN", 1, 1)
    assert at_night(fresh) == first
    assert at_night(fresh, today=TODAY + timedelta(days=1)) == first


def test_a_run_that_was_killed_before_it_shipped_ships(shipped: Workspace, tmp_path: Path) -> None:
    shutil.copytree(shipped.root, tmp_path / "killed")
    there = Workspace(tmp_path / "killed")
    there.policy.unlink()
    path = there.experiments / NAME / "register.json"
    register = json.loads(path.read_text()) | {"stopped_at": None, "stopped_for": ""}
    path.write_text(json.dumps(register))
    assert at_night(there).standing.action == "SHIP"
    assert read_shipped(there) == read_shipped(shipped)
    assert read_register(there, NAME).stopped_for == "gate: SHIP"


def test_every_record_gives_the_same_bytes_again_and_a_changed_one_stops_the_gate(
    shipped: Workspace, tmp_path: Path
) -> None:
    there = sorted((shipped.experiments / NAME).glob("gate-*.json"))
    made = [replay(path) for path in there]
    assert all(one.same and one.move for one in made)
    shutil.copytree(shipped.root, tmp_path / "changed")
    changed = Workspace(tmp_path / "changed")
    last = changed.experiments / NAME / there[-1].name
    last.write_text(last.read_text().replace('"share": 1.0,', '"share": 0.1,', 1))
    with pytest.raises(InputError, match="is not what its inputs say"):
        at_night(changed)
    assert listed(changed)[0].gate == "record cannot be read"


def test_a_share_that_widens_keeps_the_users_of_the_treatment(fresh: Workspace) -> None:
    hashed = hash_ids(read_tables(fresh).users["user_id"])
    before = variants_of(at_night(fresh).config, hashed)
    one_day(fresh)
    after = variants_of(at_night(fresh).config, hashed)
    assert (after[before == 1] == 1).all()
    assert (after == 1).sum() > 2 * (before == 1).sum() > 0


def test_a_peek_reads_what_the_gate_reads_and_users_who_were_moved_are_no_crossover(shipped: Workspace) -> None:
    _, seen, checks = check(source_of(shipped), NAME)
    assert failed(checks) == []
    assert seen.days["share"].n_unique() > 1
    made = peek(source_of(shipped), NAME)
    record = json.loads(standing_of(shipped, read_plan(shipped, NAME)).record.read_text())  # type: ignore[union-attr]
    assert made.data == record["inputs"]["data"]
    assert made.effects[0].effect is not None
    assert made.effects[0].effect.value == record["inputs"]["effects"][0]["effect"]["value"]
    assert sum(made.users.values()) <= 600


def test_picks_of_the_other_variant_under_one_share_are_crossover_still(fresh: Workspace) -> None:
    one_day(fresh)
    make_generation(fresh, at_night(fresh))
    day = START + timedelta(days=1)
    shown = live_day(fresh, day, 2, {})
    swapped = pl.when(pl.col("policy") == "control").then(pl.lit("treatment")).otherwise(pl.lit("control"))
    some = pl.col("user_id").hash(seed=5) % 20 == 0
    append_impressions(fresh, day, shown.with_columns(policy=pl.when(some).then(swapped).otherwise("policy")))
    assert "crossover" in [one.name for one in failed(check(source_of(fresh), NAME)[2])]
    standing = at_night(fresh).standing
    assert (standing.action, standing.verdict, standing.step) == ("STAY", "INVALID", 1)


def test_users_of_the_treatment_who_are_missing_keep_the_share(fresh: Workspace) -> None:
    one_day(fresh)
    generation, day = make_generation(fresh, at_night(fresh)), START + timedelta(days=1)
    shown = live_day(fresh, day, generation, {}, 3000)
    there = (pl.col("policy") == "control") | (pl.col("user_id").hash(seed=2) % 2 == 0)
    append_impressions(fresh, day, shown.filter(there))
    standing = at_night(fresh).standing
    assert (standing.action, standing.share) == ("STAY", 0.4)
    assert standing.reasons[0].startswith("quality: sample ratio failed")


def test_days_of_another_choice_say_nothing(fresh: Workspace) -> None:
    append_impressions(fresh, START, read_day(fresh, START - timedelta(days=1), read_tables(fresh).n_features).with_columns(
        shown_at=pl.col("shown_at") + pl.duration(days=1), event_id=pl.concat_str(pl.lit("x"), "event_id")
    ))  # fmt: skip
    standing = at_night(fresh).standing
    assert (standing.action, standing.share) == ("STAY", 0.1)


def test_nothing_else_makes_generations_while_a_gate_is_open(fresh: Workspace) -> None:
    with pytest.raises(InputError, match=f"experiment {NAME} is gated and runs in the layer picks"):
        ChoosingOptions(policy="greedy").config(fresh)
    with pytest.raises(InputError, match=f"artwork run --gate {NAME}"):
        experiment_config(fresh, NAME, Config())
    stop(fresh, NAME, "by hand")
    assert [variant.name for variant in ChoosingOptions(policy="greedy").config(fresh).variants] == ["greedy"]
    with pytest.raises(InputError, match="was stopped"):
        check_gate(fresh, NAME)


def test_one_layer_has_one_gate_at_a_time(fresh: Workspace) -> None:
    write_plan(fresh, GATED, "second")
    with pytest.raises(InputError, match=rf"experiment {NAME} runs in the layer picks.*stop it first"):
        start(fresh, "second", late=False, today=TODAY)
    with pytest.raises(InputError, match="has not started"):
        check_gate(fresh, "second")


def test_the_gate_of_an_experiment_that_is_over_waits_for_the_one_that_runs(shipped: Workspace, tmp_path: Path) -> None:
    shutil.copytree(shipped.root, tmp_path / "next")
    there = Workspace(tmp_path / "next")
    bold = GATED.replace('policy = "popularity"', 'policy = "epsilon_greedy:epsilon=0.3"\nposterior = "beta"')
    bold = bold.replace(
        'epsilon=0.3"\nposterior = "beta"\n\n[[metrics]]', 'epsilon=0.2"\nposterior = "beta"\n\n[[metrics]]'
    )
    bold = bold.replace(str(START + timedelta(days=DAYS - 1)), str(START + timedelta(days=40)))
    bold = bold.replace(f"start = {START}", f"start = {START + timedelta(days=30)}")
    open_gate(there, bold, "second")
    with pytest.raises(InputError, match="experiment second is gated and runs"):
        at_night(there, NAME)
    assert at_night(there, "second").standing.action == "START"


def test_a_control_that_is_not_the_policy_of_the_workspace_is_refused(shipped: Workspace, tmp_path: Path) -> None:
    shutil.copytree(shipped.root, tmp_path / "other")
    there = Workspace(tmp_path / "other")
    write_plan(there, GATED, "second")
    with pytest.raises(InputError, match="two changes at once"):
        start(there, "second", late=True, today=TODAY)


def test_a_gated_plan_is_not_changed_while_it_runs(fresh: Workspace) -> None:
    write_plan(fresh, GATED.replace("smallest_effect = 0.02", "smallest_effect = 0.001"), NAME)
    with pytest.raises(InputError, match="changed since it was registered"):
        at_night(fresh)
    with pytest.raises(InputError, match="is gated and runs by what was registered: smallest_effect"):
        start(fresh, NAME, late=False, today=TODAY)


def test_a_plan_without_a_gate_keeps_the_digest_that_it_had(fresh: Workspace) -> None:
    write_plan(fresh, PLAN, "plain")
    assert read_plan(fresh, "plain").digest == "d550188931a6ee04e5ca97388734a359"
    with pytest.raises(InputError, match="has no gate"):
        standing_of(fresh, read_plan(fresh, "plain"))


def test_the_list_says_where_the_gate_stands(fresh: Workspace) -> None:
    assert listed(fresh)[0].gate == "step 1 of 4, 10 %, START"
    one_day(fresh)
    at_night(fresh)
    assert listed(fresh)[0].gate == "step 2 of 4, 40 %, WIDEN"
    assert listed(fresh)[0].state == RUNNING


GATE = "shares = [0.1, 0.4, 0.7, 1]"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (GATE, "shares = [0.1, 0.4]", "expected 2 to 20 rising shares"),
        (GATE, "shares = [0.4, 0.1, 1]", "expected 2 to 20 rising shares"),
        (GATE, "shares = [0, 1]", "expected 2 to 20 rising shares"),
        (GATE, "shares = [1]", "expected 2 to 20 rising shares"),
        (GATE, "shares = [0.1, true]", "expected 2 to 20 rising shares"),
        (GATE, "shares = 0.5", "expected 2 to 20 rising shares"),
        (GATE, "", "gate: shares is missing"),
        (GATE, f"{GATE}\nnight = 1", "'night' is no key"),
        ("users = 30", "users = 5", "30 or more users"),
        ("users = 30", "nights = 0", "1 to 366 days"),
        ("users = 30", "users = 61", "it would never widen"),
        ('name = "control"', 'name = "control"\nshare = 0.5', "variants have a share"),
        ('of = "take"', 'of = "take"\nper = "user"', 'is per "user"'),
        ('of = "take"', 'of = "take"\ncovariate = 3', "has a covariate"),
        ("users = 600", "users = 600\nwindow = 2", "window is 2"),
        ("users = 600", 'users = 600\nsegments = ["device"]', "segments is"),
        ("users = 600", 'users = 600\nlayer = "page"', "the layer is page"),
        ("[[metrics]]", '[[variants]]\nname = "third"\npolicy = "greedy"\n\n[[metrics]]', "expected two"),
    ],
)
def test_a_plan_whose_gate_is_wrong_is_refused_with_what_is_expected(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    there = Workspace(tmp_path)
    write_plan(there, GATED.replace(old, new, 1), "wrong")
    with pytest.raises(InputError, match=said):
        read_plan(there, "wrong")


def test_a_policy_of_a_workspace_that_was_spoilt_is_refused(tmp_path: Path) -> None:
    there = Workspace(tmp_path)
    write_shipped(there, Shipped(Variant("bold", "greedy"), "x", "d"))
    assert [variant.name for variant in ChoosingOptions().config(there).variants] == ["bold"]
    for text in ("", "{", "[]", '{"variant": {"policy": "magic"}, "experiment": "x", "record": "d"}'):
        there.policy.write_text(text)
        with pytest.raises(InputError, match="is no policy of a workspace"):
            ChoosingOptions().config(there)
    assert plan_path(there, "x").parent == there.experiments


def test_a_drafted_gate_is_a_plan_that_can_be_registered(fresh: Workspace) -> None:
    stop(fresh, NAME, "over")
    draft_workspace(
        fresh, "drafted", USUAL_VARIANTS, hypothesis="x", start=None, length=7, today=TODAY, gate=[0.1, 0.5, 1]
    )
    gate = start(fresh, "drafted", late=False, today=TODAY).plan.gate
    assert gate is not None
    assert gate.shares == (0.1, 0.5, 1.0)
    assert at_night(fresh, "drafted").config.variants[1].share == 0.1


def test_the_control_room_has_the_step_the_share_and_every_decision(shipped: Workspace, fresh: Workspace) -> None:
    over, opened = Gates(shipped).get()[0], Gates(fresh).get()[0]
    assert (over.action, over.share, over.state) == ("SHIP", 1.0, "stopped")
    assert [night.share for night in over.nights][-1] == 1.0
    assert (opened.action, opened.step, opened.state, opened.nights) == ("START", 0, "running", [])
    assert opened.treatment == "treatment (epsilon_greedy:epsilon=0.3)"


def test_shares_that_a_new_version_changed_are_read_within_days_and_shares(fresh: Workspace) -> None:
    stop(fresh, NAME, "over")
    write_plan(fresh, PLAN, "plain")
    start(fresh, "plain", late=False, today=TODAY)
    first = make_generation_of(fresh, "plain")
    append_impressions(fresh, START, live_day(fresh, START, first, {}, 3000))
    write_plan(fresh, PLAN.replace("share = 0.5", "share = 0.2", 1).replace("share = 0.5", "share = 0.8", 1), "plain")
    start(fresh, "plain", late=False, today=TODAY)
    second, day = make_generation_of(fresh, "plain"), START + timedelta(days=1)
    append_impressions(fresh, day, live_day(fresh, day, second, {}, 3000))
    _, seen, checks = check(source_of(fresh), "plain")
    assert seen.days["share"].unique().sort().to_list() == [0.5, 0.8]
    assert failed(checks) == []  # the users who were moved are no crossover, and ratios are those of each share
    made = peek(source_of(fresh), "plain").effects[0].effect
    assert made is not None
    assert abs(made.value) < 4 * made.standard_error
