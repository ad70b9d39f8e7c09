"""Files of posteriors: written whole or not at all; what is damaged, foreign or missing is an ``InputError`` with the path."""

from __future__ import annotations

import os
import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from bandit.arrays import F64, real_array
from bandit.errors import InputError
from bandit.files import replace_file

# What reading arrays out of a damaged or foreign file raises: of the archive, of its parts, and of values of another form.
_DAMAGED = (
    BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    IndexError,
    RuntimeError,
    MemoryError,
    OverflowError,
)


def save_arrays(path: Path | str, arrays: dict[str, Any]) -> None:
    """Write a ``.npz`` that needs no pickle: to a temporary file beside it, which is synced and takes its place.

    Raises:
        InputError: the path is no path, is a folder, or its folder does not exist.
        SurroundingsError: the file cannot be written: permissions, or the disk.
    """
    target = _path_of(path)
    if os.path.isdir(target):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
        raise InputError(f"{target} is a folder, expected the name of a file to write, such as posterior.npz in it")
    if not os.path.isdir(target.parent):  # noqa: PTH112
        raise InputError(f"there is no folder {target.parent}; make it first, or correct the path")
    behind = Path(os.path.realpath(target)) if os.path.islink(target) else target  # noqa: PTH114 - a link stays a link
    with replace_file(behind, mode=None) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


class Saved(ABC):
    """What is kept as a ``.npz``."""

    @abstractmethod
    def _arrays(self) -> dict[str, Any]:
        """All of it, by name."""

    @classmethod
    @abstractmethod
    def _read(cls, file: NpzFile) -> Self:
        """It again, from what ``_arrays`` gave."""

    def save(self, path: Path | str) -> None:
        """Write it to a ``.npz``, whole or not at all; nothing in it needs pickle.

        Raises:
            InputError: the path is a folder, or its folder does not exist.
            SurroundingsError: the file cannot be written.
        """
        save_arrays(path, self._arrays())

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read what ``save`` wrote.

        Raises:
            InputError: there is no such file, it is damaged, or an array is missing, of another shape or out of range.
        """
        with _opened(path) as file:
            return cls._read(file)


@contextmanager
def _opened(path: Path | str) -> Iterator[NpzFile]:
    """The arrays of a ``.npz``, and every error of what is read from it as one that names the file.

    Raises:
        InputError: there is no such file, it may not be read, is a folder, is damaged, lacks an array, or an array is of another
            shape.
    """
    target = _path_of(path)
    try:
        with target.open("rb") as content, np.load(content, allow_pickle=False) as file:  # numpy would leave it open
            yield file
    except InputError as error:
        raise InputError(f"{target}: {error}") from error
    except FileNotFoundError as error:
        raise InputError(f"there is no file {target}; train first, or correct the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{target} is a folder, expected the file of a posterior; name the .npz in it") from error
    except PermissionError as error:
        raise InputError(f"{target} may not be read by this user; change its permissions") from error
    except KeyError as error:
        raise InputError(
            f"{target} lacks an array ({error}); it is no posterior of this version: train again"
        ) from error
    except _DAMAGED as error:
        raise InputError(
            f"{target} cannot be read ({error}); it is damaged or no posterior of this version: train again"
        ) from error


def _path_of(path: object) -> Path:
    if not isinstance(path, str | Path) or not Path(path).name or "\0" in str(path):
        raise InputError(f"the path is {str(path)!r}, expected the name of a file, as str or Path")
    return Path(path)


def read(file: NpzFile, name: str, *sizes: int | None) -> F64:
    """One array of real, finite numbers; None stands for any size.

    Raises:
        InputError: it has another shape, or a value is not finite.
    """
    array = real_array(name, file[name])
    if array.ndim != len(sizes) or any(
        size not in (None, length) for size, length in zip(sizes, array.shape, strict=True)
    ):
        wanted = ", ".join("any" if size is None else str(size) for size in sizes)
        raise InputError(f"{name} has the shape {array.shape}, expected ({wanted}); train again")
    finite = np.isfinite(array)
    if not finite.all():
        raise InputError(f"{name} has the value {array[~finite][0]}, expected finite numbers; train again")
    return array
