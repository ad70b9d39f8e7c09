"""A workspace whose store is a cluster on this machine: started, found, filled, stopped and started again by commands."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import until
from make_impressions import log_days
from shell import artwork, runtime_folder

from bandit.errors import InputError, RowError, SurroundingsError
from bandit.snapshot import decode_row, row_key
from batch.publishing.flips import count_rows, read_current, read_meta
from batch.store.client import connect, primaries, read_bytes
from batch.store.cluster import has_cluster, parse_shape, running_cluster, start_cluster, stop_cluster
from batch.store.embedded import start_store, stop_store, store_url
from batch.store.processes import is_alive
from batch.workspace.files import read_parquet
from batch.workspace.workspace import Workspace

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def root(written_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("clustered")
    shutil.copytree(written_tables, root, dirs_exist_ok=True)
    log_days(Workspace(root), 2, 300)
    try:
        yield root
    finally:
        stop_cluster(root)


@pytest.fixture(scope="module")
def filled(root: Path) -> Path:
    for words in (("store", "start", "--cluster", "3x2"), ("run",)):
        done = artwork(*words, "--workspace", str(root))
        assert done.returncode == 0, done.stderr
    return root


def password_of(root: Path) -> str:
    return str(json.loads((root / "store" / "cluster" / "cluster.json").read_text())["password"])


def test_a_run_fills_the_cluster_of_its_workspace_and_makes_its_generation_current(filled: Path) -> None:
    with connect(store_url(filled, start=False)) as client:
        now = read_current(client)
        assert now is not None
        meta = read_meta(client, now.generation)
        assert meta is not None
        assert count_rows(client, now.generation) == meta.users
        with primaries(client) as nodes:
            shares = [len(list(node.scan_iter(match="art:g:*:u:*"))) for node in nodes]
    assert len(shares) == 3
    assert sum(shares) == meta.users
    assert min(shares) > 0


def test_rows_of_a_cluster_are_read_by_the_user_in_the_braces(filled: Path) -> None:
    with connect(store_url(filled, start=False)) as client:
        now = read_current(client)
        assert now is not None
        users = read_parquet(filled / "users.parquet")["user_id"].to_list()[:3]
        keys = [row_key(now.generation, user) for user in users]
        rows = read_bytes(client, keys)
    for user, row in zip(users, rows, strict=True):
        decode_row(row or b"", user, now.generation, now.identity)
    with pytest.raises(RowError):
        decode_row(rows[0] or b"", users[1], now.generation, now.identity)


def test_generations_that_are_served_no_more_are_swept_from_every_node(filled: Path) -> None:
    for _ in range(3):
        done = artwork("run", "--workspace", str(filled))
        assert done.returncode == 0, done.stderr
    with connect(store_url(filled, start=False)) as client:
        now = read_current(client)
        assert now is not None
        assert now.previous is not None
        kept = {now.generation, now.previous, now.previous - 1}  # a publish sweeps before it writes
        with primaries(client) as nodes:
            found = {int(key.split(b":")[2]) for node in nodes for key in node.scan_iter(match="art:g:*:u:*")}
    assert now.generation == 4
    assert found == kept
    done = artwork("generations", "rollback", "--workspace", str(filled))
    assert done.returncode == 0, done.stderr
    assert f"generation {now.previous} is current" in done.stdout


def test_what_a_cluster_holds_outlives_a_stop(filled: Path) -> None:
    with connect(store_url(filled, start=False)) as client:
        before = read_current(client)
    done = artwork("store", "stop", "--workspace", str(filled))
    assert done.stdout.startswith("stopped processes ")
    assert running_cluster(filled) is None
    with pytest.raises(SurroundingsError, match="does not run; start it with"):
        store_url(filled, start=False)
    with connect(store_url(filled)) as client:
        assert read_current(client) == before


def test_a_second_start_finds_the_nodes_that_run(filled: Path) -> None:
    first = start_cluster(filled)
    second = start_cluster(filled, (3, 2))
    assert not second.started
    assert second.nodes == first.nodes


def test_a_node_that_died_is_started_again_and_the_others_go_on(filled: Path) -> None:
    before = start_cluster(filled).nodes
    os.kill(before[4].pid, 9)
    until(lambda: not is_alive(before[4].pid), "it is gone")
    again = start_cluster(filled, seconds=60.0)
    assert again.started
    assert [node.pid == was.pid for node, was in zip(again.nodes, before, strict=True)] == [True] * 4 + [False, True]


def test_status_tells_of_all_nodes_and_no_output_has_the_password(filled: Path) -> None:
    start_cluster(filled)
    outputs = []
    for words in (("store", "start"), ("store", "status"), ("store", "status", "--json"), ("doctor",)):
        done = artwork(*words, "--workspace", str(filled))
        outputs.append(done.stdout + done.stderr)
    assert all(password_of(filled) not in output for output in outputs)
    told = json.loads(artwork("store", "status", "--json", "--workspace", str(filled)).stdout)
    assert len(told["nodes"]) == 6
    assert told["generation"] is not None


def test_files_and_processes_show_the_password_to_nobody_else(filled: Path) -> None:
    cluster = start_cluster(filled)
    for path in cluster.folder.rglob("*"):
        assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path
    password = password_of(filled).encode()
    assert all(password not in Path(f"/proc/{node.pid}/cmdline").read_bytes() for node in cluster.nodes)


def test_a_cluster_is_not_rebuilt_as_a_single_store(filled: Path) -> None:
    done = artwork("store", "rebuild", "--workspace", str(filled))
    assert done.returncode == 2
    assert "is a cluster" in done.stderr
    assert not (filled / "store" / "server.json").exists()


def test_the_doctor_looks_at_the_cluster_of_a_workspace(filled: Path) -> None:
    start_cluster(filled)
    assert "redis+cluster://" in artwork("doctor", "--workspace", str(filled)).stdout
    stop_cluster(filled)
    assert "the cluster of the workspace does not run" in artwork("doctor", "--workspace", str(filled)).stdout


def test_a_cluster_of_another_shape_is_not_made_in_its_place(filled: Path) -> None:
    with pytest.raises(InputError, match="has 3 shards and 6 nodes"):
        start_cluster(filled, (4, 2))


def test_a_store_that_runs_is_not_left_behind_by_a_cluster(written_tables: Path, tmp_path: Path) -> None:
    shutil.copytree(written_tables, tmp_path, dirs_exist_ok=True)
    with runtime_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        start_store(tmp_path)
        try:
            done = artwork("store", "start", "--cluster", "3x2", "--workspace", str(tmp_path), XDG_RUNTIME_DIR=folder)
        finally:
            stop_store(tmp_path)
    assert done.returncode == 2
    assert "is no cluster and runs as process" in done.stderr
    assert not has_cluster(tmp_path)


@pytest.mark.parametrize("text", ["", "3", "2x2", "3x0", "x", "3x2x1", "-3x2", "100x100", "3 x 2", "3x2\n"])
def test_what_is_no_shape_of_a_cluster_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no shape of a cluster"):
        parse_shape(text)
