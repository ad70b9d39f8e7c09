"""Cells of people's tables: text until they have to be numbers, and what stands for nothing is no name."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bandit.errors import InputError
from batch.logs.columns import Columns, parse_columns, read_columns
from batch.logs.logged import LoggedData

M = 12
TIMES = [f"2026-01-05T{hour:02d}:00:00" for hour in range(M)]


def log_of(
    folder: Path,
    cells: Mapping[str, Any] | None = None,
    *,
    typed: bool = False,
    columns: str = "",
    time_format: str | None = None,
    missing: str = "refuse",
) -> LoggedData:
    """A log of some columns beside arms and rewards, from CSV or, ``typed``, from Parquet."""
    plain = {"action": ["a", "b"] * (M // 2), "reward": [0, 1] * (M // 2)} | dict(cells or {})
    path = folder / f"log.{'parquet' if typed else 'csv'}"
    table = pl.DataFrame(plain)
    table.write_parquet(path) if typed else table.write_csv(path)
    return read_columns(path, parse_columns(columns), time_format=time_format, missing=missing)


def with_cell(values: list[Any], row: int, value: Any) -> list[Any]:
    return [value if place == row else each for place, each in enumerate(values)]


# --- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arms",
    [
        ["1.1", "1.10"], ["001", "1"], ["1e3", "1000"], ["9007199254740992", "9007199254740993"], ["True", "true"],
        ["0.10", "0.1"], ["+1", "1"], ["2026-01-01", "2026-01-01T00:00:00"], ["none", "nothing"],
    ],
)  # fmt: skip
def test_two_names_are_two_arms_however_they_look_as_numbers(tmp_path: Path, arms: list[str]) -> None:
    data = log_of(tmp_path, {"action": arms * (M // 2), "eligible": ["|".join(arms)] * M})
    assert set(data.arm_names) == set(arms)
    assert data.log.eligible is not None
    assert data.log.eligible.all()


def test_numbers_are_sorted_as_such(tmp_path: Path) -> None:
    for typed in (False, True):
        data = log_of(tmp_path, {"action": [10, 9, 100] * (M // 3), "batch": [9] * 6 + [10] * 6}, typed=typed)
        assert data.arm_names == ["9", "10", "100"]
        assert data.log.batches is not None
        assert data.log.batches.tolist() == [0] * 6 + [1] * 6


@pytest.mark.parametrize("word", ["NA", "N/A", "NaN", "nan", "NaT", "null", "NULL", "None", "<NA>", "#N/A", ""])
@pytest.mark.parametrize("role", ["action", "decision", "batch", "user_id", "timestamp", "title_id", "position"])
def test_what_stands_for_nothing_is_no_name(tmp_path: Path, role: str, word: str) -> None:
    values = TIMES if role == "timestamp" else [f"n{place % 2}" for place in range(M)]
    with pytest.raises(InputError) as caught:
        log_of(tmp_path, {role: with_cell(values, 7, word)})
    message = str(caught.value)
    assert "rows counted from 0: row 7 has" in message
    assert role in message
    assert "fill it or leave the row out" in message


NOTHING = {
    "null": pl.Series([None if row == 7 else row for row in range(M)]),
    "nan": pl.Series([float("nan") if row == 7 else float(row) for row in range(M)]),
    "text": pl.Series(["nan" if row == 7 else str(row) for row in range(M)]),
    "NaT": pl.Series([None if row == 7 else date(2026, 1, 1 + row) for row in range(M)]),
}


@pytest.mark.parametrize("values", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("role", ["action", "decision", "batch", "user", "timestamp"])
def test_nothing_in_a_typed_file_is_no_name_either(tmp_path: Path, role: str, values: pl.Series) -> None:
    with pytest.raises(InputError, match="rows counted from 0: row 7 has"):
        log_of(tmp_path, {role: values}, typed=True)


def test_names_of_typed_columns(tmp_path: Path) -> None:
    for values, names in (
        (pl.Series([1.0, 2.0] * 6), ["1", "2"]),
        (pl.Series([1.5, 2.0] * 6), ["1.5", "2.0"]),
        (pl.Series([2**63, 2**63 + 1] * 6, dtype=pl.UInt64), ["9223372036854775808", "9223372036854775809"]),
        (pl.Series(["1.10", "1.20"] * 6).cast(pl.Decimal(10, 2)), ["1.10", "1.20"]),
        (pl.Series(["b", "a"] * 6, dtype=pl.Categorical), ["a", "b"]),
        (pl.Series([True, False] * 6), ["false", "true"]),
        (pl.Series([date(2026, 1, 1), date(2026, 1, 2)] * 6), ["2026-01-01", "2026-01-02"]),
    ):
        assert log_of(tmp_path, {"action": values}, typed=True).arm_names == names


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pl.Series([2.0**53 + 2] * M), "row 0 has 9007199254740994.0: column action is Float64, which cannot tell"),
        (pl.Series([2.0**53] * M), "row 0 has 9007199254740992.0: column action is Float64, which cannot tell"),
        (
            pl.Series([2.0**24] * M, dtype=pl.Float32),
            "row 0 has 16777216.0: column action is Float32, which cannot tell",
        ),
        (pl.Series([b"a"] * M), "column action is Binary, expected names"),
        (pl.Series([{"a": 1}] * M), "column action is Struct"),
        (pl.Series([timedelta(1)] * M), "column action is Duration"),
        (pl.Series([None] * M), "row 0 has no action"),
        (["a", "a "] * 6, "column action has 'a' and 'a ', which differ in spaces alone"),
    ],
)
def test_columns_that_have_no_names_are_refused(tmp_path: Path, values: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        log_of(tmp_path, {"action": values}, typed=True)
    assert said in str(caught.value)


def test_truths_stand_beside_lists_of_them(tmp_path: Path) -> None:
    for eligible in (["True|False"] * M, ["true|false"] * M, [[True, False]] * M):
        data = log_of(tmp_path, {"action": [True, False] * 6, "eligible": eligible}, typed=True)
        assert data.arm_names == ["false", "true"]
        assert data.log.eligible is not None
        assert data.log.eligible.all()


@pytest.mark.parametrize("text", ["['a', 'b']", '["a","b"]', "{a,b}"])
def test_a_list_that_was_written_as_text_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"row 0 has .* as eligible, expected names with \| between"):
        log_of(tmp_path, {"eligible": [text] * M})


def test_arms_of_two_titles_that_are_called_alike_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two arms are called 'f/a/b'"):
        log_of(tmp_path, {"title_id": ["f", "f/a"] * 6, "action": ["a/b", "b"] * 6})


# --- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "rewards"),
    [
        (["1", "0"], [1, 0]), (["1.0", "0.25"], [1, 0.25]), (["1e-3", ".5"], [0.001, 0.5]), (["True", "False"], [1, 0]),
        (["true", "FALSE"], [1, 0]), (["+1", "-0"], [1, 0]), ([" 1", "0 "], [1, 0]),
    ],
)  # fmt: skip
def test_rewards_are_numbers_however_they_are_written(tmp_path: Path, cells: list[str], rewards: list[float]) -> None:
    assert log_of(tmp_path, {"reward": cells * 6}).log.rewards.tolist() == rewards * 6


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("yes", "row 7 has 'yes': column reward is String, expected numbers; write 1 and 0"),
        ("True", "row 7 has 'True': column reward is String, expected numbers; write 1 and 0"),
        ("0,5", "numbers have a decimal point, not a comma"), ("1.000,5", "numbers have a decimal point, not a comma"),
        ("5%", "write a share, such as 0.05 for 5%"), ("0x1F", "expected numbers"), ("1_000", "expected numbers"),
        ("\u0661", "expected numbers"), ("1 0", "expected numbers"), ("inf", "the reward inf, expected a finite number"),
        ("1e999", "the reward inf, expected a finite number"), ("NA", "row 7 has no reward"), ("", "row 7 has no reward"),
    ],
)  # fmt: skip
def test_rewards_that_are_no_numbers_are_refused_with_what_to_write(tmp_path: Path, cell: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        log_of(tmp_path, {"reward": with_cell(["1", "0"] * 6, 7, cell)})
    assert said in str(caught.value)
    assert "row 7" in str(caught.value)


# --- times -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "time_format"),
    [
        ("2026-01-05 20:15", None), ("2026-01-05T20:15:00Z", None), ("2026-01-05T21:15:00.000+01:00", None),
        ("2026-01-05 15:15:00-0500", None), ("2026-01-05T20:15:00.000000123", None), ("2026-01-05 20:15:00 UTC", None),
        ("05.01.2026 20:15", "%d.%m.%Y %H:%M"), ("01/05/26 08:15 PM", "%m/%d/%y %I:%M %p"), ("20260105T201500", "%Y%m%dT%H%M%S"),
        ("05 Jan 2026 21:15 +0100", "%d %b %Y %H:%M %z"), ("1767644100", "epoch"), ("1767644100000", "epoch_ms"),
        ("1767644100000000", "epoch_us"), ("1767644100.0", "epoch"),
    ],
)  # fmt: skip
def test_times_are_of_iso_8601_or_as_is_said(tmp_path: Path, first: str, time_format: str | None) -> None:
    data = log_of(tmp_path, {"timestamp": [first] * M}, time_format=time_format)
    assert data.log.times is not None
    assert data.log.times[0] == 1_767_644_100_000_000
    assert data.days == 0


@pytest.mark.parametrize(
    ("cell", "time_format", "said"),
    [
        ("05.01.2026", None, "column timestamp is text that is no time of ISO 8601"),
        ("01/02/2026", None, "say how it is written by --time-format"),
        ("2026-02-30T00:00:00", None, "column timestamp is text that is no time"),
        ("2026-01-05T07:00:00Z", None, "one says its time zone and the other does not"),
        ("12345", None, "column timestamp is text that is no time"),
        ("5 o'clock", "%Y-%m-%dT%H:%M:%S", "which is not written as --time-format '%Y-%m-%dT%H:%M:%S'"),
    ],
)
def test_a_time_that_is_none_is_refused_by_its_row(
    tmp_path: Path, cell: str, time_format: str | None, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        log_of(tmp_path, {"timestamp": with_cell(TIMES, 7, cell)}, time_format=time_format)
    assert said in str(caught.value)
    assert "row 7" in str(caught.value)


def test_fractions_of_a_second_are_those_of_strptime(tmp_path: Path) -> None:
    for cell, time_format in (("5", "%S.%f"), ("500000", "%S.%f"), ("500", "%S%.f")):
        cells = {"timestamp": [f"05.01.2026 20:15:00.{cell}"] * M}
        data = log_of(tmp_path, cells, time_format=f"%d.%m.%Y %H:%M:{time_format}")
        assert data.log.times is not None
        assert data.log.times[0] == 1_767_644_100_500_000
    with pytest.raises(InputError, match="where %f follows no point"):
        log_of(tmp_path, {"timestamp": ["05.01.2026 20:15:00,5"] * M}, time_format="%d.%m.%Y %H:%M:%S,%f")
    with pytest.raises(InputError, match="is no format: Invalid format string"):
        log_of(tmp_path, {"timestamp": ["05.01.2026 20"] * M}, time_format="%d.%m.%Y %H")


def test_formats_of_times_that_say_nothing_are_refused(tmp_path: Path) -> None:
    for time_format in ("%H:%M", "%d.%m.", "soon", ""):
        with pytest.raises(InputError, match="expected a format with a year"):
            log_of(tmp_path, {"timestamp": TIMES}, time_format=time_format)
    with pytest.raises(InputError, match=r"--time-format epoch has no effect: .* has no column for time"):
        log_of(tmp_path, time_format="epoch")
    with pytest.raises(InputError, match=r"has no effect: column timestamp of .* is Datetime"):
        log_of(tmp_path, {"timestamp": [datetime(2026, 1, 1)] * M}, typed=True, time_format="%Y")  # noqa: DTZ001
    for word, number in (("epoch_ms", 1767644100), ("epoch", 1767644100000), ("epoch_us", 1767644100000)):
        with pytest.raises(InputError, match=f"which is in the year .* by --time-format {word}"):
            log_of(tmp_path, {"timestamp": [number] * M}, time_format=word)


def test_numbers_as_times_are_an_order_and_keep_their_digits(tmp_path: Path) -> None:
    late = 2**60
    numbers = [late + M - row for row in range(M)]
    for typed in (False, True):
        data = log_of(tmp_path, {"timestamp": numbers, "x": [0.5 * row for row in range(M)]}, typed=typed)
        assert data.log.contexts[:, 1].tolist() == [0.5 * row for row in reversed(range(M))]
        assert data.days is None


# --- contexts ----------------------------------------------------------------------------------------------------------


def test_contexts_that_are_missing_are_refused_or_filled_by_their_mean(tmp_path: Path) -> None:
    ages, devices = ["1", "3"] * 6, ["tv", "web"] * 6
    for typed, none in ((False, "NA"), (False, None), (True, None)):
        cells = {"x_age": with_cell(ages, 7, none), "x_device": with_cell(devices, 3, none)}
        cells["x_age"] = [None if age is None else float(age) for age in cells["x_age"]] if typed else cells["x_age"]
        with pytest.raises(InputError, match=r"row 7 has .*x_age.*; fill it, .* or pass --missing mean"):
            log_of(tmp_path, cells, typed=typed)
        data = log_of(tmp_path, cells, typed=typed, missing="mean")
        assert data.log.contexts[7, 1] == pytest.approx(np.mean([*[1.0] * 6, *[3.0] * 5]))
        assert data.log.contexts[3, 2] == pytest.approx(5 / 11)
        assert data.log.contexts[:3].tolist() == [[1, 1, 0], [1, 3, 1], [1, 1, 0]]
        assert "x_age is missing in 1 of 12 rows, which have its mean over the log instead" in data.notes


def test_lists_that_are_missing_are_filled_number_by_number(tmp_path: Path) -> None:
    lists = [[1.0, 2.0]] * 5 + [None, [4.0, None], [1.0, float("nan")]] + [[1.0, 2.0]] * 4
    with pytest.raises(InputError, match="row 5 has no context"):
        log_of(tmp_path, {"context": lists}, typed=True)
    contexts = log_of(tmp_path, {"context": lists}, typed=True, missing="mean").log.contexts
    assert contexts[5].tolist() == pytest.approx([1, 14 / 11, 2])
    assert contexts[6].tolist() == pytest.approx([1, 4, 2])


def test_a_context_without_any_value_has_no_mean(tmp_path: Path) -> None:
    for typed in (False, True):
        with pytest.raises(InputError, match="column x_age has no value at all to take the mean of"):
            log_of(tmp_path, {"x_age": pl.Series([None] * M)}, typed=typed, missing="mean")
    with pytest.raises(InputError, match="row 7 has inf as x_age, expected a finite number"):
        log_of(tmp_path, {"x_age": with_cell([1.0] * M, 7, float("inf"))}, typed=True, missing="mean")


def test_a_slip_among_numbers_is_told_and_codes_are_words(tmp_path: Path) -> None:
    for cell, said in (
        ("abc", "write a number there"),
        ("1,5", "a decimal point, not a comma"),
        ("5%", "write a share"),
    ):
        with pytest.raises(InputError, match=f"row 7 has '{cell}' as x_age, where other rows have numbers; .*{said}"):
            log_of(tmp_path, {"x_age": with_cell([str(row) for row in range(M)], 7, cell)})
    data = log_of(tmp_path, {"x_zip": ["0123", "1234"] * 6})
    assert data.log.contexts[:, 1].tolist() == [0, 1] * 6
    assert any("x_zip counts as words" in note for note in data.notes)


IDS: dict[str, tuple[str, list[Any]]] = {
    "its name": ("x_user_id", [1, 2] * 100),
    "its name in another case": ("x_sessionId", [1, 2] * 100),
    "a word": ("x_user", [1, 2] * 100),
    "text": ("x_uuid", ["a", "b"] * 100),
    "all different": ("x_row", list(range(200))),
    "large": ("x_what", [10**12, 1] * 100),
    "each user's": ("x_what", [7 * (row % 50) for row in range(200)]),
    "each user's, as floats": ("x_what", [7.0 * (row % 50) for row in range(200)]),
}


@pytest.mark.parametrize("case", IDS.values(), ids=IDS)
@pytest.mark.parametrize("typed", [False, True])
def test_what_looks_like_an_id_is_no_context_unless_it_is_named(
    tmp_path: Path,
    case: tuple[str, list[Any]],
    typed: bool,
) -> None:
    name, values = case
    cells = {
        "action": ["a", "b"] * 100,
        "reward": [0, 1] * 100,
        "user": [f"u{row % 50}" for row in range(200)],
        "x_age": [float(row % 7) for row in range(200)],
        name: values,
    }
    data = log_of(tmp_path, cells, typed=typed)
    assert data.log.n_features == 2
    assert any(
        note.startswith(f"{name} is left out of the contexts, because it looks like an id") for note in data.notes
    )
    assert log_of(tmp_path, cells, typed=typed, columns="context=x_*").log.n_features == 2
    assert log_of(tmp_path, cells, typed=typed, columns=f"context=x_age+{name}").log.n_features == 3


def test_the_user_of_each_impression_is_known_by_the_usual_names_or_as_told(tmp_path: Path) -> None:
    users = [f"u{row % 3}" for row in range(M)]
    for name, columns in (("user_id", ""), ("user", ""), ("who", "user=who")):
        log = log_of(tmp_path, {name: users}, columns=columns).log
        assert log.users is not None
        assert log.users.tolist() == [row % 3 for row in range(M)]
    assert log_of(tmp_path).log.users is None


def test_the_user_and_the_position_may_be_contexts_too_where_they_are_named(tmp_path: Path) -> None:
    cells = {"user_id": [f"u{row % 3}" for row in range(M)], "position": [1, 2] * 6}
    log = log_of(tmp_path, cells, columns="context=user_id+position").log
    assert log.users is not None
    assert log.positions is not None
    assert log.n_features == 1 + 2 + 1
    assert log_of(tmp_path, cells).log.n_features == 1


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("context=x+x", "--columns names the context x twice"),
        ("action=a,reward=a", "--columns has a as action and as reward; a column has one of these roles"),
        ("pscore=a,time=a", "--columns has a as pscore and as time"),
    ],
)
def test_a_column_has_one_role(columns: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_columns(columns)
    assert said in str(caught.value)


def test_labels_may_come_from_one_column_and_what_is_named_has_no_usual_role_beside(tmp_path: Path) -> None:
    log = log_of(tmp_path, {"timestamp": TIMES}, columns="batch=timestamp,time=timestamp").log
    assert log.batches is not None
    assert log.batches.tolist() == list(range(M))
    data = log_of(tmp_path, {"click": [0.5] * M, "reward": [1] * M}, columns="reward=click,pscore=reward")
    assert data.log.propensities is not None
    assert "reward=click, pscore=reward" in data.about


def test_contexts_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    for values, said in (
        ([{"a": 1}] * M, "column x is Struct"),
        ([b"a"] * M, "column x is Binary"),
        ([["a"]] * M, "lists of x are not of numbers"),
        ([[[1.0]]] * M, "lists of x are not of numbers"),
        ([[]] * M, "lists of x"),
        ([timedelta(1)] * M, "column x is a time and cannot be a context"),
    ):
        with pytest.raises(InputError, match=said):
            log_of(tmp_path, {"x": pl.Series(values)}, typed=True)
    assert Columns().text == ""
