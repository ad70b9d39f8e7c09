"""``--json``: one document on standard output, for machines."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from make_impressions import log_days, make_generation
from shell import call, runtime_folder

from batch.config import Config, Variant
from batch.workspace.generations import read_manifest
from batch.workspace.workspace import Workspace

Ask = Callable[..., Any]


@pytest.fixture
def ask(workspace: Workspace, store: str) -> Ask:
    """Runs a command on ``workspace`` and ``store`` and reads the one document that it prints."""

    def run(*words: str) -> Any:
        answer = call(*words, "--workspace", str(workspace.root), "--json", ARTWORK_REDIS_URL=store)
        assert (answer.code, answer.err) == (0, "")
        return json.loads(answer.out)

    return run


def test_the_stages_of_a_generation_say_what_they_made(ask: Ask, workspace: Workspace) -> None:
    log_days(workspace, 2, 200)
    trained = ask("train", "--policy", "epsilon_greedy", "--seed", "5")
    assert (trained["generation"], trained["days"], trained["impressions"]) == (1, 2, 400)
    assert trained["folder"].endswith("generations/000001")
    precomputed = ask("precompute", "--executor", "processes", "--shard-size", "1")
    assert (precomputed["users"], precomputed["picks"], precomputed["shards"]) == (600, 7200, 1)
    published = ask("publish")
    assert (published["generation"], published["rows"], published["flip"]) == (1, 600, 1)


def test_the_whole_job_says_what_its_three_stages_made(ask: Ask) -> None:
    made = ask("run", "--policy", "uniform")
    assert [made[stage]["generation"] for stage in ("trained", "precomputed", "published")] == [1, 1, 1]
    assert made["seconds"] > 0


def test_generations_are_listed_as_they_are_on_disk_and_in_the_store(ask: Ask, workspace: Workspace) -> None:
    ask("run", "--policy", "uniform")
    ask("run", "--policy", "epsilon_greedy")
    make_generation(workspace)
    ask("train")
    listed = ask("generations", "list")
    assert [item["generation"] for item in listed] == [1, 2, 3, 4]
    assert [item["stage"] for item in listed] == ["precomputed", "precomputed", "precomputed", "trained"]
    assert [item["policy"] for item in listed] == ["uniform", "epsilon_greedy", "uniform", "thompson"]
    assert [item["in_store"] for item in listed] == [True, True, False, False]
    assert [item["current"] for item in listed] == [False, True, False, False]
    assert [item["previous"] for item in listed] == [True, False, False, False]


def test_variants_are_made_as_the_command_line_names_them(ask: Ask, workspace: Workspace) -> None:
    words = (
        "policy=epsilon_greedy:epsilon=0.2,halving=500,share=0.3",
        "bold=posterior=shared,floor=0,share=0.1",
        "clicks=reward=click",
    )
    made = ask(
        "run", "--policy", "popularity", "--salt", "s", *(word for text in words for word in ("--variant", text))
    )
    labels = ["epsilon_greedy:epsilon=0.2,halving=500", "bold (popularity)", "clicks (popularity)"]
    assert made["trained"]["variants"] == made["precomputed"]["variants"] == labels
    models = [(model["posterior"], model["reward"]) for model in made["trained"]["models"]]
    take = "take:engaged_fraction=0.7"
    assert models == [("beta", take), ("linear", take), ("beta", "click")]
    assert [item["policy"] for item in ask("generations", "list")] == [" and ".join(labels)]
    assert read_manifest(workspace, 1).config == Config(
        (
            Variant("epsilon_greedy", labels[0], share=0.3),
            Variant("bold", "popularity", "shared", floor=0.0, share=0.1),
            Variant("clicks", "popularity", reward="click"),
        ),
        total=4095,
        salt="s",
    )


def test_a_workspace_without_generations_lists_none(ask: Ask) -> None:
    assert ask("generations", "list") == []


def test_rolling_back_and_activating_say_what_is_served(ask: Ask) -> None:
    ask("run", "--policy", "uniform")
    ask("run", "--policy", "uniform")
    assert ask("generations", "rollback") == {"generation": 1, "previous": 2, "flip": 3}
    assert ask("generations", "activate", "2") == {"generation": 2, "previous": 1, "flip": 4}


@pytest.fixture
def runtime() -> Iterator[str]:
    with runtime_folder() as folder:
        yield folder


def test_the_store_says_which_process_it_is(workspace: Workspace, runtime: str) -> None:
    def ask_store(word: str) -> Any:
        answer = call("store", word, "-w", str(workspace.root), "--json", XDG_RUNTIME_DIR=runtime)
        assert (answer.code, answer.err) == (0, "")
        return json.loads(answer.out)

    first, second = ask_store("start"), ask_store("start")
    assert (first["started"], second["started"]) == (True, False)
    assert first["pid"] == second["pid"]
    assert ask_store("stop") == {"pid": first["pid"]}
    assert ask_store("stop") == {"pid": None}
