"""What servers are asked: the same users and titles of each, in the same order."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from artwork.bench.testbed.made_generation import GENERATION, Ground
from bandit.snapshot import row_key

MOST_REQUESTS: Final = 50_000
"""Different requests; then they begin again. Rows of so many users fit into no processor's cache."""
PAGE: Final = 40


@dataclass(frozen=True)
class Asked:
    """One request: its path, and what the body of the right answer contains."""

    path: str
    expected: bytes


Asking = Callable[[Ground, int, random.Random], Asked]
"""What to ask for a user."""


def single(ground: Ground, user: int, drawn: random.Random) -> Asked:
    """A look-up of one title."""
    path = f"/v1/users/u{user}/titles/t{drawn.choice(ground.titles_of(user))}/artwork"
    return Asked(path, b'"user_id":"u%d"' % user)


def page(ground: Ground, user: int, drawn: random.Random) -> Asked:
    """A look-up of 40 different titles."""
    titles = drawn.sample(ground.titles_of(user), min(PAGE, ground.picks))
    query = "&".join(f"title_id=t{title}" for title in titles)
    return Asked(f"/v1/users/u{user}/artwork?{query}", b'"user_id":"u%d"' % user)


def row(_ground: Ground, user: int, _drawn: random.Random) -> Asked:
    """The bytes of a row under its key, from webdis: ``.bin`` hands them through as they are."""
    return Asked(f"/GET/{row_key(GENERATION, f'u{user}')}.bin", b"AB")


def make(ground: Ground, asking: Asking) -> list[Asked]:
    """Requests for different users in random order, at most ``MOST_REQUESTS``."""
    drawn = random.Random(2)  # noqa: S311 - the same requests in every run
    users = drawn.sample(range(ground.users), min(ground.users, MOST_REQUESTS))
    return [asking(ground, user, drawn) for user in users]


def as_bytes(asked: Asked, host: str, port: int) -> bytes:
    """The whole request, on a connection that is kept."""
    return f"GET {asked.path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
