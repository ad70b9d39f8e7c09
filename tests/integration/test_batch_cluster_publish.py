"""Publishing to a cluster whose slots are on their way, or whose replicas do not follow."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from broken_cluster import SHARDS, BrokenCluster, new_cluster
from make_impressions import make_generation, served, silent, stored_rows
from redis.crc import key_slot

from bandit.errors import SurroundingsError
from bandit.snapshot import encode_json, meta_key, row_key
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.executors import SerialExecutor
from batch.publishing import node_writer
from batch.publishing.claims import Claim
from batch.publishing.flips import count_rows, read_meta
from batch.publishing.publish import publish
from batch.publishing.row_bytes import encoded_rows
from batch.publishing.row_tasks import pace_of
from batch.publishing.row_writer import write_rows
from batch.store.client import connect
from batch.workspace.generations import read_manifest
from batch.workspace.picks import RecordedPicks
from batch.workspace.workspace import Workspace

pytestmark = pytest.mark.faults
USERS = 600


@pytest.fixture(scope="module")
def cluster() -> Iterator[BrokenCluster]:
    with new_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace(Path(tmp_path_factory.mktemp("cluster")))
    write(made, synthetic.build(n_users=USERS, n_titles=12, seed=3))
    for seed in range(5):
        make_generation(made, seed=seed)
    return made


def test_a_publish_sweeps_while_a_slot_is_on_its_way(filled: Workspace, cluster: BrokenCluster) -> None:
    with connect(cluster.url) as client:
        for generation in (1, 2, 3):
            publish(filled, generation, client, cluster.url, silent)
        user = next(user for user in (f"u{number:04d}" for number in range(1, USERS)) if cluster.home(user) == 0)
        slot = key_slot(user.encode())
        cluster.begin_move(slot, 0, 1)
        assert cluster.move_keys(slot, 0, 1) >= 3
        publish(filled, 4, client, cluster.url, silent)
        cluster.end_move(slot, 1)
        assert [count_rows(client, generation) for generation in (1, 2, 3, 4)] == [0, USERS, USERS, USERS]


def test_a_generation_is_not_served_before_a_replica_of_each_node_has_its_rows(
    filled: Workspace, cluster: BrokenCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_writer, "_REPLICA_MS", 300)
    with connect(cluster.url) as client:
        before = served(client)
        with cluster.frozen(SHARDS), pytest.raises(SurroundingsError, match=r"no replica of .* what is served has not"):
            publish(filled, 5, client, cluster.url, silent)
        assert served(client) == before
        publish(filled, 5, client, cluster.url, silent)


def test_tasks_write_the_rows_to_a_cluster(filled: Workspace, cluster: BrokenCluster) -> None:
    with connect(cluster.url) as client:
        publish(filled, 5, client, cluster.url, silent, executor=SerialExecutor(), writers=2)
        assert stored_rows(client, filled, 5) == dict(encoded_rows(filled, 5))
        assert [pace_of(client, writers, None).rests for writers in (1, SHARDS, SHARDS + 1)] == [1.0, 1.0, 3.0]


def test_no_round_of_rows_is_written_to_a_cluster_after_the_number_is_another_s(
    filled: Workspace, cluster: BrokenCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_writer, "ROWS_A_WRITE", 50)
    rows, identity = list(RecordedPicks(filled, read_manifest(filled, 5))), read_manifest(filled, 5).identity
    with connect(cluster.url) as client:
        publish(filled, 5, client, cluster.url, silent)
        for user in encoded_rows(filled, 5):
            client.delete(row_key(5, user[0]))
        writing = write_rows(client, 5, rows, rests=1.0, claim=Claim(5, identity), sleep=lambda _: None)
        assert next(writing).stop == 50 * SHARDS
        meta = read_meta(client, 5)
        assert meta is not None
        client.set(meta_key(5), encode_json(replace(meta, identity="f" * 32)))
        with pytest.raises(
            SurroundingsError, match=r"the identity f{32} of generation 5 by now, expected the identity"
        ):
            list(writing)
        assert count_rows(client, 5) == 50 * SHARDS
