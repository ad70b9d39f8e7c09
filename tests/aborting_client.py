"""A client that asks, and now and then goes away without waiting for the answer."""

import json
import random
import socket
import struct
from typing import IO, Any
from urllib.parse import urlsplit

from visitors import HANG_SECONDS, complaint

from artwork.bench.testbed.store_fixture import StoreFixture

_RESET = struct.pack("ii", 1, 0)  # linger for no time: closing sends RST instead of FIN


class AbortingClient:
    """Asks one or two pipelined look-ups at a time, of random users; checks every answer that it stays for."""

    def __init__(self, address: str, ground: StoreFixture, chance: random.Random) -> None:
        self.sent = self.hung_up = self.personalized = 0
        self.complaints: list[str] = []
        parts = urlsplit(address)
        self._address = (str(parts.hostname), int(parts.port or 0))
        self._ground = ground
        self._chance = chance
        self._socket: socket.socket | None = None
        self._answers: IO[bytes] | None = None

    def visit(self) -> None:
        """One or two requests, whose answers are read whole, in part or not at all."""
        connection, answers = self._connected()
        asked = [self._drawn() for _ in range(self._chance.choice((1, 2)))]
        requests = b"".join(self._request(*question) for question in asked)
        self.sent += len(asked)
        manner = self._chance.choice(
            ("stays", "stays", "stays", "breaks off", "leaves", "leaves after the first", "peeks")
        )
        if manner == "breaks off":
            connection.sendall(requests[: self._chance.randrange(1, len(requests))])
            return self.hang_up(count=1)
        connection.sendall(requests)
        if manner == "leaves":
            return self.hang_up(count=1)
        if manner == "peeks":
            answers.read(self._chance.randrange(1, 40))
            return self.hang_up(count=1)
        for question in asked if manner == "stays" else asked[:1]:
            self._check(*question, answers)
        return self.hang_up(count=1) if manner != "stays" else None

    def hang_up(self, count: int = 0) -> None:
        """Close the connection, mostly with a reset."""
        self.hung_up += count
        if self._socket is None or self._answers is None:
            return
        if self._chance.random() < 0.75:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._answers.close()
        self._socket.close()
        self._socket = self._answers = None

    def _connected(self) -> tuple[socket.socket, IO[bytes]]:
        if self._socket is None or self._answers is None:
            self._socket = socket.create_connection(self._address, timeout=HANG_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._answers = self._socket.makefile("rb")
        return self._socket, self._answers

    def _drawn(self) -> tuple[int, list[str]]:
        titles = self._chance.sample(range(self._ground.titles), self._chance.choice((1, 3)))
        return self._chance.randrange(self._ground.users), [self._ground.title_id(title) for title in titles]

    def _request(self, user: int, titles: list[str]) -> bytes:
        page = "?" + "&".join(f"title_id={title}" for title in titles)
        path = f"/artwork{page}" if len(titles) > 1 else f"/titles/{titles[0]}/artwork"
        return f"GET /v1/users/{self._ground.user_id(user)}{path} HTTP/1.1\r\nHost: service\r\n\r\n".encode()

    def _check(self, user: int, titles: list[str], answers: IO[bytes]) -> None:
        status, body = _answer(answers)
        if status != 200:
            self.complaints.append(f"status {status}: {body}")
            return
        picks = body["picks"] if len(titles) > 1 else [body]
        if wrong := complaint(self._ground, user, titles, body, picks):
            self.complaints.append(wrong)
        self.personalized += all(pick["source"] == "personalized" for pick in picks)


def _answer(answers: IO[bytes]) -> tuple[int, Any]:
    status = int(answers.readline().split()[1])
    length = 0
    while line := answers.readline().strip().lower():
        name, _, value = line.partition(b":")
        length = int(value) if name == b"content-length" else length
    return status, json.loads(answers.read(length))
