"""What a press is given: checked once, by name, type and range."""

from collections.abc import Collection, Mapping
from typing import Any

from bandit.errors import InputError

Arguments = Mapping[str, Any]


def check_names(action: str, arguments: Arguments, known: Collection[str]) -> None:
    """Refuse arguments that a control does not take.

    Raises:
        InputError: it is given one.
    """
    if unknown := [name for name in arguments if name not in known]:
        raise InputError(
            f"{action} takes {', '.join(known) or 'no arguments'}; {str(unknown[0])[:50]!r} is none of them"
        )


def number_of(arguments: Arguments, name: str, least: float, most: float) -> float:
    """A number within bounds.

    Raises:
        InputError: it is missing, or is none.
    """
    value = arguments.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InputError(f"{name} is {str(value)[:50]}, expected a number from {least:g} to {most:g}")
    return float(value)


def text_of(arguments: Arguments, name: str) -> str:
    """A text that is not empty and not long.

    Raises:
        InputError: it is missing, or is none.
    """
    value = arguments.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise InputError(f"{name} is {str(value)[:50]!r}, expected a text of 1 to 200 characters")
    return value
