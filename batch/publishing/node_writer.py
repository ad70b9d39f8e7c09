"""Rows into a cluster: each to the primary of its user's slot, all nodes at once, one connection each.

Commands are packed by a kernel and sent as they are. A node that has handed a slot on says so; the row is then sent again by
redis-py, which follows.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import AskError

from bandit.arrays import I64, U16
from bandit.kernels.packing import find_slots, pack_each, slot_table
from bandit.snapshot import ROW_END, row_key, row_prefix
from batch.publishing.claims import Claim
from batch.publishing.row_commands import ROWS_A_WRITE, Written, as_bytes, next_reply, raw_connection, room_for
from batch.store.client import Cluster, followers
from batch.workspace.row_files import RowFile

_ON_THE_WAY: Final = 4
"""Rounds that are sent before the first one's answers are read, where nobody looks up."""


_TRIES: Final = 10
_PAUSE_SECONDS: Final = 0.5
"""Between two tries to reach all primaries, one of which may just be replaced."""
_REPLICA_MS: Final = 10_000
"""How long a node's replica may take to have all rows: one that takes over must not lack some of what is served."""


class _Command(NamedTuple):
    """What is said about each row: the beginning of the command, and whether its row follows its key."""

    head: bytes
    has_rows: bool


_SET: Final = _Command(b"*3\r\n$3\r\nSET\r\n", has_rows=True)
_EXISTS: Final = _Command(b"*2\r\n$6\r\nEXISTS\r\n", has_rows=False)


@dataclass
class _Round:
    """Rows that were sent to the nodes together, and to which node each (m,) of them went."""

    written: Written
    sent: list[tuple[int, I64]] = field(default_factory=list)
    n_bytes: int = 0


def write_to_nodes(
    cluster: Cluster,
    generation: int,
    files: Iterable[RowFile],
    *,
    rests: float,
    most_bytes_a_second: float | None = None,
    claim: Claim | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Written]:
    """``batch.publishing.row_writer.write_rows`` for a cluster; a round of the nodes counts as a command.

    Raises:
        SurroundingsError: the claim does not hold any more.
        redis.RedisError: a node refuses a row, is lost, or has a replica that does not follow; the rows of earlier rounds are
            there.
    """
    began, sent = time.perf_counter(), 0
    waiting: deque[_Round] = deque()
    with _Nodes(cluster, generation, _SET) as nodes:
        for rows in files:
            for first in range(0, len(rows.places), nodes.rows_a_round):
                before = time.perf_counter()
                if claim is not None:
                    claim.check_in(cluster)
                waiting.append(nodes.send(rows, first))
                sent += waiting[-1].n_bytes
                if rests or len(waiting) > _ON_THE_WAY:
                    nodes.answers(waiting[0])
                    took = time.perf_counter() - before
                    yield waiting.popleft().written
                    if rests:
                        sleep(rests * took)
                if most_bytes_a_second:
                    ahead = sent / most_bytes_a_second - (time.perf_counter() - began)
                    if ahead > 0:
                        sleep(ahead)
        while waiting:
            nodes.answers(waiting[0])
            yield waiting.popleft().written
        nodes.wait_for_replicas()


def count_on_nodes(
    cluster: Cluster,
    generation: int,
    files: Iterable[RowFile],
    *,
    rests: float,
    sleep: Callable[[float], object] = time.sleep,
) -> int:
    """How many of the rows in some files the nodes hold, by their keys."""
    present = 0
    with _Nodes(cluster, generation, _EXISTS) as nodes:
        for rows in files:
            for first in range(0, len(rows.places), nodes.rows_a_round):
                before = time.perf_counter()
                present += sum(nodes.answers(nodes.send(rows, first)))
                if rests:
                    sleep(rests * (time.perf_counter() - before))
    return present


class _Nodes:
    """The primaries of a cluster as they were at the beginning, each on a connection; what has moved since is sent on."""

    def __init__(self, cluster: Cluster, generation: int, command: _Command) -> None:
        self._cluster, self._generation, self._command = cluster, generation, command
        self._words = as_bytes(command.head), as_bytes(row_prefix(generation).encode()), as_bytes(ROW_END.encode())
        self._table: U16 = slot_table()
        self._stack = ExitStack()
        self._connections: list[Any] = []
        self._followed: dict[str, Any] = {}
        self._owners = np.full(REDIS_CLUSTER_HASH_SLOTS, -1, dtype=np.int64)
        self._slots: tuple[RowFile | None, U16] = None, np.empty(0, dtype=np.uint16)
        self.rows_a_round = ROWS_A_WRITE

    def __enter__(self) -> "_Nodes":
        for left in range(_TRIES - 1, -1, -1):
            try:
                self._connect()
                break
            except redis.ConnectionError:  # its replica may be about to take its place
                if not left:
                    raise
                time.sleep(_PAUSE_SECONDS)
                self._cluster.look_again()
        self.rows_a_round = ROWS_A_WRITE * max(1, len(self._connections))
        self._out = room_for(self._generation, self.rows_a_round)
        return self

    def _connect(self) -> None:
        self._connections, self._followed = [], {}
        with ExitStack() as unless_all_are_there:
            nodes: dict[str, int] = {}
            for slot, owners in self._cluster.nodes_manager.slots_cache.items():
                owner = owners[0]
                if owner.name not in nodes:
                    nodes[owner.name] = len(self._connections)
                    client = unless_all_are_there.enter_context(self._cluster.at(owner.host, int(owner.port)))
                    follow = followers(client)
                    self._connections.append(unless_all_are_there.enter_context(raw_connection(client)))
                    if follow:
                        self._followed[owner.name] = self._connections[-1]
                self._owners[slot] = nodes[owner.name]
            self._stack = unless_all_are_there.pop_all()

    def __exit__(self, *why: object) -> None:
        self._stack.__exit__(*why)  # type: ignore[arg-type]

    def send(self, rows: RowFile, first: int) -> _Round:
        """Send a round of rows from row ``first`` of a file on, each to its node."""
        stop = min(first + self.rows_a_round, len(rows.places))
        row_bytes = int(rows.row_lengths[first:stop].sum(dtype=np.int64))
        sent = _Round(Written(rows, first, stop, row_bytes))
        owners = self._owners[self._slots_of(rows)[first:stop]]
        for node in range(-1, len(self._connections)):
            own = first + np.flatnonzero(owners == node)
            if len(own):
                sent.sent.append((node, own))
                if node >= 0:  # of a slot that nobody had, redis-py asks once more
                    sent.n_bytes += self._send(node, rows, own)
        return sent

    def answers(self, sent: _Round) -> list[int]:
        """What the nodes say to each row of a round: 1 where it is there."""
        answers: list[int] = []
        for node, own in sent.sent:
            for row in own.tolist():
                answers.append(self._answer(node, sent.written.rows, row))  # noqa: PERF401 - each may raise
        return answers

    def wait_for_replicas(self) -> None:
        """Return once a replica of each node that has any has what was sent to the node."""
        for name, connection in self._followed.items():
            connection.send_command("WAIT", 1, _REPLICA_MS, check_health=False)
            if not int(connection.read_response()):
                raise redis.TimeoutError(f"no replica of {name} had all of its rows after {_REPLICA_MS / 1000:g} s")

    def _send(self, node: int, rows: RowFile, own: I64) -> int:
        size = pack_each(
            rows.records,
            rows.starts,
            rows.id_lengths,
            rows.row_lengths,
            own,
            *self._words,
            self._command.has_rows,
            self._out,
        )
        self._connections[node].send_packed_command([self._out.data[:size]], check_health=False)
        return size

    def _answer(self, node: int, rows: RowFile, row: int) -> int:
        try:
            return int(next_reply(self._connections[node]) not in (0, None)) if node >= 0 else self._sent_on(rows, row)
        except AskError:  # MOVED as well
            return self._sent_on(rows, row)

    def _sent_on(self, rows: RowFile, row: int) -> int:
        user_id, raw = rows.record(row)
        key = row_key(self._generation, user_id)
        if self._command.has_rows:
            self._cluster.set(key, raw)
            return 1
        return int(self._cluster.exists(key))

    def _slots_of(self, rows: RowFile) -> U16:
        """The slot of each row of a file, (n,)."""
        if self._slots[0] is not rows:
            slots = np.empty(len(rows.places), dtype=np.uint16)
            find_slots(rows.records, rows.starts, rows.id_lengths, self._table, slots)
            self._slots = rows, slots
        return self._slots[1]
