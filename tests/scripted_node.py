"""A node of a cluster that says what a test wants, to see that no reader or writer is led astray."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from hiredis import Reader

Answer = Callable[["Node"], bytes]
"""What a node says to the command that it is scripted for; nothing where it is empty."""


@dataclass
class Node:
    """A node that answers one command as ``answer`` says, and says of all slots that they are those of ``home``."""

    answer: Answer
    scripted: bytes = b"GET"
    port: int = 0
    asked: int = 0
    """How often it was asked that command."""
    home: list["Node"] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.writers.append(writer)
        commands = Reader()
        while data := await reader.read(1 << 16):
            commands.feed(data)
            while (command := commands.gets()) is not False:
                writer.write(self._reply([word.upper() for word in command]))
        writer.close()

    def hang_up(self) -> None:
        """End all connections."""
        for writer in self.writers:
            writer.close()

    def _reply(self, words: list[bytes]) -> bytes:
        if words[0] == self.scripted:
            self.asked += 1
            return self.answer(self)
        if words[:2] == [b"CLUSTER", b"SLOTS"]:
            port = (self.home or [self])[0].port
            name = b"$40\r\n" + b"%040d" % port + b"\r\n"
            return b"*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n%b" % (port, name)
        if words[0] == b"PING" and len(words) > 1:
            return b"$%d\r\n%b\r\n" % (len(words[1]), words[1])
        known = {b"COMMAND": b"*0\r\n", b"PING": b"+PONG\r\n", b"XLEN": b":0\r\n"}
        return known.get(words[0], b"+OK\r\n")


def moved_to(port: Callable[[Node], int], word: bytes = b"MOVED") -> Answer:
    """A redirection to a port."""
    return lambda node: b"-%b 1 127.0.0.1:%d\r\n" % (word, port(node))


def dead_port(_: Node) -> int:
    """Where nobody listens."""
    return 1
