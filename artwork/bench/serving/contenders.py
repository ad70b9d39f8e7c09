"""What servers are asked, the same of each in the same order; a server and its requests are measured on their own."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from artwork.bench.serving.plan import GENERATION
from artwork.bench.serving.servers import BEFORE, FASTPYSGI, GRANIAN, MODELLED, NAIVE, OURS, UVICORN, WEBDIS, Running
from artwork.bench.testbed.service_process import HOST
from artwork.bench.testbed.store_fixture import StoreFixture
from bandit.snapshot import row_key

MOST_REQUESTS: Final = 50_000
"""Different requests; then they begin again. Rows of so many users fit into no processor's cache."""
PAGE: Final = 40


@dataclass(frozen=True)
class Asked:
    """One request: its path, and what the body of the right answer contains."""

    path: str
    expected: bytes


Asking = Callable[[StoreFixture, int, random.Random], Asked]
"""What to ask for a user."""


def ask_single(fixture: StoreFixture, user: int, drawn: random.Random) -> Asked:
    """A look-up of one title."""
    path = f"/v1/users/u{user}/titles/t{drawn.choice(fixture.titles_of(user))}/artwork"
    return Asked(path, b'"user_id":"u%d"' % user)


def ask_page(fixture: StoreFixture, user: int, drawn: random.Random) -> Asked:
    """A look-up of 40 different titles."""
    titles = drawn.sample(fixture.titles_of(user), min(PAGE, fixture.picks_per_row))
    query = "&".join(f"title_id=t{title}" for title in titles)
    return Asked(f"/v1/users/u{user}/artwork?{query}", b'"user_id":"u%d"' % user)


def ask_row(_fixture: StoreFixture, user: int, _drawn: random.Random) -> Asked:
    """The bytes of a row under its key, from webdis: ``.bin`` hands them through as they are."""
    return Asked(f"/GET/{row_key(GENERATION, f'u{user}')}.bin", b"AB")


def questions(fixture: StoreFixture, asking: Asking) -> list[Asked]:
    """Requests for different users in random order, at most ``MOST_REQUESTS``."""
    drawn = random.Random(2)  # noqa: S311 - the same requests in every run
    users = drawn.sample(range(fixture.users), min(fixture.users, MOST_REQUESTS))
    return [asking(fixture, user, drawn) for user in users]


SINGLE: Final = "ours, single"
PAGES: Final = f"ours, page of {PAGE}"
NAIVELY: Final = "naive: FastAPI, model, redis-py"
MODEL: Final = "FastAPI returning a model, no store"
RAW: Final = "webdis, rows handed through"

BEFORE_SINGLE: Final = "the other tree, single"
BEFORE_PAGES: Final = f"the other tree, page of {PAGE}"
BARE: Final = {
    "bare ASGI on uvicorn": UVICORN,
    "bare ASGI on granian": GRANIAN,
    "bare ASGI on fastpysgi": FASTPYSGI,
}

ASKED_OF: Final[Mapping[str, tuple[str, Asking, int]]] = {
    SINGLE: (OURS, ask_single, 1),
    BEFORE_SINGLE: (BEFORE, ask_single, 1),
    **{name: (server, ask_single, 1) for name, server in BARE.items()},
    NAIVELY: (NAIVE, ask_single, 1),
    MODEL: (MODELLED, ask_single, 1),
    RAW: (WEBDIS, ask_row, 1),
    PAGES: (OURS, ask_page, PAGE),
    BEFORE_PAGES: (BEFORE, ask_page, PAGE),
}
"""Server, requests, and picks in an answer; in the order of their turns, so what is compared is measured side by side."""


@dataclass(frozen=True, eq=False)
class Contender:
    """``requests`` are ``asked`` as bytes, ``expected`` what their answers contain."""

    name: str
    server: Running
    picks: int
    asked: Sequence[Asked]
    requests: Sequence[bytes]
    expected: Sequence[bytes]


def make(fixture: StoreFixture, servers: Mapping[str, Running]) -> list[Contender]:
    """Everything that the running servers can be asked, in the order of ``ASKED_OF``."""
    contenders = []
    for name, (server, asking, picks) in ASKED_OF.items():
        if server in servers:
            asked, host = questions(fixture, asking), f"{HOST}:{servers[server].port}"
            requests = [f"GET {question.path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for question in asked]
            expected = [question.expected for question in asked]
            contenders.append(Contender(name, servers[server], picks, asked, requests, expected))
    return contenders
