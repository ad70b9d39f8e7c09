"""Publishing to a cluster whose slots are on their way, or whose replicas do not follow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from broken_cluster import SHARDS, BrokenCluster, new_cluster
from make_impressions import make_generation, served, silent, stored_rows
from redis.crc import key_slot

from bandit.errors import SurroundingsError
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.executors import SerialExecutor
from batch.publishing import node_writer
from batch.publishing.flips import count_rows
from batch.publishing.publish import publish
from batch.publishing.row_bytes import encoded_rows
from batch.publishing.row_tasks import pace_of
from batch.store.client import connect
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
