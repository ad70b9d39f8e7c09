"""The store, named by its URL: connecting to it, and one boundary for its errors."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar, cast

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.client import Pipeline
from redis.cluster import ClusterNode
from redis.exceptions import AskError, RedisClusterException
from redis.retry import Retry

from bandit.errors import RowError, SurroundingsError
from bandit.urls import URL_VARIABLE, StoreUrl, hide_secrets, read_store_url, secrets_of, show_url

__all__ = [
    "URL_VARIABLE",
    "Cluster",
    "cluster_of",
    "connect",
    "home_of",
    "primaries",
    "read_bytes",
    "store_errors",
    "together",
    "transact",
]

_TIMEOUT_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 5.0
_REPLICA_MS: Final = 1000
"""How long a change waits for a replica to have it, where there is one."""
_MOVES: Final = 10
_TRIES: Final = 4

Result = TypeVar("Result")


class NotCopiedError(redis.RedisError):
    """A change is made in a cluster, and lost if one node is lost."""


class Cluster(redis.RedisCluster):
    """A client of a cluster, for one command on one key, or for reading; ``at`` and ``primaries`` are for all else."""

    def __init__(self, address: StoreUrl, seconds: float) -> None:
        nodes = [ClusterNode(host, port) for host, port in address.more_nodes]  # type: ignore[no-untyped-call]
        self._address, self._seconds = address, seconds
        super().__init__(
            **address.client_options,
            startup_nodes=nodes,
            require_full_coverage=False,
            socket_timeout=seconds,
            socket_connect_timeout=min(seconds, _CONNECT_SECONDS),
            # A node may be gone whose replica is about to take its place. What is sent twice is written twice in one place only,
            # as a dead letter, whose events count once by their ids.
            retry=Retry(ExponentialBackoff(cap=1.0, base=0.2), _TRIES),
        )

    def at(self, host: str, port: int) -> redis.Redis:
        """A client of one node, on one connection."""
        return _client(replace(self._address, host=host, port=port, is_cluster=False), self._seconds, alone=True)

    def look_again(self) -> None:
        """Ask which node has what: one of them said that a key is elsewhere, or is gone."""
        self.nodes_manager.initialize()


def connect(url: str, seconds: float = _TIMEOUT_SECONDS) -> redis.Redis:
    """A client of the store or cluster that has answered once.

    That of a cluster is a ``Cluster``, which has the same methods; those of several keys are of no use with it.

    Raises:
        InputError: the URL is none.
        SurroundingsError: it does not answer; one line says why and what to do.
    """
    address = read_store_url(url)
    # A job may wait, but not without end, and a command that timed out must not be sent twice unseen.
    with store_errors(url), ExitStack() as unless_it_answers:
        client = cast("redis.Redis", Cluster(address, seconds)) if address.is_cluster else _client(address, seconds)
        unless_it_answers.callback(client.close)
        if not address.is_cluster:  # that of a cluster has asked which nodes there are
            client.ping()
        unless_it_answers.pop_all()
    return client


@contextmanager
def primaries(client: redis.Redis) -> Iterator[list[redis.Redis]]:
    """Clients of all nodes that rows lie on, one a node; of a store that is no cluster, its own."""
    cluster = cluster_of(client)
    if cluster is None:
        yield [client]
        return
    with ExitStack() as stack:
        nodes = sorted(
            cluster.get_primaries(),  # type: ignore[no-untyped-call]
            key=lambda node: (node.host, node.port),
        )
        yield [stack.enter_context(cluster.at(node.host, int(node.port))) for node in nodes]


def followers(node: redis.Redis) -> int:
    """How many replicas follow a node; others may not know of them yet."""
    return int(cast("Any", node.info("replication"))["connected_slaves"])


@contextmanager
def home_of(client: redis.Redis, key: str) -> Iterator[redis.Redis]:
    """A client, on one connection, of the node that has a key.

    Raises:
        redis.RedisError: no node is known to have it.
    """
    cluster = cluster_of(client)
    if cluster is None:
        yield client
        return
    node = cluster.get_node_from_key(key)  # type: ignore[no-untyped-call]
    if node is None:
        raise redis.ConnectionError(f"no node of the cluster has the slot of {key}")
    with cluster.at(node.host, int(node.port)) as own:
        yield own


def transact(client: redis.Redis, key: str, change: Callable[[Pipeline], Result]) -> Result:
    """Change one key in a transaction that gives way to others.

    Args:
        client: of the store.
        key: that is watched.
        change: reads through what it is given, which sends commands at once; then calls its ``multi`` and queues what to write.
            It is called again where another has changed the key meanwhile, or the key has moved to another node.

    Raises:
        redis.RedisError: the store fails. After a ``ConnectionError`` or ``TimeoutError`` the change may have been made.
        NotCopiedError: it was made, and no replica has it: one that takes over would turn back time.
    """
    cluster, moves = cluster_of(client), 0
    while True:
        try:
            with home_of(client, key) as home, home.pipeline() as pipeline:
                pipeline.watch(key)  # type: ignore[no-untyped-call]
                result = change(pipeline)
                pipeline.execute()
                if cluster is not None and followers(home) and not home.wait(1, _REPLICA_MS):
                    raise NotCopiedError(
                        f"no replica of the node that has {key} had it within {_REPLICA_MS / 1000:g} s"
                    )
                return result
        except redis.WatchError:
            continue
        except AskError:  # MOVED as well
            moves += 1
            if cluster is None or moves > _MOVES:
                raise
            cluster.look_again()


@contextmanager
def together(client: redis.Redis) -> Iterator[redis.Redis]:
    """Send all commands in one transaction; in a cluster, which has none over several keys, one after the other."""
    if cluster_of(client) is not None:
        yield client
        return
    with client.pipeline(transaction=True) as commands:
        yield commands
        commands.execute()


def read_bytes(client: redis.Redis, keys: list[str]) -> list[bytes | None]:
    """The values of some keys; the client that ``connect`` makes gives bytes, which redis-py's types leave open."""
    if not keys:
        return []
    cluster = cluster_of(client)
    return cast("list[bytes | None]", client.mget(keys) if cluster is None else cluster.mget_nonatomic(keys))


def cluster_of(client: object) -> Cluster | None:
    """A client as that of a cluster; None where it is that of one store."""
    return client if isinstance(client, Cluster) else None


def _client(address: StoreUrl, seconds: float, *, alone: bool = False) -> redis.Redis:
    options = address.client_options | ({"max_connections": 1} if alone else {})
    return redis.Redis(**options, socket_timeout=seconds, retry=Retry(NoBackoff(), 0))


@contextmanager
def store_errors(url: str) -> Iterator[None]:
    """Translate what redis-py raises, at this one boundary.

    Raises:
        SurroundingsError: for every error of the store or the connection to it, and for values that no publisher wrote.
    """
    try:
        yield
    except (redis.RedisError, RedisClusterException) as error:
        raise _unavailable(url, said(error)) from error
    except RowError as error:
        raise SurroundingsError(
            f"the store at {show_url(url)} holds what no publisher wrote: {error}; empty it, then publish again"
        ) from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        if not _is_from_client(error):
            raise
        raise _unavailable(url, f"it answers as no store does: {error}") from error


def _unavailable(url: str, said: str) -> SurroundingsError:
    # Hidden: an old server repeats a command that it does not know, such as the one with the password.
    said = hide_secrets(said, secrets_of(url))
    return SurroundingsError(
        f"the store at {show_url(url)} failed: {said}; check {URL_VARIABLE}, or run `artwork store start`"
    )


def said(error: Exception) -> str:
    """What an error of redis-py comes to, in one line: in a transaction without the command and its values."""
    words = str(error)
    if words.startswith("Command # "):
        words = words.rpartition(" of pipeline caused error: ")[2]
    if isinstance(error, AskError):  # MOVED as well
        return (
            f"it is a node of a cluster, which sent {words} as the address of another node; give the cluster's URL,"
            " redis+cluster://host:port"
        )
    return words or "it answered with an error without a word"


def _is_from_client(error: Exception) -> bool:
    """Whether redis-py stumbled over a reply: an address in an error that is none, a number that is none."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] in ("redis", "hiredis")
