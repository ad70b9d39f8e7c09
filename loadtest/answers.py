"""Is this the answer to what was asked? Content is checked on every answer, because a fast wrong answer is worthless.

A fault names what was wrong without ids: locust and the report group faults by their text.
"""

from collections.abc import Container, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson


class Checked(NamedTuple):
    """What a check found: the fault, if any, and the ``source`` of every pick that has one."""

    fault: str | None
    sources: tuple[str, ...] = ()


def check_single(status: int, body: bytes, user_id: str, title_id: str, known: Container[str]) -> Checked:
    """Check the answer to a single look-up; 404 is right for an unknown title."""
    expected = HTTPStatus.OK if title_id in known else HTTPStatus.NOT_FOUND
    if status != expected:
        return Checked(f"status {status}, expected {expected.value}")
    if expected is HTTPStatus.NOT_FOUND:
        return Checked(None)
    pick = _object(body)
    if pick is None:
        return Checked("the body is not a JSON object")
    if pick.get("user_id") != user_id:
        return Checked("user_id is not the one asked for")
    return _checked([pick], [title_id], known)


def check_page(status: int, body: bytes, user_id: str, title_ids: Sequence[str], known: Container[str]) -> Checked:
    """Check the answer to a page: one item per title, in the order asked, null only where the title is unknown."""
    if status != HTTPStatus.OK:
        return Checked(f"status {status}, expected 200")
    page = _object(body)
    if page is None:
        return Checked("the body is not a JSON object")
    if page.get("user_id") != user_id:
        return Checked("user_id is not the one asked for")
    picks = page.get("picks")
    if not isinstance(picks, list) or not all(isinstance(pick, dict) for pick in picks):
        return Checked("picks is not a list of objects")
    return _checked(picks, title_ids, known)


def _checked(picks: Sequence[dict[str, Any]], title_ids: Sequence[str], known: Container[str]) -> Checked:
    if [pick.get("title_id") for pick in picks] != list(title_ids):
        return Checked("title_ids are not the ones asked for, in order")
    sources = []
    for pick in picks:
        if (pick.get("artwork_id") is not None) != (pick["title_id"] in known):
            return Checked("artwork_id is null for a known title, or given for an unknown one")
        if pick.get("source") is not None:
            sources.append(pick["source"])
    return Checked(None, tuple(sources))


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
