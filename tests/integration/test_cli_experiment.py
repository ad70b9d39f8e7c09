"""``artwork experiment``: from a plan to a decision on the command line, exit codes, JSON, and the page."""

import json
import re
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from seeded_experiment import LIKE, PLAN, Response, begin, live, write_plan
from shell import Called, assert_refused, call

from batch.workspace.generations import read_manifest
from batch.workspace.workspace import Workspace

MOST_PAGE_BYTES = 100_000


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, with a table of 1,200 users of whom those of b take more."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(3)
    treated = random.random(1200) < 0.5
    visits = random.poisson(5, 1200) + 1
    pl.DataFrame(
        {
            "user": [f"u{number}" for number in range(1200)],
            "variant": np.where(treated, "b", "a"),
            "takes": random.binomial(visits, np.where(treated, 0.3, 0.2)),
            "visits": visits,
        }
    ).write_csv("users.csv")
    return tmp_path


def experiment(*words: str) -> Called:
    return call("experiment", *words)


def on_table(command: str, *words: str) -> Called:
    return experiment(command, "x", "--table", "users.csv", *words)


def as_json(answer: Called) -> Any:
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_a_table_goes_from_a_new_plan_to_a_decision_that_is_replayed(here: Path) -> None:
    assert as_json(on_table("new", "--json")) == {
        "name": "x",
        "path": "workspace/experiments/x.toml",
        "control": "a",
        "interleaving": False,
    }
    planned = on_table("plan", "--json")
    assert planned.code in {0, 1}  # 1: the usual effect needs more users than the table has
    assert json.loads(planned.out)["metrics"][0]["plain"]["users"] > 0
    started = as_json(experiment("start", "x", "--json"))
    assert (started["version"], started["run"]) == (1, None)
    assert as_json(on_table("check", "--json"))["passed"]
    made = as_json(on_table("read", "--json"))
    assert [one["metric"]["name"] for one in made["effects"]] == ["takes", "visits"]
    assert made["effects"][0]["effect"]["lower"] > 0
    decided = as_json(on_table("decide", "--json"))
    assert [one["verdict"] for one in decided["verdicts"]] == ["SHIP"]
    replayed = experiment("decide", "--replay", decided["record"])
    assert (replayed.code, "the same bytes again" in replayed.out) == (0, True)
    listed = as_json(experiment("list", "--json"))
    assert [(one["name"], one["state"], one["verdict"]) for one in listed] == [("x", "running", "SHIP")]
    assert as_json(experiment("stop", "x", "--reason", "done", "--json"))["reason"] == "done"


def test_the_page_has_the_verdict_first_and_needs_no_network(here: Path) -> None:
    on_table("new")
    experiment("start", "x")
    answer = on_table("decide", "--report", "out/page.html")
    assert answer.err.splitlines()[-1] == "effects over time, quality and decision: out/page.html"
    page = (here / "out" / "page.html").read_text()
    assert len(page.encode()) < MOST_PAGE_BYTES
    verdict, effects = page.index("SHIP"), page.index("<h2>Effects</h2>")
    assert verdict < effects
    for section in ("Why", "Quality", "What was registered", "The record"):
        assert f"<h2>{section}</h2>" in page
    assert "artwork experiment decide --replay workspace/experiments/x/decision-1.json" in page
    assert not re.search(r'(?:src|href)="http', page)


def test_a_failed_check_exits_with_1_and_reads_nothing(here: Path) -> None:
    on_table("new")
    experiment("start", "x")
    frame = pl.read_csv("users.csv")
    frame.filter((pl.col("variant") == "a") | (pl.col("user").hash(seed=1) % 3 > 0)).write_csv("users.csv")
    for command in ("check", "read", "peek", "decide"):
        answer = on_table(command)
        assert answer.code == 1
        assert "sample ratio failed" in answer.out
        assert "difference" not in answer.out
    assert "INVALID" in on_table("decide").out


def test_a_metric_that_cannot_be_told_makes_a_decision_invalid_and_exits_with_1(here: Path) -> None:
    pl.read_csv("users.csv").with_columns(takes=pl.lit(0)).write_csv("users.csv")
    on_table("new")
    experiment("start", "x")
    answer = on_table("decide")
    assert (answer.code, "decision: INVALID" in answer.out) == (1, True)


def test_true_and_false_in_a_csv_file_are_numbers_and_words_are_no_metric(here: Path) -> None:
    frame = pl.read_csv("users.csv").with_columns(bought=pl.col("takes") > 1, city=pl.lit("x"))
    frame.select("user", "variant", "bought", "city").write_csv("users.csv")
    on_table("new")
    experiment("start", "x")
    made = as_json(on_table("read", "--json"))
    assert [one["metric"]["name"] for one in made["effects"]] == ["bought"]
    assert 0 < made["effects"][0]["values"][0] < 1


def test_a_changed_record_exits_with_1(here: Path) -> None:
    on_table("new")
    experiment("start", "x")
    record = Path(as_json(on_table("decide", "--json"))["record"])
    record.write_text(record.read_text().replace("SHIP", "HOLD"))
    answer = experiment("decide", "--replay", str(record))
    assert (answer.code, "NOT the same: verdicts" in answer.out) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("read", "nothing"), "there is no experiment workspace/experiments/nothing.toml"),
        (("read", "x", "--table", "users.csv"), "has not started; `artwork experiment start x`"),
        (("check", "x"), "has not started"),
        (("plan", "x"), "name it with --table"),
        (("new", "x", "--table", "users.csv"), "is there already"),
        (("new", "../x"), "no name of an experiment"),
        (("new", "y", "--start", "tomorrow"), "--start is 'tomorrow', expected a day"),
        (("new", "y", "--variant", "a=policy=magic"), "magic"),
        (("new", "y", "--variant", "a=policy=greedy", "--table", "users.csv"), "--variant has no effect on a table"),
        (("new", "y", "--variant", "a=policy=greedy"), "two or more"),
        (("decide",), "give the NAME of an experiment, or --replay"),
        (("decide", "x", "--replay", "users.csv"), "one of both"),
        (("decide", "--replay", "users.csv"), "is no record of a decision"),
        (("decide", "--replay", "missing.json"), "is no record of a decision"),
        (("explain", "x", "--why", "because"), "--why is 'because', expected one of mixed, neutral"),
        (("stop", "x"), "is not started; only one that runs can be stopped"),
        (("read", "x", "--as-of", "2026-01-01"), "--as-of is the day of a --table"),
        (("read", "x", "--table", "users.csv", "--report", "."), "--report . is a folder"),
        (("assign", "x"), "has not started"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_do(here: Path, words: tuple[str, ...], said: str) -> None:
    on_table("new")
    assert_refused(experiment(*words), 2, said)


def test_an_unplanned_look_with_fixed_intervals_is_refused(here: Path) -> None:
    on_table("new", "--days", "7")
    experiment("start", "x")
    today = datetime.now(UTC).date()
    assert_refused(on_table("read"), 2, f"the next is {today + timedelta(days=6)}")
    assert_refused(on_table("read", "--look", str(today)), 2, "is no planned look of x")
    assert on_table("peek").code == 0
    assert_refused(on_table("read", "--as-of", str(today + timedelta(days=6))), 2, "which has not come")


def test_users_are_assigned_in_a_layer_of_their_own(here: Path) -> None:
    on_table("new")
    experiment("start", "x")
    made = as_json(experiment("assign", "x", "u1", "u2", "u1", "--json"))
    assert made[0] == made[2]
    assert {one["variant"] for one in made} <= {"a", "b"}


@pytest.fixture(scope="module")
def lived(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose experiment is over."""
    root = tmp_path_factory.mktemp("lived")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    begin(Workspace(root))
    live(Workspace(root), 1, LIKE, Response(0.5, 0.8))
    return root


def test_a_workspace_is_read_decided_and_explained(lived: Path, here: Path) -> None:
    where = ("bolder", "-w", str(lived))
    assert experiment("check", *where).code == 0
    answer = experiment("decide", *where)
    assert (answer.code, "decision: ROLL BACK" in answer.out) == (0, True)
    assert (here / "reports" / "experiment-bolder.html").stat().st_size < MOST_PAGE_BYTES
    assert "promise too much" in experiment("explain", *where).out
    neutral = as_json(experiment("explain", *where, "--why", "neutral", "--offline-lead", "0.1", "--json"))
    assert [step["check"] for step in neutral["steps"]][:2] == ["sample ratio", "power"]
    assert_refused(experiment("explain", *where, "--offline-lead", "0.1"), 2, "--offline-lead has no effect")


def test_a_new_plan_of_a_workspace_starts_after_its_log_and_makes_generations(
    lived: Path, tmp_path: Path, here: Path
) -> None:
    root = tmp_path / "own"
    shutil.copytree(lived, root)
    where = ("-w", str(root))
    experiment("stop", "bolder", *where)
    words = ("--variant", "now=policy=popularity", "--variant", "try=policy=uniform,share=0.3", "--days", "5")
    assert experiment("new", "next", *words, *where).code == 0
    assert experiment("plan", "next", *where).code in {0, 1}
    started = as_json(experiment("start", "next", *where, "--json"))
    assert (started["start"], started["run"]) == (str(date(2026, 1, 8)), "artwork run --experiment next")
    trained = json.loads(call("train", "--experiment", "next", *where, "--json").out)
    manifest = read_manifest(Workspace(root), trained["generation"])
    assert manifest.experiments == {"next": started["digest"]}
    assert [(variant.name, variant.share) for variant in manifest.config.variants] == [("now", 0.7), ("try", 0.3)]
    assert_refused(
        call("train", "--experiment", "next", "--policy", "greedy", *where), 2, "--policy and --experiment both say"
    )
    assert_refused(call("train", "--experiment", "other", *where), 2, "there is no experiment")
    experiment("stop", "next", *where)
    assert_refused(call("train", "--experiment", "next", *where), 2, "was stopped")


def test_a_plan_with_several_faults_tells_them_all(here: Path) -> None:
    there = Workspace(here / "workspace")
    write_plan(
        there, PLAN.replace("hypothesis", "hypothesys").replace('"primary"', '"main"').replace("0.5", "0.6"), "bad"
    )
    answer = experiment("start", "bad")
    for said in ("'hypothesys' is no key", "hypothesis is missing", "role is 'main'", "add up to 1.2"):
        assert_refused(answer, 2, said)
    listed = as_json(experiment("list", "--json"))
    assert listed[0]["state"] == "unreadable"
