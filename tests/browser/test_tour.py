"""The tour: eight steps that can be walked by key and by address, each beside a live part that says what the figures say."""

import json
import re
from typing import Any

from browsing import FALLBACK, Demo, Visit, VisitMaker
from test_craft import violations

STEPS = 8
LIVE = {
    1: ".faces .face-poster img",
    2: ".bar-row .whisker",
    3: ".bar-row",
    4: ".strip-point",
    5: ".layer",
    6: ".faces .face-poster img",
    7: ".layer",
    8: ".watched-poster img",
}


def tour(visit: VisitMaker, step: int = 1, **options: Any) -> Visit:
    """A step of the tour with its live part."""
    page = visit(f"/tour#step={step}", **options)
    page.page.wait_for_selector(f".tour-step {LIVE[step]}", state="attached")
    return page


def step_of(page: Visit) -> int:
    return int(page.page.inner_text(".tour-tab[aria-current=step] .tour-number"))


def test_keys_walk_the_steps_and_the_address_follows(visit: VisitMaker) -> None:
    page = tour(visit)
    walked = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "5", "End", "ArrowRight", "9", "Home", "ArrowLeft", "8"):
        page.page.keyboard.press(key)
        walked.append(step_of(page))
    assert walked == [2, 3, 2, 5, 8, 8, 8, 1, 1, 8]
    assert page.page.url.endswith("#step=8")
    page.page.reload()
    page.page.wait_for_selector(".tour-tab[aria-current=step]")
    assert step_of(page) == 8
    page.page.go_back()
    page.wait("() => document.querySelector('.tour-tab[aria-current=step] .tour-number').textContent === '1'")


def test_buttons_walk_too_and_the_last_leads_to_the_control_room(visit: VisitMaker) -> None:
    page = tour(visit, 7)
    page.page.click(".tour-foot .button.main")
    assert step_of(page) == 8
    assert page.page.evaluate("() => document.activeElement.tagName") == "H2"
    page.page.click(".tour-foot .button:has-text('Back')")
    assert step_of(page) == 7
    page.page.keyboard.press("End")
    page.page.click("text=To the control room")
    page.page.wait_for_url("**/control*")


def test_an_address_without_a_step_begins_at_the_first(visit: VisitMaker) -> None:
    page = tour(visit, 3)
    for fragment in ("", "#step=0", "#step=9", "#step=NaN", "#step=1e9", "#step=<b>", "#step=2.5"):
        page.page.goto(f"{page.demo.origin}/tour{fragment}")
        page.page.reload()
        page.page.wait_for_selector(".tour-tab[aria-current=step]")
        assert step_of(page) == 1, fragment


def test_each_step_has_a_live_part_and_its_words(visit: VisitMaker) -> None:
    page = tour(visit)
    for step in range(1, STEPS + 1):
        page.page.keyboard.press(str(step))
        page.page.wait_for_selector(f".tour-step {LIVE[step]}", state="attached")
        assert page.page.locator(".tour-told p").count() >= 4
        assert page.page.inner_text(".tour-told h2") in page.page.title()


def test_the_first_step_counts_what_six_people_see_and_what_is_here(visit: VisitMaker, demo: Demo) -> None:
    page = tour(visit, 1)
    page.wait("() => document.querySelectorAll('.face').length === 6")
    sources = page.page.locator(".face-poster img").evaluate_all("(images) => images.map((one) => one.src)")
    said = page.page.inner_text(".part .part-words")
    assert f"see {len(set(sources))} of them" in said
    titles = demo.get("/catalogue")["titles"]
    assert page.page.locator(".stats dd").all_text_contents()[:2] == [
        f"{len(titles):,}", f"{sum(len(title['artworks']) for title in titles):,}",
    ]  # fmt: skip


def test_the_belief_beside_the_truth_is_the_explanation(visit: VisitMaker) -> None:
    page = visit("/control")
    with page.page.expect_response("**/api/explain/**") as answer:
        page.page.goto(f"{page.demo.origin}/tour#step=2")
    explained = answer.value.json()
    page.page.wait_for_selector(".bar-row .whisker", state="attached")
    page.page.click(".tour-live summary")
    page.page.wait_for_selector(".tour-live tbody tr")
    rows = page.page.locator(".tour-live tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    assert [row[1] for row in rows] == [f"{one['mean'] * 100:.1f} %" for one in explained["artworks"]]
    assert [row[4] for row in rows] == [
        f"{explained['truth'][one['artwork_id']] * 100:.1f} %" for one in explained["artworks"]
    ]
    chosen = [one["artwork_id"] == explained["shown"] for one in explained["artworks"]]
    assert [row[0].endswith("(chosen)") for row in rows] == chosen


def test_the_steps_speak_of_one_decision_until_another_is_asked_for(visit: VisitMaker) -> None:
    page = tour(visit, 2)
    first = page.page.inner_text(".part-words")
    page.page.keyboard.press("4")
    page.page.wait_for_selector(".strip-point")
    user = re.findall(r"u\d+", first)[0]
    assert page.page.inner_text(".part-words").startswith(user)


def test_the_hash_falls_on_the_part_that_was_drawn(visit: VisitMaker) -> None:
    page = tour(visit, 4)
    point = page.page.eval_on_selector(".strip-point path", "(path) => path.getBBox().x + path.getBBox().width / 2")
    left, right = page.page.eval_on_selector(
        ".strip-part.chosen rect", "(rect) => { const box = rect.getBBox(); return [box.x, box.x + box.width]; }"
    )
    assert left - 1.5 <= point <= right + 1.5


def test_look_ups_are_timed_from_the_page(visit: VisitMaker) -> None:
    page = tour(visit, 5)
    page.page.click("text=Time 100 look-ups")
    page.page.get_by_text(re.compile(r"100 look-ups in [\d.]+ s: half of them within [\d.]+ ms")).wait_for()


def test_somebody_new_gets_a_fallback_that_follows_country_and_device(visit: VisitMaker) -> None:
    page = tour(visit, 6)
    with page.page.expect_request("**/v1/users/new-*/artwork*") as asked:
        page.page.select_option("select[name=country]", "JP")
    assert "country=JP" in asked.value.url
    page.page.wait_for_selector(".faces [data-source]")
    sources = page.page.locator(".faces [data-source]").evaluate_all("(all) => all.map((one) => one.dataset.source)")
    assert len(sources) == 6
    assert set(sources) <= {"segment", "popularity", "default"}


def test_the_last_step_stops_the_store_and_the_pictures_stay(visit: VisitMaker, demo: Demo) -> None:
    page = tour(visit, 8)
    page.page.wait_for_selector(".watched-row [data-source=personalized]")
    page.page.click("button:has-text('Stop the store')")
    try:
        page.page.wait_for_selector(f".watched-row {FALLBACK}")
        page.wait("() => !document.querySelector('.watched-row [data-source=personalized]')")
        assert page.page.locator(".watched-poster img").count() == 6
        page.page.click("button:has-text('Bring it back')")
        page.page.wait_for_selector(".watched-row [data-source=personalized]")
    finally:
        demo.mend()


def test_without_truth_and_buttons_the_tour_speaks_of_neither(visit: VisitMaker) -> None:
    page = visit("/control")

    def own(route: Any) -> None:
        answer = route.fetch()
        changed = answer.json() | {"demo": False, "truth": False, "controls": []}
        route.fulfill(response=answer, body=json.dumps(changed))

    page.page.route("**/api/session", own)
    page.page.goto(f"{page.demo.origin}/tour#step=8")
    page.page.wait_for_selector(".watched-poster img")
    assert page.page.locator("button:has-text('Stop the store')").count() == 0
    page.page.keyboard.press("7")
    page.page.get_by_text("no simulated truth").wait_for()


def test_nothing_jumps_in_the_tour(visit: VisitMaker) -> None:
    page = visit("/control")
    page.page.add_init_script(
        "window.moved = []; new PerformanceObserver((list) => list.getEntries().forEach((one) => one.hadRecentInput || "
        "window.moved.push([one.value, ...one.sources.map((source) => source.node?.outerHTML?.slice(0, 80))])))"
        ".observe({type: 'layout-shift', buffered: true});"
    )
    for step in (1, 2):
        page.page.goto(f"{page.demo.origin}/tour#step={step}")
        page.page.reload()
        page.page.wait_for_selector(f".tour-step {LIVE[step]}", state="attached")
        moved = page.page.evaluate("() => window.moved")
        assert sum(value for value, *_ in moved) < 0.05, (step, moved)


def test_axe_finds_nothing_serious_in_any_step(visit: VisitMaker) -> None:
    page = tour(visit, reduced_motion="reduce")
    for step in range(1, STEPS + 1):
        page.page.keyboard.press(str(step))
        page.page.wait_for_selector(f".tour-step {LIVE[step]}", state="attached")
        for theme in ("dark", "light"):
            page.page.emulate_media(color_scheme=theme)
            page.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert violations(page) == [], (step, theme)
