"""A cluster of stores: which node has which key, and row reads that go there.

The map of slots is asked for by redis-py, beside the requests: every few seconds, more often while a node is in trouble, and at
once where a node says that a slot is elsewhere. Each node has one connection of ours (``service.lookup.row_reads``). A node that
cannot be reached costs the rows of its slots, which fall back, and those alone.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, cast

import structlog
from hiredis import ReplyError
from redis.asyncio import RedisCluster
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisClusterException, RedisError

from bandit.urls import hide_secrets, secrets_of
from service.lookup.row_reads import UNREAD, JoinedRows, Take, end, redirection
from service.lookup.store import client
from service.lookup.store_link import Node
from service.metrics.health import Health
from service.metrics.metrics import Metrics

logger = structlog.get_logger()

MAP_SECONDS: Final = 5.0
"""Between two looks at the map of a cluster that is well."""
TROUBLE_SECONDS: Final = 0.5
"""Between two looks while a node is in trouble: a replica may have taken its place."""
MOST_FOLLOWED: Final = 64
"""Nodes that redirections name and the map does not: as many are followed until it is read again, which each one asks for."""
ASK_SECONDS: Final = 0.5
"""For one node's answer; the next one is asked then."""


class Slots:
    """Which node is the primary of each slot, as far as is known.

    Args:
        url: of the cluster, by any of its nodes.
    """

    def __init__(self, url: str) -> None:
        self._primaries: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._client = cast("RedisCluster", client(url, ASK_SECONDS))
        self._secrets = secrets_of(url)
        self._is_wanted = asyncio.Event()
        self._last_error = ""
        self._watchers: list[Callable[[frozenset[Node]], None]] = []
        self._unconnected: set[Node] = set()
        self._mapped: frozenset[Node] = frozenset()
        self._followed: set[Node] = set()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="map of slots")

    def node_of(self, key: bytes) -> Node | None:
        """The primary of the slot of a key; None if none is known. Takes 0.6 us."""
        return self._primaries[key_slot(key)]

    def watch(self, watcher: Callable[[frozenset[Node]], None]) -> None:
        """Call with the primaries whenever they have been asked for; a node that is not among them is of no use any more."""
        self._watchers.append(watcher)

    def redirected(self, error: ReplyError) -> tuple[Node, bool] | None:
        """Where a refusal says that a key is, and whether that is so only for keys that have moved already (ASK).

        None if it is another refusal, or names one more node that no map has than are followed.
        """
        target = redirection(error)
        if target is None:
            return None
        word, slot, node = target
        if node not in self._mapped and node not in self._followed:
            self._is_wanted.set()
            if len(self._followed) >= MOST_FOLLOWED:
                return None
            self._followed.add(node)
        if word == "MOVED":
            self._primaries[slot] = node
            self._is_wanted.set()
        return node, word == "ASK"

    def connecting(self, node: Node) -> None:
        """A connection to a node is being made for the first time."""
        self._unconnected.add(node)

    def connected(self, node: Node) -> None:
        """It is there, and answers."""
        self._unconnected.discard(node)

    def lost(self, node: Node) -> None:
        """It is gone, or does not answer: another node may have taken its place."""
        self._unconnected.add(node)
        self._is_wanted.set()

    async def load(self) -> None:
        """Ask for the map."""
        self._is_wanted.clear()
        try:
            if not self._client.nodes_manager.slots_cache:
                await self._client.initialize()
            else:
                await self._client.nodes_manager.initialize()
        except (RedisError, RedisClusterException, OSError, ValueError, LookupError, TypeError) as error:
            text = hide_secrets(str(error), self._secrets)
            if text != self._last_error:
                logger.warning("map_of_cluster_not_read", error=text)
            self._last_error = text
            return
        self._last_error = ""
        cache = self._client.nodes_manager.slots_cache
        found: dict[int, Node] = {}
        for slot in range(REDIS_CLUSTER_HASH_SLOTS):
            nodes = cache.get(slot)
            if nodes:
                node = nodes[0]
                self._primaries[slot] = found.setdefault(id(node), (node.host, int(node.port)))
        primaries = frozenset(node for node in self._primaries if node is not None)
        self._unconnected &= primaries
        self._mapped = primaries
        self._followed.clear()
        for watcher in self._watchers:
            watcher(primaries)

    async def close(self) -> None:
        """Ask no more."""
        await end(self._task)
        with suppress(RedisError, RedisClusterException, OSError):
            await self._client.aclose()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TROUBLE_SECONDS if self._unconnected or self._last_error else MAP_SECONDS):
                    await self._is_wanted.wait()
            await self.load()
            await asyncio.sleep(TROUBLE_SECONDS / 5)  # a burst of refusals asks once


class ClusterRows:
    """Rows of a cluster: each is read from the primary of its user's slot, within ``deadline_ms``.

    A read that a node sends elsewhere is sent on once, and has its deadline anew.
    """

    def __init__(self, url: str, slots: Slots, *, deadline_ms: float, metrics: Metrics, health: Health) -> None:
        self._url, self._slots = url, slots
        self._deadline_ms, self._metrics, self._health = deadline_ms, metrics, health
        self._nodes: dict[Node, JoinedRows] = {}
        self._closing: set[asyncio.Task[None]] = set()
        slots.watch(self._keep)

    async def wait_ready(self, seconds: float) -> None:
        """Wait for the connections to all primaries, at most some seconds."""
        await asyncio.gather(*(rows.wait_ready(seconds) for rows in self._nodes.values()))

    async def close(self) -> None:
        """Give up the connections and the reads in flight."""
        nodes, self._nodes = self._nodes, {}
        await asyncio.gather(*(rows.close() for rows in nodes.values()), *self._closing)

    def read_into(self, key: bytes, take: Take) -> None:
        """Have the row under a key taken; see ``service.lookup.row_reads.Rows``."""
        node = self._slots.node_of(key)
        if node is None:
            self._health.rows_failed()
            self._metrics.store_failed("connection")
            take(UNREAD)
            return
        self._rows(node).read_into(key, partial(self._take, key, take))

    def doubt(self) -> None:
        """A row was not that of its user: have each node's replies be checked; see ``service.lookup.row_reads.Rows``."""
        for rows in self._nodes.values():
            rows.doubt()

    def _take(self, key: bytes, take: Take, row: object) -> None:
        if not isinstance(row, ReplyError):
            take(cast("bytes | None", row))
        elif (target := self._slots.redirected(row)) is None:
            take(UNREAD)
        else:
            node, is_asking = target
            self._rows(node).read_into(key, partial(_once, take), is_asking=is_asking)

    def _rows(self, node: Node) -> JoinedRows:
        rows = self._nodes.get(node)
        if rows is None:
            self._slots.connecting(node)
            rows = self._nodes[node] = JoinedRows(
                self._url,
                deadline_ms=self._deadline_ms,
                metrics=self._metrics,
                health=self._health,
                node=node,
                on_up=partial(self._slots.connected, node),
                on_down=partial(self._slots.lost, node),
            )
        return rows

    def _keep(self, primaries: frozenset[Node]) -> None:
        """Connect to each primary, so that no request finds a connection missing; give up those to other nodes."""
        for node in primaries:
            self._rows(node)
        for node in self._nodes.keys() - primaries:
            task = asyncio.get_running_loop().create_task(self._nodes.pop(node).close(), name="end of a node's link")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _once(take: Take, row: object) -> None:
    """Whoever is sent elsewhere twice goes without."""
    take(UNREAD if isinstance(row, ReplyError) else cast("bytes | None", row))
