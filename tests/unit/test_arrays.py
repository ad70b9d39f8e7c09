"""The door for arrays: what people have, in one table for each kind of array, and what is refused, with its row."""

import datetime
import re
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest

from bandit.arrays import (
    boolean_array,
    float_array,
    hash_array,
    integer_array,
    label_array,
    ordered_array,
    real_array,
    row_array,
)
from bandit.errors import InputError


class Wrapped:
    """Somebody's own class of arrays."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
        return self.values  # type: ignore[no-any-return]


class Broken:
    """An array that cannot be made."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> npt.NDArray[Any]:
        raise RuntimeError("can't call numpy() on a tensor that requires grad")


def masked(values: list[Any], row: int = -1) -> Any:
    """A masked array of which one row is behind its mask; none if there is no such row."""
    return np.ma.masked_array(values, mask=np.arange(len(values)) == row)


def turned(values: list[Any], **settings: Any) -> Any:
    """A column of pandas whose labels are not its places."""
    return pd.Series(values, index=range(len(values))[::-1], **settings)


WHOLE: dict[str, Any] = {
    "list": [3, 0, 1],
    "tuple": (3, 0, 1),
    "deque": deque([3, 0, 1]),
    "int8": np.array([3, 0, 1], dtype=np.int8),
    "uint8": np.array([3, 0, 1], dtype=np.uint8),
    "uint64": np.array([3, 0, 1], dtype=np.uint64),
    "other byte order": np.array([3, 0, 1], dtype=np.dtype(np.int64).newbyteorder()),
    "not contiguous": np.array([3, 9, 0, 9, 1, 9])[::2],
    "from the end": np.array([1, 0, 3])[::-1],
    "whole floats": [3.0, 0.0, 1.0],
    "float16": np.array([3, 0, 1], dtype=np.float16),
    "longdouble": np.array([3, 0, 1], dtype=np.longdouble),
    "objects": np.array([3, 0, 1], dtype=object),
    "numpy scalars": [np.int8(3), np.uint64(0), np.float32(1)],
    "decimals": [Decimal(3), Decimal(0), Fraction(1)],
    "nothing masked": masked([3, 0, 1]),
    "pandas by position": turned([3, 0, 1]),
    "pandas nullable": turned([3, 0, 1], dtype="Int64"),
    "pandas categorical": turned([3, 0, 1], dtype="category"),
    "pandas objects": turned([3, 0, 1], dtype=object),
    "pandas index": pd.Index([3, 0, 1]),
    "polars": pl.Series([3, 0, 1]),
    "own class": Wrapped(np.array([3, 0, 1])),
}
READ_ONLY = np.array([3, 0, 1])
READ_ONLY.flags.writeable = False
WHOLE["read only"] = READ_ONLY

MISSING: dict[str, Any] = {
    "None": [3, None, 1],
    "nan": [3.0, float("nan"), 1.0],
    "nan of objects": np.array([3, float("nan"), 1], dtype=object),
    "decimal nan": [Decimal(3), Decimal("nan"), Decimal(1)],
    "behind a mask": masked([3, 0, 1], 1),
    "behind a mask of floats": masked([3.0, 0.0, 1.0], 1),
    "what a mask leaves": [3, np.ma.masked, 1],
    "own class with a mask": Wrapped(masked([3, 0, 1], 1)),
    "pandas NA": turned([3, None, 1], dtype="Int64"),
    "pandas NA in a list": [3, pd.NA, 1],
    "pandas NaT in a list": [3, pd.NaT, 1],
    "pandas categorical": turned([3, None, 1], dtype="category"),
    "pandas objects": turned([3, None, 1], dtype=object),
    "polars null": pl.Series([3, None, 1]),
}

WRITTEN_AS_NAN = ("nan", "pandas NA", "polars null", "pandas categorical")

HOLDS_ITSELF: list[Any] = []
HOLDS_ITSELF.append(HOLDS_ITSELF)
NO_ARRAYS: dict[str, Any] = {
    "generator": (each for each in (3, 0, 1)),
    "map": map(int, "301"),
    "set": {3, 0, 1},
    "dict": {0: 3, 1: 0, 2: 1},
    "values of a dict": {0: 3, 1: 0, 2: 1}.values(),
    "text": "301",
    "bytes": b"301",
    "None": None,
    "ragged": [[3, 0], [1]],
    "partly nested": [3, [0], 1],
    "an object": object(),
    "a list that holds itself": HOLDS_ITSELF,
    "a lazy frame": pl.LazyFrame({"a": [3, 0, 1]}),
    "a broken class": Broken(),
    "records": np.array([(3, 0.5)], dtype=[("a", int), ("b", float)]),
    "complex": np.array([3j, 0, 1]),
    "lists of complex": [3j, 0, 1],
}
KINDS: dict[str, Callable[[Any], Any]] = {
    "real": lambda values: real_array("things", values),
    "float": lambda values: float_array("things", values),
    "integer": lambda values: integer_array("things", values),
    "label": lambda values: label_array("things", values, 3),
    "ordered": lambda values: ordered_array("things", values, 3),
}
by_kind = pytest.mark.parametrize("kind", KINDS)


@by_kind
@pytest.mark.parametrize("have", WHOLE)
def test_numbers_are_taken_by_position_from_whatever_people_have(kind: str, have: str) -> None:
    found = KINDS[kind](WHOLE[have])
    assert found.tolist() == [3, 0, 1]
    assert found.dtype == (np.float64 if kind in {"real", "float"} else np.int64)
    assert found.flags.c_contiguous


@by_kind
@pytest.mark.parametrize("have", [have for have in MISSING if have not in WRITTEN_AS_NAN])
def test_a_missing_value_is_refused_by_name_and_row(kind: str, have: str) -> None:
    with pytest.raises(InputError, match="row 1 of the things is missing"):
        KINDS[kind](MISSING[have])


@pytest.mark.parametrize("kind", ["integer", "label", "ordered"])
@pytest.mark.parametrize("have", MISSING)
def test_a_missing_value_never_is_a_whole_number(kind: str, have: str) -> None:
    with pytest.raises(InputError, match="row 1 of the things is missing"):
        KINDS[kind](MISSING[have])


@pytest.mark.parametrize("have", WRITTEN_AS_NAN)
def test_a_gap_that_tables_write_as_nan_stays_nan_of_real_numbers(have: str) -> None:
    np.testing.assert_array_equal(real_array("things", MISSING[have]), [3, np.nan, 1])


@by_kind
@pytest.mark.parametrize("have", NO_ARRAYS)
def test_what_is_no_array_is_refused_by_name(kind: str, have: str) -> None:
    with pytest.raises(InputError, match=r"things (is|are|makes) |of the things"):
        KINDS[kind](NO_ARRAYS[have])


@by_kind
def test_nothing_is_an_array_of_nothing(kind: str) -> None:
    empties: tuple[Any, ...] = (
        [],
        np.empty(0, dtype=object),
        pd.Series([], dtype="string"),
        pl.Series([], dtype=pl.Boolean),
    )
    for empty in empties:
        if kind in {"label", "ordered"}:
            found = (label_array if kind == "label" else ordered_array)("things", empty, 0)
        else:
            found = KINDS[kind](empty)
        assert found.shape == (0,)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0, 1.5], "row 1 of the arms is 1.5, expected a whole number"),
        ([0, Decimal("1.5")], "row 1 of the arms is Decimal('1.5') (Decimal), expected whole numbers"),
        ([True, False], "arms are (2,) booleans, expected integers; pass .astype(int) if 0 and 1 are meant"),
        ([0, True], "row 1 of the arms is True (bool), expected whole numbers"),
        (["a", "b"], "row 0 of the arms is 'a' (str), expected whole numbers"),
        (np.array(["a", "b"]), "arms are (2,) <U1, expected integers; number them first"),
        (pd.Series(["a", "b"]), "row 0 of the arms is 'a' (str), expected whole numbers"),
        (np.array(["2026-01-01"], dtype="datetime64[D]"), "arms are (1,) datetime64[D], expected integers"),
        (
            np.array([0, 2**63], dtype=np.uint64),
            "row 1 of the arms is 9223372036854775808, expected a whole number below",
        ),
        ([0, 2**70], "row 1 of the arms is 1180591620717411303424 (int), expected what int64 holds"),
        ([0, float("inf")], "row 1 of the arms is inf"),
        ([0, 1e300], "row 1 of the arms is 1e+300, expected below 2**53"),
        ([[0], [float("nan")]], "row 1 of the arms, column 0, is missing"),
    ],
)
def test_what_is_no_whole_number_is_refused_by_row(values: Any, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        integer_array("arms", values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.5, "0.5"], "row 1 of the rewards is '0.5' (str), expected real numbers"),
        (np.array(["0.5"]), "rewards is an array of <U3, expected real numbers"),
        ([0.5, 10**400], "row 1 of the rewards is a int, expected what float64 holds"),
        (pd.to_datetime(["2026-01-01"]), "rewards is an array of datetime64"),
        ([[0.5], [pd.NA]], "row 1 of the rewards, column 0, is missing"),
        ([np.ma.masked_array([0.5], mask=[True])], "row 0 of the rewards is missing (masked)"),
        ([[0.5, 0.1], [0.5]], "rewards makes no array: row 0 has the shape (2,) and row 1 has the shape (1,)"),
        ([[[0.5], [0.1]], [[0.5]]], "rewards makes no array"),
    ],
)
def test_what_is_no_real_number_is_refused_by_row(values: Any, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        real_array("rewards", values)


TABLE = np.array([[0.5, 1.0], [0.0, 2.0], [1.0, 3.0]])
TABLES: dict[str, Any] = {
    "lists": TABLE.tolist(),
    "rows": list(TABLE),
    "columns first": np.asfortranarray(TABLE),
    "transposed": TABLE.T.copy().T,
    "booleans among numbers": [[0.5, 1], [False, 2.0], [True, 3]],
    "pandas": pd.DataFrame(TABLE, index=[2, 1, 0], columns=["b", "a"]),
    "pandas of several types": pd.DataFrame({"b": [0.5, 0.0, 1.0], "a": pd.array([1, 2, 3], dtype="Int64")}),
    "a column of lists": pd.Series(TABLE.tolist(), index=[2, 1, 0]),
    "rows of pandas": [pd.Series(row, index=[1, 0]) for row in TABLE],
    "polars": pl.DataFrame({"b": [0.5, 0.0, 1.0], "a": [1, 2, 3]}),
    "a column of lists of polars": pl.Series(TABLE.tolist()),
    "decimals": [[Decimal("0.5"), 1], [Fraction(0), 2], [1, 3]],
    "masked rows, nothing masked": [np.ma.masked_array(row) for row in TABLE],
}


@pytest.mark.parametrize("have", TABLES)
def test_tables_are_taken_by_position(have: str) -> None:
    found = real_array("contexts", TABLES[have])
    np.testing.assert_array_equal(found, TABLE)
    assert found.flags.c_contiguous


def test_contexts_of_single_precision_stay_so() -> None:
    for single in (
        TABLE.astype(np.float32),
        np.asfortranarray(TABLE, dtype=np.float32),
        pl.Series([1.0], dtype=pl.Float32),
    ):
        assert float_array("contexts", single).dtype == np.float32
        assert float_array("contexts", single).flags.c_contiguous


def test_an_array_that_is_as_it_should_be_is_not_copied() -> None:
    assert real_array("rewards", TABLE) is TABLE


NAMES: dict[str, Any] = {
    "text": ["b", "a", "b"],
    "text of any length": np.array(["b", "a", "b"], dtype=np.dtypes.StringDType()),
    "text of numpy": np.array(["b", "a", "b"]),
    "bytes of numpy": np.array([b"b", b"a", b"b"]),
    "pandas": turned(["b", "a", "b"]),
    "pandas string": turned(["b", "a", "b"], dtype="string"),
    "pandas categorical": turned(["b", "a", "b"], dtype="category"),
    "polars": pl.Series(["b", "a", "b"]),
    "polars categorical": pl.Series(["b", "a", "b"], dtype=pl.Categorical),
    "text and numbers": ["1", 1, "1"],
    "text and bytes": ["b", b"b", "b"],
    "truth and numbers": [True, 1, True],
    "halves": [0.5, 0.25, 0.5],
    "beyond int64": [2**63 + 1, 2**63, 2**63 + 1],
    "uint64": np.array([2**63 + 1, 2**63, 2**63 + 1], dtype=np.uint64),
    "on both sides of int64": [2**63 + 1, 5, 2**63 + 1],
    "far beyond int64": [10**30, 5, 10**30],
    "dates": [datetime.date(2026, 1, 2), datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)],
    "times of numpy": np.array([2, 1, 2], dtype="datetime64[s]"),
    "times with a zone": turned(pd.to_datetime(["2026-01-02", "2026-01-01", "2026-01-02"]).tz_localize("UTC").tolist()),
    "uuids": [UUID(int=2), UUID(int=1), UUID(int=2)],
}


@pytest.mark.parametrize("have", NAMES)
def test_names_of_any_kind_are_numbered_as_they_come_first(have: str) -> None:
    assert label_array("clusters", NAMES[have], 3).tolist() == [0, 1, 0]


def test_whole_numbers_stay_the_labels_that_they_are() -> None:
    assert label_array("clusters", [7, -3, 7], 3).tolist() == [7, -3, 7]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["a", None, "b"], "row 1 of the clusters is missing (None)"),
        (["a", float("nan"), "b"], "row 1 of the clusters is missing (nan)"),
        (["a", "NA", "b"], "row 1 of the clusters is missing ('NA')"),
        (["a", "nan", "b"], "row 1 of the clusters is missing ('nan')"),
        (["a", " ", "b"], "row 1 of the clusters is missing (' ')"),
        (np.array(["a", "None", "b"]), "row 1 of the clusters is missing ('None')"),
        (turned(["a", None, "b"]), "row 1 of the clusters is missing"),
        (turned(["a", None, "b"], dtype="category"), "row 1 of the clusters is missing"),
        (pl.Series(["a", None, "b"]), "row 1 of the clusters is missing (None)"),
        (pd.to_datetime(["2026-01-01", None, "2026-01-02"]), "row 1 of the clusters is missing (NaT)"),
        (turned([0.5, None, 0.5]), "row 1 of the clusters is missing (nan)"),
        (
            pd.factorize(np.array(["a", None, "b"], dtype=object))[0],
            "row 1 of the clusters is missing (-1, which codes",
        ),
        ([0, -(2**63), 1], "row 1 of the clusters is missing (-9223372036854775808"),
        ([0.0, 2.0**53, 1.0], "row 1 of the clusters is 9007199254740992.0, expected ids as integers or text"),
        ([0, float("inf"), 1], "row 1 of the clusters is inf"),
        (
            np.array([0, 2.0**60, 1], dtype=object),
            "row 1 of the clusters is 1.152921504606847e+18, expected ids as integers",
        ),
        (["a", float("-inf"), "b"], "row 1 of the clusters is -inf, expected ids as integers or text"),
        (["a", ("b", 1), "c"], "clusters makes no array"),
        (["a", {"b": 1}, "c"], "row 1 of the clusters is {'b': 1} (dict), expected a number or text"),
        (["a", "b"], "clusters are (2,) object, expected (3,) numbers or text: one per impression"),
        ([True, False, True], "clusters are (3,) bool, expected (3,) numbers or text"),
        ([["a"], ["b"], ["c"]], "clusters are (3, 1) object"),
        ([1j, 2j, 3j], "row 0 of the clusters is 1j (complex), expected a number or text"),
    ],
)
def test_names_that_are_missing_or_stand_for_several_are_refused_by_row(values: Any, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        label_array("clusters", values, 3)


BERLIN = datetime.timezone(datetime.timedelta(hours=1))
ORDERS: dict[str, Any] = {
    "fractions": [0.5, 0.1, 0.7],
    "dates": [datetime.date(2026, 1, 2), datetime.date(2026, 1, 1), datetime.date(2026, 1, 3)],
    "times": [datetime.datetime(2026, 1, 1, hour) for hour in (2, 1, 3)],  # noqa: DTZ001 - a table has none
    "times with a zone": [datetime.datetime(2026, 1, 1, hour, tzinfo=BERLIN) for hour in (2, 1, 3)],
    "times of numpy": np.array([2, 1, 3], dtype="datetime64[ns]"),
    "times in another byte order": np.array([2, 1, 3], dtype=">M8[us]"),
    "spans": np.array([2, 1, 3], dtype="timedelta64[s]"),
    "pandas": turned(pd.to_datetime(["2026-01-02", "2026-01-01", "2026-01-03"]).tolist()),
    "pandas with a zone": turned(
        pd.to_datetime(["2026-01-02", "2026-01-01", "2026-01-03"]).tz_localize("UTC").tolist()
    ),
    "polars": pl.Series([2, 1, 3]).cast(pl.Datetime("us", "UTC")),
    "polars dates": pl.Series([2, 1, 3]).cast(pl.Date),
    "uint64": np.array([2**63 + 2, 1, 2**64 - 1], dtype=np.uint64),
    "large integers": [2**63 + 2, 2**63 + 1, 10**30],
    "large floats": [1e300, 1.0, 2e300],
}


@pytest.mark.parametrize("have", ORDERS)
def test_what_has_an_order_keeps_it(have: str) -> None:
    found = ordered_array("times", ORDERS[have], 3)
    assert np.argsort(found).tolist() == [1, 0, 2]
    assert found.dtype == np.int64
    assert len(set(found.tolist())) == 3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            ["2026-01-01", "2026-01-02"],
            "row 0 of the times is '2026-01-01' (str), expected finite numbers, or dates throughout",
        ),
        (np.array(["a", "b"]), "times are (2,) <U1, expected (2,) integers, dates or numbers, whose order is meant"),
        (pd.to_datetime(["2026-01-01", None]), "row 1 of the times is missing (NaT)"),
        ([datetime.date(2026, 1, 1), None], "row 1 of the times is missing (None)"),
        ([datetime.date(2026, 1, 1), 3], "row 1 of the times is 3 (int), expected a date"),
        (
            [3, datetime.date(2026, 1, 1)],
            "row 1 of the times is datetime.date(2026, 1, 1) (date), expected finite numbers",
        ),
        ([pd.Timestamp(1), pd.Timestamp(1, tz="UTC")], "some times have a time zone and some have none"),
        ([0, -(2**63)], "row 1 of the times is missing (-2**63"),
        ([0.5, float("nan")], "row 1 of the times is missing (nan)"),
        ([0.5, float("inf")], "row 1 of the times is inf, expected a finite number"),
        ([Decimal("0.5"), float("inf")], "row 1 of the times is inf (float), expected finite numbers"),
        ([1, 2, 3], "times are (3,) int64, expected (2,)"),
    ],
)
def test_what_has_no_place_in_an_order_is_refused_by_row(values: Any, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        ordered_array("times", values, 2)


@pytest.mark.parametrize(
    "values",
    [
        [True, False],
        np.array([True, False], dtype=object),
        turned([True, False], dtype="boolean"),
        pl.Series([True, False]),
        masked([True, False]),
    ],
    ids=["list", "objects", "pandas", "polars", "nothing masked"],
)
def test_booleans_are_taken_from_whatever_people_have(values: Any) -> None:
    assert boolean_array("eligible", values, "compare with 0").tolist() == [True, False]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0, 1], "eligible is an array of int64, expected booleans; compare with 0"),
        ([0.0, 1.0], "eligible is an array of float64, expected booleans"),
        ([True, None], "row 1 of the eligible is missing (None)"),
        ([True, 1], "row 1 of the eligible is 1 (int), expected booleans"),
        (turned([True, None], dtype="boolean"), "row 1 of the eligible is missing (<NA>)"),
        (pl.Series([True, None]), "row 1 of the eligible is missing (None)"),
        (masked([True, False], 1), "row 1 of the eligible is missing (masked)"),
        (["yes", "no"], "row 0 of the eligible is 'yes' (str), expected booleans"),
    ],
)
def test_what_is_no_boolean_is_refused(values: Any, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        boolean_array("eligible", values, "compare with 0")


@pytest.mark.parametrize(
    "values", [[2**63 + 5, 5], pd.Series([2**63 + 5, 5], index=[1, 0]), pl.Series([2**63 + 5, 5], dtype=pl.UInt64)]
)
def test_hashes_keep_every_bit(values: Any) -> None:
    assert hash_array("hashes", values).tolist() == [2**63 + 5, 5]


@pytest.mark.parametrize(
    "values", [np.array([5]), [-1], [2**64], [0.5], [True], [None], ["a"], np.array([5.0])], ids=str
)
def test_what_is_no_hash_is_refused(values: Any) -> None:
    with pytest.raises(InputError, match="hashes"):
        hash_array("hashes", values)


@pytest.mark.parametrize(
    "rows", [[0, 2], [True, False, True], turned([True, False, True]), pl.Series([0, 2]), [0.0, 2.0]]
)
def test_rows_are_places_or_a_mask(rows: Any) -> None:
    assert row_array(rows, 3).tolist() == [0, 2]


@pytest.mark.parametrize("rows", [[3], [-1], [True], [[0]], ["a"], [None], 1])
def test_rows_that_are_not_there_are_refused(rows: Any) -> None:
    with pytest.raises(InputError, match="rows"):
        row_array(rows, 3)
