"""What is plain: exactly one look-up without a body, on a connection that stays open, with nothing left to interpret."""

import pytest
from wire import LOOK_UP, PAGE, request

from service.http.plain import PlainPage, plain_request, plain_titles

SHOP = frozenset((b"https://shop.example",))

PLAIN = [
    request(),
    request(PAGE),
    request(f"{LOOK_UP}?"),
    request(f"{LOOK_UP}?hour=3&country=NL"),
    *(
        request(LOOK_UP, field)
        for field in (
            "Connection: keep-alive",
            "connection:Keep-Alive ",
            "Proxy-Connection: keep-alive",
            "Keep-Alive: timeout=5",
            "X:",
            "X: \t y",
            "X: caf\u00e9",
            "Authorization: Bearer x",
            "Origin: https://shop.example",
            "TE: trailers",
            "Cookie: a=b; c=d",
            "Content-Type: application/json",
            "Accept-Encoding: gzip",
            "X-Expect: 1",
            "Upgraded: no",
            "Via: 1.1 x",
        )
    ),
    *(request(host=host) for host in ("[::1]:8000", "s:80", "s.example")),
    request().replace(b"Host: s", b"HOST:s"),
]

NOT_PLAIN = [
    b"",
    request()[:-1],
    request()[:-2],
    request()[:20],
    b"\r\n" + request(),
    request() + b"\r\n",
    *(
        request(LOOK_UP, field)
        for field in (
            "Connection: close",
            "connection:close",
            "Connection: foo, Close",
            "Connection: keep-alive, close",
            "Connection: upgrade",
            "Connection:",
            "Proxy-Connection: close",
            "Content-Length: 0",
            "content-length:4",
            "CONTENT-LENGTH: 4",
            "Transfer-Encoding: chunked",
            "Transfer-encoding:\tidentity",
            "Trailer: x",
            "Expect: 100-continue",
            "Expect: x",
            "Upgrade: websocket",
            "HTTP2-Settings: x",
            "X: a\r\n b",
            "X: a\r\n transfer-encoding: chunked",
            "X: a\r\n\tcontent-length: 5",
            "X : a",
            " X: a",
            "X",
            ": x",
            "X: a\0b",
            "X: a\x7fb",
            "X: a\nY: b",
            "X: a\rY: b",
            "X: a\n\nGET / HTTP/1.1",
            "Host: t",
            "Host: s",
            "X\u00e9: a",
            "X(y): a",
            "Content-Length : 4",
            "Transfer-Encoding\t: chunked",
        )
    ),
    *(request(version=version) for version in ("1.0", "0.9", "1.2", "2.0", "1.1 ", " 1.1")),
    *(request(method=method) for method in ("POST", "HEAD", "get", "Get", " GET", "GET ")),
    *(request(host=host) for host in ("", "a b", "a/b", "s:http", "\u00e4")),
    *(
        request(target)
        for target in (
            "/readyz",
            "/v1/events",
            "http://s" + LOOK_UP,
            LOOK_UP + "#x",
            LOOK_UP + "?title_id=t0#x",
            LOOK_UP + "/",
            LOOK_UP + "?a b",
            "/V1" + LOOK_UP[3:],
            "/v1/users/%61nn/titles/t0/artwork",
            "/v1/users/a$/titles/t0/artwork",
            "/v1/users//titles/t0/artwork",
            "/v1/users/./titles/t0/artwork",
            "/v1/users/ann/titles/../artwork",
            "/v1/users/" + "a" * 65 + "/artwork",
            "/v1/users/ann/artworks",
            "//v1/users/ann/artwork",
            LOOK_UP + "\t",
            LOOK_UP + "?\u00e4",
        )
    ),
    request().replace(b"\r\n", b"\n"),
    request().replace(b"\r\nHost", b"\nHost"),
    request().replace(b" HTTP", b"\tHTTP"),
    request().replace(b" HTTP", b"  HTTP"),
    request().replace(b"HTTP/1.1\r\n", b"HTTP/1.0\r\nA: HTTP/1.1\r\n"),
    request().replace(b"HTTP/1.1\r\n", b"HTTP/1.0\r\nContent-Length: 4\r\nA: x HTTP/1.1\r\nB: c\r\n"),
]


@pytest.mark.parametrize("head", PLAIN, ids=[str(head[24:90]) for head in PLAIN])
def test_a_head_that_asks_for_a_look_up_and_nothing_else_is_plain(head: bytes) -> None:
    asked = plain_request(head, SHOP)
    assert asked is not None
    assert asked.user_id == b"ann"
    assert isinstance(asked, PlainPage) if b"title_id" in head else asked == (b"ann", b"t0", *asked[2:])


@pytest.mark.parametrize("head", NOT_PLAIN, ids=[str(head[:90]) for head in NOT_PLAIN])
def test_everything_else_is_not(head: bytes) -> None:
    assert plain_request(head, SHOP) is None


@pytest.mark.parametrize("query", [b"a&b", b"title_id", b"hour=5x", b"country=a+b", b"x=1&title_id=t"])
def test_a_query_of_anything_else_is_not_plain(query: bytes) -> None:
    assert plain_titles(query) is None or plain_titles(query) == [b""]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ([], b"vary: Origin\r\n"),
        (["Origin: https://other.example"], b"vary: Origin\r\n"),
        (["Origin: https://shop.example"] * 2, b"vary: Origin\r\n"),
        (
            ["Origin: https://shop.example"],
            (
                b"vary: Origin\r\naccess-control-allow-origin: https://shop.example\r\n"
                b"access-control-expose-headers: Retry-After, WWW-Authenticate\r\n"
            ),
        ),
    ],
)
def test_a_page_is_told_whether_it_may_read_the_answer(fields: list[str], told: bytes) -> None:
    asked = plain_request(request(LOOK_UP, *fields), SHOP)
    assert asked is not None
    assert asked.fields.told == told


def test_without_allowed_origins_nothing_is_told() -> None:
    asked = plain_request(request(LOOK_UP, "Origin: https://shop.example"), frozenset())
    assert asked is not None
    assert asked.fields.told == b""


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ([], b""),
        (["Authorization: Bearer x"], b"Bearer x"),
        (["AUTHORIZATION:bearer  x\t"], b"bearer  x\t"),
        (["Authorization: Bearer x", "Authorization: Bearer x"], b""),
    ],
)
def test_of_two_keys_none_counts(fields: list[str], key: bytes) -> None:
    asked = plain_request(request(LOOK_UP, *fields), SHOP)
    assert asked is not None
    assert asked.fields.authorization == key
