"""The store as the poller reads it: bytes by key, within a deadline, or one kind of error.

Everything that a Redis client, a socket or a clock can raise is translated here and nowhere else. Rows are read by
``service.lookup.row_reads``.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bandit.errors import RowError, SurroundingsError
from bandit.urls import hide_secrets, read_store_url, secrets_of
from service.lookup.row_reads import UNREAD, Take


class StoreUnavailableError(SurroundingsError):
    """The store gave no answer within the deadline; ``reason`` is timeout, connection or reply."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Store(Protocol):
    """What the poller needs of a store."""

    async def get(self, key: str, max_bytes: int) -> bytes | None:
        """The value of a key, None if there is none; of a longer value, the first ``max_bytes`` + 1 bytes.

        Raises:
            StoreUnavailableError: the store failed or was too slow.
            RowError: reason "type"; the key holds no string.
        """

    async def close(self) -> None:
        """Close the connections; never raises."""


class MemoryStore:
    """A store in a dictionary. ``available = False`` makes it fail like a store that is down."""

    def __init__(self, values: Mapping[str, bytes] | None = None) -> None:
        self.values = dict(values or {})
        self.available = True
        self.reads = 0

    async def get(self, key: str, max_bytes: int) -> bytes | None:
        """See ``Store``."""
        self.reads += 1
        if not self.available:
            raise StoreUnavailableError("connection", "the store in memory was made unavailable; set available")
        return self.values.get(key, b"")[: max_bytes + 1] or None

    def read_into(self, key: bytes, take: Take) -> None:
        """Have a row taken at once; see ``service.lookup.row_reads.Rows``."""
        self.reads += 1
        take(self.values.get(key.decode()) if self.available else UNREAD)

    def doubt(self) -> None:
        """There is nothing to doubt: every row is taken by whoever asks for it."""

    async def close(self) -> None:
        """There is nothing to close."""


def client(url: str, seconds: float) -> Redis | RedisCluster:
    """redis-py's client of the store or cluster behind a URL, which waits so long for a reply and does not try twice."""
    address = read_store_url(url)
    options = address.client_options | {
        "protocol": 2,
        "driver_info": None,
        "decode_responses": False,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
    }
    if address.is_cluster:
        nodes = [ClusterNode(host, port) for host, port in address.more_nodes]
        return RedisCluster(**options, startup_nodes=nodes, require_full_coverage=False)  # what is there is served
    return Redis(**options, single_connection_client=True)


class RedisStore:
    """Redis, Valkey or a cluster of them behind a URL, read on one connection (of a cluster, to each node) by one reader.

    A read that is cancelled, by its deadline or by its caller, drops its connection (redis-py disconnects on any
    ``BaseException`` while it reads), so no reply is left behind for the next one. The client speaks RESP2 and does not
    introduce itself: connecting costs no round trip beyond the socket's own.
    """

    def __init__(self, url: str, *, deadline_ms: float) -> None:
        self._deadline_ms = deadline_ms
        self._secrets = secrets_of(url)
        self._client = client(url, deadline_ms / 1000)

    async def get(self, key: str, max_bytes: int) -> bytes | None:
        """See ``Store``. GETRANGE bounds what is sent, however long the value is.

        Raises:
            StoreUnavailableError: no answer within the deadline, or an answer that is an error.
            RowError: reason "type"; the key holds no string.
        """
        try:
            async with asyncio.timeout(self._deadline_ms / 1000):
                value: object = await self._client.getrange(key, 0, max_bytes)
        except (TimeoutError, RedisTimeoutError) as error:
            raise StoreUnavailableError("timeout", f"the store gave no answer in {self._deadline_ms} ms") from error
        except (OSError, RedisConnectionError, RedisClusterException) as error:
            raise StoreUnavailableError("connection", f"the store cannot be reached: {self._reason(error)}") from error
        except RedisError as error:
            if str(error).startswith("WRONGTYPE"):
                raise RowError("type", f"the key {key} holds no string; remove it, then publish again") from error
            raise StoreUnavailableError("reply", f"the store answered with an error: {self._reason(error)}") from error
        except (RuntimeError, ValueError) as error:
            # What redis-py does not translate: uvloop's refusal to write after a hang-up, an error reply of another form.
            await self.close()  # the next read connects anew
            raise StoreUnavailableError("connection", "the store hung up, or is not Redis or Valkey") from error
        if not isinstance(value, bytes):
            raise StoreUnavailableError("reply", f"the store answered with {type(value).__name__}, expected bytes")
        return value or None

    def _reason(self, error: Exception) -> str:
        return hide_secrets(str(error), self._secrets)

    async def close(self) -> None:
        """Close the connection; one that the server does not close is left to the operating system."""
        with suppress(RedisError, RedisClusterException, OSError):
            await self._client.aclose()
