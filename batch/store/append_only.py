"""The append-only file of an embedded store: what is wrong with it, what it said was served, and putting it aside.

Valkey refuses most damage itself. What it starts on all the same, with part of the data or with none, is refused here.
"""

import json
import mmap
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Final

from bandit.errors import RowError, SurroundingsError
from bandit.snapshot import CURRENT_KEY, Current, decode_any_current

NAME: Final = "appendonlydir"
"""The folder, which holds a base file, the commands since then, and a manifest that names both."""

_MANIFEST: Final = "appendonly.aof.manifest"
_LINE: Final = re.compile(r"file (\S+) seq \d+ type ([bih])")
_VALUE_BYTES: Final = 4096  # more than art:current ever has
_LENGTH_BYTES: Final = 32  # between a key and its value stand at most the length of the value and line breaks


def damaged(folder: Path, reason: str) -> str:
    """A refusal of a damaged append-only file that says what mends it."""
    command = f"artwork store rebuild --workspace {quote(str(folder.parent))}"
    return (
        f"the append-only file in {folder / NAME} is damaged: {reason}; `{command}` puts it aside, starts an empty store, and"
        " publishes again what was served"
    )


def check_append_only(folder: Path) -> None:
    """Refuse an append-only file that Valkey would start on with less than it holds.

    Raises:
        SurroundingsError: a file is missing, empty, or not named by the manifest.
    """
    place = folder / NAME
    there = {path.name: path.stat().st_size for path in place.glob("appendonly.aof.*")} if place.is_dir() else {}
    sizes = {name: size for name, size in there.items() if size and name != _MANIFEST}
    if _MANIFEST not in there:
        if sizes:
            raise SurroundingsError(damaged(folder, f"{_MANIFEST} is missing"))
        return
    listed = _listed(folder)
    for name, kind in listed.items():
        if kind != "h" and name not in there:
            raise SurroundingsError(damaged(folder, f"{name} is missing"))
        if kind == "b" and not there[name]:
            raise SurroundingsError(damaged(folder, f"{name} is empty"))
    # A base file that is not listed is what a rewrite left that was killed before it was taken; its commands are listed.
    if lost := sorted(name for name in sizes if ".incr." in name and name not in listed):
        raise SurroundingsError(damaged(folder, f"{_MANIFEST} does not name {lost[0]}"))


def put_aside(folder: Path) -> Path | None:
    """Rename the append-only file of a store that does not run, with the time; None if there is none.

    Raises:
        OSError: it cannot be renamed.
    """
    place = folder / NAME
    if not place.is_symlink() and not place.exists():
        return None
    aside = folder / f"{NAME}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    place.rename(aside)
    return aside


def last_current(folder: Path) -> Current | None:
    """The last ``art:current`` that can be read in an append-only file, however damaged it is; None if there is none."""
    files = [path for path in (folder / NAME).glob("appendonly.aof.*") if path.is_file() and path.stat().st_size]
    for path in sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        for value in _values_from_the_end(path):
            try:
                return decode_any_current(value)
            except RowError:
                continue
    return None


def _listed(folder: Path) -> dict[str, str]:
    """Names and types of the files of the manifest; Valkey itself refuses lines that it does not understand."""
    text = (folder / NAME / _MANIFEST).read_text(encoding="utf-8", errors="replace")
    return {match[1]: match[2] for line in text.splitlines() if (match := _LINE.fullmatch(line))}


def _values_from_the_end(path: Path) -> Iterator[bytes]:
    """JSON documents that stand closely behind the key ``art:current``, the last first."""
    # Commands are written as text. The base file is binary, and may have compressed a value, which is then not found.
    key = CURRENT_KEY.encode()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = len(content)
        while (place := content.rfind(key, 0, place)) >= 0:
            text = content[place + len(key) : place + len(key) + _VALUE_BYTES].decode("utf-8", errors="replace")
            brace = text.find("{", 0, _LENGTH_BYTES)
            if brace < 0:
                continue
            try:
                value, _ = json.JSONDecoder().raw_decode(text, brace)
            except (ValueError, RecursionError):
                continue
            yield json.dumps(value).encode()
