"""Values of Python one by one: numbers, names and dates, and those that are missing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date
from decimal import Decimal
from math import inf
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt

from bandit.errors import InputError

if TYPE_CHECKING:
    from bandit.arrays import I64

Plain = npt.NDArray[Any]

MOST_INTEGER: Final = 2**63 - 1
EXACT: Final = 2**53
"""Below, float64 has every whole number; from here on different ids become the same one."""
MISSING_WORDS: Final = frozenset(
    ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "None", "NULL", "null"]
)  # what tables write for a missing text
FILL: Final = "fill the gap, or leave the row out"
NUMBER: Final = "number them first: numpy.unique(values, return_inverse=True)[1]"
EXACT_IDS: Final = "ids as integers or text: float64 mixes up those from 2**53 on"
NAMES: Final = (str, bytes, Real, Decimal, date, UUID, np.datetime64)


def each_object(name: str, array: Plain, dtype: np.dtype[Any], of: Callable[[Any], Any]) -> Plain:
    """An array of objects, each through ``of``, which raises TypeError with what was expected."""
    out = np.empty(array.shape, dtype=dtype)
    flat = out.reshape(-1)
    for place, value in enumerate(array.ravel().tolist()):
        if is_missing(value):
            raise missing_error(name, array.shape, place, repr(value))
        try:
            flat[place] = of(value)
        except (TypeError, ValueError, OverflowError) as error:
            expected = str(error) if type(error) is TypeError else f"what {dtype} holds"
            raise InputError(
                f"{place_of(name, array.shape, place)} is {shown_value(value)}, expected {expected}"
            ) from None
    return out


def real(value: Any) -> float:
    """A real number as float64 has it; for ``each_object``, as the next four are."""
    if not isinstance(value, Real | Decimal):
        raise TypeError("real numbers; turn it into one first")
    return float(value)


def real_as_it_is(value: Any) -> Any:
    """A finite number, itself."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real | Decimal) or value in {inf, -inf}:
        raise TypeError("finite numbers, or dates throughout")
    return value


def whole(value: Any) -> int:
    """A whole number."""
    if isinstance(value, float | np.floating) and not abs(float(value)) < EXACT:
        raise TypeError("below 2**53, beyond which float64 mixes up whole numbers")
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real | Decimal):
        raise TypeError(f"whole numbers; {NUMBER}")
    integer = int(value)  # type: ignore[arg-type]  # all that are registered as Real have it
    if integer != value:
        raise TypeError("whole numbers")
    return integer


def boolean(value: Any) -> bool:
    """True or False, which 1 and 0 are not."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError("booleans")
    return bool(value)


def word(value: Any) -> int:
    """An integer of 64 bits without a sign."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) < 2**64:
        raise TypeError("uint64")
    return int(value)


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT, NA of pandas, or what a mask leaves in a list."""
    if value is None or value is np.ma.masked or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def numbered_objects(name: str, array: Plain) -> I64:
    """Names by the order in which they come first; True is not 1 here, and text not bytes."""
    whole = all_whole(array)
    if whole is not None:
        return without_codes_of_missing(name, whole)
    codes: dict[tuple[bool, Any], int] = {}
    out = np.empty(len(array), dtype=np.int64)
    for place, value in enumerate(array.tolist()):
        if is_missing(value) or (isinstance(value, str) and value.strip() in MISSING_WORDS):
            raise missing_error(name, array.shape, place, repr(value))
        if isinstance(value, float | np.floating) and not abs(float(value)) < EXACT:
            raise InputError(f"{place_of(name, array.shape, place)} is {value}, expected {EXACT_IDS}")
        if not isinstance(value, NAMES):
            raise InputError(
                f"{place_of(name, array.shape, place)} is {shown_value(value)}, expected a number or text; {NUMBER}"
            )
        out[place] = codes.setdefault((isinstance(value, bool), value), len(codes))
    return out


def ordered_numbers(name: str, array: Plain) -> Plain:
    """Numbers of Python as int64 where they are, else as they are: float64 would make some of them equal."""
    numbers = each_object(name, array, np.dtype(object), real_as_it_is)
    whole = all_whole(numbers)
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64) if whole is None else whole


def all_whole(array: Plain) -> I64 | None:
    """Numbers of Python as int64; None where one is none, or does not fit."""
    if not all(isinstance(value, Real | Decimal) and not isinstance(value, bool | np.bool_) for value in array):
        return None
    try:
        return np.array([whole(value) for value in array], dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        return None


def dates(name: str, array: Plain) -> Plain:
    """Dates of Python or pandas as datetime64; those with a time zone in UTC."""
    times, zones = [], set()
    for place, value in enumerate(array.tolist()):
        if is_missing(value):
            raise missing_error(name, array.shape, place, repr(value))
        if not isinstance(value, date):
            raise InputError(
                f"{place_of(name, array.shape, place)} is {shown_value(value)}, expected a date, as in row 0"
            )
        zone = getattr(value, "tzinfo", None)
        zones.add(zone is not None)
        if hasattr(value, "to_datetime64"):
            times.append(value.to_datetime64())
        else:
            times.append(np.datetime64(value.astimezone(UTC).replace(tzinfo=None) if zone else value))  # type: ignore[attr-defined]
    if len(zones) > 1:
        raise InputError(f"some {name} have a time zone and some have none; give all of them one")
    return np.array(times)


def first_there(array: Plain) -> Any:
    """The first value that is not missing; None if all are."""
    return next((value for value in array.ravel() if not is_missing(value)), None)


def without_codes_of_missing(name: str, codes: I64) -> I64:
    """Integers that stand for missing values where columns were made into codes: -1, and what NaN becomes."""
    least = int(codes.min(initial=0))
    if least in {-1, -MOST_INTEGER - 1}:
        refuse_missing(codes == least, name, f"{least}, which codes of tables have for a missing value")
    return codes


def refuse_missing(missing: npt.NDArray[np.bool_], name: str, text: str) -> None:
    """Refuse values where ``missing`` is true; ``text`` is what stands there.

    Raises:
        InputError: there is one; names the first.
    """
    if missing.any():
        raise missing_error(name, missing.shape, int(missing.argmax()), text)


def missing_error(name: str, shape: tuple[int, ...], place: int, text: str) -> InputError:
    """What is said of a missing value."""
    return InputError(f"{place_of(name, shape, place)} is missing ({text}); {FILL}")


def place_of(name: str, shape: tuple[int, ...], place: int) -> str:
    """Where the value at a place of the flattened array stands, in words."""
    row, *others = (int(index) for index in np.unravel_index(place, shape)) if shape else (0,)
    return f"row {row} of the {name}" + (f", column {others[-1]}," if others else "")


def shown_value(value: object) -> str:
    """A value in a message: itself with its type, or its type alone where it is long."""
    text = repr(value)
    return f"{text} ({type(value).__name__})" if len(text) <= 40 else f"a {type(value).__name__}"


def count_of(count: float, noun: str) -> str:
    """A count in a message: with its noun, and no more digits than are of use.

    >>> count_of(12345, "impression"), count_of(1, "arm"), count_of(0.25, "impression"), count_of(3e200, "impression")
    ('12,345 impressions', '1 arm', '0.25 impressions', '3e+200 impressions')
    """
    readable = count == 0 or 100 <= abs(count) < 1e15 or (abs(count) < 100 and count == int(count))
    number = f"{count:,.0f}" if readable else f"{count:.3g}"
    return f"{number} {noun}" if count == 1 else f"{number} {noun}s"
