"""Addresses and keys of a service: which are accepted, and how text is shown without secrets. The load test stands alone."""

import re
from argparse import ArgumentTypeError
from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Final

KEY_VARIABLE: Final = "ARTWORK_LOADTEST_KEY"
"""The environment variable that holds the key, which on a command line everybody could read."""

EXPECTED: Final = "http://127.0.0.1:8000"

_ADDRESS: Final = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?/?", re.IGNORECASE)
_SHAPE: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:([^/?#\s]*)@)?([^]\[/?#@:\s]+|\[[^]/?#@\s]*\])(:[0-9]*)?/?")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://")
_USERINFO: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?!\w*:?\*{3}@[^@\s]*(?:\s|$))[^\s'\"<>]*@")
_BEARER: Final = re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]{4,}")
_KEY: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
_SHORTEST_SECRET: Final = 4


class WrongAddressError(ArgumentTypeError):
    """What is wrong, in words that hold no secret; ``argparse`` shows them as they are."""


def read_host(text: str) -> str:
    """A service's address as others take it: without the slash at its end, its scheme in small letters.

    Raises:
        WrongAddressError: it is none, or holds a user or a password.

    >>> read_host("HTTP://localhost:8000/")
    'http://localhost:8000'
    """
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        why = "; a user or password in it is sent by nobody, a key is (--key)" if "@" in text else ""
        raise WrongAddressError(f"{show_host(text)} is not an address such as {EXPECTED}{why}")
    scheme, host, port = match.groups()
    if host.startswith("["):
        if not _is_ipv6(host[1:-1]):
            raise _not_an_address(text, "no IPv6 address is in its brackets")
    elif len(host) > 253 or not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
        raise _not_an_address(text, "a name has 1 to 63 letters between its dots")
    if port is not None and not 1 <= int(port) <= 65535:
        raise _not_an_address(text, "its port is not from 1 to 65535")
    return f"{scheme.lower()}://{host}" + (f":{int(port)}" if port else "")


def _not_an_address(text: str, why: str) -> WrongAddressError:
    return WrongAddressError(f"{show_host(text)} is not an address: {why}")


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def read_key(text: str) -> str:
    """A bearer key that a header can carry.

    Raises:
        WrongAddressError: it holds what RFC 6750 does not allow; it is not shown.
    """
    if not _KEY.fullmatch(text.strip()):
        raise WrongAddressError(
            "the key holds a letter that no bearer key has: letters, digits and -._~+/= are allowed"
        )
    return text.strip()


def show_host(text: str) -> str:
    """An address fit for a message; of one that cannot be taken apart only the scheme.

    >>> show_host("http://me:secret@host:80"), show_host("http://me:se/cret@host"), show_host("me:secret@host")
    ('http://me:***@host:80', 'http://...', 'text without a scheme')
    """
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        begins = _SCHEME.match(text.strip())
        return f"{begins[0]}..." if begins else "text without a scheme"
    scheme, userinfo, host, port = match.groups()
    user, colon, _ = (userinfo or "").partition(":")
    before = "" if userinfo is None else f"{user}:***@" if colon else "***@"
    return f"{scheme}://{before}{host}{port or ''}"


def hide_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Text of others without these secrets and without what stands before an @ in a URL."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return _BEARER.sub(r"\1***", _USERINFO.sub(r"\1***@", text))
