"""What servers are asked: the same users and titles of each, in the same order."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from artwork.bench.serving.plan import GENERATION
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


def single(fixture: StoreFixture, user: int, drawn: random.Random) -> Asked:
    """A look-up of one title."""
    path = f"/v1/users/u{user}/titles/t{drawn.choice(fixture.titles_of(user))}/artwork"
    return Asked(path, b'"user_id":"u%d"' % user)


def page(fixture: StoreFixture, user: int, drawn: random.Random) -> Asked:
    """A look-up of 40 different titles."""
    titles = drawn.sample(fixture.titles_of(user), min(PAGE, fixture.picks_per_row))
    query = "&".join(f"title_id=t{title}" for title in titles)
    return Asked(f"/v1/users/u{user}/artwork?{query}", b'"user_id":"u%d"' % user)


def row(_fixture: StoreFixture, user: int, _drawn: random.Random) -> Asked:
    """The bytes of a row under its key, from webdis: ``.bin`` hands them through as they are."""
    return Asked(f"/GET/{row_key(GENERATION, f'u{user}')}.bin", b"AB")


def make(fixture: StoreFixture, asking: Asking) -> list[Asked]:
    """Requests for different users in random order, at most ``MOST_REQUESTS``."""
    drawn = random.Random(2)  # noqa: S311 - the same requests in every run
    users = drawn.sample(range(fixture.users), min(fixture.users, MOST_REQUESTS))
    return [asking(fixture, user, drawn) for user in users]


def as_bytes(asked: Asked, host: str, port: int) -> bytes:
    """The whole request, on a connection that is kept."""
    return f"GET {asked.path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
