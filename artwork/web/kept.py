"""Values made from files: made again when the files change, the last good ones while they cannot be read."""

import time
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from threading import Lock
from typing import Final, Generic, TypeVar

from bandit.errors import BanditError, InputError, SurroundingsError

T = TypeVar("T")

TRY_AGAIN_SECONDS: Final = 1.0
"""After files could not be read that have not changed since: a night replaces several, one after the other."""

_NOT_READABLE: Final = (InputError, SurroundingsError, OSError)


class NotReadyError(BanditError):
    """What was asked for is not there yet; it may come."""


class NotFoundError(BanditError):
    """What was asked for does not exist here."""


class Kept(Generic[T]):
    """A value made from files; thread-safe.

    Args:
        stamp: what changes when the files do.
        make: makes the value. Both may raise an ``InputError``, a ``SurroundingsError`` or an ``OSError``, as of files that are
            half-way there.
    """

    def __init__(self, stamp: Callable[[], Hashable], make: Callable[[], T]) -> None:
        self._stamp, self._make = stamp, make
        self._lock = Lock()
        self._made: tuple[Hashable, T] | None = None
        self._failed: tuple[Hashable, float, str] | None = None

    def get(self) -> T:
        """The value of the files as they are, or the last good one.

        Raises:
            NotReadyError: they could not be read yet.
        """
        with self._lock:
            try:
                stamp = self._stamp()
                if (self._made is None or self._made[0] != stamp) and not self._failed_lately(stamp):
                    self._make_anew(stamp)
            except _NOT_READABLE as error:
                self._failed = None, time.monotonic(), str(error)
            if self._made is not None:
                return self._made[1]
            raise NotReadyError(self._failed[2] if self._failed else "nothing was read yet")

    def _make_anew(self, stamp: Hashable) -> None:
        try:
            # The stamp is older than what is read: files that change meanwhile are read again.
            self._made, self._failed = (stamp, self._make()), None
        except _NOT_READABLE as error:
            self._failed = stamp, time.monotonic(), str(error)

    def _failed_lately(self, stamp: Hashable) -> bool:
        if self._failed is None:
            return False
        failed, when, _ = self._failed
        return failed == stamp and time.monotonic() - when < TRY_AGAIN_SECONDS


def stamps(paths: Iterable[Path]) -> Hashable:
    """Names, sizes, numbers and times of files; None for one that is not there."""
    return tuple((path, _stamp(path)) for path in paths)


def _stamp(path: Path) -> Hashable:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
