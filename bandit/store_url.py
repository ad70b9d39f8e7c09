"""URLs of stores, read alike by the jobs, which write them, and by the service.

redis-py reads a URL leniently: it cuts ``unix:///tmp/a#b/s`` at the ``#``, drops line breaks, and takes ``tmp`` of
``unix://tmp/s`` for a host. Each of these names another store than the one that was meant, so each is refused here.
"""

import os
import sys
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from bandit.errors import InputError

SCHEMES: Final = ("redis://", "rediss://", "unix://")

SOCKET_BYTES: Final = 107 if sys.platform == "linux" else 103
"""The longest path of a socket, in bytes: ``sun_path`` holds one more, a zero."""


def socket_url(path: Path) -> str:
    """The URL of a unix socket; whatever a URL gives another meaning is quoted in it.

    >>> socket_url(Path("/run/50 % of #1/s"))
    'unix:///run/50%20%25%20of%20%231/s'
    """
    return f"unix://{quote(os.fsencode(path))}"


def socket_path(url: str) -> Path | None:
    """The socket that a checked URL names; None where it names a host.

    >>> socket_path("unix:///run/50%20%25%20of%20%231/s")
    PosixPath('/run/50 % of #1/s')
    """
    parts = urlsplit(url)
    return Path(unquote(parts.path, errors="strict")) if parts.scheme == "unix" else None


def check_store_url(url: str) -> None:
    """Refuse a URL that no client reads, or that a client would read differently from what was meant.

    Raises:
        InputError: the message says what to write instead, and shows nothing of the URL, which may hold a password.
    """
    if not url.startswith(SCHEMES):
        raise InputError("expected a URL that starts with redis://, rediss:// or unix://")
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in url) or url != url.strip():
        raise InputError("expected a URL without line breaks and other control signs; write a line break as %0A")
    try:
        parts = urlsplit(url)
        if "#" in url:
            raise InputError("expected a URL without #; write a # of a path or a password as %23")
        _check_options(parts.query)
        if parts.scheme == "unix":
            _check_socket(parts)
        elif parts.port == 0:
            raise InputError("expected a port from 1 to 65535")
    except InputError:
        raise
    except ValueError:  # urlsplit quotes the part that it cannot read, which may be a password
        raise InputError("expected a URL like redis://host:6379/0 or unix:///path/to/socket") from None


def _check_options(query: str) -> None:
    try:
        parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise InputError("expected options like db=1 after the ?; write a ? of a path or a password as %3F") from None


def _check_socket(parts: SplitResult) -> None:
    if parts.netloc.rpartition("@")[2] or not parts.path:
        raise InputError("expected the path of a socket after unix://, with three slashes as in unix:///path/to/socket")
    try:
        path = unquote(parts.path, errors="strict").encode()
    except UnicodeError:
        raise InputError("expected the path of a socket in UTF-8") from None
    if b"\0" in path:
        raise InputError("expected the path of a socket without %00")
    if len(path) > SOCKET_BYTES:
        raise InputError(
            f"expected the path of a socket of at most {SOCKET_BYTES} bytes, which this system takes; it has {len(path)}"
        )
