"""What holds for every view: axe finds nothing serious, nothing jumps, and nothing is smaller than a finger."""

import sys
from typing import Any

import pytest
from browsing import Demo, Visit, VisitMaker

SIZES = {"phone": (390, 844), "laptop": (1280, 800), "wide": (1920, 1080)}
SMALLEST_TARGET = 44


def browse(page: Visit) -> None:
    page.rows()


def two_people(page: Visit) -> None:
    page.rows()
    page.page.click("text=Side by side")
    page.page.wait_for_selector(".card.pair .card-art[data-artwork] img")
    page.page.wait_for_selector(".rows[aria-busy=false]")


def finder(page: Visit) -> None:
    page.rows()
    page.page.focus(".finder-field")
    page.page.wait_for_selector(".finder-option")


def new_person(page: Visit) -> None:
    page.rows()
    page.page.click("summary:has-text('New person')")


def card(page: Visit) -> None:
    page.rows()
    page.page.keyboard.press("Tab")
    page.page.locator(".row:first-child .card-art").nth(1).focus()
    page.page.wait_for_selector(".peek .chance")


def drawer(page: Visit) -> None:
    page.rows()
    page.page.locator(".row:first-child .card-art").nth(1).focus()
    page.page.keyboard.press("w")
    page.page.wait_for_selector("[data-table=artworks] tbody tr")


def player(page: Visit) -> None:
    page.rows()
    page.page.locator(".row:first-child .card-art").nth(1).click()
    page.page.wait_for_selector(".player b")


def guess(page: Visit) -> None:
    page.rows()
    page.page.click("text=Guess the best")
    page.page.wait_for_selector(".choice:enabled img")


def guessed(page: Visit) -> None:
    guess(page)
    page.page.keyboard.press("1")
    page.page.wait_for_selector(".choice.best")


def settled(page: Visit) -> None:
    page.page.wait_for_selector("main h1, main h2")
    page.page.wait_for_load_state("load")


VIEWS: dict[str, tuple[str, Any]] = {
    "browse": ("/", browse),
    "two people": ("/", two_people),
    "finder": ("/", finder),
    "new person": ("/", new_person),
    "card": ("/", card),
    "drawer": ("/", drawer),
    "player": ("/", player),
    "guess": ("/", guess),
    "guessed": ("/", guessed),
    "control": ("/control", settled),
    "tour": ("/tour", settled),
}


def violations(page: Visit) -> list[str]:
    """What axe finds that is serious or critical: rule, and where."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: make browser installs it"
    )
    found = axe.Axe().run(page.page).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(visit: VisitMaker, view: str, theme: str) -> None:
    path, act = VIEWS[view]
    # Motion is off, so that axe does not meet what is half faded in.
    page = visit(path, color_scheme=theme, reduced_motion="reduce")
    act(page)
    assert violations(page) == []


def test_axe_finds_nothing_serious_on_a_phone(visit: VisitMaker) -> None:
    width, height = SIZES["phone"]
    page = visit("/", color_scheme="dark", reduced_motion="reduce", viewport={"width": width, "height": height})
    browse(page)
    assert violations(page) == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["/", "/control", "/tour"])
def test_no_page_scrolls_sideways(visit: VisitMaker, path: str, size: str) -> None:
    width, height = SIZES[size]
    page = visit(path, viewport={"width": width, "height": height})
    settled(page)
    if path == "/":
        page.rows()
    assert page.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("view", VIEWS)
def test_every_target_is_as_large_as_a_finger(visit: VisitMaker, view: str) -> None:
    path, act = VIEWS[view]
    width, height = SIZES["phone"]
    page = visit(path, viewport={"width": width, "height": height})
    act(page)
    small = page.page.evaluate(
        "(smallest) => [...document.querySelectorAll('button, select, input, summary, nav a')].map((element) => "
        "[element, element.getBoundingClientRect()]).filter(([element, box]) => box.width && (box.height < smallest - 0.5 || "
        "box.width < smallest - 0.5)).map(([element, box]) => `${element.outerHTML.slice(0, 90)} ${box.width}x${box.height}`)",
        SMALLEST_TARGET,
    )
    assert small == []


@pytest.mark.parametrize("size", SIZES)
def test_nothing_jumps_while_the_rows_come(visit: VisitMaker, size: str) -> None:
    width, height = SIZES[size]
    page = visit("/", viewport={"width": width, "height": height})
    page.page.add_init_script(
        "window.shifts = []; new PerformanceObserver((list) => { for (const shift of list.getEntries()) "
        "if (!shift.hadRecentInput) window.shifts.push([shift.value, ...shift.sources.map((source) => "
        "source.node?.className ?? source.node?.nodeName)]); }).observe({ type: 'layout-shift', buffered: true });"
    )
    page.page.reload()
    page.rows()
    page.page.wait_for_selector(".learned-since")
    shifts = page.page.evaluate("() => window.shifts")
    assert sum(shift[0] for shift in shifts) < 0.02, shifts


def test_the_time_to_the_first_row_is_told(visit: VisitMaker, capsys: pytest.CaptureFixture[str]) -> None:
    page = visit("/")
    page.page.reload()
    page.rows()
    shown = page.page.evaluate(
        "() => Math.max(...performance.getEntriesByType('resource').filter((one) => "
        "one.name.includes('/posters/')).slice(0, 6).map((one) => one.responseEnd))"
    )
    with capsys.disabled():
        sys.stdout.write(f"\n  first row after {shown:.0f} ms\n")
    assert shown > 0


def test_a_title_named_like_a_script_is_shown_as_text(visit: VisitMaker, demo: Demo) -> None:
    hostile = "<script>window.broken = true</script><img src=x onerror='window.broken = true'>"
    page = visit("/")

    def renamed(route: Any) -> None:
        answer = demo.get("/catalogue")
        for title in answer["titles"]:
            title["name"] = hostile
        route.fulfill(json=answer)

    page.page.route("**/api/catalogue", renamed)
    page.page.reload()
    page.rows()
    card = page.page.locator(".row:first-child .card-art").first
    assert page.page.locator(".row:first-child .card-name").first.inner_text() == hostile
    card.focus()
    page.page.keyboard.press("w")
    page.page.wait_for_selector("[data-table=artworks] tbody tr")
    assert page.page.inner_text("#drawer-title") == hostile
    assert page.page.evaluate(
        "() => window.broken === undefined && !document.querySelector('main script, dialog script')"
    )


def test_less_motion_is_respected(visit: VisitMaker) -> None:
    page = visit("/", reduced_motion="reduce")
    page.rows()
    seconds = page.page.evaluate(
        "() => getComputedStyle(document.querySelector('.card-art')).transitionDuration.split(',').map(parseFloat)"
    )
    assert max(seconds) < 0.001


def test_a_theme_that_was_chosen_stays(visit: VisitMaker) -> None:
    page = visit("/", color_scheme="dark")
    page.rows()
    page.page.click("[aria-label='Use the light theme']")
    page.page.reload()
    page.rows()
    assert page.page.evaluate("() => document.documentElement.dataset.theme") == "light"
    assert page.page.locator("[aria-label='Use the dark theme']").count() == 1
