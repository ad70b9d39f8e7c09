"""The browse page: whom it shows artwork to, what changes, what a play does, and what is said of a pick."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from browsing import FALLBACK, Demo, Visit, VisitMaker


def opened(visit: VisitMaker, fragment: str = "", **options: Any) -> Visit:
    """The browse page with its first row."""
    page = visit("/", **options)
    if fragment:
        page.page.goto(f"{page.demo.origin}/#{fragment}")
        page.page.reload()
    page.rows()
    return page


def artworks(page: Visit) -> dict[str, str]:
    """The artworks of the first row by title."""
    shown = page.page.evaluate(
        "() => [...document.querySelectorAll('.row:first-child .card')]"
        ".map((card) => [card.dataset.title, card.querySelector('.card-art').dataset.artwork])"
    )
    return dict(shown)


def two_people_apart(demo: Demo) -> tuple[str, str]:
    """Two people whose tastes have nothing in common."""
    users = demo.get("/users?limit=100")["users"]
    first = next(user for user in users if user["likes"])
    likes = {like["words"] for like in first["likes"]}
    second = next(user for user in users if user["likes"] and not likes & {like["words"] for like in user["likes"]})
    return first["user_id"], second["user_id"]


def test_another_person_sees_other_artworks_of_the_same_titles(visit: VisitMaker, demo: Demo) -> None:
    first, second = two_people_apart(demo)
    page = opened(visit, f"user={first}")
    before = artworks(page)
    page.page.fill(".finder-field", second)
    page.page.click(f".finder-option:has-text('{second}')")
    page.page.wait_for_selector(f".card-art[data-user='{second}'] img")
    together = opened(visit, f"user={first}&with={second}")
    together.wait("() => document.querySelectorAll('.card.pair.differs').length > 0")
    assert before
    assert second in page.page.inner_text("h1")


def test_two_people_side_by_side_have_their_differences_marked(visit: VisitMaker, demo: Demo) -> None:
    first, second = two_people_apart(demo)
    page = opened(visit, f"user={first}&with={second}")
    page.page.wait_for_selector(".card.pair")
    pairs = page.page.evaluate(
        "() => [...document.querySelectorAll('.row:first-child .card.pair')].map((card) => ["
        "...[...card.querySelectorAll('.card-art')].map((art) => art.dataset.artwork),"
        " card.querySelector('.card-differs').textContent])"
    )
    assert [marked for *_, marked in pairs] == ["same" if one == other else "differs" for one, other, _ in pairs]
    assert "differs" in {marked for *_, marked in pairs}


def test_a_row_is_one_page_call_and_tells_its_time(visit: VisitMaker) -> None:
    page = visit("/")
    calls: list[str] = []
    page.page.on("request", lambda request: calls.append(request.url) if "/v1/users/" in request.url else None)
    page.page.reload()
    page.rows()
    first = page.page.locator(".row:first-child .card").count()
    assert calls[0].count("title_id=") == first
    assert re.search(r"one call, [\d.]+ ms", page.page.inner_text(".row:first-child .row-time"))


def test_somebody_new_gets_what_is_popular(visit: VisitMaker) -> None:
    page = opened(visit)
    page.page.click("summary:has-text('New person')")
    page.page.select_option("select[aria-label=From]", "JP")
    page.page.select_option("select[aria-label=On]", "mobile")
    page.page.click("text=Show what they see")
    page.page.wait_for_selector(".card-art[data-user^='new-'] img")
    page.rows()
    sources = page.page.eval_on_selector_all(
        ".row:first-child .card-art", "(all) => all.map((art) => art.dataset.source)"
    )
    assert set(sources) <= {"popularity", "segment", "default"}
    assert "Japan" in page.page.inner_text(".audience")
    assert "phone" in page.page.inner_text(".audience")


def test_a_play_moves_the_counter(visit: VisitMaker) -> None:
    page = opened(visit)
    page.page.wait_for_selector(".learned-since")
    before = int(page.page.get_attribute(".learned-since", "data-since") or 0)
    page.page.locator(".row:first-child .card-art").first.click()
    page.page.click("text=Stop here")
    page.page.wait_for_selector("main[data-events='2']")
    page.wait("(before) => Number(document.querySelector('.learned-since')?.dataset.since) >= before + 2", before)
    assert "One impression and one play" in page.page.inner_text(".player")


def test_a_title_that_is_watched_to_its_end_counts_as_a_take(visit: VisitMaker) -> None:
    page = opened(visit)
    page.page.locator(".row:first-child .card-art").nth(1).click()
    page.page.wait_for_selector("text=It counts as a take")


def test_a_card_tells_the_chance_of_every_artwork(visit: VisitMaker, demo: Demo) -> None:
    page = opened(visit)
    card = page.page.locator(".row:first-child .card-art[data-source=personalized]").first
    title = card.evaluate("(art) => art.closest('.card').dataset.title")
    card.hover()
    page.page.wait_for_selector(".peek .chance")
    told = page.page.inner_text(".peek")
    known = next(one for one in demo.get("/catalogue")["titles"] if one["title_id"] == title)
    assert page.page.locator(".peek .chance").count() == len([one for one in known["artworks"] if not one["retired"]])
    assert "Policy" in told
    assert "Generation" in told
    page.page.keyboard.press("Escape")
    page.page.wait_for_selector(".peek", state="hidden")


def test_the_drawer_says_what_the_command_explains(visit: VisitMaker, demo: Demo) -> None:
    page = opened(visit)
    card = page.page.locator(".row:first-child .card-art[data-source=personalized]").first
    user, title = card.get_attribute("data-user"), card.evaluate("(art) => art.closest('.card').dataset.title")
    card.focus()
    page.page.keyboard.press("w")
    page.page.wait_for_selector("[data-table=artworks] tbody tr")
    rows = page.page.eval_on_selector_all(
        "[data-table=artworks] tbody tr", "(all) => all.map((row) => ({...row.dataset}))"
    )
    explained = {one["artwork_id"]: one for one in explain(demo, str(user), title)["artworks"]}
    assert len(rows) == len(explained)
    for row in rows:
        said = explained[row["artwork"]]
        for name in ("weight", "mean", "deviation", "probability", "floor"):
            assert float(row[name]) == pytest.approx(said[name], rel=1e-9, abs=1e-12), (row["artwork"], name)


def explain(demo: Demo, user: str, title: str) -> Any:
    """What ``artwork explain`` says."""
    words = ["explain", "--user", user, "--title", title, "--json", "-w", str(demo.workspace)]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "artwork.cli", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_draw_of_the_drawer_falls_on_the_artwork_that_is_shown(visit: VisitMaker) -> None:
    page = opened(visit)
    page.page.locator(".row:first-child .card-art[data-source=personalized]").first.focus()
    page.page.keyboard.press("w")
    page.page.wait_for_selector(".strip-point")
    point, parts = page.page.eval_on_selector(
        ".strip:has(.strip-point)",
        "(strip) => { const of = (element, name) => Number(element.style.getPropertyValue(name));"
        " return [of(strip.querySelector('.strip-point'), '--left'), [...strip.querySelectorAll('.strip-part')]"
        ".map((part) => [part.title.split(':')[0], of(part, '--left'), of(part, '--share')])]; }",
    )
    shown = page.page.get_attribute("[data-table=artworks] tr.here", "data-artwork")
    assert [name for name, left, share in parts if left <= point < left + share] == [shown]


def test_a_stopped_store_leaves_every_artwork_and_says_where_it_comes_from(visit: VisitMaker, demo: Demo) -> None:
    page = opened(visit)
    page.page.wait_for_selector(".row:first-child .card-art[data-source=personalized]")
    count = page.page.locator(".row:first-child .card-art img").count()
    demo.press("store-stop")
    try:
        page.page.wait_for_selector("text=The store is stopped")
        page.wait("() => !document.querySelector('.row:first-child .card-art[data-source=personalized]')")
        assert page.page.locator(f".row:first-child .card-art{FALLBACK} img").count() >= count
        page.page.click("text=Bring it back")
        page.page.wait_for_selector(".row:first-child .card-art[data-source=personalized]")
        page.page.wait_for_selector("text=The store is stopped", state="hidden")
    finally:
        demo.mend()


def test_keys_move_through_rows_and_titles(visit: VisitMaker) -> None:
    page = opened(visit)
    page.page.wait_for_selector(".row:nth-child(2) .card-art[data-artwork]")
    place = (
        "() => { const card = document.activeElement.closest('.card'); const row = card.closest('.row');"
        " return [[...row.parentNode.children].indexOf(row), [...card.parentNode.children].indexOf(card)]; }"
    )
    page.page.locator(".row:first-child .card-art").first.focus()
    places = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "4", "Home"):
        page.page.keyboard.press(key)
        places.append(page.page.evaluate(place))
    assert places == [[0, 1], [0, 2], [0, 1], [1, 1], [0, 1], [0, 3], [0, 0]]
    assert page.page.locator(".card-art[tabindex='0']").count() == page.page.locator(".row").count()


def test_escape_closes_the_drawer_and_gives_the_focus_back(visit: VisitMaker) -> None:
    page = opened(visit)
    card = page.page.locator(".row:first-child .card-art").nth(2)
    card.focus()
    page.page.keyboard.press("w")
    page.page.wait_for_selector(".drawer[open]")
    page.page.keyboard.press("Escape")
    page.page.wait_for_selector(".drawer", state="hidden")
    assert card.evaluate("(art) => art === document.activeElement")


def test_an_address_opens_the_same_people_again(visit: VisitMaker, demo: Demo) -> None:
    first, second = two_people_apart(demo)
    page = opened(visit, f"user={first}&with={second}")
    assert page.page.locator(".person").count() == 2
    assert first in page.page.inner_text(".person >> nth=0")
    assert second in page.page.inner_text(".person >> nth=1")
    page.page.evaluate("(user) => { location.hash = `user=${user}`; }", second)
    page.page.wait_for_selector(f"h1:has-text('{second}')")


def test_ten_rounds_of_guessing_end_with_a_result(visit: VisitMaker) -> None:
    page = opened(visit)
    page.page.click("text=Guess the best")
    for number in range(10):
        page.page.wait_for_selector(f"text=Round {number + 1} of 10")
        page.page.wait_for_selector(".choice:enabled")
        page.page.keyboard.press("1")
        page.page.wait_for_selector(".choice.best")
        page.page.keyboard.press("Enter")
    page.page.wait_for_selector(".guess-end h3")
    you, bandit = (int(page.page.inner_text(f"[data-score={who}]")) for who in ("you", "bandit"))
    verdict = {1: "You beat the bandit.", 0: "A draw.", -1: "The bandit was better."}[(you > bandit) - (you < bandit)]
    assert page.page.inner_text(".guess-end h3") == verdict


def test_a_night_shows_its_new_picks_without_a_reload(visit: VisitMaker, demo: Demo) -> None:
    page = opened(visit)
    page.page.wait_for_selector(".learned-since")
    before = demo.live()["generation"]
    page.page.click("text=Learn now")
    demo.wait("a night has published", lambda live: live["generation"] > before)
    page.wait(
        "(before) => Number(document.querySelector('.shell-now').textContent.match(/generation (\\d+)/)?.[1]) > before",
        before,
    )
    card = page.page.locator(".row:first-child .card-art").first
    card.hover()
    page.wait(
        "(before) => Number(document.querySelector('.peek-facts div:nth-child(3) dd')?.textContent) > before", before
    )


def test_a_page_without_its_key_says_what_to_open(browser: Any, demo: Demo) -> None:
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(demo.origin)
    assert answer.status == 401
    assert "Open the address that the command printed" in page.inner_text("body")
    context.close()


def test_the_page_says_so_when_the_demo_is_gone(visit: VisitMaker) -> None:
    page = opened(visit)
    page.context.set_offline(True)
    page.page.click("text=Another person")
    page.page.wait_for_selector(".notice.bad")
    assert "does not answer" in page.page.inner_text(".notice.bad")
    assert page.page.locator(".row:first-child .card-art img").count() > 0
    page.context.set_offline(False)
    page.page.click("text=Try again")
    page.page.wait_for_selector(".notice.bad", state="hidden")
