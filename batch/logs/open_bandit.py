"""The Open Bandit Dataset (Saito, Aihara, Matsutani and Narita 2021): fashion items under uniform and Thompson sampling."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from bandit.errors import InputError
from bandit.impressions import ImpressionLog
from batch.datasets.wheels import Wheel, fetched
from batch.logs.cells import iso_times
from batch.logs.logged import LoggedData

PREFIX: Final = "open-bandit/"
POLICIES: Final = ("random", "bts")
ITEMS: Final = {"all": 80, "men": 34, "women": 46}
"""Campaigns, and the items of each."""

WHEEL: Final = Wheel(
    "obp==0.4.1",
    "obp-0.4.1-py3-none-any.whl",
    "87dec9caf4283c25ab13036532e0a24566f1c7bdcad1653a8ded43b2f5ef8208",
)
"""A published package that carries 10,000 rows of each log."""

NAMES: Final = tuple(f"{PREFIX}{policy}/{campaign}" for policy in POLICIES for campaign in ITEMS)

_IN_WHEEL = "obp/dataset/obd"
_FEATURES = tuple(f"user_feature_{number}" for number in range(4))
_COLUMNS = ("timestamp", "item_id", "position", "click", "propensity_score", *_FEATURES)
CHUNK_BYTES: Final = 32 * 2**20
_DAY_MICROSECONDS = 86_400_000_000
_INSTEAD = "or pass --from with the folder or zip of the full release (https://research.zozo.com/data.html)"


def read_open_bandit(name: str, cache: Path, path: Path | None = None) -> LoggedData:
    """One of the six logs.

    A context is a constant, the four user features as dummies without their first level, and the position as dummies; an
    impression is one item in one of three positions, each drawn by itself, with its probability in that position.

    Args:
        name: ``open-bandit/<random or bts>/<all, men or women>``.
        cache: where the package with the 10,000-row samples is kept, once downloaded.
        path: the full release instead: its folder, its zip, or one CSV file; read in pieces.

    Raises:
        InputError: there is no such log, or the file is not one.
        SurroundingsError: the package cannot be downloaded.
    """
    if name not in NAMES:
        raise InputError(f"there is no log {name!r}; choose one of {', '.join(NAMES)}")
    policy, campaign = name.removeprefix(PREFIX).split("/")
    inner = f"{policy}/{campaign}/{campaign}.csv"
    if path is None:
        wheel = fetched(WHEEL, cache, _INSTEAD)
        with zipfile.ZipFile(wheel) as archive, archive.open(f"{_IN_WHEEL}/{inner}") as stream:
            table = _read(cast("BinaryIO", stream), inner)
        note = (
            "a sample of 10,000 impressions with some dozens of clicks: it shows how comparing works and ranks nothing"
        )
    else:
        with _opened(path, inner) as stream:
            table = _read(stream, str(path))
        note = ""
    under = "uniform" if policy == "random" else "Bernoulli Thompson sampling"
    about = f"Open Bandit Dataset, campaign {campaign}, logged under {under}: {table.height:,} impressions"
    notes = [note] if note else []
    if policy == "bts":
        notes.append(
            "propensities are the publisher's, simulated from the policy: few digits, and some far too small to be met"
        )
    return _logged(table, ITEMS[campaign], about, tuple(notes))


@contextmanager
def _opened(path: Path, inner: str) -> Iterator[BinaryIO]:
    """The log's file in a folder or zip that has it at any depth; a CSV file is taken as it is."""
    if path.is_dir():
        matches = [str(match) for match in sorted(path.rglob(f"*{inner}")) if match.as_posix().endswith(f"/{inner}")]
        with Path(_only(matches, path, inner, "the folder that the full release unpacks to")).open("rb") as stream:
            yield stream
    elif path.is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if f"/{name}".endswith(f"/{inner}")]
            with archive.open(_only(members, path, inner, "the zip of the full release")) as stream:
                yield cast("BinaryIO", stream)
    elif path.is_file():
        with path.open("rb") as stream:
            yield stream
    else:
        raise InputError(f"{path} is missing; expected the folder, zip or CSV file of the full release")


def _only(names: list[str], path: Path, inner: str, expected: str) -> str:
    if not names:
        raise InputError(f"{path} has no {inner} in it; expected {expected}")
    if len(names) > 1:
        raise InputError(f"{path} has {names[0]} and {names[1]}; name the one that is meant by --from")
    return names[0]


_KINDS: Final = {"item_id": pl.UInt8(), "position": pl.UInt8(), "click": pl.UInt8(), "propensity_score": pl.Float64()}


def _read(stream: BinaryIO, where: str) -> pl.DataFrame:
    """The columns that are used, as small as they go: 12 million rows take 600 MB."""
    pieces = []
    first = 0
    for piece in read_chunks(stream, _COLUMNS, where):
        pieces.append(_piece(piece, where, first))
        first += piece.height
    if not pieces:
        raise InputError(f"{where} has a header and no rows; expected impressions")
    return pl.concat(pieces).sort("timestamp", maintain_order=True)


def read_chunks(stream: BinaryIO, columns: Sequence[str], where: str) -> Iterator[pl.DataFrame]:
    """Some columns of a CSV file with a header, as text, some 32 MB of the file at a time.

    Raises:
        InputError: a column is missing or there twice, or it is not CSV.
    """
    header = stream.readline().removeprefix(b"\xef\xbb\xbf")
    present = [name.strip().strip('"') for name in header.decode(errors="replace").rstrip("\r\n").split(",")]
    for name in columns:
        if name not in present:
            listed = ", ".join(column or "(no name)" for column in present[:12])
            raise InputError(f"{where} lacks the column {name!r}; it has {listed}")
        if present.count(name) > 1:
            raise InputError(f"{where} has the column {name!r} twice; get it again")
    rest, first = b"", 0
    while piece := stream.read(CHUNK_BYTES):
        whole, newline, rest = (rest + piece).rpartition(b"\n")
        if newline:
            frame = _frame_of(header + whole, columns, where, first)
            first += frame.height
            yield frame
    if rest.strip():
        yield _frame_of(header + rest, columns, where, first)


def _frame_of(text: bytes, columns: Sequence[str], where: str, first: int) -> pl.DataFrame:
    try:
        return pl.read_csv(text, columns=list(columns), infer_schema=False)
    except PolarsError as error:
        said = str(error).splitlines()[0]
        raise InputError(f"{where} is not CSV as expected, at row {first} or after: {said}; get it again") from error


def _piece(piece: pl.DataFrame, where: str, first: int) -> pl.DataFrame:
    made = piece.select(
        iso_times(piece["timestamp"])[0].cast(pl.Datetime("us")).alias("timestamp"),
        *(pl.col(name).cast(dtype, strict=False) for name, dtype in _KINDS.items()),
        *(pl.when(pl.col(name) != "").then(pl.col(name)).cast(pl.Categorical) for name in _FEATURES),
    )
    for name in _COLUMNS:
        if (wrong := made[name].is_null()).any():
            row = int(wrong.arg_max() or 0)
            raise InputError(
                f"{where}, rows counted from 0: row {first + row} has a value that is not of its column: {piece[name][row]!r} as"
                f" {name}; get it again"
            )
    return made


def _logged(table: pl.DataFrame, n_items: int, about: str, notes: tuple[str, ...]) -> LoggedData:
    positions = table["position"].to_numpy().astype(np.int64)
    times = table["timestamp"].to_physical().to_numpy()
    log = ImpressionLog(
        contexts=_contexts(table),
        arms=table["item_id"].to_numpy().astype(np.int64),
        rewards=table["click"].to_numpy().astype(np.float64),
        propensities=table["propensity_score"].to_numpy(),
        n_arms=n_items,
        positions=positions,
        times=times,
    )
    spanned = float(times[-1] - times[0]) / _DAY_MICROSECONDS
    return LoggedData(
        log, about, [f"item {item}" for item in range(n_items)], notes=notes, days=spanned, are_dated=True
    )


def _contexts(table: pl.DataFrame) -> npt.NDArray[np.float32]:
    parts: list[npt.NDArray[np.float32]] = [np.ones((table.height, 1), dtype=np.float32)]
    for name in (*_FEATURES, "position"):
        levels = table[name].cast(pl.String).unique().sort()
        codes = table[name].cast(pl.String).cast(pl.Enum(levels)).to_physical().to_numpy()
        parts.append((codes[:, None] == np.arange(1, len(levels))).astype(np.float32))
    return np.concatenate(parts, axis=1)
