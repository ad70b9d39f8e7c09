"""Numbers at the door: text, None and ragged lists are wrong input, and told so by name."""

from numbers import Integral, Real

import numpy as np
import numpy.typing as npt

from bandit.errors import InputError

F64 = npt.NDArray[np.float64]


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


def real_array(name: str, values: npt.ArrayLike) -> F64:
    """``values`` as float64, in the shape that they have.

    Raises:
        InputError: they are text, complex or anything else but real numbers, or rows differ in length.

    >>> real_array("rewards", [[1, 0.5]])
    array([[1. , 0.5]])
    """
    array = plain_array(name, values)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} is an array of {array.dtype}, expected real numbers")
    return array.astype(np.float64, copy=False)


def plain_array(name: str, values: npt.ArrayLike) -> npt.NDArray[np.generic]:
    """``values`` as an array of whatever type they have.

    Raises:
        InputError: rows differ in length, which makes no array.
    """
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} makes no array ({error}); pass rows of equal length") from None
