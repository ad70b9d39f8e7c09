"""The job on a real Ray cluster on 127.0.0.1, of which nodes are killed half-way, come late or do not fit."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import redis
from event_logs import draw_events, in_streams, write_segments
from make_impressions import Served, log_days, shorten, silent, stored_rows
from make_impressions import served as served_by
from ray_cluster import ON_LOOPBACK, RayCluster, ray_cluster, wait_for_shard
from shell import HANG_SECONDS, artwork, artwork_started, assert_refused, environment

import bandit
import batch
from batch.choosing.chooser import USERS_A_BLOCK
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.executors import SerialExecutor
from batch.learning.train import train
from batch.publishing.row_bytes import encoded_rows
from batch.workspace.workspace import Workspace

# Asked when a test is run, not when the file is read: what is read to run other tests needs no Ray.
pytestmark = [pytest.mark.faults, pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed")]

TESTS = Path(__file__).parents[1]
USERS = 7 * USERS_A_BLOCK + 76
TITLES = 150
"""Three blocks of titles, the last one short."""

SMALL_SHARDS = ("--shard-size", "1")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A head, to which tests add the node that they kill."""
    with ray_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("written"))
    write(made, synthetic.build(n_users=USERS, n_titles=TITLES, seed=3))
    shorten(made)
    log_days(made, 2, 3_000)
    return made


@pytest.fixture(scope="module")
def trained(written: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = fresh_copy(written, tmp_path_factory.mktemp("trained"))
    train(made, Config.of(posterior="logistic"), SerialExecutor(), silent, shard_size=9)
    return made


@pytest.fixture(scope="module")
def precomputed(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = fresh_copy(trained, tmp_path_factory.mktemp("precomputed"))
    precompute(made, 1, SerialExecutor(), silent, shard_size=1)
    return made


def fresh_copy(original: Workspace, to: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(original.root, to / "copy")))


def files(root: Path) -> dict[str, str]:
    """The digest of every file below a folder, but for manifests, which say when they were made."""
    return {
        str(path.relative_to(root)): blake2b(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


def on_ray(cluster: RayCluster, workspace: Workspace) -> tuple[str, ...]:
    return ("-w", str(workspace.root), "--executor", "ray", "--address", cluster.address)


def ended(job: subprocess.Popen[str]) -> tuple[int, str]:
    """What a job ended with and said on standard error."""
    with job:
        _, err = job.communicate(timeout=HANG_SECONDS)
    return job.returncode, err


def test_a_node_that_is_killed_while_posteriors_are_fitted_changes_no_byte(
    cluster: RayCluster, written: Workspace, trained: Workspace, tmp_path: Path
) -> None:
    there, second = fresh_copy(written, tmp_path), cluster.add_node()
    job = artwork_started("train", "--posterior", "logistic", *SMALL_SHARDS, *on_ray(cluster, there), **ON_LOOPBACK)
    wait_for_shard(second, job)
    os.kill(second, signal.SIGKILL)
    assert ended(job) == (0, "")
    assert files(there.generations) == files(trained.generations)


def test_a_node_that_is_killed_while_artworks_are_chosen_changes_no_byte(
    cluster: RayCluster, trained: Workspace, precomputed: Workspace, tmp_path: Path
) -> None:
    there, second = fresh_copy(trained, tmp_path), cluster.add_node()
    job = artwork_started("precompute", *SMALL_SHARDS, *on_ray(cluster, there), **ON_LOOPBACK)
    wait_for_shard(second, job)
    os.kill(second, signal.SIGKILL)
    assert ended(job) == (0, "")
    assert files(there.generations) == files(precomputed.generations)


def test_a_node_that_is_killed_while_rows_are_published_leaves_every_row_in_the_store(
    cluster: RayCluster, precomputed: Workspace, client: redis.Redis, store: str
) -> None:
    second = cluster.add_node()
    words = ("publish", "--writers", "2", "--max-mb-per-second", "0.5", *on_ray(cluster, precomputed))
    job = artwork_started(*words, ARTWORK_REDIS_URL=store, **ON_LOOPBACK)
    wait_for_shard(second, job)
    os.kill(second, signal.SIGKILL)
    assert ended(job) == (0, "")
    assert served_by(client) == Served(1, 1)
    assert stored_rows(client, precomputed, 1) == dict(encoded_rows(precomputed, 1))


def test_events_are_joined_to_the_same_bytes(cluster: RayCluster, served: Workspace, tmp_path: Path) -> None:
    write_segments(served, in_streams(draw_events(served, 500, 5), 5))
    there = fresh_copy(served, tmp_path)
    serial = artwork("join", "-w", str(served.root), "--json")
    # The cluster that this machine is part of, which RAY_ADDRESS may name.
    words = ("join", "-w", str(there.root), "--json")
    names = {"ARTWORK_EXECUTOR": "ray", "ARTWORK_RAY_ADDRESS": "auto", "RAY_ADDRESS": cluster.address}
    joined = artwork(*words, **names, **ON_LOOPBACK)
    assert (joined.returncode, joined.stderr) == (0, "")
    assert json.loads(joined.stdout) == json.loads(serial.stdout) | {"report": str(there.events / "join.json")}
    assert files(there.impressions) == files(served.impressions)


@pytest.fixture(scope="module")
def results(cluster: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of shards of many kinds."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "json.py").write_text("raise RuntimeError('a module of the current folder was imported')")
    names = ("order", "threads_of_each", "filled", "paths", "raised", "two_at_once", "died")
    with script(cluster, folder, *names) as process:
        out, err = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, err) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == ["json.py"]
    made: dict[str, Any] = json.loads(out)
    return made


def script(cluster: RayCluster, folder: Path, *names: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", str(TESTS / "shards_on_ray.py"), cluster.address, str(folder), *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment(PYTHONPATH=str(TESTS), **ON_LOOPBACK),
    )


def test_results_come_in_the_order_of_the_shards(results: dict[str, Any]) -> None:
    assert results["order"] == list(range(50, 0, -1))


def test_two_maps_may_be_under_way_at_once(results: dict[str, Any]) -> None:
    assert results["two_at_once"] == [[number, str(number)] for number in range(9)]


def test_every_shard_has_one_thread(results: dict[str, Any]) -> None:
    assert results["threads_of_each"] == [{"blas": [1], "polars": 1}] * 4


def test_a_shard_may_write_to_its_arrays_as_it_may_elsewhere(results: dict[str, Any]) -> None:
    assert results["filled"] == [6.0, 600_000.0]


def test_errors_of_ours_come_through_as_they_are(results: dict[str, Any]) -> None:
    assert results["raised"] == {
        "input": ["InputError", "row 7 of x.parquet is wrong", True],
        "surroundings": ["SurroundingsError", "the disk is full", True],
        "unpicklable": ["RuntimeError", "RowError: a row is cut off", True],
        "fault": ["ZeroDivisionError", "a fault of ours", True],
    }


def test_a_shard_whose_process_dies_each_time_is_given_up(results: dict[str, Any]) -> None:
    assert results["died"] == "lost"


def test_workers_import_nothing_from_the_current_folder(results: dict[str, Any]) -> None:
    assert not [path for path in results["paths"] if "shards" in Path(path).name]


def test_a_node_that_joins_later_gets_shards(cluster: RayCluster, tmp_path: Path) -> None:
    with script(cluster, tmp_path, "waited") as process:
        wait_for_shard(cluster.head["raylet"], process)
        second = cluster.add_node()
        wait_for_shard(second, process)
        (tmp_path / "go").touch()
        out, err = process.communicate(timeout=HANG_SECONDS)
    os.kill(second, signal.SIGKILL)
    assert (process.returncode, err) == (0, "")
    assert json.loads(out) == {"waited": [[True] * 3, 2]}


def test_a_node_with_other_sources_is_refused_before_anything_is_computed(
    cluster: RayCluster, trained: Workspace, tmp_path: Path
) -> None:
    there, path = fresh_copy(trained, tmp_path), tmp_path / "path"
    for package in (bandit, batch):
        folder = Path(str(package.__file__)).parent
        shutil.copytree(folder, path / folder.name)
    with (path / "batch" / "job.py").open("a") as file:
        file.write("# changed\n")
    second = cluster.add_node(path)
    try:
        refused = artwork("precompute", *on_ray(cluster, there), **ON_LOOPBACK)
    finally:
        os.kill(second, signal.SIGKILL)
    assert_refused(
        refused, 3, "does not fit: its sources of artwork-bandit have the digest", "install the same release"
    )
    assert files(there.generations) == files(trained.generations)
    assert not list(there.root.glob(".nodes-*"))


def test_ctrl_c_ends_a_job_without_a_word(cluster: RayCluster, trained: Workspace, tmp_path: Path) -> None:
    there = fresh_copy(trained, tmp_path)
    job = artwork_started("precompute", *SMALL_SHARDS, *on_ray(cluster, there), **ON_LOOPBACK)
    wait_for_shard(cluster.head["raylet"], job)
    job.send_signal(signal.SIGINT)
    assert ended(job) == (130, "")
    assert not list(there.root.glob(".nodes-*"))


def test_a_cluster_that_is_not_there_is_said_to_be_so(trained: Workspace) -> None:
    words = ("precompute", "-w", str(trained.root), "--executor", "ray", "--address", "127.0.0.1:1")
    assert_refused(
        artwork(*words), 3, "cannot use the Ray cluster (127.0.0.1:1): ", "Connection refused", "`ray status`"
    )


def test_a_cluster_that_is_lost_is_an_error_of_the_surroundings(
    cluster: RayCluster, trained: Workspace, tmp_path: Path
) -> None:
    there = fresh_copy(trained, tmp_path)
    job = artwork_started("precompute", *SMALL_SHARDS, *on_ray(cluster, there), **ON_LOOPBACK)
    wait_for_shard(cluster.head["raylet"], job)
    os.kill(cluster.head["raylet"], signal.SIGKILL)  # the last of these tests: nothing runs on this cluster any more
    code, err = ended(job)
    assert (code, err.count("\n")) == (3, 1), err
    assert "was lost: " in err
    assert err.endswith("see `ray status`, then run this again\n")
