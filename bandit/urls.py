"""The door of store URLs: which are accepted, what a client is told of one, and how text is shown without its secrets.

    redis://[user:password@]host[:port][/database]    rediss:// with TLS    unix:///path/to/socket
    redis+cluster://[user:password@]host[:port]       rediss+cluster:// with TLS; a node or several with commas between

Jobs and the service read the same URL through this module, so that what one of them accepts the other accepts too. A URL is
taken apart here and not by redis-py, which lets unknown options through to its connections, and here more strictly than by
``urllib``, whose messages repeat parts of a password.
"""

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from bandit.errors import InputError

URL_VARIABLE: Final = "ARTWORK_REDIS_URL"
EVENTS_URL_VARIABLE: Final = "ARTWORK_EVENTS_URL"
"""The store of events, where it is another one."""
EXPECTED: Final = "redis://host:6379/0, rediss://host:6379/0, unix:///path/to/socket or redis+cluster://host:6379"
SOCKET_PATH_BYTES: Final = 107 if sys.platform == "linux" else 103
"""The longest path of a Unix socket: ``sun_path`` holds one byte more, which ends it."""

_CLUSTER: Final = "+cluster"
_SCHEMES: Final = ("redis", "rediss", "unix", f"redis{_CLUSTER}", f"rediss{_CLUSTER}")
_SHAPE: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?:(?P<userinfo>[^/?#]*)@)?(?P<host>\[[^]/?#@]*\]|[^]\[/?#@:,]*)(?::(?P<port>[0-9]*))?(?P<more>(?:,[^/?#@]*)?)"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_NODE: Final = re.compile(r"(?P<host>\[[^]]*\]|[^]\[:]+)(?::(?P<port>[0-9]*))?")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://")
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
_UNSEEN: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
_OPTION_NAME: Final = re.compile(r"[a-z][a-z_]{0,40}")

_USERINFO: Final = re.compile(
    r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]*://)(?!\w*:?\*{3}@[^@\s]*(?:\s|$))[^\s'\"<>]*@"
)
_SECRET_OPTION: Final = re.compile(r"([?&;](?:[a-z_]*password|secret|token|key|auth)=)[^&\s'\"]*", re.IGNORECASE)
_BEARER: Final = re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]{4,}")
_LONGEST_PASSWORD: Final = 1024
_SHORTEST_SECRET: Final = 4
"""Shorter ones are not looked for in text: half of all words would hold them."""


@dataclass(frozen=True)
class StoreUrl:
    """A store's URL, checked and taken apart; ``path`` is that of a socket, ``tls`` what redis-py calls ``ssl_*``.

    Of a cluster, ``scheme`` is that of its nodes; the node at host and port, or one of ``more_nodes``, tells of all.
    """

    scheme: str
    host: str = "localhost"
    port: int = 6379
    path: str = ""
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    database: int = 0
    tls: Mapping[str, str | bool] = field(default_factory=dict, repr=False)
    is_cluster: bool = False
    more_nodes: tuple[tuple[str, int], ...] = ()

    @property
    def client_options(self) -> dict[str, Any]:
        """Keyword arguments of ``redis.Redis`` and ``redis.RedisCluster``, and of both in ``redis.asyncio``."""
        where: dict[str, Any] = (
            {"unix_socket_path": self.path} if self.scheme == "unix" else {"host": self.host, "port": self.port}
        )
        encrypted = {"ssl": True, **self.tls} if self.scheme == "rediss" else {}
        number = {} if self.is_cluster else {"db": self.database}
        return where | {"username": self.username, "password": self.password} | number | encrypted


def read_store_url(text: str, name: str = URL_VARIABLE) -> StoreUrl:
    """A store's URL from its text; ``name`` is what messages call it.

    Raises:
        InputError: it is none, or has an option that is not known or out of range. No message holds a password.
    """
    try:
        return _read(text.strip())
    except _WrongUrlError as wrong:
        # Without its cause, whose text may hold what the URL holds.
        raise InputError(
            f"{name} is {show_url(text)}, expected a URL such as {EXPECTED}: {wrong}; correct it"
        ) from None


def socket_url(path: Path) -> str:
    """The URL of a Unix socket; whatever would mean something else in a URL is quoted.

    >>> socket_url(Path("/run/50% of #1/s"))
    'unix:///run/50%25%20of%20%231/s'
    """
    return f"unix://{quote(os.fsencode(path))}"


def show_url(text: str) -> str:
    """A URL of any kind fit for a message: no password, no options; of one that cannot be taken apart only the scheme.

    >>> show_url("redis://me:secret@host:6379/0?password=too"), show_url("redis://:se/cret@host"), show_url("me:secret@host")
    ('redis://me:***@host:6379/0', 'redis://...', 'text without a scheme')
    """
    match = _SHAPE.fullmatch(text.strip())
    if match is None or not _is_plain(match):
        scheme = _SCHEME.match(text.strip())
        return f"{scheme[0]}..." if scheme else "text without a scheme"
    user, colon, _ = (match["userinfo"] or "").partition(":")
    # A user alone is hidden as well: whoever forgets the colon has written a password there.
    before = "" if match["userinfo"] is None else f"{user}:***@" if colon else "***@"
    port = f":{match['port']}" if match["port"] else ""
    return f"{match['scheme']}://{before}{match['host']}{port}{match['more']}{match['path'] or ''}"


def _is_plain(match: re.Match[str]) -> bool:
    """Whether nothing of a URL can be a password in the wrong place, as where a ``/`` in it was not written as %2F."""
    path, query = match["path"] or "", match["query"] or ""
    if _UNSEEN.search(match[0]) or "@" in path or "@" in query:
        return False
    return match["scheme"].lower() == "unix" or not path.strip("/") or path.strip("/").isdecimal()


def hide_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Text of others, such as an exception's, without these secrets and without what stands before an @ in a URL.

    >>> hide_secrets("ERR unknown command HELLO, with args 3 AUTH me hunter2", ["hunter2"])
    'ERR unknown command HELLO, with args 3 AUTH me ***'
    >>> hide_secrets("GET http://me:pw@host/readyz?key=1234 failed")
    'GET http://***@host/readyz?key=*** failed'
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    text = _SECRET_OPTION.sub(r"\1***", _USERINFO.sub(r"\1***@", text))
    return _BEARER.sub(r"\1***", text)


def secrets_of(url: str) -> set[str]:
    """What of a URL must be in no output: passwords as written and as they are meant; of one that cannot be read, all of it."""
    match = _SHAPE.fullmatch(url.strip())
    if match is None or not _is_plain(match):
        rest = url.strip().partition("://")[2] or url.strip()
        # Also its parts: an exception of others may quote the piece that it stumbled over.
        return {rest, *re.split(r"[/?#@:&=\[\]\s]", rest)} - {""} if "@" in url or "password" in url else set()
    user, colon, password = (match["userinfo"] or "").partition(":")
    raw = {password if colon else user}
    pairs = _pairs(match["query"] or "")
    raw |= {value for name, value in pairs if name.endswith("password")}
    kept = [value for name, value in pairs if name == "password_file"]
    with suppress(_WrongUrlError):  # one that cannot be read gives nothing away
        raw |= {_from_file(_decoded(value.replace("+", " "))) for value in kept}
    return {form for secret in raw for form in (secret, unquote(secret), unquote(secret.replace("+", " ")))} - {""}


class _WrongUrlError(Exception):
    """What is wrong with a URL, in words that hold nothing of it that may be secret."""


def _read(text: str) -> StoreUrl:
    scheme = (_SCHEME.match(text) or [""])[0][:-3].lower()
    if scheme not in _SCHEMES:
        raise _WrongUrlError(f"its scheme is not {', '.join(_SCHEMES)}" if scheme else "it has no scheme")
    if _UNSEEN.search(text.replace(" ", "") if scheme == "unix" else text):  # names of folders have spaces
        raise _WrongUrlError("it holds a space or a control character, which a URL writes as %20 and its like")
    if "#" in text:
        raise _WrongUrlError("it holds a #, which a URL writes as %23")
    match = _SHAPE.fullmatch(text)
    if match is None or "@" in (match["query"] or "") or (scheme != "unix" and "@" in (match["path"] or "")):
        raise _WrongUrlError(
            "it cannot be taken apart; in a user or password write / as %2F, ? as %3F and : as %3A, and a port in digits"
        )
    is_cluster, scheme = scheme.endswith(_CLUSTER), scheme.removesuffix(_CLUSTER)
    options = _options(match["query"] or "", scheme)
    username, password = _credentials(match["userinfo"], options)
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
    _check_certificates(tls)
    if scheme == "unix":
        return StoreUrl(scheme, "", 0, _socket_path(match), username, password, options.get("db", 0))
    host, port, database = _host(match["host"]), _port(match["port"]), _database(match["path"] or "", options)
    more = _more_nodes(match["more"], is_cluster=is_cluster)
    if is_cluster and database:
        raise _WrongUrlError("a cluster has no databases but 0")
    return StoreUrl(scheme, host, port, "", username, password, database, tls, is_cluster, more)


def _more_nodes(text: str, *, is_cluster: bool) -> tuple[tuple[str, int], ...]:
    if text and not is_cluster:
        raise _WrongUrlError(
            "it has a comma; only a cluster's URL, such as redis+cluster://one:6379,two:6379, has several"
        )
    nodes = []
    for node in text.split(",")[1:]:
        match = _NODE.fullmatch(node)
        if match is None:
            raise _WrongUrlError("what stands after a comma is no host and port")
        nodes.append((_host(match["host"]), _port(match["port"])))
    return tuple(nodes)


def _check_certificates(tls: Mapping[str, Any]) -> None:
    files = {name: tls[name] for name in ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile") if name in tls}
    if not files:
        return
    import ssl  # noqa: PLC0415 - most stores are asked without TLS

    context = ssl.create_default_context()
    try:
        if "ssl_ca_certs" in files or "ssl_ca_path" in files:
            context.load_verify_locations(files.get("ssl_ca_certs"), files.get("ssl_ca_path"))
        if "ssl_certfile" in files:
            # A password of its own: without one, OpenSSL would ask for it on the terminal.
            context.load_cert_chain(files["ssl_certfile"], files.get("ssl_keyfile"), tls.get("ssl_password", ""))
        elif "ssl_keyfile" in files:
            raise _WrongUrlError("the option ssl_keyfile has no effect without ssl_certfile")
    except (OSError, ValueError):
        raise _WrongUrlError(
            f"the files of {', '.join(files)} are no certificates and key that fit, or not readable"
        ) from None


def _socket_path(match: re.Match[str]) -> str:
    if match["host"] or match["port"] is not None:
        raise _WrongUrlError("the path of a socket begins with a /, so that three of them follow unix:")
    # As the operating system takes names: bytes that are no UTF-8 stay what they are.
    path = unquote(match["path"] or "", errors="surrogateescape")
    size = len(os.fsencode(path))
    if path in ("", "/") or path.endswith("/") or "\0" in path:
        raise _WrongUrlError("it names no socket")
    if size > SOCKET_PATH_BYTES:
        raise _WrongUrlError(f"the path of its socket has {size} bytes, expected at most {SOCKET_PATH_BYTES}")
    return path


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(IPv6Address(unquote(text[1:-1])))
        except ValueError:
            raise _WrongUrlError("what stands in brackets is no IPv6 address") from None
    labels = text.removesuffix(".").split(".")
    if text and (len(text) > 253 or not all(map(_LABEL.fullmatch, labels))):
        raise _WrongUrlError("its host is no name or address: letters, digits, - and _ between dots")
    return text or "localhost"


def _port(text: str | None) -> int:
    if not text:
        return 6379
    if not 1 <= int(text[:7]) <= 65535:
        raise _WrongUrlError("its port is out of range, expected 1 to 65535")
    return int(text)


def _database(path: str, options: Mapping[str, Any]) -> int:
    text = path.strip("/")
    if not text:
        return int(options.get("db", 0))
    if "db" in options:
        raise _WrongUrlError("it names a database twice, as a path and as the option db")
    return _whole_number(text)


def _credentials(userinfo: str | None, options: Mapping[str, Any]) -> tuple[str | None, str | None]:
    user, _, password = (userinfo or "").partition(":")
    before = {"username": _decoded(user), "password": _decoded(password)}
    for name, value in before.items():
        if value and name in options:
            raise _WrongUrlError(f"it names a {name} twice, before the @ and as an option")
    return before["username"] or options.get("username"), before["password"] or options.get("password")


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
        decoded.encode()
    except UnicodeError:
        raise _WrongUrlError("its user, password or option is no UTF-8 text once % is decoded") from None
    return decoded


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (part.partition("=") for part in query.split("&") if part)]


def _options(query: str, scheme: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in _pairs(query):
        if name not in _READERS:
            raise _WrongUrlError(f"{_named(name, options)} is not known; there are {', '.join(_READERS)}")
        if name.startswith("ssl_") and scheme != "rediss":
            raise _WrongUrlError(f"the option {name} has no effect without TLS, which rediss:// stands for")
        if name in options:
            raise _WrongUrlError(f"it has the option {name} twice")
        try:
            options[name] = _READERS[name](_decoded(value.replace("+", " ")))
        except _WrongUrlError as wrong:
            raise _WrongUrlError(f"the option {name} is wrong: {wrong}") from None
    if "password_file" in options:
        if "password" in options:
            raise _WrongUrlError("it names a password twice, as an option and in a file")
        options["password"] = options.pop("password_file")
    return options


def _named(name: str, before: Collection[str]) -> str:
    # What follows a password may be the rest of it, after an & that was not written as %26.
    plain = _OPTION_NAME.fullmatch(name) and not {"password", "ssl_password"} & set(before)
    return f"the option {name}" if plain else f"option number {len(before) + 1}"


def _whole_number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) >= 2**31:
        raise _WrongUrlError("a database is a whole number from 0")
    return int(text)


def _text(text: str) -> str:
    if not text:
        raise _WrongUrlError("it is empty")
    return text


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in words:
            raise _WrongUrlError(f"expected {', '.join(words[:-1])} or {words[-1]}")
        return text.lower()

    return read


def _boolean(text: str) -> bool:
    return _one_of("true", "false", "1", "0", "yes", "no")(text) in ("true", "1", "yes")


def _existing(text: str) -> str:
    try:
        there = Path(text).exists()
    except (OSError, ValueError):
        there = False
    if not there:
        raise _WrongUrlError("there is no such file")
    return text


def _from_file(text: str) -> str:
    """The one line of a file, which whoever made it may have ended with a newline."""
    try:
        path = Path(text)
        if not path.is_file():  # a pipe or a terminal would be waited for
            raise _WrongUrlError("there is no such file")
        with path.open("rb") as file:
            content = file.read(_LONGEST_PASSWORD + 3)
    except (OSError, ValueError):
        raise _WrongUrlError("its file cannot be read") from None
    line = content.removesuffix(b"\n").removesuffix(b"\r")
    if not 1 <= len(line) <= _LONGEST_PASSWORD or b"\n" in line or b"\0" in line:
        raise _WrongUrlError(f"its file is not one line of 1 to {_LONGEST_PASSWORD} bytes")
    try:
        return line.decode()
    except UnicodeError:
        raise _WrongUrlError("its file is no UTF-8 text") from None


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "db": _whole_number,
    "username": _text,
    "password": _text,
    "password_file": _from_file,
    "ssl_cert_reqs": _one_of("none", "optional", "required"),
    "ssl_check_hostname": _boolean,
    "ssl_ca_certs": _existing,
    "ssl_ca_path": _existing,
    "ssl_certfile": _existing,
    "ssl_keyfile": _existing,
    "ssl_password": _text,
}
"""What may follow a ``?``. Deadlines, protocol and pools are settings of the jobs and of the service, not of a URL."""
