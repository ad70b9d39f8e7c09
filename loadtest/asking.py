"""Look-ups as whole HTTP requests, for the open-loop driver: drawn from the targets, with the text that each answer must have.

Titles are known ones, so that 200 is the only right answer.
"""

from dataclasses import dataclass
from random import Random
from typing import Final
from urllib.parse import urlsplit

from loadtest.driver.load import Load
from loadtest.errors import InputError
from loadtest.targets import Targets, asking_users

REQUESTS: Final = 20_000
"""Different requests of a load; then they begin again."""


@dataclass(frozen=True)
class Asking:
    """How to ask: whose key, which scenario, which share of pages of how many titles."""

    scenario: str = "mixed"
    page_share: float = 0.0
    page_titles: int = 40
    key: str | None = None
    seed: int = 0


def load_of(host: str, targets: Targets, asking: Asking, rate: float | None, seconds: float) -> Load:
    """A load of look-ups on a service, as ``http://127.0.0.1:8000``.

    Raises:
        InputError: the address is one of TLS, which the driver does not speak.
    """
    parts = urlsplit(host)
    if parts.scheme != "http" or parts.hostname is None:
        raise InputError(f"{host}: the open-loop driver speaks plain HTTP only; give the service's http:// address")
    rng = Random(asking.seed)  # noqa: S311  no secret
    users = asking_users(targets, rng, asking.scenario)
    asked = [next(users) for _ in range(REQUESTS)]
    paths = [_path(targets, asking, rng, user_id) for user_id in asked]
    return Load(
        host=parts.hostname,
        port=parts.port or 80,
        requests=[get(path, parts.netloc, asking.key) for path in paths],
        rate=rate,
        seconds=seconds,
        expected=[f'"user_id":"{user_id}"'.encode() for user_id in asked],
        seed=asking.seed,
    )


def get(path: str, netloc: str, key: str | None = None) -> bytes:
    r"""A whole GET request.

    >>> get("/livez", "127.0.0.1:8000", "secret")
    b'GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAuthorization: Bearer secret\r\n\r\n'
    """
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: {netloc}\r\n{authorization}\r\n".encode()


def _path(targets: Targets, asking: Asking, rng: Random, user_id: str) -> str:
    if rng.random() >= asking.page_share:
        return f"/v1/users/{user_id}/titles/{_title(targets, rng)}/artwork"
    page: dict[str, None] = {}
    while len(page) < min(asking.page_titles, len(targets.titles)):
        page[_title(targets, rng)] = None
    return f"/v1/users/{user_id}/artwork?title_id=" + "&title_id=".join(page)


def _title(targets: Targets, rng: Random) -> str:
    return rng.choices(targets.titles, cum_weights=targets.title_weights)[0]
