"""Tables of anybody: Parquet or CSV, as they are."""

from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import NoDataError, PolarsError

from bandit.errors import InputError, SurroundingsError
from batch.table_checks import read_frame

_CSV: Final = (".csv", ".csv.gz")


def is_csv(path: Path) -> bool:
    """Whether a file is CSV by its name.

    >>> is_csv(Path("mine.csv.gz")), is_csv(Path("mine.parquet"))
    (True, False)
    """
    return path.name.lower().endswith(_CSV)


def read_any(path: Path) -> pl.DataFrame:
    """A Parquet file, or a CSV file with a header by its name (``.csv``, ``.csv.gz``), times in it as such.

    Raises:
        InputError: it is missing, empty, or neither.
        SurroundingsError: it cannot be read.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing; expected a Parquet file, or a CSV file with a header")
    if not is_csv(path):
        return read_frame(path)
    try:
        return pl.read_csv(path, infer_schema_length=None, try_parse_dates=True)
    except NoDataError as error:
        raise InputError(f"{path} is empty; expected a header and a row an impression") from error
    except PolarsError as error:
        raise InputError(f"{path} is not CSV with a header: {str(error).splitlines()[0]}; write it again") from error
    except OSError as error:
        raise SurroundingsError(f"cannot read {path}: {error}; check the disk and the file's permissions") from error
