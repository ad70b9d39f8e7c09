"""Pictures of the page for README and docs, of a demo that plays for them: ``make screenshots``.

.venv/bin/python tests/browser/screenshots.py FOLDER
"""

import sys
import tempfile
from base64 import b64decode
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browsing import Demo, browser_path, running_demo

MAX_BYTES = 200_000
DAYS = 8
"""Days that are played before, half of them explore data: with them the page has something to tell."""


@dataclass(frozen=True)
class Shot:
    """A picture: its name, the page, what is done there, how large it is and in which theme."""

    name: str
    path: str
    act: Callable[[Any], None]
    size: tuple[int, int] = (1280, 800)
    theme: str = "dark"


def rows(page: Any) -> None:
    """Wait for artwork."""
    page.wait_for_selector(".rows[aria-busy=false] .card-art[data-artwork] img")
    page.wait_for_timeout(1500)


def side_by_side(page: Any) -> None:
    """Two people, where they differ."""
    page.wait_for_selector(".card.pair.differs img")
    page.wait_for_timeout(1500)


def card(page: Any) -> None:
    """What a card tells."""
    rows(page)
    page.locator(".row:first-child .card-art").nth(2).hover()
    page.wait_for_selector(".peek .chance img")
    page.wait_for_timeout(800)


def drawer(page: Any) -> None:
    """Why this one."""
    rows(page)
    page.locator(".row:first-child .card-art").nth(1).focus()
    page.keyboard.press("w")
    page.wait_for_selector("[data-table=artworks] tbody tr")
    page.wait_for_timeout(800)


def guess(page: Any) -> None:
    """The game, after an answer."""
    rows(page)
    page.click("text=Guess the best")
    page.wait_for_selector(".choice:enabled img")
    page.keyboard.press("2")
    page.wait_for_selector(".choice.best")
    page.wait_for_timeout(500)


def tour_step(page: Any) -> None:
    """A step of the tour whose live part has come."""
    page.wait_for_selector(".tour-live")
    page.wait_for_timeout(5000)


def store_stopped(page: Any) -> None:
    """The control room after the store was stopped, with what came of it."""
    page.wait_for_selector(".watched-poster img")
    page.wait_for_timeout(20_000)
    page.click("[data-action=store-stop]")
    page.wait_for_function("() => document.querySelector('.mark-effect')?.textContent.includes('popularity')")
    page.wait_for_timeout(4000)


SHOTS = (
    Shot("page-browse", "/#user={0}", rows),
    Shot("page-browse-light", "/#user={0}", rows, theme="light"),
    Shot("page-browse-phone", "/#user={0}", rows, (390, 844)),
    Shot("page-side-by-side", "/#user={0}&with={1}", side_by_side),
    Shot("page-card", "/#user={0}", card),
    Shot("page-why", "/#user={0}", drawer),
    Shot("page-guess", "/", guess),
    Shot("page-tour", "/tour#step=4", tour_step),
    Shot("page-control", "/control", store_stopped, (1440, 1600)),  # last: it leaves the store as it is
)


def main(folder: Path, names: Collection[str]) -> None:
    """Take the pictures of these names, or all.

    Raises:
        SystemExit: one is larger than ``MAX_BYTES``.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - pytest imports every file of tests, also without it

    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        playwright = stack.enter_context(sync_playwright())
        demo = stack.enter_context(running_demo(Path(scratch), "--users", "400", "--titles", "150", "--pace", "3"))
        demo.press("play")
        demo.wait("some days are over", lambda live: len(live["days"]) >= DAYS, seconds=600)
        demo.press("pace", seconds_per_day=120)
        demo.wait("people visit", lambda live: live["phase"] == "visits")
        people = two_people(demo)
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox", "--disable-gpu"])
        for shot in [shot for shot in SHOTS if not names or shot.name in names]:
            width, height = shot.size
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=shot.theme)
            page = context.new_page()
            page.goto(demo.address)
            page.goto(demo.origin + shot.path.format(*people))
            page.reload()
            shot.act(page)
            write(folder / f"{shot.name}.webp", page, context)
            context.close()
        browser.close()


def two_people(demo: Demo) -> tuple[str, str]:
    """Somebody whose first row is long, and somebody with another taste."""
    users = [user for user in demo.get("/users?limit=60")["users"] if len(user["likes"]) == 3]
    first = max(users, key=lambda user: len(demo.get(f"/rows/{user['user_id']}")["rows"][0]["title_ids"]))
    likes = {like["words"] for like in first["likes"]}
    second = next(user for user in users if not likes & {like["words"] for like in user["likes"]})
    return first["user_id"], second["user_id"]


def write(path: Path, page: Any, context: Any) -> None:
    """Write what the page shows as WebP, which the browser itself makes.

    Raises:
        SystemExit: it is too large.
    """
    session = context.new_cdp_session(page)
    for quality in (90, 80, 70, 60):
        shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": quality})
        picture = b64decode(shot["data"])
        if len(picture) <= MAX_BYTES:
            path.write_bytes(picture)
            print(f"{path}: {len(picture) / 1000:.0f} kB")
            return
    raise SystemExit(f"{path} has {len(picture)} bytes, more than {MAX_BYTES}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
