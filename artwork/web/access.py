"""Who may see the page: whoever opened the address that the command printed, from the page's own origin."""

import secrets
from base64 import b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.problems import problem

PAGES: Final = ("/", "/control", "/tour")
TOKEN: Final = "token"  # noqa: S105 - the name of a parameter
MAX_QUERY_BYTES: Final = 4096
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_READING: Final = ("GET", "HEAD")
_OWN_FETCHES: Final = ("same-origin", "none")
"""What a browser says of a request of the page itself, and of an address that was typed."""
_STYLE: Final = (
    "body{margin:15vh auto;max-width:34rem;padding:0 1.5rem;font:1.1rem/1.6 system-ui;color-scheme:dark light}"
)
_LOCKED: Final = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Artwork</title>
<style>{_STYLE}</style>
<h1>This page needs its key</h1>
<p>Open the address that the command printed, with everything after <code>?token=</code>. A new run has a new one.</p>
</html>
"""
_LOCKED_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Access:
    """Lets only requests with the token through, and gives every answer the headers that keep it in this page.

    The first request brings the token in its query and is sent on without it, with a cookie of this port. Other servers on
    this machine's loopback are other origins but the same site to a browser, so the cookie alone proves nothing: what changes
    something needs the page's own ``Origin``, and data are refused to requests that another page makes. ``Host`` must be a
    loopback name with this port, so that no name of somebody else's can be pointed here.
    """

    def __init__(self, app: ASGIApp, token: str, policy: Callable[[], str]) -> None:
        self._app = app
        self._token = token.encode()
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on to the application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            answer = self._refusal(scope)
            await (answer or self._app)(scope, receive, self._guarded(send, is_refusal=answer is not None))
        # A websocket is closed by the server: nothing here speaks it.

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that goes no further; None for one that does."""
        headers, port = Headers(scope=scope), scope["server"][1]
        if _only(headers, "host") not in _hosts(port):
            return problem(421, "This page answers to 127.0.0.1 and localhost with its port alone.", "other-host")
        if len(scope["query_string"]) > MAX_QUERY_BYTES:
            return problem(414, f"The query may have {MAX_QUERY_BYTES} bytes at most.", "query-too-long")
        is_page = scope["path"] in PAGES and scope["method"] in _READING
        given = parse_qs(scope["query_string"].decode("latin-1")).get(TOKEN, [])
        if is_page and given:
            return self._opened(scope["path"], port) if self._is_token(given[-1].encode()) else _locked()
        if not self._is_token(cookie_parser(headers.get("cookie", "")).get(_cookie(port), "").encode()):
            return _locked() if is_page else problem(401, "Open the address that the command printed.", "locked")
        if _is_of_another_page(headers, scope["method"], is_page=is_page):
            return problem(403, "Only the page itself may ask for this.", "other-origin")
        return None

    def _opened(self, path: str, port: int) -> Response:
        answer = RedirectResponse(path, 303)
        answer.set_cookie(_cookie(port), self._token.decode(), path="/", httponly=True, samesite="strict")
        return answer

    def _is_token(self, given: bytes) -> bool:
        return secrets.compare_digest(given, self._token)

    def _guarded(self, send: Send, *, is_refusal: bool) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers["Content-Security-Policy"] = _LOCKED_POLICY if is_refusal else self._policy()
                if is_refusal:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        return guarded


def _is_of_another_page(headers: Headers, method: str, *, is_page: bool) -> bool:
    """Whether a page of another origin asks: on loopback that is the same site, so its requests carry the cookie."""
    if method not in _READING and _only(headers, "origin") != f"http://{headers['host']}":
        return True
    return not is_page and headers.get("sec-fetch-site", "none") not in _OWN_FETCHES


def content_policy(service: str, image_hosts: Sequence[str]) -> str:
    """The Content-Security-Policy of the pages: their own files, the service's answers, images of some hosts."""
    images = " ".join(["'self'", *image_hosts])
    connect = " ".join(filter(None, ["'self'", service]))
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; connect-src {connect};"
        " font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def new_token() -> str:
    """The key of a run: 192 bits that nobody can guess."""
    return secrets.token_urlsafe(24)


def _only(headers: Headers, name: str) -> str:
    """A field's value; empty where there is none, or more than one."""
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def _hosts(port: int) -> list[str]:
    return [f"{name}:{port}" for name in _LOOPBACK] + (list(_LOOPBACK) if port == 80 else [])


def _cookie(port: int) -> str:
    """Cookies are shared by all ports of a host: each page has one of its own."""
    return f"artwork_{port}"


def _locked() -> Response:
    return HTMLResponse(_LOCKED, 401)
