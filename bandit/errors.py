"""The exceptions that the rooms share.

    BanditError
    ├── InputError          what the caller handed in is wrong (the command line exits 2)
    ├── CheckError          what was made failed a check, and is not used (the command line exits 1)
    ├── SurroundingsError   store, port, disk or network failed (the command line exits 3)
    └── RowError            bytes read from the store are not what was asked for
        └── OldFormatError  they are of a format that is not read any more; publishing again replaces them

Every message says what was wrong, what was expected and what to do about it.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class BanditError(Exception):
    """Root of every error that is raised on purpose."""


class InputError(BanditError, ValueError):
    """What the caller handed in is wrong; nothing was changed."""


class CheckError(BanditError):
    """What was made failed a check; what there was before goes on."""


class SurroundingsError(BanditError):
    """The store, a port, the disk or the network failed; trying again may help."""


class RowError(BanditError):
    """Bytes from the store are not what was asked for; ``reason`` is one word, fit for a metric label."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class OldFormatError(RowError):
    """Bytes from the store are of a format that is not read any more."""

    def __init__(self, message: str) -> None:
        super().__init__("format", message)


@contextmanager
def user_code_errors(what: str) -> Iterator[None]:
    """Code of the user at work: what it raises becomes one line that begins with ``what``, also if it would end the process.

    Raises:
        InputError: it raised.
    """
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{what}: {type(error).__name__}: {' '.join(str(error).split())}") from error
