"""Whom and what the load test asks for: users and titles drawn Zipf-like from the file that a publish writes, and their paths."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, cycle
from pathlib import Path
from random import Random
from typing import Any, Final

from loadtest.boundary import InputError

SCENARIOS: Final = ("mixed", "cold", "fallback")
"""Who asks: users by their activity, every request another user, or users whom nobody knows."""

COLD_SHARE: Final = 0.05
"""Share of look-ups for a user whom no file knows."""

UNKNOWN_SHARE: Final = 0.01
"""Share of titles that no catalogue knows."""

EXPONENT: Final = 1.0
"""The r-th most active user, and the r-th most popular title, is drawn in proportion to ``r ** -EXPONENT``."""


@dataclass(frozen=True)
class Targets:
    """Users and titles, most active and most popular first, with cumulative Zipf weights by rank."""

    users: tuple[str, ...]
    titles: tuple[str, ...]
    user_weights: tuple[float, ...]
    title_weights: tuple[float, ...]
    known_titles: frozenset[str]


def zipf_weights(count: int) -> tuple[float, ...]:
    """Cumulative, unnormalised weights of the ranks 1 to ``count``.

    >>> zipf_weights(2)
    (1.0, 1.5)
    """
    return tuple(accumulate(rank**-EXPONENT for rank in range(1, count + 1)))


def make_targets(users: tuple[str, ...], titles: tuple[str, ...]) -> Targets:
    """Targets with their weights."""
    return Targets(users, titles, zipf_weights(len(users)), zipf_weights(len(titles)), frozenset(titles))


def read_targets(path: Path) -> Targets:
    """Read ``{"users": [...], "titles": [...]}``.

    Raises:
        InputError: the file is missing, is not JSON, or lists no users or no titles.
    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; publish a generation, which writes this file") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}; publish again") from error
    return make_targets(_ids(path, value, "users"), _ids(path, value, "titles"))


def _ids(path: Path, value: Any, field: str) -> tuple[str, ...]:
    ids = value.get(field) if isinstance(value, dict) else None
    if not isinstance(ids, list) or not ids or not all(isinstance(item, str) for item in ids):
        raise InputError(f"{path}: `{field}` is not a list of at least one id; publish again")
    return tuple(ids)


def draw_user(targets: Targets, rng: Random) -> str:
    """A user by activity; one in twenty is cold."""
    if rng.random() < COLD_SHARE:
        return unknown_user(rng)
    return rng.choices(targets.users, cum_weights=targets.user_weights)[0]


def asking_users(targets: Targets, rng: Random, scenario: str) -> Iterator[str]:
    """Users without end, as a scenario has them.

    ``mixed`` draws by activity. ``cold`` goes through all users in random order before one comes again, so that no row is where
    an earlier request left it. ``fallback`` makes users up: each answer has to come from the catalogue.
    """
    if scenario == "cold":
        yield from cycle(rng.sample(targets.users, len(targets.users)))
    while True:
        yield unknown_user(rng) if scenario == "fallback" else draw_user(targets, rng)


def unknown_user(rng: Random) -> str:
    """A user whom no file knows."""
    return f"cold-{rng.getrandbits(64):016x}"


def draw_title(targets: Targets, rng: Random, unknown_share: float = UNKNOWN_SHARE) -> str:
    """A title by popularity, or an unknown one."""
    if unknown_share and rng.random() < unknown_share:
        return f"unknown-{rng.getrandbits(64):016x}"
    return rng.choices(targets.titles, cum_weights=targets.title_weights)[0]


def draw_page(targets: Targets, rng: Random, size: int, unknown_share: float = UNKNOWN_SHARE) -> list[str]:
    """``size`` different titles (all of them, if there are fewer), in the order drawn; each may be unknown."""
    size = min(size, len(targets.titles))
    page: dict[str, None] = {}
    while len(page) < size:
        page[draw_title(targets, rng, unknown_share)] = None
    return list(page)


def single_path(user_id: str, title_id: str) -> str:
    """Path of the look-up of one title."""
    return f"/v1/users/{user_id}/titles/{title_id}/artwork"


def page_path(user_id: str, title_ids: Sequence[str]) -> str:
    """Path and query of the look-up of a page of titles."""
    return f"/v1/users/{user_id}/artwork?title_id=" + "&title_id=".join(title_ids)
