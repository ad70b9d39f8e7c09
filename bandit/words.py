"""Rules as words of the command line and of manifests: ``name`` or ``name:parameter=value,parameter=value``."""

from collections.abc import Iterable
from typing import NamedTuple

from bandit.errors import InputError


def told(count: float, noun: str) -> str:
    """A count as people read it: with its noun, and no more digits than tell something.

    >>> told(12345, "impression"), told(1, "arm"), told(0.25, "impression"), told(3e200, "impression")
    ('12,345 impressions', '1 arm', '0.25 impressions', '3e+200 impressions')
    """
    readable = count == 0 or 100 <= abs(count) < 1e15 or (abs(count) < 100 and count == int(count))
    number = f"{count:,.0f}" if readable else f"{count:.3g}"
    return f"{number} {noun}" if count == 1 else f"{number} {noun}s"


class Word(NamedTuple):
    """A name with its parameters, in the order in which they were given."""

    name: str
    parameters: dict[str, float]


def parse_word(text: str) -> Word:
    """The name and the parameters of ``text``.

    Raises:
        InputError: a parameter is given twice, or is not a number.

    >>> parse_word("softmax:temperature=0.02")
    Word(name='softmax', parameters={'temperature': 0.02})
    """
    name, _, arguments = text.partition(":")
    parameters: dict[str, float] = {}
    for item in filter(None, arguments.split(",")):
        key, _, value = item.partition("=")
        if key in parameters:
            raise InputError(f"parameter {key} of {name} is given twice, {parameters[key]} and {value}; give it once")
        try:
            parameters[key] = float(value)
        except ValueError:
            raise InputError(f"parameter {key} of {name} is {value!r}, expected a number") from None
    return Word(name, parameters)


def check_known(name: str, parameters: Iterable[str], known: Iterable[str]) -> None:
    """Refuse what ``name`` does not take.

    Raises:
        InputError: a parameter is not known.
    """
    takes = sorted(known)
    for key in parameters:
        if key not in takes:
            raise InputError(f"{name} has no parameter {key!r}; it takes {', '.join(takes) or 'none'}")
