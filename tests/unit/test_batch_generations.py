"""Generations on disk: numbers of one's own, manifests, and messages that say which generations there are."""

import json
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from bandit.errors import InputError
from batch.config import Config
from batch.executors import open_executor
from batch.generations import (
    Manifest,
    claim,
    claimed,
    finished,
    folder_of,
    read_manifest,
    resolve,
    verify_files,
    write_manifest,
)
from batch.workspace import Workspace


def write_stage(workspace: Workspace, stage: str) -> int:
    generation = claim(workspace)
    manifest = Manifest.new(generation, None, Config())
    write_manifest(workspace, replace(manifest, stage=stage))
    return generation


def test_numbers_count_up_from_one(tmp_path: Path) -> None:
    assert [claim(Workspace(tmp_path)) for _ in range(3)] == [1, 2, 3]


def test_a_number_is_never_given_twice_even_when_earlier_folders_are_gone(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for _ in range(3):
        claim(workspace)
    folder_of(workspace, 1).rmdir()
    assert claim(workspace) == 4


def test_processes_that_claim_at_once_get_different_numbers(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with open_executor("processes", workers=2) as executor:
        numbers = list(executor.map(claim, [workspace] * 200))
    assert sorted(numbers) == claimed(workspace) == list(range(1, 201))


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    generation = claim(workspace)
    config = Config(policy="epsilon_greedy:epsilon=0.05", seed=11, floor=0.01)
    manifest = Manifest.new(generation, 4, config)
    written = replace(manifest, rows={"2026-01-01": 7}, counts={"users": 3}, checksums={"a": "b"}, stage="trained")
    write_manifest(workspace, written)
    assert read_manifest(workspace, generation) == written
    assert read_manifest(workspace, generation).digest == written.digest


def test_manifests_that_differ_have_different_digests() -> None:
    manifest = Manifest.new(1, None, Config())
    assert replace(manifest, config=Config(seed=1)).digest != manifest.digest


def test_the_newest_generation_that_reached_a_stage_is_taken(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_stage(workspace, "precomputed")
    write_stage(workspace, "trained")
    claim(workspace)
    assert resolve(workspace, None, "precomputed") == 1
    assert resolve(workspace, None, "trained") == 2
    assert finished(workspace, "claimed") == finished(workspace, "trained") == [1, 2]


def test_a_workspace_without_generations_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"generations has no trained generation; run `artwork train` first"):
        resolve(Workspace(tmp_path), None, "trained")


def test_a_generation_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_stage(workspace, "precomputed")
    write_stage(workspace, "precomputed")
    with pytest.raises(
        InputError, match=r"generation 7 is not precomputed in .*; precomputed are 1, 2; run `artwork pre"
    ):
        resolve(workspace, 7, "precomputed")


def test_a_generation_that_is_only_trained_cannot_be_published(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    generation = write_stage(workspace, "trained")
    with pytest.raises(InputError, match=r"generation 1 is not precomputed in .*; precomputed are none"):
        resolve(workspace, generation, "precomputed")


def test_the_manifest_of_a_number_that_was_only_claimed_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    claim(workspace)
    with pytest.raises(InputError, match=r"generation 1 is not in .*; there are 1; see `artwork generations list`"):
        read_manifest(workspace, 1)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"generation": 1'])
def test_a_manifest_that_is_none_is_refused_with_its_path(text: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = folder_of(workspace, write_stage(workspace, "trained")) / "manifest.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json is not a manifest .*; remove the folder"):
        read_manifest(workspace, 1)


def test_a_manifest_of_before_there_were_rewards_and_retention_is_read_with_the_defaults(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = folder_of(workspace, write_stage(workspace, "trained")) / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in ("retention", "reward", "explore_share", "other_policy", "other_share"):
        del manifest["config"][name]
    path.write_text(json.dumps(manifest))
    assert read_manifest(workspace, 1).config == Config()


def test_a_manifest_of_before_there_were_two_policies_keeps_the_digest_that_the_store_knows(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = folder_of(workspace, write_stage(workspace, "trained")) / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in ("other_policy", "other_share"):
        del manifest["config"][name]
    path.write_text(json.dumps(manifest))
    then = blake2b(json.dumps(manifest, sort_keys=True).encode(), digest_size=16).hexdigest()
    assert read_manifest(workspace, 1).digest == then


def test_two_generations_that_differ_in_the_other_policy_have_two_digests() -> None:
    one, two, third = (
        Manifest(1, None, "now", "1", config)
        for config in (Config(), Config(other_policy="greedy"), Config(other_policy="greedy", other_share=0.2))
    )
    assert len({one.digest, two.digest, third.digest}) == 3


def test_two_texts_of_one_reward_are_one_configuration() -> None:
    spelt_out = "weighted_sum:take=0.75,take.engaged_fraction=0.7,click=0.25"
    assert Config(reward="weighted_sum:take=0.75,click=0.25") == Config(reward=spelt_out)
    assert Config(reward="take:engaged_fraction=0.7") == Config()


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ("thompson",)),
        ({"policy": "softmax:temperature=0.1", "explore_share": 0.01}, ("softmax", "uniform")),
        ({"policy": "uniform", "explore_share": 0.01}, ("uniform",)),
        ({"other_policy": "softmax:temperature=0.1"}, ("thompson", "softmax")),
        ({"other_policy": "greedy", "explore_share": 0.01}, ("thompson", "greedy", "uniform")),
        ({"other_policy": "uniform", "explore_share": 0.01}, ("thompson", "uniform")),
        ({"policy": "uniform", "other_policy": "greedy", "explore_share": 0.01}, ("uniform", "greedy")),
        (
            {"policy": "epsilon_greedy", "other_policy": "epsilon_greedy:epsilon=0.3"},
            ("epsilon_greedy", "epsilon_greedy:epsilon=0.3"),
        ),
    ],
)
def test_the_policies_of_a_generation_are_its_own_and_that_of_explore_data(
    settings: dict[str, Any], names: tuple[str, ...]
) -> None:
    assert Config(**settings).policies == names


@pytest.mark.parametrize("change", ["removed", "other bytes"])
def test_a_file_that_changed_since_it_was_made_is_refused_with_its_path(change: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    folder = folder_of(workspace, claim(workspace))
    path = folder / "catalogue.parquet"
    path.write_bytes(b"as it was")
    manifest = Manifest.new(1, None, Config()).with_files(folder, [path], stage="trained")
    verify_files(workspace, manifest)
    path.write_bytes(b"as it is") if change == "other bytes" else path.unlink()
    with pytest.raises(
        InputError, match=r"catalogue\.parquet is missing or differs from its checksum in manifest\.json"
    ):
        verify_files(workspace, manifest)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"policy": "magic"}, "magic"),
        ({"policy": "epsilon_greedy:epsilon=2"}, "epsilon"),
        ({"posterior": "magic"}, "magic"),
        ({"floor": -0.1}, "floor"),
        ({"new_floor": 0.6}, "new_floor"),
        ({"seed": -1}, "seed"),
        ({"retention": 0.0}, r"retention is 0\.0, expected above 0 and at most 1"),
        ({"retention": 1.5}, r"retention is 1\.5"),
        ({"retention": float("nan")}, "retention is nan"),
        ({"reward": "applause"}, "applause"),
        ({"reward": "take:engaged_fraction=2"}, "engaged_fraction"),
        ({"explore_share": 1.0}, r"explore_share is 1\.0, expected a share from 0 to below 1; .*--policy uniform"),
        ({"explore_share": -0.1}, r"explore_share is -0\.1"),
        ({"explore_share": float("nan")}, "explore_share is nan"),
        ({"other_policy": "magic"}, "magic"),
        (
            {"policy": "epsilon_greedy", "other_policy": "epsilon_greedy:epsilon=0.1"},
            "is the policy epsilon_greedy itself",
        ),
        ({"other_policy": "greedy", "other_share": 0.0}, r"other_share is 0\.0, expected a share between 0 and 1"),
        ({"other_policy": "greedy", "other_share": 1.0}, r"other_share is 1\.0"),
        ({"other_policy": "greedy", "other_share": float("nan")}, "other_share is nan"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_its_name(settings: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Config(**settings)  # type: ignore[arg-type]
