"""``artwork experiment interactions | panel | cutoff`` on the command line, and segments and a holdback of a workspace."""

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from seeded_experiment import END, LIKE, PLAN, START, TODAY, Response, begin, live, source_of, write_plan
from shell import Called, assert_refused, call

from bandit.experiments import interactions
from batch.experiments.assignment import NOBODY, assigned, held_back
from batch.experiments.designs.interactions import of_workspace
from batch.experiments.reading import read
from batch.experiments.register import registered, start
from batch.workspace.workspace import Workspace

PAGE = f"""
hypothesis = "A larger row is seen more."
layer = "page"
start = {START}
end = {END}
looks = [{END}]
smallest_effect = 0.02
users = 600
holdback = 0.3
segments = ["device", "country"]

[[variants]]
name = "small"
share = 0.5
[[variants]]
name = "large"
share = 0.5

[[metrics]]
name = "click rate"
role = "primary"
of = "click"
"""
MOST_PAGE_BYTES = 100_000


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, with a panel and scores whose assumptions hold."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    unit, time = np.repeat(np.arange(40), 12), np.tile(np.arange(12), 40)
    treated = (unit < 15) & (time >= 6)
    outcome = random.normal(0, 2, 40)[unit] + 0.3 * time + random.normal(0, 1, 480) + 1.5 * treated
    pl.DataFrame({"unit": unit, "time": time, "treated": treated, "outcome": outcome}).write_csv("cities.csv")
    score = random.uniform(0, 100, 4000)
    outcome = 0.05 * score + 2 * (score >= 50) + random.normal(0, 2, 4000)
    pl.DataFrame({"score": score, "outcome": outcome, "age": random.normal(30, 5, 4000)}).write_csv("scores.csv")
    return tmp_path


def experiment(*words: str) -> Called:
    return call("experiment", *words)


def as_json(answer: Called) -> Any:
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def page(path: str) -> str:
    text = Path(path).read_text(encoding="utf-8")
    assert len(text) < MOST_PAGE_BYTES
    assert not re.search(r"(?:src|href)=|@import|url\(", text)
    return text


def test_a_panel_is_told_in_words_as_json_and_on_a_page(here: Path) -> None:
    answer = experiment("panel", "--table", "cities.csv")
    assert answer.code == 0
    assert "where units were treated the outcome is 1.594 higher than without" in answer.out
    assert re.search(r"passes  no unit decides alone\n {16}without '\d+', which moves it most", answer.out)
    assert "cannot be told  nothing else happened to treated units at that time" in answer.out
    assert "reports/panel-cities.html" in answer.err
    text = page("reports/panel-cities.html")
    assert "No assumption fails." in text
    assert "artwork experiment panel --table cities.csv" in text
    made = as_json(experiment("panel", "--table", "cities.csv", "--json"))
    assert [one["holds"] for one in made["assumptions"]][:5] == [True] * 5
    assert made["found"]["value"] == pytest.approx(1.594, abs=0.001)


def test_an_assumption_that_fails_exits_with_1_and_stands_first(here: Path) -> None:
    frame = pl.read_csv("cities.csv", infer_schema=True)
    apart = frame.with_columns(pl.col("outcome") + 0.5 * pl.col("time") * (pl.col("unit") < 15))
    apart.write_csv("apart.csv")
    answer = experiment("panel", "--table", "apart.csv", "--report", "own/page.html")
    assert answer.code == 1
    assert answer.out.splitlines()[2].strip().startswith("FAILS  without treatment, treated units would have gone on")
    assert "do NOT take this for the effect" in answer.out
    assert '<p class="verdict missed">Do NOT take this' in page("own/page.html")


def test_a_cutoff_is_told_in_words_as_json_and_on_a_page(here: Path) -> None:
    words = ("cutoff", "--table", "scores.csv", "--cutoff", "50", "--bandwidth", "20", "--fixed", "age")
    answer = experiment(*words)
    assert answer.code == 0
    assert "just from the cutoff on the outcome is" in answer.out
    assert "passes  what was fixed before does not jump" in answer.out
    text = page("reports/cutoff-scores.html")
    assert "artwork experiment cutoff --table scores.csv --cutoff 50.0 --bandwidth 20.0 --fixed age" in text
    made = as_json(experiment(*words, "--bias-bandwidth", "30", "--json"))
    assert made["found"]["lower"] < 2 < made["found"]["upper"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("panel", "--table", "none.csv"), "--table none.csv is no file, expected Parquet, CSV or JSON lines"),
        (("panel", "--table", "scores.csv"), "has no column unit and no time and no treated, it has score"),
        (("panel",), "Missing option '--table'"),
        (("cutoff", "--table", "scores.csv", "--cutoff", "50"), "Missing option '--bandwidth'"),
        (("cutoff", "--table", "scores.csv", "--cutoff", "500", "--bandwidth", "9"), "correct --cutoff"),
        (
            ("cutoff", "--table", "scores.csv", "--cutoff", "50", "--bandwidth", "9", "--fixed", "size"),
            "has no column size",
        ),
        (("cutoff", "--table", "scores.csv", "--cutoff", "50", "--bandwidth", "nan"), "expected a finite number"),
        (("panel", "--table", "cities.csv", "--report", "."), "is a folder, expected a file"),
        (("interactions", "--table", "scores.csv"), "--metric is missing"),
        (("interactions", "--table", "scores.csv", "--metric", "outcome"), "has no column user"),
        (("interactions", "-w", "nowhere"), "expected two or more"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_to_do(here: Path, words: tuple[str, ...], said: str) -> None:
    assert_refused(experiment(*words), 2, said)
    assert not Path("reports").exists()


def test_interactions_of_a_table_are_told_in_words_and_as_json(here: Path) -> None:
    random = np.random.default_rng(1)
    has = random.integers(0, 2, (6000, 3))
    takes = random.normal(0, 1, 6000) + 0.5 * has[:, 0] * has[:, 2]
    names = {f"e{number}": has[:, number] for number in range(3)}
    pl.DataFrame({"user": np.arange(6000), "takes": takes} | names).write_csv("users.csv")
    words = ("interactions", "--table", "users.csv", "--metric", "takes")
    answer = experiment(*words)
    assert answer.code == 0
    assert "1 of 3 pairs interact: e0 x e2" in answer.out
    assert "what could be seen, 4 times in 5" in answer.out
    named = as_json(experiment("interactions", "e0", "e1", *words[1:], "--json"))
    assert [(one["first"], one["second"]) for one in named["pairs"]] == [("e0", "e1")]


@pytest.fixture(scope="module")
def both(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose log has an experiment of picks and one of the page, at the same time."""
    root = tmp_path_factory.mktemp("both")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    workspace = Workspace(root)
    begin(workspace)
    write_plan(workspace, PAGE, "page")
    start(workspace, "page", late=True, today=TODAY)
    live(workspace, 1, LIKE, Response(0.5, 0.8))
    return workspace


def test_experiments_of_two_layers_of_a_workspace_are_a_pair(both: Workspace) -> None:
    made = of_workspace(both)
    (pair,) = made.pairs
    assert {pair.first, pair.second} == {"bolder", "page"}
    assert pair.effect is not None
    assert pair.effect.lower < 0 < pair.effect.upper
    assert 0 < pair.users < pl.read_parquet(both.users).height  # those held back from the page are in no pair
    answer = experiment("interactions", "-w", str(both.root), "--metric", "click")
    assert (answer.code, "bolder x page" in answer.out) == (0, True)
    assert_refused(
        experiment("interactions", "bolder", "-w", str(both.root)), 2, "has 1 experiments that can be compared"
    )


def test_a_pair_on_a_workspace_is_made_of_the_picks_of_users_of_both(both: Workspace) -> None:
    """By hand from the log: clicks per pick that could differ, of users who are in both, by variants of both."""
    (pair,) = of_workspace(both, metric="click").pairs
    logged = pl.concat(pl.read_parquet(path) for day in range(4) for path in _files(both, day))
    picks = logged.filter(pl.col("source") == "personalized", pl.col("eligible").list.len() > 1)
    users = picks.group_by("user_id").agg(
        pl.col("clicked").sum().cast(pl.Float64),
        pl.len().alias("shown"),
        (pl.col("policy").first() == "treatment").alias("bold"),
    )
    users = users.with_columns(large=pl.Series(assigned(registered(both, "page").plan, users["user_id"])))
    own = users.filter(pl.col("large") != NOBODY)
    has = own.select("bold", "large").cast(pl.Int64).to_numpy()
    (by_hand,) = interactions((own["clicked"].to_numpy(), own["shown"].to_numpy()), has)
    assert pair.users == own.height
    assert pair.effect is not None
    assert (pair.effect.value, pair.effect.standard_error) == pytest.approx(
        (by_hand.effect.value, by_hand.effect.standard_error)
    )


def test_the_holdback_of_a_workspace_is_read_from_its_log(both: Workspace) -> None:
    made = read(source_of(both), "page").holdback
    plan = registered(both, "page").plan
    assert made is not None
    assert made.effect is not None
    logged = pl.concat(pl.read_parquet(path) for day in range(4) for path in _files(both, day))
    ids = logged["user_id"].unique().sort()
    held = pl.DataFrame({"user_id": ids, "held": held_back(plan, ids)})
    rates = logged.join(held, on="user_id").group_by("held").agg(pl.col("clicked").mean()).sort("held")
    assert made.effect.value == pytest.approx(rates["clicked"][1] - rates["clicked"][0])
    assert made.users[1] == (held["held"] == 0).sum()


def _files(workspace: Workspace, day: int) -> list[Path]:
    return sorted(workspace.root.glob(f"impressions/day={START + timedelta(days=day)}/*.parquet"))


def test_segments_and_days_of_a_workspace_are_read_and_shown(both: Workspace, here: Path) -> None:
    answer = experiment("read", "bolder", "-w", str(both.root))
    assert answer.code == 0
    assert "segments (to be read, not to decide by): do their effects differ?" in answer.out
    assert "take rate, treatment, by days since exposure: " in answer.out
    assert "<h2>Segments</h2>" in page("reports/experiment-bolder.html")
    made = as_json(experiment("read", "bolder", "-w", str(both.root), "--json"))
    assert made["segment_tests"][0]["segment"] == "device"
    assert made["holdback"] is None
    assert PLAN.count("device") == 1
