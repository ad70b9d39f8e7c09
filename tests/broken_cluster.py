"""A cluster of three primaries and three replicas that tests break."""

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.crc import key_slot

from batch.store.cluster import ClusterNode, EmbeddedCluster, node_client, start_cluster, stop_cluster

SHARDS = 3


@dataclass(frozen=True)
class BrokenCluster:
    """Its nodes: the first three began as primaries, the fourth is the replica of the first, and so on."""

    cluster: EmbeddedCluster
    password: str

    @property
    def url(self) -> str:
        """With its password."""
        return self.cluster.url

    def ask(self, place: int, *words: object) -> Any:
        """What a node answers to a command."""
        with node_client(self.cluster.nodes[place], self.password) as client:
            return client.execute_command(*words)

    def names(self) -> list[str]:
        """The id that each node has among the others."""
        return [str(self.ask(place, "CLUSTER MYID")) for place in range(len(self.cluster.nodes))]

    def home(self, user_id: str) -> int:
        """The place of the node that began with a user's slot."""
        slot = key_slot(user_id.encode())
        return next(shard for shard in range(SHARDS) if slot < 16384 * (shard + 1) // SHARDS)

    def role(self, place: int) -> str:
        """What a node takes itself for: master or slave."""
        return str(self.ask(place, "ROLE")[0])

    def kill(self, place: int) -> None:
        """End a node at once."""
        os.kill(self.node(place).pid, signal.SIGKILL)

    @contextmanager
    def frozen(self, place: int) -> Iterator[None]:
        """A node that takes connections and answers nothing."""
        os.kill(self.node(place).pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.node(place).pid, signal.SIGCONT)

    def node(self, place: int) -> ClusterNode:
        """A node by its place."""
        return self.cluster.nodes[place]

    def begin_move(self, slot: int, source: int, target: int) -> None:
        """Let a slot move from one primary to another: a key that is not at the source any more is asked for at the target."""
        names = self.names()
        self.ask(target, "CLUSTER SETSLOT", slot, "IMPORTING", names[source])
        self.ask(source, "CLUSTER SETSLOT", slot, "MIGRATING", names[target])

    def move_keys(self, slot: int, source: int, target: int) -> int:
        """Move the keys of a slot; how many there were."""
        moved = 0
        while keys := self.ask(source, "CLUSTER GETKEYSINSLOT", slot, 100):
            port = self.node(target).port
            self.ask(source, "MIGRATE", "127.0.0.1", port, "", 0, 5000, "AUTH", self.password, "KEYS", *keys)
            moved += len(keys)
        return moved

    def end_move(self, slot: int, target: int) -> None:
        """Tell the primaries whose slot it is now, the new one first."""
        name = self.names()[target]
        for place in sorted(range(SHARDS), key=lambda place: place != target):
            self.ask(place, "CLUSTER SETSLOT", slot, "NODE", name)


@contextmanager
def new_cluster() -> Iterator[BrokenCluster]:
    """A cluster that runs until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        root = Path(folder)
        cluster = start_cluster(root, (SHARDS, 2), seconds=60.0)
        try:
            password = json.loads((cluster.folder / "cluster.json").read_text())["password"]
            yield BrokenCluster(cluster, password)
        finally:
            stop_cluster(root)
