"""Single look-ups at a fixed rate, each due at a moment of its own, and every answer checked for its user."""

import random
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from artwork.bench.faults.outcomes import SOURCES, Asked
from artwork.bench.testbed.checkable_generations import Ground
from bandit.errors import SurroundingsError
from loadtest.boundary import RunError
from loadtest.driver.open_loop import Load, drive

REQUESTS: Final = 20_000
"""Different requests; then they begin again."""
CONNECTIONS: Final = 64
TIMEOUT_SECONDS: Final = 10.0


class Answered(NamedTuple):
    """What came of all requests, since when (by the monotonic clock), and how late the client itself sent (p99)."""

    asked: Asked
    began: float
    lag_ms: float


def load_of(address: str, ground: Ground, rate: float, seconds: float) -> Load:
    """Look-ups of random titles for random users."""
    parts = urlsplit(address)
    drawn = random.Random(5)  # noqa: S311 - the same requests in every run
    users = [drawn.randrange(ground.users) for _ in range(REQUESTS)]
    return Load(
        host=str(parts.hostname),
        port=int(parts.port or 80),
        requests=[_request(ground, user, drawn.randrange(ground.titles)) for user in users],
        rate=rate,
        seconds=seconds,
        expected=[f'"user_id":"{ground.user_id(user)}"'.encode() for user in users],
        connections=CONNECTIONS,
        marks=[f'"source":"{source}"'.encode() for source in SOURCES],
        timeout_seconds=TIMEOUT_SECONDS,
    )


def ask(load: Load) -> Answered:
    """Ask to the end of a load.

    Raises:
        SurroundingsError: the client cannot run here, or nothing answers.
    """
    try:
        found = drive(load)
    except RunError as error:
        raise SurroundingsError(str(error)) from error
    asked = Asked(found.intended_seconds, found.latencies_ms, found.status_each, found.mark_each, found.wrong)
    return Answered(asked, found.began, found.lag_p99_ms)


def _request(ground: Ground, user: int, title: int) -> bytes:
    path = f"/v1/users/{ground.user_id(user)}/titles/{ground.title_id(title)}/artwork"
    return f"GET {path} HTTP/1.1\r\nHost: service\r\n\r\n".encode()
