"""Plain look-ups: what the fast path takes, as a grammar of whole heads.

A head is plain if it is one GET of HTTP/1.1 for a look-up, whose header fields are well formed and announce neither a body nor
another protocol, no expectation and no end of the connection, with one Host. Whatever else may be asked is left to the slow
path, which reads it as HTTP has it and names what is wrong: so the grammar need not take all that is right, and takes nothing
of which two readers could disagree.
"""

import re
from functools import lru_cache, partial
from typing import Final, NamedTuple

from bandit.snapshot import ID_PATTERN, NO_SIGNALS, Signals
from service.http.calls import PAGE, SINGLE
from service.http.cross_origin import told
from service.http.heads import is_host
from service.http.models import LAST_HOUR
from service.limits import MAX_FIELDS
from service.lookup.look_up import LookUp, no_signals
from service.lookup.row_reads import Unread
from service.lookup.served_generation import ServedGeneration, ServedTitle

MAX_REMEMBERED_BYTES: Final = 4096
"""Of a head's fields: what strangers send is no reason to keep megabytes of it."""

_PATH_ID: Final = rf"(?!\.\.?/){ID_PATTERN}".encode()
"""Clients and proxies take one or two dots for a step through the path."""
_line = re.compile(
    rb"GET /v1/users/(" + _PATH_ID + rb")/(?:titles/(" + _PATH_ID + rb""")/)?artwork(?:\?([!"$-~]*))? HTTP/1\.1\r\n"""
).match
_fields = re.compile(
    rb"""(?:
        (?!(?:content-length|transfer-encoding|trailer|expect|upgrade|http2-settings):)
        (?!(?:proxy-)?connection:(?![ \t]*keep-alive[ \t]*\r))
        [!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n
    )*\r\n""",
    re.IGNORECASE | re.VERBOSE,
).fullmatch
_each_field = re.compile(rb"([^:\r\n]+):[ \t]*([^\r]*)\r\n").findall

_is_id = re.compile(ID_PATTERN.encode()).fullmatch
_TITLE: Final = b"title_id="
_NEXT_TITLE: Final = b"&title_id="
_SIGNALS: Final = frozenset((b"country", b"device", b"campaign"))
_HOURS: Final = frozenset(b"%d" % hour for hour in range(LAST_HOUR + 1))


class PlainFields(NamedTuple):
    """What the header fields of a plain head come to.

    ``authorization`` is empty where there is none, or more than one; ``told`` are the answer's fields for the page that asks.
    """

    authorization: bytes
    told: bytes


class _Pick(NamedTuple):
    user_id: bytes
    title_id: bytes
    query: bytes | None
    fields: PlainFields


class PlainPick(_Pick):
    """A plain look-up of one title; ``query`` is None where there is no question mark."""

    __slots__ = ()
    route: Final = SINGLE

    def find(self, serving: ServedGeneration, max_titles: int) -> ServedTitle | None:  # noqa: ARG002 - of pages
        """The title; None where the slow path has to refuse: it is unknown, or there is another parameter."""
        if self.query and plain_titles(self.query) != []:
            return None
        return serving.titles.get(self.title_id)

    def needs_row(self, title: ServedTitle) -> bool:  # noqa: ARG002 - of pages
        """Whether the answer depends on the user's row."""
        return True

    def body(self, look_up: LookUp, serving: ServedGeneration, title: ServedTitle, row: bytes | Unread | None) -> bytes:
        """The body of the answer."""
        signals = partial(plain_signals, self.query) if self.query else no_signals
        return look_up.single(serving, self.user_id, title, row, signals)


class _Page(NamedTuple):
    user_id: bytes
    query: bytes | None
    fields: PlainFields


class PlainPage(_Page):
    """A plain look-up of a page; its titles are in the query."""

    __slots__ = ()
    route: Final = PAGE

    def find(self, serving: ServedGeneration, max_titles: int) -> list[ServedTitle | bytes] | None:
        """The titles, in the place of one that is not known its id.

        None where the slow path has to refuse: no title, too many, an id that is wrong, another parameter.
        """
        title_ids = plain_titles(self.query) if self.query else []
        if not title_ids or len(title_ids) > max_titles:
            return None
        return serving.find(title_ids) if all(map(_is_id, set(title_ids).difference(serving.titles))) else None

    def needs_row(self, titles: list[ServedTitle | bytes]) -> bool:
        """Whether the answer depends on the user's row: not where no title is known."""
        return not all(isinstance(title, bytes) for title in titles)

    def body(
        self,
        look_up: LookUp,
        serving: ServedGeneration,
        titles: list[ServedTitle | bytes],
        row: bytes | Unread | None,
    ) -> bytes:
        """The body of the answer."""
        return look_up.page(serving, self.user_id, titles, row, partial(plain_signals, self.query))


PlainRequest = PlainPick | PlainPage


def plain_request(head: bytes, origins: frozenset[bytes]) -> PlainRequest | None:
    """What is asked by a head, which ends with the first empty line in it; None if it is not plain.

    Args:
        head: all of its bytes.
        origins: of the pages that may look up.
    """
    asked = _line(head)
    if asked is None:
        return None
    fields = head[asked.end() :]
    plain = (_remembered_fields if len(fields) <= MAX_REMEMBERED_BYTES else _plain_fields)(fields, origins)
    if plain is None:
        return None
    user_id, title_id, query = asked.groups()
    if title_id is None:
        return PlainPage(user_id, query, plain)
    return PlainPick(user_id, title_id, query, plain)


def _plain_fields(fields: bytes, origins: frozenset[bytes]) -> PlainFields | None:
    if fields.count(b"\n") > MAX_FIELDS + 1 or not _fields(fields):
        return None
    values: dict[bytes, list[bytes]] = {}
    for name, value in _each_field(fields):
        values.setdefault(name.lower(), []).append(value)
    hosts = values.get(b"host", [])
    if len(hosts) != 1 or not is_host(hosts[0]):
        return None
    keys = values.get(b"authorization", [b""])
    lines = [b"%b: %b\r\n" % field for field in told(values.get(b"origin", []), origins)] if origins else []
    return PlainFields(keys[0] if len(keys) == 1 else b"", b"".join(lines))


_remembered_fields = lru_cache(maxsize=256)(_plain_fields)
"""Clients repeat their fields."""


def plain_titles(query: bytes) -> list[bytes] | None:
    """The titles of a query, not yet checked; None where it has anything but titles and plain sign-up signals."""
    if query.startswith(_TITLE):
        title_ids = query[len(_TITLE) :].split(_NEXT_TITLE)
        if query.count(b"&") == len(title_ids) - 1:
            return title_ids
    return _titles_among_signals(query)


def plain_signals(query: bytes | None) -> Signals:
    """The signals of a query that ``plain_titles`` takes; of one that is given twice, the last, as the slow path takes it."""
    if not query or (query.startswith(_TITLE) and query.count(b"&") == query.count(_NEXT_TITLE)):
        return NO_SIGNALS
    given = dict(part.split("=", 1) for part in query.decode().split("&"))
    hour = given.get("hour")
    country, device, campaign = (given.get(name) for name in ("country", "device", "campaign"))
    return Signals.of(country, device, campaign, None if hour is None else int(hour))


def _titles_among_signals(query: bytes) -> list[bytes] | None:
    title_ids = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == b"title_id":
            title_ids.append(value)
        elif not ((name in _SIGNALS and _is_id(value)) or (name == b"hour" and value in _HOURS)):
            return None
    return title_ids
