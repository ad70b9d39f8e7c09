"""The fast path beside the slow one: two services alike, one of which takes the slow path only, asked for the same bytes."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from wire import LOOK_UP, PAGE, Here, Running, service_here

from service.http.connection import Connection
from service.metrics.exposition import exposition

ORIGIN = "https://shop.example"
KEY_LINES = (
    "Authorization: Bearer {key}",
    "authorization:bearer  {key} ",
    "Authorization: Bearer wrong",
    "Authorization: Basic x",
)

TARGETS = (
    LOOK_UP,
    PAGE,
    f"{PAGE}&title_id=t0&title_id=nope",
    "/v1/users/cold/titles/t2/artwork",
    "/v1/users/cold/artwork?hour=0&title_id=t0&country=NL&title_id=t1",
    "/v1/users/cold/artwork?title_id=t0&title_id=nope&device=tv&country=DE&country=NL",
    "/v1/users/cold/titles/t1/artwork?hour=0&hour=5&campaign=x",
    "/v1/users/cold/titles/t1/artwork?hour=12",
    "/v1/users/cold/artwork?title_id=nope&country=NL",
    "/v1/users/ann/artwork?title_id=nope",
    f"{LOOK_UP}?",
    f"{LOOK_UP}?country=NL&device=tv&campaign=x&hour=23",
)
ODD_TARGETS = (
    *("/v1/users/ann/titles/nope/artwork", "/v1/users/a$/titles/t0/artwork", f"/v1/users/{'a' * 65}/titles/t0/artwork"),
    *(
        f"{LOOK_UP}?hour=24",
        f"{LOOK_UP}?hour=07",
        f"{LOOK_UP}?country=",
        f"{LOOK_UP}?other=1",
        f"{LOOK_UP}?title_id=t0",
    ),
    *("/v1/users/ann/artwork", "/v1/users/ann/artwork?title_id=", "/v1/users/ann/artwork?title_id=%74%30", f"{PAGE}#x"),
    *(
        "/v1/users/../titles/t0/artwork",
        "/v1/users/./artwork?title_id=t0",
        "/v1/users/%61nn/titles/t0/artwork",
        "/livez",
    ),
    *(
        f"http://s{LOOK_UP}",
        f"{LOOK_UP}/",
        f"{LOOK_UP}?country=a b",
        "/v1/users/ann/artwork?" + "&".join(["title_id=t0"] * 201),
    ),
    *(
        "/v1/users/ann/artwork?" + "&".join(["title_id=" + "t" * 64] * 250),
        f"{LOOK_UP}\x01",
        f"{LOOK_UP}\u00e4",
        "*",
        "/nothing",
    ),
)
FIELDS = (
    *(
        "Accept: */*",
        "User-Agent: x",
        "Connection: keep-alive",
        "connection:Keep-Alive",
        "Cookie: a=b",
        f"Origin: {ORIGIN}",
        "X:",
        "X: \t y ",
    ),
    *(
        "X: caf\u00e9",
        "TE: trailers",
        "Accept-Encoding: gzip, deflate",
        "traceparent: 00-ab-cd-01",
        "Content-Type: application/json",
    ),
)
ODD_FIELDS = (
    *(
        "Connection: close",
        "connection:close ",
        "Connection: keep-alive, Close",
        "Connection: Upgrade",
        "Proxy-Connection: close",
        "Connection:",
    ),
    *(
        "Upgrade: websocket",
        "Expect: 100-continue",
        "Expect: x",
        "Content-Length: 0",
        "Content-Length: 3",
        "content-length: 3 ",
        "Trailer: x",
    ),
    *(
        "Content-Length: 3, 3",
        "Content-Length: +3",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "transfer-encoding:\tchunked",
    ),
    *(
        "X: a\r\n b",
        "X: a\r\n transfer-encoding: chunked",
        "X: a\r\n\tcontent-length: 3",
        "X : a",
        " X: a",
        "X",
        ": x",
        "X: a\0",
        "X: \x7f",
    ),
    *(
        "X: a\nY: b",
        "X: a\rY: b",
        "X(y): a",
        "Host: t",
        "Host: s",
        "Transfer-Encoding : chunked",
        "Content-Length\t: 3",
        f"Origin: {ORIGIN} ",
    ),
    *(
        "Origin: https://other.example",
        "HTTP2-Settings: x",
        "Keep-Alive: timeout=1",
        "X: " + "x" * 70_000,
        "Proxy-Connection: keep-alive",
    ),
)
BEHIND = (b"", b"\r\n", b"abc", b"0\r\n\r\n", b"GET", b"\0", b"GET / HTTP/1.1\r\nHost: s", b"\r\n\r\n\r\n")


class SlowOnly(Connection):
    """Leaves every look-up to the parser."""

    def take(self, data: bytes, at: int) -> int:  # noqa: ARG002
        return at


@dataclass(frozen=True)
class Twins:
    """Both services, on one loop each."""

    fast: Here
    slow: Here

    def answers(self, pieces: Sequence[bytes], *, half_close: bool) -> tuple[bytes, bytes]:
        """All that either sends to these bytes until it closes; it is given no more to read after them."""
        return tuple(
            here.run(_exchange(here.running, pieces, half_close=half_close)) for here in (self.fast, self.slow)
        )  # type: ignore[return-value]

    def counted(self) -> tuple[list[str], list[str]]:
        """What either has counted, times aside."""
        return tuple(_counts(here.running) for here in (self.fast, self.slow))  # type: ignore[return-value]


@contextmanager
def twins(**settings: Any) -> Iterator[Twins]:
    """Two services with the same settings."""
    with service_here(**settings) as fast, service_here(SlowOnly, **settings) as slow:
        yield Twins(fast, slow)


async def _exchange(running: Running, pieces: Sequence[bytes], *, half_close: bool) -> bytes:
    reader, writer = await running.connect()
    with suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if half_close:
            writer.write_eof()
    received = b""
    with suppress(ConnectionError):
        received = await reader.read()
    writer.close()
    return received


def _counts(running: Running) -> list[str]:
    text = exposition(running.service.metrics.blocks).decode()
    names = ("artwork_requests_total", "artwork_request_seconds_count", "artwork_picks_total", "artwork_row_errors")
    return [line for line in text.splitlines() if line.startswith(names)]


def draw_request(chance: random.Random, keys: Sequence[str], odd_share: float) -> bytes:
    """One head, plain or nearly, with what its fields announce behind it or not."""
    odd = chance.random() < odd_share
    target = chance.choice(ODD_TARGETS if odd and chance.random() < 0.4 else TARGETS)
    method = chance.choice(("HEAD", "POST", "get", "OPTIONS")) if odd and chance.random() < 0.15 else "GET"
    version = (
        chance.choice(("HTTP/1.0", "HTTP/1.2", "http/1.1", "HTTP/1.1 "))
        if odd and chance.random() < 0.1
        else "HTTP/1.1"
    )
    fields = [chance.choice(FIELDS) for _ in range(chance.randrange(4))]
    if odd and chance.random() < 0.6:
        fields.append(chance.choice(ODD_FIELDS))
    if keys and chance.random() < 0.8:
        fields.append(chance.choice(KEY_LINES).format(key=chance.choice(keys)))
    if not (odd and chance.random() < 0.05):
        fields.append(chance.choice(("Host: s", "host:s", "Host: [::1]:80", "HOST: s.example:8000")))
    chance.shuffle(fields)
    end = "\n" if odd and chance.random() < 0.05 else "\r\n"
    head = end.join((f"{method} {target} {version}", *fields, "", "")).encode("latin-1")
    # A body that breaks off takes its request with it, or not, by whether it was answered by then: so bodies are whole.
    announced = {field.lower().replace(" ", "").replace("\t", "") for field in fields}
    if "transfer-encoding:chunked" in announced:
        return head + b"0\r\n\r\n"
    if "content-length:3" in announced:
        return head + b"abc"
    return head + (chance.choice(BEHIND) if odd and chance.random() < 0.3 else b"")


def draw_pieces(chance: random.Random, requests: int, keys: Sequence[str] = (), odd_share: float = 0.4) -> list[bytes]:
    """Requests one behind the other, cut anywhere, the last of which ends the connection."""
    data = b"".join(draw_request(chance, keys, odd_share) for _ in range(requests))
    data += b"GET /livez HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"
    cuts = sorted(chance.randrange(len(data)) for _ in range(chance.choice((0, 0, 0, 1, 2, 5))))
    return [data[start:end] for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True) if start < end]
