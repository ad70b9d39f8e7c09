"""A real store behind a proxy that answers one command with an error, and hands all others through."""

import socket
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from hiredis import Reader, pack_command

_NOT_YET = object()

Answer = Callable[[int, list[bytes]], bytes | None]
"""Told the number of a command, from 0 over all connections, and its words: the reply in place of the store's, or None."""


@contextmanager
def failing_store(store_socket: Path, own_socket: Path, answer: Answer) -> Iterator[str]:
    """The URL of the proxy, until the end of the block."""
    numbers = iter(range(1 << 30))

    class HandThrough(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as store, suppress(OSError):
                store.connect(str(store_socket))
                commands = Reader()
                while data := self.request.recv(1 << 16):
                    commands.feed(data)
                    while (command := commands.gets()) is not False:
                        reply = answer(next(numbers), command)
                        self.request.sendall(_reply(store, command) if reply is None else reply)

    with socketserver.ThreadingUnixStreamServer(str(own_socket), HandThrough) as server:
        server.daemon_threads = True  # a client that is never closed, as after a refused introduction, holds up nobody
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"unix://{own_socket}"
        finally:
            server.shutdown()
            thread.join()


def _reply(store: socket.socket, command: list[bytes]) -> bytes:
    """The bytes of one reply, whole."""
    store.sendall(pack_command(tuple(command)))  # type: ignore[arg-type]  # its stubs say a tuple of one
    reader, raw = Reader(notEnoughData=_NOT_YET), b""
    while reader.gets() is _NOT_YET:
        data = store.recv(1 << 16)
        if not data:
            raise ConnectionResetError
        reader.feed(data)
        raw += data
    return raw
