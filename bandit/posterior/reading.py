"""Files of posteriors: what is damaged, foreign or missing is told as our error, with the path."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from bandit.arrays import real_array
from bandit.errors import InputError
from bandit.posterior.checks import F64

# What reading arrays out of a damaged or foreign file raises: of the archive, of its parts, and of values of another form.
_DAMAGED = (BadZipFile, zlib.error, EOFError, OSError, ValueError, TypeError, IndexError, NotImplementedError)


@contextmanager
def opened(path: Path) -> Iterator[NpzFile]:
    """The arrays of a ``.npz``, and every error of what is read from it as one that names the file.

    Raises:
        InputError: there is no such file, it is damaged, it lacks an array, or an array is of another shape.
    """
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:  # numpy would leave it open
            yield file
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}; train first, or correct the path") from error
    except KeyError as error:
        raise InputError(f"{path} lacks an array ({error}); it is no posterior of this version: train again") from error
    except _DAMAGED as error:
        raise InputError(
            f"{path} cannot be read ({error}); it is damaged or no posterior of this version: train again"
        ) from error


def read(file: NpzFile, name: str, *sizes: int | None) -> F64:
    """One array of real, finite numbers; None stands for any size.

    Raises:
        InputError: it has another shape, or a value is not finite.
    """
    array = real_array(name, file[name])
    if array.ndim != len(sizes) or any(
        size not in (None, found) for size, found in zip(sizes, array.shape, strict=True)
    ):
        wanted = ", ".join("any" if size is None else str(size) for size in sizes)
        raise InputError(f"{name} has the shape {array.shape}, expected ({wanted}); train again")
    finite = np.isfinite(array)
    if not finite.all():
        raise InputError(f"{name} has the value {array[~finite][0]}, expected finite numbers; train again")
    return array


def read_number(file: NpzFile, name: str) -> float:
    """One number.

    Raises:
        InputError: it is an array, or not finite.
    """
    return float(read(file, name))
