"""Runs one after the other: what they come after, and that only one is at work in a workspace."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import redis
from make_impressions import ALL_BLOCKS, FIRST_DAY, draw_impressions, log_days, make_generation, served, silent
from shell import call

from bandit.errors import SurroundingsError
from batch.config import Config
from batch.executors import SerialExecutor
from batch.job import Ran, run
from batch.learning.train import train
from batch.publishing.flips import rollback
from batch.store.client import URL_VARIABLE
from batch.workspace.generations import claimed, folder_of, read_manifest
from batch.workspace.impressions import append_impressions
from batch.workspace.lock import only_job
from batch.workspace.workspace import Workspace

HOLD = (
    "import sys\nfrom pathlib import Path\nfrom batch.workspace.lock import only_job\n"
    "from batch.workspace.workspace import Workspace\n"
    "with only_job(Workspace(Path(sys.argv[1])), 'run'):\n    print('held', flush=True)\n    sys.stdin.read()\n"
)


def a_run(workspace: Workspace, store: str, config: Config | None = None) -> Ran:
    return run(workspace, config or Config(retention=0.9), SerialExecutor(), store, silent, shard_size=ALL_BLOCKS)


def arrays_of(workspace: Workspace, generation: int) -> dict[str, bytes]:
    with np.load(folder_of(workspace, generation) / "posterior" / "linear.npz") as file:
        return {name: file[name].tobytes() for name in file.files}


def test_after_a_rollback_nothing_is_lost_or_counted_twice(
    workspace: Workspace, client: redis.Redis, store: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log_days(workspace, 2, 300)
    first = a_run(workspace, store).trained
    for day in (FIRST_DAY.replace(day=3), FIRST_DAY.replace(day=4)):
        append_impressions(workspace, day, draw_impressions(workspace, day, 300))
    second = a_run(workspace, store).trained
    rollback(client)
    third = a_run(workspace, store).trained
    assert [made.parent for made in (first, second, third)] == [None, 1, 1]
    fresh = Workspace(tmp_path_factory.mktemp("fresh"))
    for name in ("users.parquet", "titles.parquet", "artworks.parquet"):
        shutil.copy(workspace.root / name, fresh.root)
    shutil.copytree(workspace.impressions, fresh.impressions)
    alone = train(fresh, Config(retention=0.9), SerialExecutor(), silent, shard_size=ALL_BLOCKS)
    assert arrays_of(workspace, third.generation) == arrays_of(fresh, alone.generation)
    assert read_manifest(workspace, 3).days == read_manifest(fresh, 1).days
    assert read_manifest(workspace, 3).rows == {f"2026-01-0{day}": 300 for day in (1, 2, 3, 4)}


def test_training_alone_comes_after_the_newest_generation_that_has_picks_or_the_one_that_is_named(
    workspace: Workspace,
) -> None:
    make_generation(workspace)
    make_generation(workspace)
    root = str(workspace.root)
    assert call("train", "--policy", "uniform", "-w", root).code == 0
    assert call("train", "--policy", "uniform", "-w", root, "--parent", "1").code == 0
    assert [read_manifest(workspace, number).parent for number in (2, 3, 4)] == [1, 2, 1]
    refused = call("train", "-w", root, "--parent", "3")
    assert refused.code == 2
    assert "generation 3 is not precomputed" in refused.err
    assert claimed(workspace) == [1, 2, 3, 4]


@pytest.mark.parametrize("command", ["run", "train", "precompute", "publish"])
def test_of_two_jobs_at_once_one_works_and_the_other_exits_with_the_number_of_its_process(
    workspace: Workspace, store: str, command: str
) -> None:
    make_generation(workspace)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(workspace.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        refused = call(command, "-w", str(workspace.root), **{URL_VARIABLE: store})
        assert refused.code == 3
        assert f"process {holder.pid} (`artwork run`, since 20" in refused.err
        assert "nothing was done: wait until it has ended, or stop it" in refused.err
        assert claimed(workspace) == [1]
        holder.kill()
    assert holder.returncode == -signal.SIGKILL
    assert call("train", "--policy", "uniform", "-w", str(workspace.root)).code == 0


def test_two_runs_at_once_publish_once(workspace: Workspace, client: redis.Redis, store: str) -> None:
    log_days(workspace, 1, 300)
    environment = os.environ | {URL_VARIABLE: store}
    words = [sys.executable, "-m", "artwork.cli", "run", "-w", str(workspace.root), "--json"]
    both = [subprocess.Popen(words, env=environment, stdout=-1, stderr=-1, text=True) for _ in range(2)]
    outcomes = sorted((job.communicate(timeout=250), job.returncode) for job in both)
    codes = sorted(code for _, code in outcomes)
    made = [json.loads(out)["published"]["generation"] for (out, _), code in outcomes if code == 0]
    now = served(client)
    assert now is not None
    assert made == list(range(1, now.generation + 1))
    for (_, err), code in outcomes:  # one that began after the other had ended has worked as well
        assert code in (0, 3)
        assert code == 0 or "is at work in" in err
    assert codes[0] == 0


@pytest.mark.parametrize("content", [b"", b"{}", b"nonsense", b'{"pid": "x", "job": 3}'])
def test_a_lock_that_says_nothing_of_its_holder_is_a_lock(workspace: Workspace, content: bytes) -> None:
    with only_job(workspace, "run"):
        workspace.lock.write_bytes(content)
        with pytest.raises(SurroundingsError, match="another process is at work in"), only_job(workspace, "train"):
            pytest.fail("two are at work")
    with only_job(workspace, "train"):
        pass


def test_a_workspace_that_is_not_there_is_refused_by_the_job_and_not_made(tmp_path: Path) -> None:
    refused = call("train", "-w", str(tmp_path / "nothing"))
    assert refused.code == 2
    assert not (tmp_path / "nothing").exists()
