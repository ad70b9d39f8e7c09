"""A server and what it is asked: each is measured on its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from artwork.bench.serving import asked
from artwork.bench.serving.asked import Asked, Asking
from artwork.bench.serving.servers import MODELLED, NAIVE, OURS, WEBDIS, Running
from artwork.bench.testbed.service_process import HOST
from artwork.bench.testbed.store_fixture import StoreFixture

SINGLE: Final = "ours, single"
PAGES: Final = f"ours, page of {asked.PAGE}"
NAIVELY: Final = "naive: FastAPI, model, redis-py"
MODEL: Final = "FastAPI returning a model, no store"
RAW: Final = "webdis, rows handed through"

ASKED_OF: Final[Mapping[str, tuple[str, Asking, int]]] = {
    SINGLE: (OURS, asked.single, 1),
    NAIVELY: (NAIVE, asked.single, 1),
    MODEL: (MODELLED, asked.single, 1),
    RAW: (WEBDIS, asked.row, 1),
    PAGES: (OURS, asked.page, asked.PAGE),
}
"""Server, requests, and picks in an answer."""


@dataclass(frozen=True, eq=False)
class Contender:
    """``requests`` are ``asked`` as bytes, ``expected`` what their answers contain; rows as such say no source."""

    name: str
    server: Running
    picks: int
    asked: Sequence[Asked]
    requests: Sequence[bytes]
    expected: Sequence[bytes]

    @property
    def says_source(self) -> bool:
        """Whether an answer tells where it came from."""
        return self.name != RAW


def make(fixture: StoreFixture, servers: Mapping[str, Running]) -> list[Contender]:
    """Everything that the running servers can be asked, in the order of ``ASKED_OF``."""
    return [
        _contender(name, fixture, servers[server], asking, picks)
        for name, (server, asking, picks) in ASKED_OF.items()
        if server in servers
    ]


def _contender(name: str, fixture: StoreFixture, server: Running, asking: Asking, picks: int) -> Contender:
    questions = asked.make(fixture, asking)
    requests = [asked.as_bytes(question, HOST, server.port) for question in questions]
    return Contender(name, server, picks, questions, requests, [question.expected for question in questions])
