"""A job that died, a record in another runtime folder, a title as large as can be."""

import os
import shutil
from pathlib import Path

import polars as pl
import pytest
import redis
from make_impressions import make_generation, picks_path, silent, stored_rows

from batch.publishing.publish import publish
from batch.store.embedded import start_store, stop_store, store_pid
from batch.workspace.catalogue import Catalogue
from batch.workspace.workspace import Workspace


def test_picks_that_a_dead_job_left_are_not_published(workspace: Workspace, store: str, client: redis.Redis) -> None:
    generation = make_generation(workspace, shard_size=3)
    left = picks_path(workspace, generation)
    shutil.copy(left, left.with_name("part-0000000001.rows"))
    made = publish(workspace, generation, client, store, silent)
    assert made.rows == len(stored_rows(client, workspace, generation))


def test_a_store_is_found_from_another_runtime_folder(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = start_store(workspace.root).pid
    try:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
        (tmp_path / "r").mkdir()
        again = start_store(workspace.root)
        assert (again.pid, again.started) == (pid, False)
        assert store_pid(workspace.root) == pid
    finally:
        assert stop_store(workspace.root) == pid
    assert not os.path.exists(f"/proc/{pid}")  # noqa: PTH110 - a process, not a file of ours


def test_a_title_may_have_256_artworks() -> None:
    frame = pl.DataFrame(
        {"title_id": ["t"] * 256, "artwork_id": [f"a{n:03d}" for n in range(256)], "is_default": [False] * 256}
    )
    assert Catalogue(frame).keys()["arm"].to_list() == list(range(256))
