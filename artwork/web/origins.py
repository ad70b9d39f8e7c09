"""Origins: of the service that the page asks, of images that it may show, and of the page itself at the service."""

import http.client
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from bandit.errors import InputError

_TIMEOUT_SECONDS: Final = 2.0
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_LAST_PORT: Final = 65_535
# What may stand in a Content-Security-Policy: nothing else that comes from outside gets there.
_origin: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(?P<port>:[1-9][0-9]{0,4})?"
).fullmatch


def read_origin(text: str, name: str, example: str) -> str:
    """An origin as browsers write it, from its text, which may have a slash at its end.

    Args:
        text: what was given.
        name: what messages call it.
        example: of what was expected.

    Raises:
        InputError: it is none.
    """
    given = text.strip().removesuffix("/").lower()
    match = _origin(given)
    if match is None or int((match["port"] or ":1")[1:]) > _LAST_PORT:
        raise InputError(
            f"{name} is {text[:200]!a}, expected a scheme, a host and a port, such as {example}, without a user or a path"
        )
    return given.removesuffix(_DEFAULT_PORTS[match["scheme"]])


def read_image_hosts(texts: Iterable[str]) -> tuple[str, ...]:
    """The origins whose images may be shown: each text is one or several, comma separated; a host alone is asked by HTTPS.

    Raises:
        InputError: one is no host and no origin.
    """
    words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    origins = (word if "://" in word else f"https://{word}" for word in words)
    return tuple(dict.fromkeys(read_origin(word, "--image-host", "https://images.example") for word in origins))


def refusal_of(service: str, page: str) -> str | None:
    """Why a page of an origin could not ask the service; None where it can.

    Args:
        service: the service's origin.
        page: the page's origin.
    """
    parts = urlsplit(service)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("OPTIONS", "/v1/events", headers={"Origin": page, "Access-Control-Request-Method": "POST"})
        answer = connection.getresponse()
        allowed = answer.headers.get("Access-Control-Allow-Origin")
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return f"the service at {service} does not answer ({why}); start it, and the page goes on by itself"
    finally:
        connection.close()
    if allowed in {page, "*"}:
        return None
    return f"the service at {service} does not let this page ask it: start it with ARTWORK_ALLOWED_ORIGINS={page}"
