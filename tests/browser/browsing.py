"""A demo that runs for browser tests, and a visit to its page."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import CONFLICT
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

START_SECONDS = 300.0
WAIT_MS = 30_000
"""A guard against what never comes; what these tests wait for comes in a second or two on a machine that is not loaded."""
FALLBACK = ":is([data-source=popularity], [data-source=segment])"
"""What shows an answer without the user's row: by the segment of whoever sends signals, by popularity for others."""
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\?token=\S+")


def browser_path() -> str | None:
    """The Chromium of the system; None where there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@dataclass(frozen=True)
class Demo:
    """A demo that is watched."""

    address: str
    workspace: Path

    @property
    def origin(self) -> str:
        """Of its page."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def _cookie(self) -> str:
        return f"artwork_{urlsplit(self.address).port}={self.address.partition('token=')[2]}"

    def get(self, path: str) -> Any:
        """What the controller answers below /api."""
        return self._asked(Request(f"{self.origin}/api{path}", headers={"Cookie": self._cookie}))  # noqa: S310 - loopback

    def press(self, action: str, **values: Any) -> Any:
        """Press a control, as the page does."""
        headers = {"Cookie": self._cookie, "Origin": self.origin, "Content-Type": "application/json"}
        body = json.dumps(values).encode()
        return self._asked(Request(f"{self.origin}/api/control/{action}", body, headers))  # noqa: S310 - loopback

    def _asked(self, request: Request) -> Any:
        with urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def live(self) -> Any:
        """The newest figures."""
        return self.get("/live.json")

    def mend(self) -> None:
        """Bring the store back if it is not, and wait until it answers."""
        if self.live()["store"]["state"] in {"stopped", "frozen", "slow"}:
            try:
                self.press("store-back")
            except HTTPError as error:  # the page that is tested may have brought it back since the figures were made
                if error.code != CONFLICT:
                    raise
        self.wait("the store is up", lambda live: live["store"]["state"] == "up")

    def wait(self, until: str, is_so: Any, seconds: float = START_SECONDS) -> Any:
        """The figures once they are so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            live = self.live()
            if is_so(live):
                return live
            time.sleep(0.2)
        raise AssertionError(f"after {seconds:.0f} s still not: {until}; {live}")


@contextmanager
def running_demo(folder: Path, *words: str, env: dict[str, str] | None = None) -> Iterator[Demo]:
    """A demo in a process of its own, paused on a day on which picks of a learned policy are served."""
    log = folder / "demo.log"
    command = [
        sys.executable, "-P", "-m", "artwork.cli", "demo", "--workspace", str(folder / "ws"), "--port", "0",
        "--users", "100", "--titles", "24", "--days", "300", "--pace", "20", *words,
    ]  # fmt: skip
    # A pick that comes late is a fallback. Here a browser, a demo and a service share the machine's cores.
    settings = os.environ | {"ARTWORK_STORE_DEADLINE_MS": "200"} | (env or {})
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=settings)
    try:
        demo = Demo(_address(process, log), folder / "ws")
        demo.wait("a live day is played", lambda live: live["phase"] == "visits")
        demo.press("pause")
        demo.wait("it is paused", lambda live: live["phase"] == "paused")
        yield demo
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        printed = _ADDRESS.search(log.read_text())
        if printed:
            return printed[0]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"the demo printed no address:\n{log.read_text()}")


class Visit:
    """A page of the demo in a browser context of its own, with what went wrong in it."""

    def __init__(self, context: Any, demo: Demo) -> None:
        context.set_default_timeout(WAIT_MS)
        self.context, self.demo = context, demo
        self.page = context.new_page()
        self.wrong: list[str] = []
        self.asked: set[str] = set()
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("console", self._note)
        context.on("request", lambda request: self.asked.add(_origin(request.url)))

    def _note(self, message: Any) -> None:
        # A service that was stopped on purpose refuses connections, which the browser tells by itself.
        if message.type == "error" and "net::ERR" not in message.text and "Failed to load resource" not in message.text:
            self.wrong.append(message.text)

    def open(self, path: str = "/") -> None:
        """Open the address that the command printed, then a path."""
        self.page.goto(self.demo.address)
        if path != "/":
            self.page.goto(self.demo.origin + path)

    def rows(self) -> None:
        """Wait until the first row's artworks are there."""
        self.page.wait_for_selector(".rows[aria-busy=false] .card-art[data-artwork] img")

    def wait(self, script: str, argument: Any = None) -> Any:
        """Wait until a function of the page gives something true."""
        return self.page.wait_for_function(script, arg=argument).json_value()

    def end(self) -> None:
        """Close it; nothing may have gone wrong, and nothing but the page and its service may have been asked."""
        self.context.close()
        own = {self.demo.origin, _origin(self.demo.get("/session")["service"]), "data:", "blob:"}
        assert self.wrong == []
        assert self.asked <= own


class VisitMaker:
    """Opens a page of the demo in a browser context of its own."""

    def __init__(self, browser: Any, demo: Demo, stack: ExitStack) -> None:
        self._browser, self._demo, self._stack = browser, demo, stack

    def __call__(self, path: str = "/", **options: Any) -> Visit:
        """Open a path of the page, with options of Playwright's contexts."""
        context = self._browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        opened = Visit(context, self._demo)
        self._stack.callback(opened.end)
        opened.open(path)
        return opened


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
