"""Look-ups as whole HTTP requests for the open-loop driver, drawn from the targets, with the text that each answer must contain.

Titles are known ones, so that 200 is the only right answer.
"""

from dataclasses import dataclass
from random import Random
from typing import Final
from urllib.parse import urlsplit

from loadtest.boundary import InputError
from loadtest.driver.load import Load
from loadtest.targets import Targets, asking_users, draw_page, draw_title, page_path, single_path

REQUESTS: Final = 20_000
"""Different requests of a load; then they begin again."""


@dataclass(frozen=True)
class LookUps:
    """Which look-ups: of which users, which share of them pages of how many titles, under whose key."""

    scenario: str = "mixed"
    page_share: float = 0.0
    page_titles: int = 40
    key: str | None = None
    seed: int = 0


def make_load(host: str, targets: Targets, look_ups: LookUps, rate: float | None, seconds: float) -> Load:
    """A load of look-ups on a service, as ``http://127.0.0.1:8000``.

    Raises:
        InputError: the address is one of TLS, which the driver does not speak.
    """
    parts = urlsplit(host)
    if parts.scheme != "http" or parts.hostname is None:
        raise InputError(f"{host}: the open-loop driver speaks plain HTTP only; give the service's http:// address")
    rng = Random(look_ups.seed)  # noqa: S311  no secret
    users = asking_users(targets, rng, look_ups.scenario)
    asked = [next(users) for _ in range(REQUESTS)]
    paths = [_path(targets, look_ups, rng, user_id) for user_id in asked]
    return Load(
        host=parts.hostname,
        port=parts.port or 80,
        requests=[get(path, parts.netloc, look_ups.key) for path in paths],
        rate=rate,
        seconds=seconds,
        expected=[f'"user_id":"{user_id}"'.encode() for user_id in asked],
        seed=look_ups.seed,
    )


def get(path: str, netloc: str, key: str | None = None) -> bytes:
    r"""A whole GET request.

    >>> get("/livez", "127.0.0.1:8000", "secret")
    b'GET /livez HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAuthorization: Bearer secret\r\n\r\n'
    """
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: {netloc}\r\n{authorization}\r\n".encode()


def _path(targets: Targets, look_ups: LookUps, rng: Random, user_id: str) -> str:
    if rng.random() >= look_ups.page_share:
        return single_path(user_id, draw_title(targets, rng, unknown_share=0))
    return page_path(user_id, draw_page(targets, rng, look_ups.page_titles, unknown_share=0))
