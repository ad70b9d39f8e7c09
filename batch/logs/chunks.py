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
        InputError: a column is missing, or it is not CSV.
    """
    header = stream.readline()
    found = header.decode(errors="replace").rstrip("\r\n").split(",")
    missing = [name for name in columns if name not in found]
    if missing:
        told = ", ".join(name or "(no name)" for name in found[:12])
        raise InputError(f"{where} lacks the column {missing[0]!r}; it has {told}")
    rest = b""
    while piece := stream.read(CHUNK_BYTES):
        whole, newline, rest = (rest + piece).rpartition(b"\n")
        if newline:
            yield _frame(header + whole, columns, where)
    if rest.strip():
        yield _frame(header + rest, columns, where)


def _frame(text: bytes, columns: Sequence[str], where: str) -> pl.DataFrame:
    try:
        return pl.read_csv(text, columns=list(columns), infer_schema=False)
    except PolarsError as error:
        raise InputError(f"{where} is not CSV as expected: {error}; get it again") from error
