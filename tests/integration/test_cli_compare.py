"""``artwork compare``: the delay table of Chapelle and Li."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from make_impressions import silent
from shell import assert_refused, call

from artwork.compare.tasks import repeat
from bandit.errors import SurroundingsError
from bandit.simulation.studies.chapelle_li import Repetition, delays_of, regrets_of
from batch.executors import open_executor

SMALL = ("compare", "--world", "chapelle-li", "--steps", "3000", "--repetitions", "3", "--delays", "1,100")


def test_the_table_has_a_line_a_delay_and_reading_and_says_that_it_is_not_judged() -> None:
    answer = call(*SMALL)
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert [line.split()[:2] for line in lines[3:7]] == [
        ["1", "any"], ["100", "batches"], ["100", "each"], ["100", "refits"]
    ]  # fmt: skip
    assert lines[0].startswith("chapelle-li: mean regret ± standard error of 3 repetitions of 3,000 steps, seed 0")
    assert lines[-1] == "not judged: the published figures are of 1,000,000 steps, with δ = 1 and longer delays"
    assert len({len(line) for line in lines[3:7]}) == 1  # columns stand under each other


def test_json_has_the_same_figures_for_machines() -> None:
    made = json.loads(call(*SMALL, "--json").out)
    table = made["comparison"]
    assert (table["world"], table["steps"], table["repetitions"], table["seed"]) == ("chapelle-li", 3000, 3, 0)
    assert made["seconds"] > 0
    assert table["judged"] is False
    first = table["rows"][0]
    assert first["ratio"]["mean"] == pytest.approx(first["ucb"]["mean"] / first["thompson"]["mean"])
    assert first["ucb"]["published"] is None


def test_a_seed_repeats_the_table_and_another_one_does_not() -> None:
    first, again, other = (
        json.loads(call(*SMALL, "--seed", seed, "--json").out)["comparison"]["rows"] for seed in ("1", "1", "2")
    )
    assert first == again
    assert first != other


@pytest.mark.simulations
def test_at_full_size_what_failed_is_said_and_ends_with_1() -> None:
    # With two repetitions and delays this near to each other nothing rises beyond chance.
    answer = call("compare", "--world", "chapelle-li", "--repetitions", "2", "--delays", "1,2")
    assert answer.code == 1
    assert "failed: " in answer.out
    assert "24,145" in answer.out


def test_an_unknown_world_is_refused_with_those_there_are() -> None:
    assert_refused(call("compare", "--world", "mars"), 2, "'mars'", "chapelle-li")


@pytest.mark.parametrize("delays", ["", "0", "1,x", "1,-3", "1.5", "1,5000"])
def test_delays_that_are_none_are_refused(delays: str) -> None:
    assert_refused(call(*SMALL[:-1], delays), 2, "--delays", "1 to the 3,000 steps")


def test_a_delay_given_twice_is_refused() -> None:
    assert_refused(call(*SMALL[:-1], "10,10"), 2, "(10, 10)", "none twice")


@pytest.mark.parametrize(
    "words", [("--steps", "0"), ("--repetitions", "1"), ("--seed", "-1"), ("--steps", "many")], ids=" ".join
)
def test_numbers_out_of_range_are_refused(words: tuple[str, str]) -> None:
    answer = call("compare", "--world", "chapelle-li", *words)
    assert (answer.code, answer.out) == (2, "")
    assert words[0] in answer.err


def test_without_a_world_the_log_is_that_of_the_workspace(tmp_path: Path) -> None:
    assert_refused(call("compare", "--workspace", str(tmp_path)), 2, str(tmp_path / "impressions"), "--log")


def test_repetitions_give_the_same_regrets_in_processes_of_their_own() -> None:
    tasks = [Repetition(0, number, 2000, delays_of((1, 50))) for number in range(4)]
    with open_executor("processes", 2) as executor:
        found = [regret.tolist() for regret in executor.map(regrets_of, tasks)]
    assert found == [regrets_of(task).tolist() for task in tasks]


def test_a_worker_that_dies_is_told_with_a_remedy_that_the_command_has() -> None:
    die: Any = os._exit
    with pytest.raises(
        SurroundingsError, match=r"a worker process died at one of the repetitions.*; try fewer or smaller ones"
    ) as caught:
        repeat("processes", die, [9, 9], silent)
    assert "shard" not in str(caught.value)


def test_remedies_are_options_of_the_command() -> None:
    assert "--steps" in call("compare", "--help").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--log", "x.csv", "--seeds", "3"), "--seeds has no effect on a comparison by a log; leave it out"),
        (("--log", "x.csv", "--delays", "3"), "--delays has no effect on a comparison by a log"),
        (("--world", "synthetic", "--missing", "mean"), "--missing has no effect on a comparison by --world synthetic"),
        (("--world", "synthetic", "--time-format", "epoch"), "--time-format has no effect on a comparison by --world"),
        (("--world", "synthetic", "--plan"), "--plan has no effect on a comparison by --world synthetic"),
        (("--world", "movielens", "--from", "x.csv"), "--from has no effect on a comparison by --world movielens"),
        (("--world", "synthetic", "--steps", "9"), "--steps has no effect on a comparison by --world synthetic"),
        (("--world", "chapelle-li", "--users", "9"), "--users has no effect on a comparison by --world chapelle-li"),
    ],
)
def test_options_without_effect_are_refused(words: tuple[str, ...], said: str) -> None:
    assert_refused(call("compare", *words), 2, said)
