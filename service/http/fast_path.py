"""The fast path of a look-up through the application.

A look-up that is plain (no percent-encoding, ids and parameters as they should be, a known title) is answered here, without
FastAPI's middleware, routing, dependencies and models. Every other request takes the slow path (``service.http.routes``), which
checks it, names what is wrong and answers what is right with the same ``LookUp``. So the limits are declared once, there, and
the fast path only has to take no more than they allow.
"""

import re
from typing import Any, Final

from bandit.snapshot import ID_PATTERN
from service.http.models import DOTS, LAST_HOUR
from service.lookup.look_up import LookUp
from service.lookup.served_generation import ServedGeneration
from service.metrics.metrics import UNMATCHED

SINGLE: Final = "/v1/users/{user_id}/titles/{title_id}/artwork"
PAGE: Final = "/v1/users/{user_id}/artwork"
EVENTS: Final = "/v1/events"

_DOTS: Final = tuple(dots.encode() for dots in DOTS)
_is_id = re.compile(ID_PATTERN.encode()).fullmatch
_is_path_id = re.compile(rb"(?!\.\.?$)" + ID_PATTERN.encode()).fullmatch
_TITLE: Final = b"title_id="
_NEXT_TITLE: Final = b"&title_id="
_SIGNALS: Final = frozenset((b"country", b"device", b"campaign"))
_HOURS: Final = frozenset(b"%d" % hour for hour in range(LAST_HOUR + 1))


async def fast_answer(
    look_up: LookUp, serving: ServedGeneration, scope: Any, max_titles: int
) -> tuple[str, bytes] | None:
    """Route and body of a look-up that is plain and right; None for every other request."""
    query = scope["query_string"]
    match scope["raw_path"].split(b"/"):
        case [b"", b"v1", b"users", user_id, b"titles", title_id, b"artwork"]:
            title = serving.titles.get(title_id)
            if title is None or not _is_path_id(user_id) or title_id in _DOTS or (query and plain_titles(query) != []):
                return None
            return SINGLE, await look_up.single(serving, user_id, title)
        case [b"", b"v1", b"users", user_id, b"artwork"]:
            title_ids = plain_titles(query)
            if not title_ids or len(title_ids) > max_titles or not _is_path_id(user_id):
                return None
            if not all(map(_is_id, set(title_ids).difference(serving.titles))):
                return None
            return PAGE, await look_up.page(serving, user_id, title_ids)
    return None


def route_of(raw_path: bytes) -> str:
    """The route that a path asks for, whether its ids are right or not; ``UNMATCHED`` if none."""
    match raw_path.split(b"/"):
        case [b"", b"v1", b"users", _, b"titles", _, b"artwork"]:
            return SINGLE
        case [b"", b"v1", b"users", _, b"artwork"]:
            return PAGE
        case [b"", b"v1", b"events"]:
            return EVENTS
    return UNMATCHED


def plain_titles(query: bytes) -> list[bytes] | None:
    """The titles of a query, not yet checked; None where it has anything but titles and plain sign-up signals."""
    if query.startswith(_TITLE):
        title_ids = query[len(_TITLE) :].split(_NEXT_TITLE)
        if query.count(b"&") == len(title_ids) - 1:
            return title_ids
    return _titles_among_signals(query)


def _titles_among_signals(query: bytes) -> list[bytes] | None:
    title_ids = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == b"title_id":
            title_ids.append(value)
        elif not ((name in _SIGNALS and _is_id(value)) or (name == b"hour" and value in _HOURS)):
            return None
    return title_ids
