"""An HTTP server that does as a test says, for clients that must count what befalls them."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Queue
from threading import Thread

Writer = asyncio.StreamWriter
Answering = Callable[[int, str, Writer], Awaitable[None]]
"""What to do about a request, told its number (from 0, over all connections) and path."""
Started = Queue[tuple[int, asyncio.Event]]


def whole(body: bytes, status: int = 200, head: str = "") -> bytes:
    """An answer in one piece."""
    return f"HTTP/1.1 {status} Said\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def scripted(answering: Answering, port: int = 0, heads: list[bytes] | None = None) -> Iterator[int]:
    """The port of a server that lives as long as the block, in its own thread; ``heads`` collects what was asked."""
    started: Started = Queue()
    loop = asyncio.new_event_loop()
    thread = Thread(
        target=loop.run_until_complete, args=(_serve(answering, port, [] if heads is None else heads, started),)
    )
    thread.start()
    listening, over = started.get(timeout=10)
    try:
        yield listening
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


async def _serve(answering: Answering, port: int, heads: list[bytes], started: Started) -> None:
    numbers, writers, over = iter(range(1 << 30)), set[Writer](), asyncio.Event()

    async def connection(reader: asyncio.StreamReader, writer: Writer) -> None:
        writers.add(writer)
        with suppress(asyncio.IncompleteReadError, OSError):  # the client is gone, or the test is over
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                heads.append(head)
                path = re.match(rb"[A-Z]+ (\S+) ", head)
                assert path is not None
                await answering(next(numbers), path[1].decode(), writer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port)
    started.put((server.sockets[0].getsockname()[1], over))
    await over.wait()
    # Accepting ends first and the server last: Python 3.11 drops the socket of a connection that it accepted just before. Closing
    # ends every handler, and the loop ends only after the last of them.
    asyncio.get_running_loop().remove_reader(server.sockets[0].fileno())
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for writer in writers:
            writer.close()
        await asyncio.wait(others, timeout=0.05)
    server.close()
    await asyncio.sleep(0)
