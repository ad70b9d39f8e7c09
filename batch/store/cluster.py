"""A cluster of embedded Valkeys on this machine, for demonstrations and tests of what a cluster does.

Its nodes listen on ports of 127.0.0.1, because a cluster has no sockets of its own, so it has a password. Files are those of
this user alone. The nodes' own protocol among themselves knows no password: where other users of the machine are not trusted,
the embedded store (``batch.store.embedded``) is the right one.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.retry import Retry

from bandit.errors import InputError, SurroundingsError
from batch.store.private_files import make_private, open_private
from batch.store.processes import binary, is_alive, wait_until
from batch.store.server import Server, close_files, is_server, locked, make_store_folder, store_folder
from batch.workspace.files import write_json

HOST: Final = "127.0.0.1"
MAX_NODES: Final = 30
_FOLDER: Final = "cluster"
_RECORD: Final = "cluster.json"
_RECORD_BYTES: Final = 65_536
_LOG: Final = "valkey.log"
_SETTINGS: Final = "valkey.conf"
_SECONDS: Final = 30.0
_NODE_TIMEOUT_MS: Final = 2000
"""After so long without a word from a primary, its replica takes its place."""


@dataclass(frozen=True)
class ClusterNode:
    """A node: its place in the cluster, its process, and the ports of clients and of the other nodes."""

    place: int
    pid: int
    port: int
    bus_port: int


@dataclass(frozen=True)
class EmbeddedCluster:
    """A cluster of a workspace; ``url`` has its password."""

    url: str
    folder: Path
    shards: int
    nodes: tuple[ClusterNode, ...]
    started: bool


def parse_shape(text: str) -> tuple[int, int]:
    """Shards and nodes of each, from a text such as 3x2: three shards, each a primary and a replica.

    Raises:
        InputError: it is none.

    >>> parse_shape("3x2")
    (3, 2)
    """
    shards, _, nodes = text.partition("x")
    if shards.isdecimal() and nodes.isdecimal() and int(shards) >= 3 and 1 <= int(nodes) <= MAX_NODES // int(shards):
        return int(shards), int(nodes)
    raise InputError(
        f"{text[:40]!r} is no shape of a cluster; write SHARDSxNODES such as 3x2, three shards with a replica each: at least"
        f" three shards, and {MAX_NODES} nodes at most"
    )


def has_cluster(root: Path) -> bool:
    """Whether a workspace's store is a cluster, running or not."""
    return _read_record(store_folder(root) / _FOLDER) is not None


def start_cluster(root: Path, shape: tuple[int, int] | None = None, *, seconds: float = _SECONDS) -> EmbeddedCluster:
    """Start the cluster of a workspace, detached, unless it runs already; ``shape`` is that of a new one.

    Raises:
        InputError: there is no such workspace, or its cluster has another shape.
        SurroundingsError: a node does not come up, or the nodes do not find to each other.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; expected a workspace")
    store = store_folder(root)
    folder = store / _FOLDER
    try:
        make_store_folder(store)
        make_private(folder)
        with _alone(store):
            record = _read_record(folder)
            if record is None:
                if shape is None:
                    raise InputError(f"{root} has no cluster; `artwork store start --cluster 3x2` makes one")
                return _made(folder, shape, seconds)
            if shape is not None and shape != (record["shards"], len(record["nodes"]) // record["shards"]):
                raise InputError(
                    f"the cluster of {root} has {record['shards']} shards and {len(record['nodes'])} nodes; use another"
                    f" workspace, or stop it and remove {folder}"
                )
            return _started_again(folder, record, seconds)
    except OSError as error:
        raise SurroundingsError(
            f"cannot start a cluster in {folder}: {error}; use a workspace that this user may write"
        ) from error


def running_cluster(root: Path) -> EmbeddedCluster | None:
    """The cluster of a workspace, if any of its nodes runs; ``nodes`` are those that do."""
    folder = store_folder(root) / _FOLDER
    record = _read_record(folder)
    if record is None:
        return None
    nodes = _nodes_of(record)
    running = tuple(node for node in nodes if _runs(node, folder))
    return _cluster(folder, record["password"], record["shards"], nodes, running, started=False) if running else None


def stop_cluster(root: Path) -> tuple[int, ...]:
    """Stop the nodes of a workspace's cluster and wait until they have gone; their process ids.

    Raises:
        SurroundingsError: one does not stop.
    """
    folder = store_folder(root) / _FOLDER
    record = _read_record(folder)
    running = [] if record is None else [node for node in _nodes_of(record) if _runs(node, folder)]
    for node in running:
        os.kill(node.pid, signal.SIGTERM)
    for node in running:
        complaint = f"process {node.pid} of the cluster did not stop; end it with `kill -9 {node.pid}`"
        wait_until(lambda pid=node.pid: not is_alive(pid), complaint, _SECONDS)  # type: ignore[misc]
    return tuple(node.pid for node in running)


def node_client(node: ClusterNode, password: str) -> Any:
    """A client of one node (``redis.Redis``, most of whose commands have no types); it does not try twice."""
    return redis.Redis(
        HOST,
        node.port,
        password=password,
        protocol=2,
        socket_timeout=5.0,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def _made(folder: Path, shape: tuple[int, int], seconds: float) -> EmbeddedCluster:
    shards, nodes_a_shard = shape
    password = secrets.token_urlsafe(24)
    nodes: list[ClusterNode] = []
    try:
        for place in range(shards * nodes_a_shard):
            nodes.append(_spawned(folder, place, password, *_free_ports(), seconds))  # noqa: PERF401 - known one by one
        clients = [node_client(node, password) for node in nodes]
        with contextlib.ExitStack() as stack:
            for client in clients:
                stack.callback(client.close)
            _join(nodes, clients, shards, seconds)
        _write_record(folder, password, shards, nodes)
    except BaseException as error:  # Ctrl-C while they come up, too, must leave no server behind
        _kill(nodes)
        if isinstance(error, redis.RedisError):
            raise SurroundingsError(f"the cluster in {folder} did not form: {error}; start it again") from error
        raise
    return _cluster(folder, password, shards, nodes, tuple(nodes), started=True)


def _started_again(folder: Path, record: dict[str, Any], seconds: float) -> EmbeddedCluster:
    """Start the nodes that do not run, at the ports that the others know."""
    nodes, started = [], []
    try:
        for node in _nodes_of(record):
            if _runs(node, folder):
                nodes.append(node)
                continue
            again = _spawned(folder, node.place, record["password"], node.port, node.bus_port, seconds)
            nodes.append(again)
            started.append(again)
        _write_record(folder, record["password"], record["shards"], nodes)
    except BaseException:
        _kill(started)
        raise
    if started:
        clients = [node_client(node, record["password"]) for node in nodes]
        with contextlib.ExitStack() as stack:
            for client in clients:
                stack.callback(client.close)
            _wait_well(clients, len(nodes), seconds)
    return _cluster(folder, record["password"], record["shards"], nodes, tuple(nodes), started=bool(started))


def _join(nodes: Sequence[ClusterNode], clients: Sequence[Any], shards: int, seconds: float) -> None:
    """Make one cluster of nodes that know nothing: slots to the first of each shard, the others follow them."""
    bounds = [REDIS_CLUSTER_HASH_SLOTS * shard // shards for shard in range(shards + 1)]
    for place, client in enumerate(clients):
        client.execute_command("CLUSTER SET-CONFIG-EPOCH", place + 1)
        if place < shards:
            client.execute_command("CLUSTER ADDSLOTSRANGE", bounds[place], bounds[place + 1] - 1)
    for node in nodes[1:]:
        clients[0].execute_command("CLUSTER MEET", HOST, node.port, node.bus_port)
    ids = [str(client.execute_command("CLUSTER MYID")) for client in clients]
    for place, client in enumerate(clients[shards:]):
        primary = ids[place % shards]

        def follows(client: Any = client, primary: str = primary) -> bool:
            with contextlib.suppress(redis.ResponseError):  # they have not met yet
                client.execute_command("CLUSTER REPLICATE", primary)
                return True
            return False

        wait_until(follows, "the nodes of the cluster did not find to each other", seconds)
    _wait_well(clients, len(nodes), seconds)


def _wait_well(clients: Sequence[Any], count: int, seconds: float) -> None:
    """Until every node knows all others, has its primary's data, and says that the cluster is well."""

    def is_well() -> bool:
        try:
            return all(_is_well(client, count) for client in clients)
        except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
            return False

    wait_until(is_well, "the nodes of the cluster did not agree", seconds)


def _is_well(client: Any, count: int) -> bool:
    known: Any = client.execute_command("CLUSTER INFO")
    text = known if isinstance(known, str) else "".join(f"{name}:{value}\n" for name, value in known.items())
    link = client.info("replication").get("master_link_status", "up")
    return "cluster_state:ok" in text and f"cluster_known_nodes:{count}" in text and link == "up"


def _spawned(folder: Path, place: int, password: str, port: int, bus_port: int, seconds: float) -> ClusterNode:
    own = folder / str(place)
    make_private(own)
    close_files(own)
    _write_private(own / _SETTINGS, _settings(own, password, port, bus_port))
    log = open_private(own / _LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [binary(), str(own / _SETTINGS)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            umask=0o077,
            start_new_session=True,
        )
    finally:
        os.close(log)
    node = ClusterNode(place, process.pid, port, bus_port)

    def answers() -> bool:
        if process.poll() is not None:
            raise SurroundingsError(f"node {place} of the cluster ended at its start; see {own / _LOG}")
        with contextlib.suppress(redis.ConnectionError, redis.TimeoutError), node_client(node, password) as client:
            return bool(client.ping())
        return False

    try:
        wait_until(answers, f"node {place} of the cluster did not come up; see {own / _LOG}", seconds)
    except BaseException:
        process.kill()
        process.wait()
        raise
    process.returncode = 0  # it outlives this command on purpose, so nobody waits for it
    return node


def _settings(own: Path, password: str, port: int, bus_port: int) -> str:
    values = {
        "bind": HOST,
        "port": port,
        "dir": f'"{own}"',
        "save": '""',
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": '""',
        "requirepass": password,
        "primaryauth": password,
        "cluster-enabled": "yes",
        "cluster-port": bus_port,
        "cluster-config-file": "nodes.conf",
        "cluster-node-timeout": _NODE_TIMEOUT_MS,
        "cluster-require-full-coverage": "no",  # slots of nodes that are there are served
        "repl-diskless-sync-delay": 0,
    }
    return "".join(f"{name} {value}\n" for name, value in values.items())


def _free_ports() -> tuple[int, int]:
    """Two ports that nobody listens at, below those that the system gives to clients."""
    with socket.socket() as one, socket.socket() as other:
        for bound in (one, other):
            bound.bind((HOST, 0))
        return one.getsockname()[1], other.getsockname()[1]


def _cluster(
    folder: Path,
    password: str,
    shards: int,
    nodes: Sequence[ClusterNode],
    running: tuple[ClusterNode, ...],
    *,
    started: bool,
) -> EmbeddedCluster:
    where = ",".join(f"{HOST}:{node.port}" for node in nodes)
    return EmbeddedCluster(f"redis+cluster://:{password}@{where}", folder, shards, running, started)


def _runs(node: ClusterNode, folder: Path) -> bool:
    own = folder / str(node.place)
    return is_server(Server(node.pid, own), own)


def _kill(nodes: Sequence[ClusterNode]) -> None:
    for node in nodes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(node.pid, signal.SIGKILL)


@contextlib.contextmanager
def _alone(store: Path, seconds: float = _SECONDS) -> Iterator[None]:
    """Hold the lock of a workspace's store, which no two commands that start one have at once."""
    end = time.monotonic() + seconds
    while True:
        with locked(store) as lock:
            if lock is not None:
                os.set_inheritable(lock, False)  # noqa: FBT003 - positional only; nodes must not keep it
                yield
                return
        if time.monotonic() > end:
            raise SurroundingsError(
                f"another command starts the store in {store}, or one that is no cluster runs there;"
                f" `artwork store status --workspace {quote(str(store.parent))}` tells"
            )
        time.sleep(0.05)


def _nodes_of(record: dict[str, Any]) -> list[ClusterNode]:
    return [ClusterNode(**node) for node in record["nodes"]]


def _read_record(folder: Path) -> dict[str, Any] | None:
    try:
        with os.fdopen(open_private(folder / _RECORD, os.O_RDONLY, only_to_look=True), "rb") as file:
            record: Any = json.loads(file.read(_RECORD_BYTES))
        nodes = _nodes_of(record)
        is_record = isinstance(record["password"], str) and isinstance(record["shards"], int) and nodes
        return record if is_record and all(1 < node.pid < 2**31 for node in nodes) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SurroundingsError):
        return None


def _write_record(folder: Path, password: str, shards: int, nodes: Sequence[ClusterNode]) -> None:
    value = {"password": password, "shards": shards, "nodes": [vars(node) for node in nodes]}
    write_json(folder / _RECORD, value, mode=0o600)


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(open_private(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), "wb") as file:
        file.write(text.encode())
