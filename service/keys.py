"""Bearer keys: which client may make which calls.

    python -m service.keys web --scope lookup     makes a key and its entry for the file

The file (``ARTWORK_KEYS_FILE``, TOML) holds no key, only its SHA-256. A plain hash is right here: a key is 256 random bits,
so a salt or a slow hash, which make guessing harder, would protect nothing, and a look-up has no 100 ms for one.
"""

if __name__ == "__main__":  # before the imports, so that their errors end at the boundary too
    from importlib import import_module

    from bandit.boundary import run

    run(lambda: import_module("service.keys").main)

import argparse
import hmac
import secrets
import sys
import tomllib
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bandit.boundary import DEBUG, take_debug, write_out
from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import ID_PATTERN

Scope = Literal["lookup", "events"]
LOOKUP: Final = "lookup"
EVENTS: Final = "events"
UNKNOWN: Final = 401
NOT_ALLOWED: Final = 403
KEY_BYTES: Final = 32
MAX_REMEMBERED: Final = 1024
MAX_REMEMBERED_BYTES: Final = 256
_BEARER: Final = b"bearer "


class Entry(BaseModel):
    """One key of the file. Wrong values are never shown: somebody may have put a key in place of its hash."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: Annotated[list[Entry], Field(min_length=1)]


class Keys:
    """The keys that a service knows."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = tuple((bytes.fromhex(entry.sha256), entry.scopes) for entry in entries)
        self._remembered: dict[bytes, frozenset[Scope]] = {}

    def allows(self, authorization: bytes, scope: Scope) -> bool:
        """Whether a request may be made whose one Authorization field has this value; takes 0.1 us of a key that was seen before.

        Only keys that are known are remembered, by the bytes they came in: wrong ones cannot fill the table.
        """
        scopes = self._remembered.get(authorization)
        if scopes is None:
            scopes = self._scopes_of(authorization)
            if scopes is None:
                return False
            if len(authorization) <= MAX_REMEMBERED_BYTES:
                if len(self._remembered) >= MAX_REMEMBERED:
                    self._remembered.clear()  # a client spells its key in ever new ways
                self._remembered[authorization] = scopes
        return scope in scopes

    def check(self, headers: Iterable[tuple[bytes, bytes]], scope: Scope) -> int:
        """0 if the headers' key has the scope, else the status of the refusal; takes about a microsecond.

        401: there is no key, more than one, or an unknown one. 403: the key lacks the scope. ``headers`` are ASGI's.
        """
        given = [value for name, value in headers if name == b"authorization"]
        scopes = self._scopes_of(given[0]) if len(given) == 1 else None
        if scopes is None:
            return UNKNOWN
        return 0 if scope in scopes else NOT_ALLOWED

    def _scopes_of(self, authorization: bytes) -> frozenset[Scope] | None:
        if authorization[: len(_BEARER)].lower() != _BEARER:
            return None
        digest = sha256(authorization[len(_BEARER) :].strip()).digest()
        scopes = None
        for known, allowed in self._entries:  # through all entries, so that the time does not show which one it was
            if hmac.compare_digest(known, digest):
                scopes = allowed
        return scopes


def load_keys(path: Path) -> Keys:
    """The keys of a file.

    Raises:
        InputError: names the file, and the entry and field that are wrong.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"ARTWORK_KEYS_FILE is {path}, which is not a file; name one that can be read")
        entries = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).key
    except OSError as error:
        raise InputError(f"ARTWORK_KEYS_FILE is {path}: {error.strerror}; name a file that can be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}; expected [[key]] tables with name, scopes, sha256") from None
    except ValidationError as error:
        complaints = "; ".join(_complaint(dict(item)) for item in error.errors(include_url=False, include_input=False))
        raise InputError(
            f"{path}: {complaints}; make entries with `python -m service.keys NAME --scope lookup`"
        ) from None
    _refuse_doubles(path, entries)
    return Keys(entries)


def _complaint(item: dict[str, Any]) -> str:
    """One sentence, as in: [[key]] number 2: sha256: String should match pattern."""
    table, *place = item["loc"]
    if place and isinstance(place[0], int):
        table = f"[[{table}]] number {place[0] + 1}"
    return ": ".join([str(table), *(str(name) for name in place[1:]), item["msg"]])


def _refuse_doubles(path: Path, entries: Sequence[Entry]) -> None:
    for field in ("name", "sha256"):
        values = [getattr(entry, field) for entry in entries]
        for number, value in enumerate(values):
            if value in values[:number]:
                first = values.index(value) + 1
                raise InputError(f"{path}: [[key]] number {number + 1}: {field} is that of number {first}; delete one")


def new_key(name: str, scopes: Iterable[Scope]) -> tuple[str, Entry]:
    """A new key and its entry."""
    key = secrets.token_urlsafe(KEY_BYTES)
    return key, Entry(name=name, scopes=frozenset(scopes), sha256=sha256(key.encode()).hexdigest())


def entry_text(entry: Entry) -> str:
    """An entry as the file has it."""
    scopes = ", ".join(f'"{scope}"' for scope in sorted(entry.scopes))
    return f'[[key]]\nname = "{entry.name}"\nscopes = [{scopes}]\nsha256 = "{entry.sha256}"\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: writes the key alone to standard output, to be piped to its user, and the entry to standard error."""
    parser = _Parser(
        prog="python -m service.keys",
        description="Make a bearer key: the key goes to standard output, once, its entry for the file to standard error.",
        epilog="Example: python -m service.keys web --scope lookup",
    )
    parser.add_argument("name", help="who uses it: 1 to 64 of letters, digits, . _ ~ -")
    parser.add_argument(
        "--scope", action="append", required=True, choices=(LOOKUP, EVENTS), help="what it may do; repeat it"
    )
    parser.add_argument(DEBUG, action="store_true", help="show tracebacks")
    given = parser.parse_args(take_debug(sys.argv[1:] if arguments is None else arguments))
    try:
        key, entry = new_key(given.name, given.scope)
    except ValidationError:
        parser.error(f"name is {given.name!r}, expected 1 to 64 of letters, digits, . _ ~ -")
    sys.stderr.write(entry_text(entry))
    if getattr(sys.stderr, "failed", False):
        raise SurroundingsError("cannot write the entry to standard error; without it the key is of no use")
    write_out(key + "\n")
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; `{self.prog} --help` tells what is expected")
