"""A tap between a client and a service: every connection's bytes in both directions, as they went over it."""

import selectors
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

from wire import Answer, answers

HANG_SECONDS = 30.0
_CHUNK_BYTES = 65536


@dataclass
class Conversation:
    """What one connection of a client sent, and what it was sent."""

    sent: bytes = b""
    received: bytes = b""

    @property
    def targets(self) -> list[str]:
        """Of its requests, which have no bodies."""
        return [head.split(b" ", 2)[1].decode() for head in self.sent.split(b"\r\n\r\n")[:-1]]

    @property
    def answers(self) -> list[Answer]:
        """All that it was sent, to the last byte."""
        return answers(self.received)


@dataclass
class Tap:
    """Listens on a port of loopback and hands everything on to another."""

    port: int
    conversations: list[Conversation] = field(default_factory=list)

    @property
    def answers(self) -> list[Answer]:
        """Of all connections."""
        return [answer for talk in self.conversations for answer in talk.answers]


@contextmanager
def tapped(port: int) -> Iterator[Tap]:
    """A tap in front of a port; at the end of the block it waits until the client has closed its connections."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=512)) as listening, ThreadPoolExecutor(256) as threads:
        tap = Tap(listening.getsockname()[1])
        accepting = threads.submit(_accept, listening, port, tap, threads)
        try:
            yield tap
        finally:
            listening.shutdown(socket.SHUT_RDWR)
        for relayed in accepting.result(HANG_SECONDS):
            relayed.result(HANG_SECONDS)


def _accept(listening: socket.socket, port: int, tap: Tap, threads: ThreadPoolExecutor) -> list[Future[None]]:
    relays = []
    with suppress(OSError):  # once the listening socket is shut down
        while True:
            client, _ = listening.accept()
            service = socket.create_connection(("127.0.0.1", port))
            talk = Conversation()
            tap.conversations.append(talk)
            relays.append(threads.submit(_relay, client, service, talk))
    return relays


def _relay(client: socket.socket, service: socket.socket, talk: Conversation) -> None:
    """Hand on what either side sends, and its end, until both have ended."""
    with closing(client), closing(service), closing(selectors.DefaultSelector()) as selector:
        selector.register(client, selectors.EVENT_READ, service)
        selector.register(service, selectors.EVENT_READ, client)
        while selector.get_map() and (ready := selector.select(HANG_SECONDS)):
            for key, _ in ready:
                side, other = cast("socket.socket", key.fileobj), cast("socket.socket", key.data)
                chunk = _read(side)
                if side is client:
                    talk.sent += chunk
                else:
                    talk.received += chunk
                with suppress(OSError):  # the other side is gone
                    if chunk:
                        other.sendall(chunk)
                    else:
                        other.shutdown(socket.SHUT_WR)
                if not chunk:
                    selector.unregister(side)


def _read(side: socket.socket) -> bytes:
    try:
        return side.recv(_CHUNK_BYTES)
    except ConnectionError:
        return b""
