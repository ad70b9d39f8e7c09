"""Files that are whole or absent: written under a temporary name, synced, then renamed. Standard library only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from bandit.errors import SurroundingsError


@contextmanager
def replace_file(path: Path, mode: int | None = None) -> Iterator[Path]:
    """An empty file beside ``path``, whose folder is made; when the block ends well, what it holds becomes ``path``, synced.

    When the block raises, the temporary file is removed and ``path`` stays as it was. Each call has a name of its own, so that
    several processes may write one file.

    Args:
        path: what to replace.
        mode: its permissions; None stands for those of any new file.

    Raises:
        SurroundingsError: the folder cannot be made or written, the disk refuses, or ``path`` is there and is no file.
    """
    temporary = path.with_name(f".{path.name[:64]}.{token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            raise SurroundingsError(f"cannot write {path}: it is no file; remove it, or name another place")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else 0o600)
        try:
            if mode is not None:
                os.fchmod(handle, mode)
            yield temporary
            _sync(temporary)
            temporary.replace(path)
        finally:
            os.close(handle)
            temporary.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise SurroundingsError(
            f"cannot write {path}: {error.strerror or error}; check the folder's permissions and the disk"
        ) from error


def _sync(path: Path) -> None:
    """Make a file last, or the names in a folder: a rename is on disk once its folder is."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
