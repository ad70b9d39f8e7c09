"""A page of somebody else in the same browser, on another port of this machine, gets nothing and presses nothing."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from browsing import WAIT_MS
from web_stage import TOKEN, NotedStage, nowhere

from artwork.web.serving import bind_page, page_server

ATTACKS = """async (target) => {
  const outcomes = {};
  const attempt = async (name, act) => {
    try { outcomes[name] = String(await act()) || "let through"; } catch { outcomes[name] = "refused"; }
  };
  const loaded = (tag, source) => new Promise((resolve, reject) => {
    const element = document.createElement(tag);
    element.onload = () => resolve("loaded"); element.onerror = reject; element.src = source;
    document.body.append(element);
  });
  const heard = (source) => new Promise((resolve, reject) => {
    source.onopen = () => resolve("open"); source.onerror = reject;
  });
  const cookies = { credentials: "include" };
  const press = { ...cookies, method: "POST", body: "{}" };
  await attempt("read", async () => (await fetch(`${target}/api/session`, cookies)).text());
  await attempt("read unseen", () => fetch(`${target}/api/session`, { ...cookies, mode: "no-cors" }));
  await attempt("press", async () => (await fetch(`${target}/api/control/play`, press)).text());
  await attempt("press unseen", () => fetch(`${target}/api/control/play`, { ...press, mode: "no-cors" }));
  await attempt("script", () => loaded("script", `${target}/api/session`));
  await attempt("module", () => loaded("script", `${target}/static/app/dom.js`));
  await attempt("image", () => loaded("img", `${target}/static/icon.svg`));
  await attempt("events", () => heard(new EventSource(`${target}/api/live`, { withCredentials: true })));
  await attempt("socket", () => heard(new WebSocket(`${target.replace("http", "ws")}/api/live`)));
  navigator.sendBeacon(`${target}/api/control/play`, "{}");
  return outcomes;
}"""
FORM = """(target) => {
  document.body.innerHTML = `<iframe name="hidden"></iframe><form method="post" target="hidden"></form>`;
  document.forms[0].action = `${target}/api/control/play`;
  document.forms[0].submit();
}"""

FRAME = "(target) => { document.body.innerHTML = `<iframe src='${target}/'></iframe>`; }"


class Opened(NamedTuple):
    """The page of a stage, opened in a browser; ``elsewhere`` is the port of somebody else's page."""

    stage: NotedStage
    origin: str
    page: Any
    elsewhere: int


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title><body>")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def opened(browser: Any) -> Iterator[Opened]:
    stage = nowhere()
    with bind_page(0) as listener, page_server(stage, listener) as origin:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
        Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context()
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.goto(f"{origin}/?token={TOKEN}")
        yield Opened(stage, origin, page, server.server_address[1])
        context.close()
        server.shutdown()
        server.server_close()


def test_the_key_leaves_the_address_and_no_script_can_read_it(opened: Opened) -> None:
    assert urlsplit(opened.page.url).query == ""
    assert opened.page.evaluate("document.cookie") == ""
    assert TOKEN not in opened.page.evaluate("document.referrer + document.documentElement.outerHTML")
    assert opened.page.evaluate("fetch('/api/session').then((answer) => answer.status)") == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_page_of_another_port_is_refused_whatever_it_tries(opened: Opened, host: str) -> None:
    opened.page.goto(f"http://{host}:{opened.elsewhere}/")
    outcomes = opened.page.evaluate(ATTACKS, opened.origin)
    assert outcomes == dict.fromkeys(outcomes, "refused")
    assert len(outcomes) == 9
    with opened.page.expect_response(lambda answer: answer.request.method == "POST") as posted:
        opened.page.evaluate(FORM, opened.origin)
    assert posted.value.status in {401, 403}
    assert opened.stage.pressed == []


def test_a_page_elsewhere_cannot_frame_the_page(opened: Opened) -> None:
    opened.page.goto(f"http://127.0.0.1:{opened.elsewhere}/")
    with opened.page.expect_event(
        "framenavigated", lambda frame: frame.parent_frame and frame.url != "about:blank"
    ) as shown:
        opened.page.evaluate(FRAME, opened.origin)
    assert not shown.value.url.startswith(opened.origin)
