"""Logs of anybody: columns by the field's names or as told, and what is wrong by file, column and row."""

import gzip
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bandit.errors import InputError
from batch.logs.columns import Columns, parse_columns, read_columns

START = datetime(2026, 1, 1)  # noqa: DTZ001 - logs of others often have no time zone


def frame(m: int = 8) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "timestamp": [START + timedelta(hours=3 * number) for number in range(m)],
            "context_age": [20.0 + number for number in range(m)],
            "context_device": ["tv", "phone"] * (m // 2),
            "action": [10, 20, 30, 10] * (m // 4),
            "reward": [0, 1, 0, 1] * (m // 4),
            "pscore": [0.5, 0.3, 0.2, 0.5] * (m // 4),
            "position": [1, 2, 3, 1] * (m // 4),
        }
    )


def written(path: Path, table: pl.DataFrame, name: str = "log.parquet") -> Path:
    if name.endswith(".csv"):
        table.write_csv(path / name)
    else:
        table.write_parquet(path / name)
    return path / name


@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
def test_the_fields_usual_names_need_no_telling(tmp_path: Path, name: str) -> None:
    data = read_columns(written(tmp_path, frame(), name), Columns())
    assert data.arm_names == ["10", "20", "30"]
    assert data.log.arms.tolist() == [0, 1, 2, 0] * 2
    assert data.log.rewards.tolist() == [0, 1, 0, 1] * 2
    assert data.log.propensities is not None
    assert data.log.propensities.tolist() == [0.5, 0.3, 0.2, 0.5] * 2
    assert data.log.positions is not None
    assert data.log.positions.tolist() == [0, 1, 2, 0] * 2
    assert data.log.contexts[:2].tolist() == [[1, 20, 1], [1, 21, 0]]  # a constant, the age, and whether it is a tv
    assert data.days == pytest.approx(21 / 24)
    assert "action=action, reward=reward, pscore=pscore" in data.about
    assert data.about.endswith("8 impressions")


def test_columns_are_named_where_they_have_other_names(tmp_path: Path) -> None:
    table = frame().rename({"action": "what", "reward": "bought", "pscore": "chance"})
    data = read_columns(
        written(tmp_path, table), parse_columns("action=what,reward=bought,pscore=chance,context=context_age")
    )
    assert data.log.arms.tolist() == [0, 1, 2, 0] * 2
    assert data.log.n_features == 2


def test_rows_come_in_the_order_of_time(tmp_path: Path) -> None:
    data = read_columns(written(tmp_path, frame().reverse()), Columns())
    assert data.log.contexts[:, 1].tolist() == [20.0 + number for number in range(8)]
    assert data.log.times is not None
    assert (np.diff(data.log.times) > 0).all()


def test_a_list_of_numbers_is_a_context_and_names_are_arms(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {"context": [[1.0, 2.0], [3.0, 4.0]], "arm": ["b", "a"], "click": [True, False], "prob": [0.5, 0.5]}
    )
    data = read_columns(written(tmp_path, table), Columns())
    assert data.log.contexts.tolist() == [[1, 1, 2], [1, 3, 4]]
    assert data.arm_names == ["a", "b"]
    assert data.log.arms.tolist() == [1, 0]


def test_decisions_batches_and_eligible_arms_are_read(tmp_path: Path) -> None:
    table = frame(4).with_columns(
        decision=pl.Series(["x", "x", "y", "z"]),
        generation=pl.Series([7, 7, 9, 9]),
        eligible=pl.Series([[10, 20], [20, 40], [30, 10], [10]]),
    )
    log = read_columns(written(tmp_path, table), Columns()).log
    assert log.clusters is not None
    assert log.clusters.tolist() == [0, 0, 1, 2]
    assert log.batches is not None
    assert log.batches.tolist() == [0, 0, 1, 1]
    assert log.n_arms == 4  # 40 was never shown
    assert log.eligible is not None
    assert log.eligible.tolist() == [
        [True, True, False, False], [False, True, False, True], [True, False, True, False], [True, False, False, False]
    ]  # fmt: skip


def test_a_log_without_propensities_or_contexts_is_read_and_says_what_works(tmp_path: Path) -> None:
    data = read_columns(written(tmp_path, frame().select("action", "reward")), Columns())
    assert data.log.propensities is None
    assert data.log.contexts.tolist() == [[1.0]] * 8
    assert data.notes == (
        "there are no propensities: of all estimators dm alone works",
        "there are no contexts: all users are the same to policies and models",
    )
    assert data.days is None


def test_times_may_be_text_or_numbers(tmp_path: Path) -> None:
    text = frame().with_columns(pl.col("timestamp").dt.to_string("%Y-%m-%d %H:%M:%S"))
    assert read_columns(written(tmp_path, text), Columns()).days == pytest.approx(21 / 24)
    numbers = frame().with_columns(timestamp=pl.int_range(8, 0, -1))
    assert read_columns(written(tmp_path, numbers), Columns()).log.contexts[0, 1] == 27


WRONG: dict[str, tuple[Any, str]] = {
    "no_action": (frame().drop("action"), "has no column for action: looked for action, arm, item_id"),
    "no_reward": (frame().drop("reward"), "name it by --columns reward=..."),
    "propensity_0": (frame().with_columns(pscore=pl.lit(0.0)), "row 0 has the propensity 0.0, expected above 0"),
    "propensity_missing": (
        frame().with_columns(pscore=pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise("pscore")),
        "row 5 has no propensity",
    ),
    "reward_null": (
        frame().with_columns(reward=pl.when(pl.int_range(pl.len()) == 2).then(None).otherwise("reward")),
        "row 2 has no reward",
    ),
    "reward_infinite": (frame().with_columns(reward=pl.lit(float("inf"))), "row 0 has the reward inf, expected a finite number"),
    "reward_text": (frame().with_columns(reward=pl.lit("yes")), "column reward is String, expected numbers"),
    "context_nan": (frame().with_columns(context_age=pl.lit(float("nan"))), "row 0 has no context_age; fill it"),
    "time_of_day": (frame().with_columns(pl.col("timestamp").dt.time()), "column timestamp is Time, which has no day"),
    "context_id": (
        pl.DataFrame({"context": [f"u{n}" for n in range(101)], "action": 1, "reward": 0}),
        "the context context is text of 101 different values, such as 'u0', expected at most 100; is it an id?",
    ),
    "context_time": (frame().rename({"timestamp": "context_when"}), "column context_when is a time and cannot be a context"),
    "context_words": (frame().with_columns(context_age=pl.lit(["a"])), "lists of context_age are not of numbers"),
    "arms_listed": (
        frame().with_columns(action=pl.lit(["a", "b"])),
        "column action is List(String), expected one name or number per row",
    ),
    "eligible_null": (frame().with_columns(eligible=pl.lit([10, None])), "row 0 has None among its eligible arms"),
    "eligible_empty": (
        frame().with_columns(eligible=pl.Series([[10, 20, 30], *[[]] * 7], dtype=pl.List(pl.Int64))),
        "row 1 has no eligible arms",
    ),
    "eligible_word": (frame().with_columns(eligible=pl.lit("10|20|30|x")), "row 0 has 'x' among its eligible arms"),
    "eligible_number": (
        frame().with_columns(eligible=pl.lit(value=True)),
        "column eligible is Boolean, expected lists of arms",
    ),
    "time_text": (frame().with_columns(timestamp=pl.lit("soon")), "column timestamp is text that is no time"),
    "not_eligible": (
        frame().with_columns(eligible=pl.lit([20, 30])),
        "row 0 shows arm '10', which is not among its eligible arms 20, 30; correct one of them",
    ),
    "ragged": (
        pl.DataFrame({"context": [[1.0], [1.0, 2.0]], "action": [0, 1], "reward": [0, 1], "pscore": [0.5, 0.5]}),
        "lists of context have lengths from 1 to 2, expected one",
    ),
    "empty": (frame().head(0), "has no rows; expected impressions"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_told(tmp_path: Path, case: tuple[pl.DataFrame, str]) -> None:
    table, said = case
    with pytest.raises(InputError) as caught:
        read_columns(written(tmp_path, table), Columns())
    assert said in str(caught.value)


def test_named_columns_that_are_not_there_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, frame())
    with pytest.raises(InputError, match="has no column for pscore: looked for chance, it has timestamp"):
        read_columns(path, parse_columns("pscore=chance"))
    with pytest.raises(InputError, match="has no column like z_"):
        read_columns(path, parse_columns("context=z_*"))


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine\.csv is missing"):
        read_columns(tmp_path / "mine.csv", Columns())
    with pytest.raises(InputError, match=r"mine\.parquet is missing"):
        read_columns(tmp_path / "mine.parquet", Columns())
    (tmp_path / "bad.csv").write_bytes(b'a,b\n"1,2\n3')
    with pytest.raises(InputError, match=r"bad\.csv"):
        read_columns(tmp_path / "bad.csv", Columns())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("weight=w", "--columns has 'weight=w', expected role=column with a role of context, title, action"),
        ("action", "--columns has 'action', expected role=column"),
        ("action=a,action=b", "--columns names the role action twice, a and b; name it once"),
    ],
)
def test_columns_that_make_no_sense_are_refused(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_columns(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
def test_eligible_arms_may_be_text_and_arms_may_be_of_titles(tmp_path: Path, name: str) -> None:
    table = pl.DataFrame(
        {
            "film": ["f2", "f1", "f2", "f1"],
            "action": ["b", "a", "a", "a"],
            "reward": [0, 1, 0, 1],
            "pscore": [0.5, 0.5, 0.5, 1.0],
            "eligible": ["a|b", "a | c", "a|b", "a"],
        }
    )
    data = read_columns(written(tmp_path, table, name), parse_columns("title=film, reward = reward"))
    assert data.arm_names == ["f1/a", "f1/c", "f2/a", "f2/b"]
    assert data.log.arms.tolist() == [3, 0, 2, 0]
    assert data.log.title_starts.tolist() == [0, 2, 4]
    assert data.log.eligible is not None
    assert data.log.eligible.tolist() == [[True, True], [True, True], [True, True], [True, False]]


def test_rows_of_what_is_wrong_are_those_of_the_file_and_not_of_time(tmp_path: Path) -> None:
    late = frame().with_columns(reward=pl.Series([float("inf"), *[0.0] * 7])).reverse()
    path = written(tmp_path, late)
    with pytest.raises(InputError) as caught:
        read_columns(path, Columns())
    assert str(caught.value).startswith(f"{path}, rows counted from 0: row 7 has the reward inf")


def test_what_has_a_role_is_no_context(tmp_path: Path) -> None:
    path = written(tmp_path, frame().rename({"reward": "x_reward"}))
    data = read_columns(path, parse_columns("reward=x_reward"))
    assert data.log.n_features == 3
    with pytest.raises(InputError, match="has x_reward as context, which is the log's reward"):
        read_columns(path, parse_columns("reward=x_reward,context=x_reward"))
    with pytest.raises(
        InputError, match=r"no column like x_re\* that has no other role; it has context_age, context_device"
    ):
        read_columns(path, parse_columns("reward=x_reward,context=x_re*"))


def test_contexts_are_named_and_so_is_their_lack(tmp_path: Path) -> None:
    assert "context=context_age+context_device" in read_columns(written(tmp_path, frame()), Columns()).about
    renamed = frame().rename({"context_age": "age", "context_device": "device"})
    [note] = read_columns(written(tmp_path, renamed), Columns()).notes
    assert note == "there are no contexts (not used: age, device): all users are the same to policies and models"


def test_eligible_arms_may_be_a_list_of_one_length(tmp_path: Path) -> None:
    table = frame(4).with_columns(eligible=pl.Series([[10, 20, 30]] * 4, dtype=pl.Array(pl.Int64, 3)))
    log = read_columns(written(tmp_path, table), Columns()).log
    assert log.eligible is not None
    assert log.eligible.all()


def test_columns_have_a_text_that_reads_as_they_were() -> None:
    text = "action=item,reward=bought,context=age+price_*"
    assert parse_columns(text).text == text
    assert parse_columns(parse_columns(text).text) == parse_columns(text)
    assert parse_columns("").text == ""


def test_numbers_that_turn_into_others_late_and_packed_files_are_read(tmp_path: Path) -> None:
    table = pl.DataFrame({"action": [0, 1] * 6000, "reward": [0] * 11_999 + [1], "x": [1.0] * 11_999 + [1.5]})
    text = table.with_columns(pl.col("x").cast(pl.String).str.replace(r"\.0$", "")).write_csv()
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert read_columns(tmp_path / "log.csv.gz", Columns()).log.contexts[-1, 1] == 1.5


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    for name in ("log.csv", "log.parquet"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(InputError, match=rf"{name} is empty"):
            read_columns(tmp_path / name, Columns())
