"""A CSV file of any size, a piece at a time."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import polars as pl
from polars.exceptions import PolarsError

from bandit.errors import InputError

CHUNK_BYTES = 32 * 2**20


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
            frame = _frame(header + whole, columns, where, first)
            first += frame.height
            yield frame
    if rest.strip():
        yield _frame(header + rest, columns, where, first)


def _frame(text: bytes, columns: Sequence[str], where: str, first: int) -> pl.DataFrame:
    try:
        return pl.read_csv(text, columns=list(columns), infer_schema=False)
    except PolarsError as error:
        said = str(error).splitlines()[0]
        raise InputError(f"{where} is not CSV as expected, at row {first} or after: {said}; get it again") from error
