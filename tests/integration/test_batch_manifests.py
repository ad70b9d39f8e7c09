"""Manifests and files of generations that somebody changed: nothing is read from elsewhere, nothing of it is published."""

import json
import shutil
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
import redis
from make_impressions import ALL_BLOCKS, make_generation, silent
from shell import call

from bandit.errors import InputError
from batch.choosing.explain import explain
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.executors import SerialExecutor
from batch.learning.train import train
from batch.publishing.publish import publish
from batch.store.client import URL_VARIABLE
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.picks import recorded_picks
from batch.workspace.workspace import Workspace


def change_checksums(workspace: Workspace, change: dict[str, str | None]) -> None:
    """Give the manifest of generation 1 other checksums; None takes one away."""
    path = folder_of(workspace, 1) / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text())
    sums = manifest["checksums"] | change
    manifest["checksums"] = {name: digest for name, digest in sums.items() if digest is not None}
    path.write_text(json.dumps(manifest))


PICKS = "part-0000000000.rows"


def digest_of(path: Path) -> str:
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()


@pytest.mark.parametrize("name", ["picks/../../../../outside.parquet", "picks/../../../outside.parquet"])
def test_picks_outside_of_the_folder_are_never_published_though_their_checksum_is_right(
    workspace: Workspace, client: redis.Redis, store: str, name: str
) -> None:
    make_generation(workspace)
    picks = folder_of(workspace, 1) / "picks" / PICKS
    outside = (folder_of(workspace, 1) / name).resolve()
    shutil.copy(picks, outside)
    change_checksums(workspace, {name: digest_of(outside), f"picks/{PICKS}": None})
    refused = call("publish", "--generation", "1", "-w", str(workspace.root), **{URL_VARIABLE: store})
    assert refused.code == 2
    assert len(refused.err.strip().splitlines()) == 1
    with pytest.raises(InputError, match=r"manifest\.json is not a manifest \(checksums\."):
        publish(workspace, 1, client, store, silent)
    assert client.dbsize() == 0
    outside.unlink()


def test_picks_behind_a_link_that_leads_out_of_the_folder_are_never_published(
    workspace: Workspace, client: redis.Redis, store: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make_generation(workspace)
    picks, elsewhere = folder_of(workspace, 1) / "picks", tmp_path_factory.mktemp("elsewhere") / "picks"
    shutil.move(picks, elsewhere)
    picks.symlink_to(elsewhere)
    with pytest.raises(InputError, match=rf"{PICKS} is missing or differs"):
        publish(workspace, 1, client, store, silent)
    assert client.dbsize() == 0


@pytest.mark.parametrize("name", ["posterior/linear.npz", "contexts/part-000000.parquet", "catalogue.parquet"])
def test_picks_are_not_drawn_from_files_that_changed_since_they_were_made(workspace: Workspace, name: str) -> None:
    train(workspace, Config(), SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    path = folder_of(workspace, 1) / name
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InputError, match=rf"{name} is missing or differs from its checksum"):
        precompute(workspace, 1, SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    assert not (folder_of(workspace, 1) / "picks").exists()


def test_shortlists_that_the_manifest_does_not_name_are_not_looked_at(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    train(workspace, Config.of("uniform"), SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    (folder_of(workspace, 1) / "candidates.parquet").write_bytes(b"not even a table")
    precompute(workspace, 1, SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    assert publish(workspace, 1, client, store, silent).rows == 600


@pytest.mark.parametrize("name", ["posterior/linear.npz", f"picks/{PICKS}"])
def test_nothing_is_explained_from_files_that_changed_since_they_were_made(workspace: Workspace, name: str) -> None:
    make_generation(workspace, "thompson")
    path = folder_of(workspace, 1) / name
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InputError, match=rf"{name} is missing or differs from its checksum"):
        explain(workspace, "u0001", "t0001", 1)


def test_earlier_picks_that_changed_are_left_out_and_told_to_whoever_asks_for_them(workspace: Workspace) -> None:
    for _ in range(3):
        make_generation(workspace)
    (folder_of(workspace, 2) / "picks" / PICKS).unlink()
    assert [pick.generation for pick in recorded_picks(workspace, "u0001", "t0001", 10)] == [3, 1]


def test_a_folder_that_was_copied_to_another_number_is_refused(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    make_generation(workspace)
    shutil.copytree(folder_of(workspace, 1), folder_of(workspace, 2))
    with pytest.raises(InputError, match=r"generation: it is 1, its folder is that of 2"):
        read_manifest(workspace, 2)
    assert publish(workspace, None, client, store, silent).generation == 1
