"""Keys of a file that people edit, each with what it takes, and everything that is wrong with one told at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from math import isfinite
from typing import Any, Final

REQUIRED: Final = object()

Test = Callable[[Any], bool]


@dataclass(frozen=True)
class Key:
    """What a key of a file takes."""

    expected: str
    is_right: Test
    default: Any = REQUIRED


@dataclass
class Complaints:
    """What is wrong with a file so far."""

    texts: list[str] = field(default_factory=list)

    def add(self, where: str, text: str) -> None:
        """One more, of the table ``where``; the top of a file has no name."""
        self.texts.append(f"{where}{text}")

    def taken(self, table: Any, keys: Mapping[str, Key], where: str = "") -> dict[str, Any]:
        """The values of a table by key, with defaults for those that are absent or wrong."""
        if not isinstance(table, dict):
            self.add(where, f"is {shown(table)}, expected a table with the keys {', '.join(keys)}")
            return {}
        for key in sorted(table.keys() - keys.keys()):
            self.add(where, f"{shown(key)} is no key; expected {', '.join(keys)}")
        values = {}
        for key, rule in keys.items():
            if key not in table:
                if rule.default is REQUIRED:
                    self.add(where, f"{key} is missing, expected {rule.expected}")
                values[key] = rule.default
            elif rule.is_right(table[key]):
                values[key] = table[key]
            else:
                self.add(where, f"{key} is {shown(table[key])}, expected {rule.expected}")
                values[key] = REQUIRED
        return values


def shown(value: Any) -> str:
    """A value in a message, cut off where it is long."""
    text = str(value) if isinstance(value, date) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_text(value: Any) -> bool:
    """Whether it is a text that says something."""
    return isinstance(value, str) and 0 < len(value.strip()) <= 2000


def is_number(low: float, high: float, *, ends: bool = False) -> Test:
    """Whether a value is a finite number between two others, or one of them where ``ends`` count."""

    def test(value: Any) -> bool:
        is_real = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        return is_real and (low < value < high or (ends and low <= value <= high))

    return test


def is_whole(low: int, high: int) -> Test:
    """Whether a value is a whole number within a range."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_day(value: Any) -> bool:
    """Whether it is a day without a time."""
    return isinstance(value, date) and not isinstance(value, datetime)


def is_one_of(*words: str) -> Test:
    """Whether a value is one of some words."""
    return lambda value: isinstance(value, str) and value in words


def is_list(test: Test, most: int) -> Test:
    """Whether a value is a list of so many at most, each of which passes."""
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(test, value))
