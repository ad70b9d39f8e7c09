"""The last good catalogue on disk, from which a service starts while the store is unreachable.

The file is a line with the digest of all that follows, then ``art:current``, the generation's meta and the overlay as a JSON line
each, and the compressed catalogue. A file that is wrong is refused and never stops a start; the next generation replaces it.
"""

import asyncio
import os
import stat
from hashlib import blake2b
from pathlib import Path
from typing import Final

from bandit.errors import RowError
from bandit.files import replace_file
from bandit.snapshot import (
    MAX_CATALOGUE_BYTES,
    decode_current,
    decode_meta,
    decode_overlay,
    encode_json,
    encode_overlay,
)
from service.lookup.overlaid import with_overlay
from service.lookup.served_generation import ServedGeneration, build_generation

MAGIC: Final = b"artwork catalogue 3 "
MAX_KEPT_BYTES: Final = MAX_CATALOGUE_BYTES + 2**21
"""The limit of an uncompressed catalogue, and far more than the lines before it and compression can add."""


def keep(path: Path, serving: ServedGeneration) -> None:
    """Write the file: under another name, synced, then renamed.

    Raises:
        SurroundingsError: the disk refused; the file is as it was.
    """
    content = b"\n".join(
        (encode_json(serving.current), encode_json(serving.meta), encode_overlay(serving.overlay), serving.packed)
    )
    with replace_file(path, mode=0o600) as temporary, temporary.open("wb") as file:
        file.write(_first_line(content))
        file.write(content)


async def load_kept(path: Path) -> ServedGeneration | None:
    """What ``keep`` wrote, or None where there is no file.

    Raises:
        OSError: the file cannot be read.
        RowError: it is not a regular file, or is damaged.
    """
    content = await asyncio.to_thread(_read, path)
    if content is None:
        return None
    first, _, rest = content.partition(b"\n")
    if first + b"\n" != _first_line(rest):
        raise RowError("kept", f"{path} is damaged, or of another version: its digest does not match its content")
    lines = rest.split(b"\n", 3)
    if len(lines) != 4:
        raise RowError("kept", f"{path} has {len(lines)} of 4 parts")
    overlay = decode_overlay(lines[2])
    return await with_overlay(
        await build_generation(decode_current(lines[0]), decode_meta(lines[1]), lines[3]), overlay
    )


def _first_line(content: bytes) -> bytes:
    return MAGIC + blake2b(content, digest_size=16).hexdigest().encode() + b"\n"


def _read(path: Path) -> bytes | None:
    """The content of a regular file; reading a pipe might never end."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_KEPT_BYTES:
            raise RowError("kept", f"{path} is not a file of at most {MAX_KEPT_BYTES:,} bytes")
        with open(handle, "rb", closefd=False) as file:
            return file.read(MAX_KEPT_BYTES)
    finally:
        os.close(handle)
