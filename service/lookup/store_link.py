"""The one connection to the store that all row reads share: opened, kept, and opened again when it breaks.

There is one attempt at a time, and requests never wait for it: without a connection a read fails at once.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import SystemRandom
from time import monotonic
from typing import Any, Final

import structlog
from hiredis import ProtocolError, Reader, ReplyError, pack_command
from redis.asyncio.connection import SSLConnection

from bandit.urls import StoreUrl, hide_secrets, read_store_url, secrets_of

logger = structlog.get_logger()

CONNECT_SECONDS: Final = 1.0
"""For the socket, TLS, and the replies to the first commands."""

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0
SETTLED_SECONDS: Final = 1.0
"""A connection that ended sooner is followed by a pause like a failed attempt, so that a store which accepts and hangs up
is not asked in a loop."""

MAX_REPLY_BYTES: Final = 64 * 1024 * 1024
"""Limit of a reply that is not whole yet, 8,000 of the largest rows; a longer one is not an answer to a row read."""

Node = tuple[str, int]
"""Host and port of a node of a cluster."""

_RANDOM: Final = SystemRandom()


class StoreConnection(asyncio.Protocol):
    """One connection: it sends commands and hands on their replies in order."""

    def __init__(self) -> None:
        self.on_reply: Callable[[object], None] = lambda _reply: None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = Reader()
        self._unread_bytes = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = transport  # type: ignore[assignment]  # a stream's transport is one for both ways

    def data_received(self, data: bytes) -> None:
        """Hand on every whole reply."""
        self._reader.feed(data)
        self._unread_bytes += len(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._unread_bytes = 0
                self.on_reply(reply)
        except ProtocolError as error:
            logger.error("store_speaks_no_resp", error=str(error))
            self.abort()
        if self._unread_bytes > MAX_REPLY_BYTES:
            logger.error("store_reply_too_long", bytes=self._unread_bytes)
            self._reader = Reader()
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The socket is gone."""
        if not self.lost.done():
            self.lost.set_result(None)

    def send(self, command: bytes) -> None:
        """Send a packed command; ``on_reply`` is called with its reply, after those of earlier commands."""
        # uvloop raises where the store has hung up.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(command)

    def abort(self) -> None:
        """Hang up at once; replies in flight are lost."""
        if self._transport is not None:
            self._transport.abort()

    async def introduce(self, commands: list[bytes]) -> None:
        """Send the first commands, one by one.

        Raises:
            ReplyError: the store refused one.
            ConnectionError: the connection broke.
        """
        for command in commands:
            answered: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            self.on_reply = partial(self._introduced, answered)
            self.send(command)
            await asyncio.wait((answered, self.lost), return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                raise ConnectionResetError("the store hung up before it answered")
            if isinstance(reply := answered.result(), ReplyError):
                raise reply

    def _introduced(self, answered: "asyncio.Future[object]", reply: object) -> None:
        if answered.done():  # two replies to one command: later replies could not be matched
            self.abort()
        else:
            answered.set_result(reply)


class StoreLink:
    """Keeps a connection to the store behind a URL.

    Args:
        url: as ``bandit.urls`` reads it: ``redis://``, ``rediss://`` or ``unix://``, user, password, database, TLS options.
        on_up: called with a connection that is ready.
        on_down: called when that connection is lost.
        node: host and port of the node of a cluster, whose URL has those of another.
    """

    def __init__(
        self, url: str, on_up: Callable[[StoreConnection], None], on_down: Callable[[], None], node: Node | None = None
    ) -> None:
        self._url = read_store_url(url)
        if node is not None:
            self._url = replace(self._url, host=node[0], port=node[1])
        self._secrets = secrets_of(url)
        self._ssl = _ssl_context(self._url)
        self._introduction = _introduction(self._url)
        self._on_up = on_up
        self._on_down = on_down
        self._connection: StoreConnection | None = None

    async def keep(self) -> None:
        """Connect, and connect again, until cancelled."""
        pause_seconds, last_error = 0.0, ""
        try:
            while True:
                started = monotonic()
                error = await self._once()
                if error and error != last_error:
                    logger.warning("store_not_connected", error=error)
                last_error = error
                settled = monotonic() - started > SETTLED_SECONDS and not error
                pause_seconds = (
                    0.0 if settled else min(max(2 * pause_seconds, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
                )
                await asyncio.sleep(pause_seconds * _RANDOM.uniform(0.75, 1.25))
        finally:
            if self._connection is not None:
                self._connection.abort()

    async def _once(self) -> str:
        """One connection from its first byte to its end; the error if it never became ready, else an empty text."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._connection = await self._connected()
                await self._connection.introduce(self._introduction)
        except TimeoutError:
            self._hang_up()
            return f"no answer within {CONNECT_SECONDS:g} s"
        except (
            OSError,
            ReplyError,
            ValueError,
        ) as error:  # the last of a host that can be none, which a node has named
            self._hang_up()
            return hide_secrets(str(error), self._secrets) or type(error).__name__
        self._on_up(self._connection)
        await self._connection.lost
        self._connection = None
        self._on_down()
        return ""

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def _connected(self) -> StoreConnection:
        loop = asyncio.get_running_loop()
        if self._url.scheme == "unix":
            _, connection = await loop.create_unix_connection(StoreConnection, self._url.path)
        else:
            _, connection = await loop.create_connection(StoreConnection, self._url.host, self._url.port, ssl=self._ssl)
        return connection


def packed(*words: str | bytes) -> bytes:
    """A command as it goes over the wire."""
    command: bytes = pack_command(words)  # type: ignore[arg-type]  # its stubs allow one word only
    return command


def _ssl_context(url: StoreUrl) -> ssl.SSLContext | None:
    if url.scheme != "rediss":
        return None
    options: dict[str, Any] = dict(url.tls)
    context: ssl.SSLContext = SSLConnection(**options).ssl_context.get()
    return context


def _introduction(url: StoreUrl) -> list[bytes]:
    """AUTH and SELECT where the URL asks for them; then PING, because the kernel accepts connections for a frozen store."""
    commands: list[tuple[str, ...]] = []
    if url.username is not None:  # who may need no password
        commands.append(("AUTH", url.username, url.password or ""))
    elif url.password is not None:
        commands.append(("AUTH", url.password))
    if url.database:
        commands.append(("SELECT", str(url.database)))
    return [packed(*command) for command in (*commands, ("PING",))]
