"""Files that are whole or absent: each is written under a temporary name, synced, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

from bandit.errors import SurroundingsError

_TEMPORARY: Final = ".tmp"


@contextmanager
def replace_file(path: Path, mode: int | None = 0o644, *, synced: bool = True) -> Iterator[Path]:
    """A temporary path beside ``path``; when the block ends well, what it holds becomes ``path`` with its mode, synced.

    When the block raises, the temporary file is removed and ``path`` stays as it was.

    Args:
        path: of the file; folders above it are made.
        mode: of the file, whatever the umask: another user may have to read it. None leaves it to the umask.
        synced: False for what need not outlast a loss of power, such as what is between two passes of a job.

    Raises:
        SurroundingsError: the folder cannot be made or written.
    """
    temporary = path.with_name(f".{path.name[:64]}.{token_hex(8)}{_TEMPORARY}")
    try:
        if path.exists() and not path.is_file():
            raise SurroundingsError(f"cannot write {path}: it is no file; remove it, or name another place")
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        yield temporary
        if synced:
            _sync(temporary)
        temporary.replace(path)
        if synced:
            _sync(path.parent)
    except Exception as error:
        if not _is_of_the_disk(error):
            raise
        why = getattr(error, "strerror", None) or error
        raise SurroundingsError(f"cannot write {path}: {why}; check the folder's permissions and the disk") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def remove_temporaries(folder: Path) -> None:
    """Remove what was left of files in a folder by processes that were killed while they wrote; nobody may be writing there."""
    for path in folder.glob(f".*{_TEMPORARY}"):
        with suppress(OSError):
            path.unlink()


def _is_of_the_disk(error: Exception) -> bool:
    """Whether the disk refused; libraries in Rust have errors of their own, with what the system said at their end."""
    # Where the end of a Parquet file is refused, its library says "transport error", and not what the system said.
    return isinstance(error, OSError) or any(words in str(error) for words in ("(os error ", "thrift: transport error"))


def _sync(path: Path) -> None:
    """A rename is on disk once its folder is."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
