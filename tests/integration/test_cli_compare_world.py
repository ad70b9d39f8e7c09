"""``artwork compare --world synthetic``: seasons of several policies and seeds."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from make_impressions import silent
from seasons import contender, scene, season
from shell import assert_refused, call

from artwork.compare.tasks import repeat
from bandit.evaluation import Settings
from bandit.simulation.seasons.season_run import Run, ran
from bandit.simulation.seasons.truths import Judging

DIALS = ("--users", "40", "--titles", "8", "--days", "4", "--explore-days", "2", "--seeds", "2", "--resamples", "50")
SMALL = ("compare", "--world", "synthetic", "--policies", "popularity,thompson", *DIALS)


def compared(tmp_path: Path, *words: str) -> dict[str, Any]:
    answer = call(*SMALL, *words, "--report", str(tmp_path / "page.html"), "--json")
    assert answer.code == 0, answer.err
    made: dict[str, Any] = json.loads(answer.out)
    return made


def test_every_policy_stands_in_the_table_and_uniform_with_them(tmp_path: Path) -> None:
    answer = call(*SMALL, "--report", str(tmp_path / "page.html"))
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("synthetic: 40 users, 8 titles")
    table = lines[next(place for place, line in enumerate(lines) if "gap closed" in line) + 2 :][:3]
    assert [line.split()[:2] for line in table] == [["uniform", "-"], ["popularity", "-"], ["thompson", "linear"]]
    assert "has the least regret" in answer.out
    assert "page.html" in answer.err


def test_json_has_every_figure_and_a_seed_repeats_them(tmp_path: Path) -> None:
    first, again, other = (compared(tmp_path, "--seed", seed) for seed in ("1", "1", "2"))
    assert [(each["policy"], each["posterior"]) for each in first["standings"]] == [
        ("uniform", None), ("popularity", None), ("thompson", "linear")
    ]  # fmt: skip
    assert first["standings"] == again["standings"] != other["standings"]
    assert first["accuracies"] == again["accuracies"]
    estimators = {each["estimator"] for each in first["accuracies"]}
    assert {"ips", "snips", "dr", "dm", "sndr", "switch_dr", "dros"} <= estimators
    curve = first["standings"][0]["curve"]
    assert curve["hours"] == [24.0, 48.0]
    assert curve["regret"][-1] == first["standings"][0]["regret"]["mean"]


def test_what_looks_at_no_user_runs_once_whatever_the_posteriors(tmp_path: Path) -> None:
    made = compared(tmp_path, "--posterior", "linear,beta", "--estimators", "ips")
    assert [(each["policy"], each["posterior"]) for each in made["standings"]] == [
        ("uniform", None), ("popularity", None), ("thompson", "linear"), ("thompson", "beta")
    ]  # fmt: skip
    judged = {(each["logging"], each["target"]) for each in made["accuracies"]}
    assert ("uniform", "thompson + beta") in judged
    assert ("thompson + linear", "thompson + beta") not in judged


def test_the_dials_reach_the_season(tmp_path: Path) -> None:
    words = ("--cadence-hours", "12", "--sticky-hours", "24", "--age-hours", "12", "--arrival-day", "3")
    made = compared(tmp_path, *words, "--arrival-share", "0.5", "--floor", "0.1", "--estimators", "ips")
    assert made["season"] == {
        "days": 4, "explore_days": 2, "cadence_hours": 12, "sticky_hours": 24, "age_hours": [0, 12], "arrival_day": 3,
        "arrival_share": 0.5, "floor": 0.1, "new_floor": 0.05, "new_arm_impressions": 100, "pessimism": 1.0,
        "stickiness": {"share": 0.0, "margin": 0.3},
    }  # fmt: skip
    assert len(made["standings"][0]["curve"]["hours"]) == 4
    assert [age["hours"] for age in made["standings"][0]["ages"]] == [0, 12]


def test_the_page_holds_curves_and_needs_no_network(tmp_path: Path) -> None:
    compared(tmp_path, "--estimators", "ips,dm")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    for words in ("Takes missed by an average user", "Estimators beside the truth", "To repeat it", "--users 40"):
        assert words in page
    assert not re.search(r"<script|<link|@import|https?:", page)
    assert page.index('class="verdict') < page.index("<svg")
    assert page.count("<figure") == page.count("Show as a table") == 5
    assert len(page.encode()) < 300_000


def test_the_command_on_the_page_repeats_the_page(tmp_path: Path) -> None:
    words = [
        "--policies", "greedy", "--estimators", "ips", "--resamples", "20", "--threshold", "effective_sample_size=5",
        "--seeds", "1", "--users", "30", "--titles", "6", "--days", "4", "--explore-days", "2", "--cadence-hours", "12",
        "--age-hours", "0,12", "--arrival-day", "3", "--arrival-share", "0.5", "--seed", "5",
    ]  # fmt: skip
    answer = call("compare", "--world", "synthetic", *words, "--report", str(tmp_path / "page.html"))
    assert answer.code == 0, answer.err
    command = shlex.join(["artwork", "compare", "--world", "synthetic", *words])
    assert f"To repeat it: <code>{command}</code>" in (tmp_path / "page.html").read_text()


def test_seasons_give_the_same_numbers_in_processes_of_their_own() -> None:
    judging = Judging(Settings(estimators=("ips", "dr"), resamples=20))
    tasks = [
        Run(scene(), season(), contender(word), seed, (contender("uniform"),), judging)
        for word in ("thompson", "greedy")
        for seed in (1, 2)
    ]
    found = repeat("processes", ran, tasks, silent)
    assert found == repeat("serial", ran, tasks, silent)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--days", "0"), ("days are 0", "at least 1")),
        (("--explore-days", "4"), ("4 of 4 days", "from 0 to 3")),
        (("--cadence-hours", "5"), ("5 hours", "1, 2, 3, 4, 6, 8, 12 and 24")),
        (("--cadence-hours", "-1"), ("-1 hours", "from 1")),
        (("--sticky-hours", "5"), ("5 hours", "cadences of 24")),
        (("--age-hours", "0,x"), ("--age-hours", "'x'", "0,24,48")),
        (("--age-hours", "240"), ("240", "at most 72")),
        (("--arrival-day", "1"), ("arrival day is 1", "from 2 to 3")),
        (("--arrival-share", "2"), ("2.0", "0 to 1")),
        (("--floor", "0.7"), ("0.7", "0 to 0.5")),
        (("--posterior", ""), ("--posterior", "commas")),
        (("--posterior", "cubic"), ("'cubic'", "linear")),
        (("--posterior", "beta,beta"), ("none twice",)),
        (("--policies", "best"), ("'best'", "thompson")),
        (("--policies", "table:p.csv"), ("table:p.csv", "of its own")),
        (("--estimators", "guess"), ("'guess'", "snips")),
        (("--reward-model", "guess"), ("'guess'", "ridge")),
        (("--split", "1"), ("split is 1.0", "between 0 and 1")),
        (("--level", "2"), ("level is 2.0", "between 0 and 1")),
    ],
    ids=" ".join,
)
def test_a_wrong_dial_is_refused_with_its_range(words: tuple[str, ...], told: tuple[str, ...], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert_refused(call(*SMALL, *words, "--report", str(page)), 2, *told)
    assert not page.exists()


@pytest.mark.parametrize("words", [("--users", "1"), ("--titles", "0"), ("--seeds", "0")], ids=" ".join)
def test_numbers_out_of_range_are_refused(words: tuple[str, str]) -> None:
    answer = call(*SMALL, *words)
    assert (answer.code, answer.out) == (2, "")
    assert words[0] in answer.err
