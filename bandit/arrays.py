"""The door for arrays: whatever people have becomes contiguous float64, int64 or booleans, or is refused by name and row.

Lists, tuples and ranges, arrays of numpy in any type and layout, masked arrays, columns and tables of pandas, polars and pyarrow,
and whatever else has ``__array__`` are taken by position, never by label. A value that is missing (None, NA, NaT, behind a mask)
is never a number, a mask or a name.
"""

from collections.abc import Iterator, Mapping, Set, Sized
from datetime import date
from itertools import chain
from numbers import Integral, Real
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from bandit.errors import InputError, user_code_errors
from bandit.objects import (
    EXACT,
    EXACT_IDS,
    MOST_INTEGER,
    NAMES,
    NUMBER,
    Plain,
    boolean,
    dates,
    each_object,
    first_there,
    numbered_objects,
    ordered_numbers,
    place_of,
    real,
    refuse_missing,
    shown_value,
    whole,
    without_codes_of_missing,
    word,
)

F64 = npt.NDArray[np.float64]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
Bool = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]  # of any precision

Kind = TypeVar("Kind", bound=np.generic)

_NOT_ARRAYS: Final = (str, bytes, bytearray, Mapping, Set, Iterator)


def is_number(value: object) -> bool:
    """Whether a value compares with numbers: of Python or numpy, NaN and infinity too.

    >>> is_number(0.5), is_number(np.float32(1)), is_number("0.5"), is_number(None)
    (True, True, False, False)
    """
    return isinstance(value, Real)


def is_count(value: object) -> bool:
    """Whether a value is a whole number of at least 1.

    >>> is_count(1), is_count(np.int64(7)), is_count(0), is_count(1.5), is_count("2")
    (True, True, False, False, False)
    """
    return isinstance(value, Integral) and int(value) >= 1


def plain_number(value: float) -> float:
    """A number as Python's own: 1 + 127 overflows in an int8, and 0.1 is 0.09998 in a float16.

    >>> plain_number(np.int8(127)) + 1, plain_number(3)
    (128.0, 3)
    """
    return value if type(value) in {int, float} else float(value)


def real_array(name: str, values: npt.ArrayLike) -> F64:
    """``values`` as contiguous float64, in the shape that they have; NaN is left to who knows what it means there.

    Raises:
        InputError: one is missing or no real number, or rows differ in length.

    >>> real_array("rewards", [[1, 0.5]])
    array([[1. , 0.5]])
    """
    if type(values) is np.ndarray and values.dtype == np.float64 and values.flags.c_contiguous:
        return values
    array = _plain(name, values)
    if array.dtype == object:
        array = each_object(name, array, np.dtype(np.float64), real)
    elif array.dtype.kind not in "biuf" and array.size:
        raise InputError(f"{name} is an array of {array.dtype}, expected real numbers; turn it into numbers first")
    return _contiguous(array, np.dtype(np.float64))


def integer_array(name: str, values: npt.ArrayLike) -> I64:
    """``values`` as contiguous int64, in the shape that they have. Whole numbers of floating point are whole numbers.

    Raises:
        InputError: one is missing, no whole number or does not fit, or rows differ in length.

    >>> integer_array("arms", [1.0, 0.0])
    array([1, 0])
    """
    array = _plain(name, values)
    array = array.astype(np.float64) if array.dtype == np.float16 else array  # whose largest number is 65,504
    kind = array.dtype.kind
    if kind == "O":
        array = each_object(name, array, np.dtype(np.int64), whole)
    elif kind == "u":
        _refuse_at(array > MOST_INTEGER, array, name, "a whole number below 2**63")
    elif kind == "f":
        refuse_missing(np.isnan(array), name, "nan")
        _refuse_at(np.floor(array) != array, array, name, "a whole number")
        _refuse_at(~(np.abs(array) < EXACT), array, name, "below 2**53, beyond which float64 mixes up whole numbers")
    elif kind != "i" and array.size:
        kinds = "booleans" if kind == "b" else str(array.dtype)
        remedy = "pass .astype(int) if 0 and 1 are meant" if kind == "b" else NUMBER
        raise InputError(f"{name} are {array.shape} {kinds}, expected integers; {remedy}")
    return _contiguous(array, np.dtype(np.int64))


def boolean_array(name: str, values: npt.ArrayLike, remedy: str) -> Bool:
    """``values`` as contiguous booleans, in the shape that they have; ``remedy`` says how numbers become some.

    Raises:
        InputError: one is missing or no boolean, or rows differ in length.
    """
    array = _plain(name, values)
    if array.dtype == object:
        array = each_object(name, array, np.dtype(np.bool_), boolean)
    elif array.dtype != np.bool_ and array.size:
        raise InputError(f"{name} is an array of {array.dtype}, expected booleans; {remedy}")
    return _contiguous(array, np.dtype(np.bool_))


def hash_array(name: str, values: npt.ArrayLike) -> U64:
    """``values`` as contiguous uint64: what has another type is no hash, but for Python's own integers.

    Raises:
        InputError: they are of another type, or one does not fit.
    """
    array = _plain(name, values)
    if array.dtype == object or isinstance(values, list | tuple):
        array = each_object(name, np.asarray(array, dtype=object), np.dtype(np.uint64), word)
    elif (array.dtype.kind, array.dtype.itemsize) != ("u", 8) and array.size:
        raise InputError(
            f"{name} are {array.shape} {array.dtype}, expected {array.shape} uint64: one a decision; hash ids first"
        )
    return _contiguous(array, np.dtype(np.uint64))


def row_array(rows: npt.ArrayLike, count: int) -> I64:
    """Places among ``count`` rows, (n,): of indices, or of a mask of all of them.

    Raises:
        InputError: a mask has another length, or there is no such row.
    """
    array = _plain("rows", rows)
    if array.dtype == np.bool_ or (array.dtype == object and isinstance(first_there(array), bool)):
        mask = boolean_array("rows", array, "")
        if mask.shape != (count,):
            raise InputError(f"a mask of rows has the shape {mask.shape}, expected ({count},): one of each impression")
        return np.flatnonzero(mask)
    places = integer_array("rows", array)
    if places.ndim != 1 or (len(places) and not 0 <= places.min() <= places.max() < count):
        wrong = places[(places < 0) | (places >= count)][:1] if places.ndim == 1 else places.shape
        raise InputError(f"rows have {wrong}, expected (n,) from 0 to {count - 1}")
    return places


def label_array(name: str, values: npt.ArrayLike, count: int) -> I64:
    """Which of ``values`` are the same, (m,) int64: integers as they are, anything else numbered as it comes first.

    Text, bytes, dates, mixed columns and integers from 2**63 on are names like others. ``name`` is a plural.

    Raises:
        InputError: there are not ``count``, one is missing or no name, or it is a float that may stand for several ids.

    >>> label_array("clusters", ["b", "a", "b"], 3)
    array([0, 1, 0])
    """
    array = _one_each(name, values, count, "numbers or text")
    kind = array.dtype.kind
    if kind in "SU":
        array, kind = array.astype(object), "O"
    if kind == "O":
        return numbered_objects(name, array)
    if kind == "i" or (kind == "u" and (array <= MOST_INTEGER).all()):
        return without_codes_of_missing(name, _contiguous(array, np.dtype(np.int64)))
    if kind == "f":
        refuse_missing(np.isnan(array), name, "nan")
        _refuse_at(~(np.abs(array) < EXACT), array, name, EXACT_IDS)
        if (np.floor(array) == array).all():
            return without_codes_of_missing(name, _contiguous(array, np.dtype(np.int64)))
    elif kind in "Mm":
        refuse_missing(np.isnat(array), name, "NaT")
    elif kind != "u" and array.size:
        raise InputError(f"{name} are {array.shape} {array.dtype}, expected ({count},) numbers or text; {NUMBER}")
    return numbered(array)


def ordered_array(name: str, values: npt.ArrayLike, count: int) -> I64:
    """``values`` in an order, (m,) int64: whole numbers as they are, dates in their unit, other numbers as places in order.

    Raises:
        InputError: there are not ``count``, or one is missing or has no place in an order, as text.

    >>> ordered_array("times", [0.5, 0.25], 2)
    array([1, 0])
    """
    array = _one_each(name, values, count, "integers, dates or numbers")
    if array.dtype == object and array.size:
        array = dates(name, array) if isinstance(first_there(array), date) else ordered_numbers(name, array)
    kind = array.dtype.kind
    if kind in "Mm":
        refuse_missing(np.isnat(array), name, "NaT")
        return _contiguous(array, array.dtype.newbyteorder("=")).view(np.int64)
    if kind == "f":
        refuse_missing(np.isnan(array), name, "nan")
        _refuse_at(~np.isfinite(array), array, name, "a finite number")
        is_exact = bool(((np.floor(array) == array) & (np.abs(array) < EXACT)).all())
    elif kind not in "iu" and array.size:
        raise InputError(
            f"{name} are {array.shape} {array.dtype}, expected ({count},) integers, dates or numbers, whose order is meant;"
            f" {NUMBER} if the order of the text is that of time"
        )
    else:
        is_exact = kind == "i" or bool((array <= MOST_INTEGER).all())
    if not is_exact:
        return np.unique(array, return_inverse=True)[1].astype(np.int64)
    integers = _contiguous(array, np.dtype(np.int64))
    refuse_missing(integers == -MOST_INTEGER - 1, name, "-2**63, as integers are that were made of NaT or NaN")
    return integers


def numbered(values: npt.NDArray[np.generic]) -> I64:
    """Each value (m,) as a number from 0 on, by the order in which values come first.

    >>> numbered(np.array(["b", "a", "b", "c"])).tolist()
    [0, 1, 0, 2]
    """
    _, first, codes = np.unique(values, return_index=True, return_inverse=True)
    ranks = np.empty(len(first), dtype=np.int64)
    ranks[np.argsort(first)] = np.arange(len(first))
    return np.asarray(ranks[codes])


def float_array(name: str, values: npt.ArrayLike) -> Floats:
    """``values`` as contiguous float32 where they are, else as ``real_array`` gives them."""
    if type(values) is np.ndarray and values.dtype == np.float32:
        return np.asarray(values, order="C")
    array = _plain(name, values)
    return np.asarray(array, order="C") if array.dtype == np.float32 else real_array(name, array)


def writable(array: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
    """The array, or a copy of one that may not be written to: numba compiles a kernel anew for those, the largest in 15 s."""
    return array if array.flags.writeable else array.copy()


def _plain(name: str, values: Any) -> Plain:
    """``values`` as numpy has them, without a mask; of objects only where numpy has no type for them."""
    if isinstance(values, list | tuple):
        with user_code_errors(f"{name} makes no array"):  # of a list that holds itself
            return _listed(name, values)
    if isinstance(values, _NOT_ARRAYS):
        raise InputError(
            f"{name} is {shown_value(values)}, expected an array or a list; pass list(...) of it in a fixed order"
        )
    with user_code_errors(f"{name} makes no array"):
        array = np.asanyarray(values)
    if isinstance(array, np.ma.MaskedArray):
        if array.dtype.names is None:
            refuse_missing(np.ma.getmaskarray(array), name, "masked")
        array = array.data
    array = np.asarray(array)
    if array.dtype.kind == "T":  # text of any length
        array = array.astype(object)
    if array.dtype != object:
        return array
    if array.ndim == 0 and not isinstance(array.item(), NAMES):
        raise InputError(f"{name} is {shown_value(array.item())}, expected an array or a list of numbers")
    if array.ndim == 1 and any(map(_is_row, array)):
        return _listed(name, array.tolist())
    return array


def _listed(name: str, values: list[Any] | tuple[Any, ...]) -> Plain:
    """A list as an array: numpy alone would drop the masks of rows, make text of mixed values and floats of large integers."""
    kinds = set(map(type, values))
    if kinds <= {list, tuple}:
        kinds = set(map(type, chain.from_iterable(values)))
        if len(set(map(len, values))) > 1:
            raise _ragged(name, values)
    if kinds <= {int, float} or (len(kinds) == 1 and issubclass(next(iter(kinds)), bool | np.generic)):
        with user_code_errors(f"{name} makes no array"):
            array = np.asarray(values)
        if kinds != {int} or array.dtype.kind != "f":  # which integers on both sides of 2**63 become
            return array
    are_rows = {_is_row(value) for value in values}
    if len(are_rows) > 1:
        raise _ragged(name, values)
    if True in are_rows:
        rows = [_plain(name, row) for row in values]
        if len({row.shape for row in rows}) > 1:
            raise _ragged(name, rows)
        return np.stack([row.astype(object) for row in rows] if len({row.dtype.kind for row in rows}) > 1 else rows)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _is_row(value: object) -> bool:
    if isinstance(value, list | tuple | range):
        return True
    is_array = isinstance(value, Sized) and hasattr(value, "__array__")
    return is_array and np.ndim(value) > 0  # type: ignore[arg-type]


def _ragged(name: str, rows: Any) -> InputError:
    sizes = [np.shape(row) if isinstance(row, np.ndarray) else (len(row),) if _is_row(row) else () for row in rows]
    odd = next((place for place, size in enumerate(sizes) if size != sizes[0]), 0)
    shapes = [f"row {row} has the shape {sizes[row]}" for row in (0, odd)]
    return InputError(f"{name} makes no array: {shapes[0]} and {shapes[1]}; pass rows of equal length")


def _one_each(name: str, values: Any, count: int, expected: str) -> Plain:
    array = _plain(name, values)
    if array.shape != (count,) or (array.dtype.kind == "b" and count):
        raise InputError(f"{name} are {array.shape} {array.dtype}, expected ({count},) {expected}: one per impression")
    if not count:
        return np.empty(0, dtype=np.int64)
    return array.astype(np.float64) if array.dtype == np.float16 else array  # whose largest number is 65,504


def _contiguous(array: Plain, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):  # a longdouble beyond float64 is infinite, which is refused where it matters
        return np.asarray(array, dtype=dtype, order="C")


def _refuse_at(wrong: npt.NDArray[np.bool_], array: Plain, name: str, expected: str) -> None:
    if wrong.any():
        place = int(wrong.argmax())
        raise InputError(f"{place_of(name, array.shape, place)} is {array.ravel()[place]}, expected {expected}")
