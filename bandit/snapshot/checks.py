"""Checks of what a store, or a copy of it on disk, holds: by type, range and size, before anything is used."""

import json
import re
from binascii import Error, a2b_base64
from collections.abc import Callable
from typing import Any, Final

from bandit.errors import RowError

MAX_GENERATION: Final = (1 << 32) - 1
MAX_TEXT: Final = 256
_SHOWN: Final = 80

is_digest: Final = re.compile(r"[0-9a-f]{32}").fullmatch
"""BLAKE2b-128 as hexadecimal digits."""

_is_text: Final = re.compile(rf"[ -~]{{1,{MAX_TEXT}}}").fullmatch


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


_decode: Final = json.JSONDecoder(parse_constant=_no_number).decode


def json_of(raw: bytes) -> Any:
    """A JSON document in UTF-8; without NaN, and nested no deeper than the interpreter follows.

    Raises:
        ValueError: it is none.
    """
    try:
        return _decode(raw.decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


class Fields:
    """The members of a JSON object, each taken by name and checked.

    Args:
        raw: the object.
        what: it is, for messages.
        reason: of errors.
        max_bytes: that it may have.
        remedy: what messages say to do.

    Raises:
        RowError: everywhere: the value is not JSON, no object, or a member is missing or of another type, range or size.
    """

    def __init__(self, raw: bytes, what: str, reason: str, max_bytes: int, remedy: str) -> None:
        self._what, self._reason, self._remedy = what, reason, remedy
        if len(raw) > max_bytes:
            raise self.wrong(f"has more than {max_bytes:,} bytes")
        try:
            value = json_of(raw)
        except ValueError as error:
            raise self.wrong(f"is not JSON: {shown(str(error))}") from error
        if not isinstance(value, dict):
            raise self.wrong(f"is {shown(value)}, expected a JSON object")
        self._value: dict[str, Any] = value

    def wrong(self, how: str) -> RowError:
        """The error that says how the object is wrong."""
        return RowError(self._reason, f"{self._what} {how}; {self._remedy}")

    def __contains__(self, name: str) -> bool:
        return name in self._value

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``; true and 1.0 are none."""
        value = self._take(name)
        if type(value) is not int or not low <= value <= high:
            raise self._unexpected(name, value, f"a whole number from {low} to {high}")
        return value

    def integer_or_none(self, name: str, low: int, high: int) -> int | None:
        """A whole number from ``low`` to ``high``, or null."""
        return None if self._take(name) is None else self.integer(name, low, high)

    def text(self, name: str) -> str:
        """Printable ASCII, 1 to ``MAX_TEXT`` characters."""
        value = self._take(name)
        if not is_text(value):
            raise self._unexpected(name, value, f"1 to {MAX_TEXT} printable ASCII characters")
        return str(value)

    def digest(self, name: str) -> str:
        """32 lower-case hexadecimal digits."""
        value = self._take(name)
        if not (isinstance(value, str) and is_digest(value)):
            raise self._unexpected(name, value, "32 hexadecimal digits")
        return value

    def texts(self, name: str, low: int, high: int, is_one: Callable[[str], object] = _is_text) -> tuple[str, ...]:
        """A list of ``low`` to ``high`` different texts."""
        value = self._take(name)
        if not (isinstance(value, list) and low <= len(value) <= high and are_different(value, is_one)):
            raise self._unexpected(name, value, f"{low} to {high} different texts")
        return tuple(value)

    def list_of(self, name: str) -> list[Any]:
        """A list, whatever is in it."""
        value = self._take(name)
        if not isinstance(value, list):
            raise self._unexpected(name, value, "a list")
        return value

    def packed(self, name: str, length: int) -> bytes:
        """So many bytes, in base64."""
        value = self._take(name)
        try:
            raw = a2b_base64(value, strict_mode=True) if isinstance(value, str) else b""
        except (Error, ValueError):
            raw = b""
        if len(raw) != length:
            raise self._unexpected(name, value, f"{length:,} bytes in base64")
        return raw

    def members(self, name: str) -> dict[str, Any]:
        """The members of an object, whatever they are."""
        value = self._take(name)
        if not isinstance(value, dict):
            raise self._unexpected(name, value, "an object")
        return value

    def _take(self, name: str) -> Any:
        if name not in self._value:
            raise self.wrong(f"lacks {name}")
        return self._value[name]

    def _unexpected(self, name: str, value: object, expected: str) -> RowError:
        return self.wrong(f"has {name} {shown(value)}, expected {expected}")


def is_text(value: object) -> bool:
    """Whether a value is a short printable text."""
    return isinstance(value, str) and _is_text(value) is not None


def are_different(values: list[Any], is_one: Callable[[str], object]) -> bool:
    """Whether all of a list are texts of a kind, none twice."""
    return set(map(type, values)) <= {str} and all(map(is_one, values)) and len(set(values)) == len(values)


def shown(value: object) -> str:
    """A value for a message: on one line, cut where it is long."""
    try:
        text = value if isinstance(value, str) and value.isascii() and value.isprintable() else repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} nested too deeply"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
