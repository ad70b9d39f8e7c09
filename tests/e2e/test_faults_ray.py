"""The job on a real Ray cluster of two nodes on 127.0.0.1, of which one is killed half-way: the same bytes as serial."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import pytest
from make_impressions import log_days, shorten
from ray_cluster import ON_LOOPBACK, RayCluster, ray_cluster
from shell import HANG_SECONDS, artwork, artwork_started

from batch.choosing.chooser import USERS_A_BLOCK
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.workspace.workspace import Workspace

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.faults

USERS = 7 * USERS_A_BLOCK + 76
TITLES = 150
"""Three blocks of titles, the last one short."""

TRAINED = ("--posterior", "logistic", "--shard-size", "1")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("ray"))
    write(made, synthetic.build(n_users=USERS, n_titles=TITLES, seed=3))
    shorten(made)
    log_days(made, 2, 3_000)
    return made


@pytest.fixture
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as made:
        yield made


def fresh_copy(original: Workspace, to: Path) -> Workspace:
    shutil.copytree(original.root, to)
    return Workspace(to)


def digests(workspace: Workspace) -> dict[str, str]:
    """Of every file of the first generation, but for its manifest, which says when it was made."""
    folder = workspace.generations / "000001"
    return {
        str(path.relative_to(folder)): blake2b(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


def until(job: subprocess.Popen[str], paths: Path, pattern: str, count: int) -> None:
    """Wait until so many files are there; the job is still at work then."""
    deadline = time.monotonic() + HANG_SECONDS
    while len(list(paths.glob(pattern))) < count:
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between looks at the disk


def test_a_node_that_is_killed_half_way_changes_no_byte(written: Workspace, cluster: RayCluster, tmp_path: Path) -> None:
    serial, on_ray = fresh_copy(written, tmp_path / "serial"), fresh_copy(written, tmp_path / "ray")
    for words in (("train", *TRAINED), ("precompute", "--shard-size", "1")):
        assert artwork(*words, "-w", str(serial.root)).returncode == 0
    for words in (("train", *TRAINED),):
        done = artwork(*words, "-w", str(on_ray.root), "--executor", "ray", "--address", cluster.address, **ON_LOOPBACK)
        assert (done.returncode, done.stderr) == (0, "")
    job = artwork_started(
        *("precompute", "--shard-size", "1", "-w", str(on_ray.root), "--executor", "ray", "--address", cluster.address),
        **ON_LOOPBACK,
    )
    with job:
        until(job, on_ray.generations / "000001" / "picks", "*.rows", 2)
        os.kill(cluster.second, signal.SIGKILL)
        out, err = job.communicate(timeout=HANG_SECONDS)
    assert (job.returncode, err) == (0, ""), out
    assert digests(on_ray) == digests(serial)
