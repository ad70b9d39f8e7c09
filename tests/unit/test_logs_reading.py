"""Files of people at the door: one log however it is written, and what is no log by file and row."""

import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from bandit.errors import InputError
from batch.logs.columns import Columns, read_columns
from batch.logs.reading import read_table

M = 40


def frame() -> pl.DataFrame:
    rows = pl.int_range(M, eager=True)
    return pl.DataFrame(
        {
            "timestamp": [f"2026-01-{1 + day // 4:02d}T10:{day % 60:02d}:00" for day in range(M)],
            "x_age": (rows % 7 + 0.5).cast(pl.Float64),
            "x_device": pl.Series(["tv", "phone"]).gather(rows % 2),
            "action": pl.Series(["1.1", "1.10", "001", "1"]).gather(rows % 4),
            "reward": rows % 3 == 0,
            "pscore": pl.Series([0.25] * M),
        }
    ).with_columns(pl.col("reward").cast(pl.Int64))


TEXT = frame().write_csv()
LINES = frame().write_ndjson()


def parquet(table: pl.DataFrame) -> Callable[[Path], None]:
    return table.write_parquet


SAME: dict[str, tuple[str, bytes | Callable[[Path], None]]] = {
    "parquet": ("log.parquet", parquet(frame())),
    "upper-case suffix of Parquet": ("LOG.PARQUET", parquet(frame())),
    "Parquet under a name that says nothing": ("log.data", parquet(frame())),
    "csv": ("log.csv", TEXT.encode()),
    "upper-case suffix": ("LOG.CSV", TEXT.encode()),
    "semicolons": ("log.csv", frame().write_csv(separator=";").encode()),
    "tabs": ("log.tsv", frame().write_csv(separator="\t").encode()),
    "tabs in a txt": ("log.txt", frame().write_csv(separator="\t").encode()),
    "bars": ("log.csv", frame().write_csv(separator="|").encode()),
    "gzip": ("log.csv.gz", gzip.compress(TEXT.encode())),
    "gzip that does not say so": ("log.csv", gzip.compress(TEXT.encode())),
    "byte order mark": ("log.csv", b"\xef\xbb\xbf" + TEXT.encode()),
    "UTF-16": ("log.csv", TEXT.encode("utf-16")),
    "lines of Windows": ("log.csv", TEXT.replace("\n", "\r\n").encode()),
    "lines of old Macs": ("log.csv", TEXT.replace("\n", "\r").encode()),
    "empty lines at the end": ("log.csv", f"{TEXT}\n\n".encode()),
    "spaces after separators": ("log.csv", TEXT.replace(",", ", ").encode()),
    "json lines": ("log.jsonl", LINES.encode()),
    "upper-case json lines": ("LOG.NDJSON", LINES.encode()),
    "packed json lines": ("log.jsonl.gz", gzip.compress(LINES.encode())),
}


def write(path: Path, content: bytes | Callable[[Path], None]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize("case", SAME.values(), ids=SAME)
def test_a_log_is_the_same_however_it_is_written(
    tmp_path: Path, case: tuple[str, bytes | Callable[[Path], None]]
) -> None:
    name, content = case
    data = read_columns(write(tmp_path / name, content), Columns())
    assert data.arm_names == ["001", "1", "1.1", "1.10"]
    assert data.log.arms.tolist() == [2, 3, 0, 1] * (M // 4)
    assert data.log.rewards.tolist() == frame()["reward"].to_list()
    assert data.log.contexts[:, 1].tolist() == frame()["x_age"].to_list()
    assert data.log.contexts[:, 2].tolist() == [1.0, 0.0] * (M // 2)
    assert data.log.times is not None
    assert data.log.times[0] == 1767261600 * 10**6


CELLS = TEXT.splitlines()
WRONG: dict[str, tuple[str, bytes, str]] = {
    "empty": ("log.csv", b"", "log.csv is empty"),
    "blank": ("log.csv", b"\n \n", "log.csv is empty"),
    "header only": ("log.csv", CELLS[0].encode(), "log.csv has no rows; expected impressions"),
    "latin": (
        "log.csv",
        TEXT.replace("phone", "ph\u00f6ne").encode("latin-1"),
        "is not text in UTF-8; save it again as UTF-8",
    ),
    "UTF-16 without a mark": ("log.csv", TEXT.encode("utf-16-le"), "is not text in UTF-8"),
    "null bytes": ("log.csv", TEXT.replace("phone", "ph\0ne").encode(), "is not text in UTF-8"),
    "damaged gzip": ("log.csv.gz", gzip.compress(TEXT.encode())[:-40], "log.csv.gz is damaged"),
    "long row": (
        "log.csv",
        "\n".join([*CELLS[:6], f"{CELLS[6]},7", *CELLS[7:]]).encode(),
        "row 5 has 7 cells, and the header 6",
    ),
    "short row": (
        "log.csv",
        "\n".join([*CELLS[:6], "a,b", *CELLS[7:]]).encode(),
        "row 5 has 2 cells, and the header 6",
    ),
    "names twice": ("log.csv", TEXT.replace("x_age", "reward", 1).encode(), "has two columns that are called 'reward'"),
    "null byte far on": ("log.csv", b"action,reward\n" + b"a,1\n" * 40_000 + b"b\0,1\n", "is not text in UTF-8"),
    "two separators": ("log.csv", b"action;a,b\n1;2,3\n", "log.csv has as many semicolons as commas in its header"),
    "other separators": ("log.csv", b"action reward\na 1\n", "it has action reward; are its separators other than"),
    "decimal comma": (
        "log.csv",
        b"action;reward\na;1\nb;0,5\n",
        "row 1 has '0,5': column reward is String, expected numbers; numbers have a",
    ),
    "empty line between": ("log.csv", b"action,reward\na,1\n\nb,1\n", "row 1 has no action"),
    "excel": ("log.xlsx", b"PK\x03\x04", "log.xlsx is a zip or Excel file; save its table as CSV"),
    "unknown": ("log.feather", b"ARROW1", "log.feather is of no kind that is known by its suffix, .parquet"),
    "an array": ("log.json", b'[{"action": 1}]', "log.json is one JSON array; write an object a line"),
    "no JSON": ("log.jsonl", b'{"action": 1, "reward": 1}\nfoo\n', "row 1 is not JSON"),
    "cut JSON": ("log.jsonl", b'{"action": 1, "reward": 1}\n{"action"', "row 1 is not JSON"),
    "no object": ("log.jsonl", b"1\n", "row 0 is no object"),
    "text beside a number": (
        "log.jsonl",
        b'{"action": 1}\n{"action": null}\n{"action": "1"}\n',
        "row 2 has text as action, and row 0 a number",
    ),
    "mixed list": (
        "log.jsonl",
        b'{"e": [1]}\n{"e": [1, "1"]}\n',
        "row 1 has a list of a number and text as e, and row 0 a list of a number",
    ),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_a_file_that_is_no_log_is_refused_by_name(tmp_path: Path, case: tuple[str, bytes, str]) -> None:
    name, content, said = case
    path = write(tmp_path / name, content)
    with pytest.raises(InputError) as caught:
        read_columns(path, Columns())
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_glob_are_their_files_one_after_the_other(tmp_path: Path) -> None:
    write(tmp_path / "log" / "a.csv", frame().head(10).write_csv().encode())
    write(tmp_path / "log" / "below" / "b.csv", frame().tail(30).write_csv().encode())
    one = read_columns(write(tmp_path / "one.csv", TEXT.encode()), Columns())
    for path in (tmp_path / "log", tmp_path / "log" / "**" / "*.csv"):
        data = read_columns(path, Columns())
        assert data.log.arms.tolist() == one.log.arms.tolist()
        assert data.log.contexts.tolist() == one.log.contexts.tolist()
        assert "2 files" in data.about


def test_a_row_of_a_folder_is_told_by_its_file(tmp_path: Path) -> None:
    write(tmp_path / "log" / "a.csv", TEXT.encode())
    wrong = frame().with_columns(reward=pl.when(pl.int_range(M) == 3).then(None).otherwise("reward"))
    path = write(tmp_path / "log" / "b.csv", wrong.write_csv().encode())
    with pytest.raises(InputError, match=f"{path}, rows counted from 0: row 3 has no reward"):
        read_columns(tmp_path / "log", Columns())
    write(path, frame().with_columns(pscore=pl.lit(2.0)).write_csv().encode())
    with pytest.raises(InputError, match=f"{path}, rows counted from 0: row 0 has the propensity 2.0"):
        read_columns(tmp_path / "log", Columns())


def test_folders_that_are_named_by_a_value_give_a_column(tmp_path: Path) -> None:
    for batch, rows in ((9, frame().head(10)), (10, frame().tail(30))):
        write(tmp_path / "log" / f"batch={batch}" / "part.csv", rows.write_csv().encode())
    log = read_columns(tmp_path / "log", Columns()).log
    assert log.batches is not None
    assert sorted(set(log.batches.tolist())) == [0, 1]
    assert read_table(tmp_path / "log").frame["batch"].to_list() == ["10"] * 30 + ["9"] * 10


def test_folders_that_say_otherwise_than_their_files_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "log" / "action=1" / "part.csv", TEXT.encode())
    with pytest.raises(
        InputError, match=f"{path} has '1.1' as action, and lies in action=1; rename the folder or correct"
    ):
        read_columns(tmp_path / "log", Columns())


def test_copies_in_a_folder_are_refused_and_parts_without_rows_are_none(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / "log" / f"{name}.csv", TEXT.splitlines(keepends=True)[0].encode())
    write(tmp_path / "log" / "c.csv", TEXT.encode())
    assert len(read_columns(tmp_path / "log", Columns()).log) == M
    copy = write(tmp_path / "log" / "c (1).csv", TEXT.encode())
    with pytest.raises(
        InputError, match=r"c.csv is .*c \(1\).csv once more, as a link or a copy: it would count twice"
    ):
        read_columns(tmp_path / "log", Columns())
    assert copy.exists()


def test_what_is_hidden_or_temporary_or_no_table_in_a_folder_is_named(tmp_path: Path) -> None:
    write(tmp_path / "log" / "a.csv", TEXT.encode())
    for name in (".b.csv", "_SUCCESS", "b.csv.tmp", "README.md"):
        write(tmp_path / "log" / name, b"x")
    [note, *_] = read_columns(tmp_path / "log", Columns()).notes
    assert note.startswith("not read: ")
    assert all(name in note for name in (".b.csv", "_SUCCESS", "b.csv.tmp", "README.md"))


def test_files_of_a_folder_that_do_not_go_together_are_refused_by_name(tmp_path: Path) -> None:
    folder, one = tmp_path / "log", write(tmp_path / "log" / "a.parquet", parquet(frame()))
    other = folder / "b.parquet"
    for table, said in (
        (frame().drop("pscore"), f"{one} has the column 'pscore' and {other} has not"),
        (frame().with_columns(action=pl.lit(1)), f"column action is Int32 in {other} and String in {one}"),
    ):
        table.write_parquet(other)
        with pytest.raises(InputError) as caught:
            read_columns(folder, Columns())
        assert said in str(caught.value)
    other.unlink()
    (folder / "link.parquet").symlink_to(one)
    with pytest.raises(InputError, match="once more, as a link or a copy: it would count twice"):
        read_columns(folder, Columns())
    (folder / "link.parquet").unlink()
    write(folder / "b.csv", TEXT.encode())
    with pytest.raises(InputError, match=r"has files of two kinds, .*a\.parquet \(Parquet\) and .*b\.csv \(text\)"):
        read_columns(folder, Columns())


def test_files_whose_numbers_are_integers_here_and_floats_there_go_together_if_no_digit_is_lost(tmp_path: Path) -> None:
    table = frame().with_columns(action=pl.int_range(M, dtype=pl.Int64))
    write(tmp_path / "log" / "a.parquet", parquet(table))
    other = tmp_path / "log" / "b.parquet"
    table.with_columns(pl.col("action", "reward").cast(pl.Float64)).write_parquet(other)
    assert len(read_columns(tmp_path / "log", Columns()).arm_names) == M
    table.with_columns(pl.col("action") + 2**53).write_parquet(other)
    table.with_columns(pl.col("action").cast(pl.Float64)).write_parquet(tmp_path / "log" / "c.parquet")
    with pytest.raises(
        InputError, match=r"column action is Int64 in .*b.parquet, with 9007199254740993, and a float in"
    ):
        read_columns(tmp_path / "log", Columns())


def test_a_folder_or_glob_without_a_log_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with pytest.raises(InputError, match=r"log is a folder without a file of a log, it is empty"):
        read_columns(tmp_path / "log", Columns())
    write(tmp_path / "log" / "README.md", b"x")
    with pytest.raises(InputError, match=r"log is a folder without a file of a log; it has .*README.md"):
        read_columns(tmp_path / "log", Columns())
    with pytest.raises(InputError, match=r"no file is like .*\*\.csv"):
        read_columns(tmp_path / "log" / "*.csv", Columns())
