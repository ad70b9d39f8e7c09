"""What may be refused without being parsed: exactly one plain look-up on a connection that stays open."""

import pytest

from service.shedding import is_plain

HEAD = b"GET /v1/users/u/titles/t/artwork HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("rest", [b"\r\n", b"Connection: keep-alive\r\n\r\n", b"Authorization: Bearer x\r\n\r\n"])
def test_a_head_that_asks_for_a_look_up_is_plain(rest: bytes) -> None:
    assert is_plain(HEAD + rest)


@pytest.mark.parametrize(
    "data",
    [
        HEAD,
        HEAD[:20],
        HEAD + b"\r\n" + HEAD + b"\r\n",
        HEAD + b"\r\nGET",
        HEAD + b"Connection: close\r\n\r\n",
        HEAD + b"connection:close\r\n\r\n",
        HEAD + b"Connection: foo, Close\r\n\r\n",
        HEAD + b"Content-Length: 4\r\n\r\n",
        HEAD + b"content-length: 4\r\n\r\nbody",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\n\r\n",
        HEAD + b"Upgrade: websocket\r\n\r\n",
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n",
        HEAD.replace(b"GET", b"POST") + b"\r\n",
        HEAD.replace(b"/v1/users/", b"/readyz?") + b"\r\n",
        b"",
    ],
)
def test_everything_else_is_not(data: bytes) -> None:
    assert not is_plain(data)
