"""Rows into an empty cluster: as the publisher writes them, and by a writer that only sends, one connection per node."""

import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from redis.crc import key_slot

from artwork.bench.cluster.results import Plan, Writing
from artwork.bench.job.weighing import drawn_rows
from artwork.bench.targets import WrongAnswerError
from bandit.snapshot import FORMAT_3_OF_16, row_key
from batch.executors import Progress
from batch.publishing.row_writer import write_rows
from batch.store.client import connect
from batch.store.cluster import HOST, ClusterNode, EmbeddedCluster, node_client
from batch.workspace.row_files import RowFile

_GENERATION: Final = 1
_AT_ONCE: Final = 1 << 18
_ANSWER: Final = b"+OK\r\n"
_LONGEST_SECONDS: Final = 30


def measure_writing(cluster: EmbeddedCluster, password: str, plan: Plan, progress: Progress) -> Writing:
    """Write the same rows by turns, each time into a cluster that is empty.

    Raises:
        WrongAnswerError: the nodes have not the rows that were written.
        SurroundingsError: the cluster fails.
    """
    rows = drawn_rows(FORMAT_3_OF_16, plan.rows, is_shortlist=False)
    commands = _commands(cluster, rows)
    with ExitStack() as stack:
        nodes = [stack.enter_context(node_client(node, password)) for node in cluster.nodes]

        def timed(write: Callable[[], float]) -> float:
            for node in nodes:
                node.flushall()
            seconds = write()
            held = sum(node.dbsize() for node in nodes)
            if held != plan.rows:
                raise WrongAnswerError(f"the nodes have {held:,} keys after {plan.rows:,} rows")
            return plan.rows / seconds

        timed(lambda: _ours(cluster, rows))  # whose kernels are compiled or loaded
        ours, raw = [], []
        for number in range(plan.rounds):
            progress("rounds of writing", number, plan.rounds)
            ours.append(timed(lambda: _ours(cluster, rows)))
            raw.append(timed(lambda: _raw(cluster, password, commands)))
        progress("rounds of writing", plan.rounds, plan.rounds)
        for node in nodes:
            node.flushall()
    return Writing(ours, raw)


def _ours(cluster: EmbeddedCluster, rows: RowFile) -> float:
    with connect(cluster.url) as client:
        began = time.perf_counter()
        for _ in write_rows(client, _GENERATION, [rows], rests=False):
            pass
        return time.perf_counter() - began


def _commands(cluster: EmbeddedCluster, rows: RowFile) -> list[bytes]:
    """The SET commands of each node, ready to be sent."""
    bounds = [16_384 * (shard + 1) // cluster.shards for shard in range(cluster.shards)]
    parts: list[list[bytes]] = [[] for _ in bounds]
    for user_id, row in map(rows.record, range(len(rows.places))):
        key, slot = row_key(_GENERATION, user_id).encode(), key_slot(user_id.encode())
        node = next(shard for shard, bound in enumerate(bounds) if slot < bound)
        parts[node] += [b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, len(row)), row, b"\r\n"]
    return [b"".join(part) for part in parts]


def _raw(cluster: EmbeddedCluster, password: str, commands: Sequence[bytes]) -> float:
    """Send to all nodes and read their answers, all as they can be; how long it takes."""
    with ExitStack() as stack:
        connections = [stack.enter_context(_connected(node, password)) for node in cluster.nodes[: cluster.shards]]
        unsent = {connection: memoryview(own) for connection, own in zip(connections, commands, strict=True)}
        expected = {
            connection: own.count(b"*3\r\n$3\r\nSET\r\n") * len(_ANSWER)
            for connection, own in zip(connections, commands, strict=True)
        }
        began = time.perf_counter()
        while expected:
            readable, writable, _ = select.select(
                list(expected), [connection for connection, left in unsent.items() if left], [], _LONGEST_SECONDS
            )
            if not readable and not writable:
                raise WrongAnswerError("a node does not answer SET commands")
            for connection in readable:
                _take(connection, expected)
            for connection in writable:
                unsent[connection] = unsent[connection][connection.send(unsent[connection][:_AT_ONCE]) :]
        return time.perf_counter() - began


def _take(connection: socket.socket, expected: dict[socket.socket, int]) -> None:
    answers = connection.recv(1 << 16)
    if not answers or answers.startswith(b"-"):
        raise WrongAnswerError(f"a node answers SET with {answers[:100]!r}")
    expected[connection] -= len(answers)
    if not expected[connection]:
        del expected[connection]


def _connected(node: ClusterNode, password: str) -> Any:
    connection = socket.create_connection((HOST, node.port), timeout=_LONGEST_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(password), password.encode()))
    if connection.recv(64) != _ANSWER:
        connection.close()
        raise WrongAnswerError("a node refuses the cluster's password")
    connection.setblocking(False)
    return connection
