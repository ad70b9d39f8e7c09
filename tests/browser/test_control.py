"""The control room: the flow and its figures, what a press does and leaves behind, and charts that say what the figures say."""

import json
from typing import Any

import pytest
from browsing import FALLBACK, Demo, Visit, VisitMaker
from test_craft import violations

BOXES = ["Visits", "Log", "Train", "Draw", "Gate", "Publish", "Store", "Service"]
LIVE_CHARTS = ("How long a look-up takes", "Where the picks come from", "What waits to be logged")
NASTY = "<img src=x onerror=alert(1)>"
FRAGMENTS = (
    f"#moment={NASTY}&day={NASTY}",
    f"#moment=2026-01-01T00:00:00Z&day={NASTY}&generation=NaN&p99=Infinity&closed=x&mark={NASTY}",
    f"#box={NASTY}&title={NASTY}&minutes={NASTY}",
    "#box=__proto__&title=constructor&minutes=1e999",
    "#%E0%A4%A",
)


def control(visit: VisitMaker, fragment: str = "", **options: Any) -> Visit:
    """The control room with its first figures."""
    page = visit(f"/control{fragment}", **options)
    page.page.wait_for_selector(".watched-poster img")
    page.wait("() => document.querySelector('.flow-publish .flow-value').textContent !== '–'")
    return page


def table_of(page: Visit, title: str) -> list[list[str]]:
    """The rows of the table behind a chart."""
    chart = page.page.locator("figure.chart, section.chart").filter(has=page.page.get_by_text(title, exact=True)).last
    chart.locator("summary").click()
    chart.locator("tbody tr").first.wait_for()
    rows: list[list[str]] = chart.evaluate(
        "(chart) => [...chart.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    return rows


def near(shares: list[float], digits: int = 1) -> Any:
    """Shares as percentages, rounded as they are shown."""
    return pytest.approx([100 * share for share in shares], abs=0.51 * 10**-digits)


def numbers(cells: list[str]) -> list[float]:
    """Percentages as they are shown."""
    return [float(cell.removesuffix(" %")) for cell in cells]


def answered(page: Visit, path: str, change: Any) -> None:
    """Let the controller's answer below /api come changed to the page."""

    def handle(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=json.dumps(change(answer.json())))

    page.page.route(f"**/api{path}", handle)


def test_the_boxes_stand_in_the_order_of_the_flow_and_open_by_key(visit: VisitMaker) -> None:
    page = control(visit)
    assert page.page.locator(".flow-name").all_text_contents() == BOXES
    for name in BOXES:
        page.page.locator(".flow-box", has_text=name).first.press("Enter")
        assert page.page.inner_text(".flow-panel h3") == name
        assert page.page.locator(".flow-box[aria-expanded=true] .flow-name").all_text_contents() == [name]
        assert page.page.locator(".flow-panel dd").count() > 0


def test_the_boxes_have_the_figures_of_the_controller(visit: VisitMaker, demo: Demo) -> None:
    page, live = control(visit), demo.live()
    assert page.page.inner_text(".flow-publish .flow-value") == str(live["generation"])
    page.page.click(".flow-train .flow-box")
    assert f"{live['learned']['impressions']:,}" in page.page.inner_text(".flow-panel")


def test_a_stopped_store_is_seen_in_the_flow_the_charts_and_the_pictures_and_comes_back(
    visit: VisitMaker, demo: Demo
) -> None:
    page = control(visit)
    page.page.wait_for_selector(".watched-row [data-source=personalized]")
    posters = page.page.locator(".watched-poster img").count()
    page.page.click("[data-action=store-stop]")
    try:
        page.page.wait_for_selector(".flow-store .trouble")
        page.wait("() => !document.querySelector('.watched-row [data-source=personalized]')")
        assert page.page.locator(f".watched-row {FALLBACK}").count() == posters
        assert page.page.locator(".watched-poster img").count() == posters
        mark = demo.live()["marks"][-1]
        for title in LIVE_CHARTS:
            chart = page.page.locator("figure.chart", has_text=title)
            chart.locator(".chart-mark text", has_text=str(mark["id"])).last.wait_for(state="attached")
        page.wait("() => document.querySelector('.mark-item .mark-effect').textContent.includes('popularity')")
        page.page.click("text=Take it back")
        page.page.wait_for_selector(".watched-row [data-source=personalized]")
        page.page.wait_for_selector(".flow-store .trouble", state="detached")
    finally:
        demo.mend()


def test_a_broken_generation_stops_at_the_gate(visit: VisitMaker, demo: Demo) -> None:
    page, before = control(visit), demo.live()["generation"]
    page.page.click("[data-action=publish-broken]")
    page.wait("() => document.querySelector('.mark-item .mark-effect')?.textContent.includes('the gate refuses')")
    page.page.click(".flow-gate .flow-box")
    assert "the gate refuses" in page.page.inner_text(".flow-panel")
    assert demo.live()["generation"] == before


def test_a_press_that_cannot_be_now_says_why(visit: VisitMaker, demo: Demo) -> None:
    page = control(visit)
    demo.press("store-stop")
    try:
        page.page.wait_for_selector(".flow-store .trouble")
        page.page.click("text=Learn now")
        page.page.wait_for_selector(".transport-outcome.bad")
        assert "store" in page.page.inner_text(".transport-outcome")
    finally:
        demo.mend()


def test_play_and_pause_are_one_button_that_says_what_it_would_do(visit: VisitMaker, demo: Demo) -> None:
    page = control(visit)
    button = page.page.locator(".transport .button.main")
    assert button.inner_text() == "Play"
    try:
        button.click()
        page.wait("() => document.querySelector('.transport .button.main').textContent === 'Pause'")
        assert demo.live()["phase"] != "paused"
    finally:
        demo.press("pause")
        demo.wait("it is paused", lambda live: live["phase"] == "paused")
    page.wait("() => document.querySelector('.transport .button.main').textContent === 'Play'")


PRESSES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("store-freeze", {}, {}),
    ("store-back", {}, {}),
    ("store-slow", {"ms": "75"}, {"ms": 75}),
    ("publish-broken", {"fault": "swapped"}, {"fault": "swapped"}),
    ("other-policy", {"policy": "uniform"}, {"policy": "uniform"}),
    ("roll-back", {}, {}),
    ("launch-title", {}, {}),
    ("shift-taste", {}, {}),
    ("load-burst", {"per_second": "3000", "seconds": "5"}, {"per_second": 3000, "seconds": 5}),
    ("load-burst", {"per_second": "-7", "seconds": ""}, {"per_second": 1, "seconds": 10}),
]


def test_buttons_send_their_values(visit: VisitMaker) -> None:
    page = control(visit)
    mark = {"id": 900, "at": "2026-01-01T00:00:00Z", "now": "2026-01-01T00:00:00Z", "day": 1, "kind": "pause"}
    body = json.dumps(mark | {"words": f"{NASTY} done", "undo": None, "effect": None})
    page.page.route(
        "**/api/control/*", lambda route: route.fulfill(status=202, content_type="application/json", body=body)
    )
    for action, typed, sent in PRESSES:
        press = page.page.locator(".press", has=page.page.locator(f"[data-action={action}]"))
        for name, value in typed.items():
            field = press.locator(f"[name={name}]")
            if field.evaluate("(one) => one.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
        with page.page.expect_request("**/api/control/*") as asked:
            press.locator("button").click()
        assert asked.value.url.endswith(f"/api/control/{action}")
        assert asked.value.post_data_json == sent
    page.page.get_by_text(f"900: {NASTY} done").first.wait_for()


def test_an_artwork_to_retire_is_one_of_the_chosen_title(visit: VisitMaker, demo: Demo) -> None:
    page = control(visit)
    title = demo.get("/catalogue")["titles"][3]
    page.page.select_option("[name=title_id]", title["title_id"])
    offered = page.page.locator("[name=artwork_id] option").evaluate_all("(options) => options.map((one) => one.value)")
    assert offered == [one["artwork_id"] for one in title["artworks"] if not one["retired"]]


def test_take_rates_stand_beside_uniform_and_the_true_best_for_each_day(visit: VisitMaker, demo: Demo) -> None:
    rows = table_of(control(visit), "What people take, day by day")
    days = demo.live()["days"]
    assert [row[0] for row in rows] == [f"day {day['day']}" for day in days]
    for row, day in zip(rows, days, strict=True):
        assert numbers(row[1:4]) == near([day["take_rate"], day["best"], day["uniform"]])


def test_one_titles_artworks_have_the_shares_of_its_history(visit: VisitMaker, demo: Demo) -> None:
    page, titles = control(visit), demo.get("/catalogue")["titles"]
    few = next(title for title in titles if len(title["artworks"]) < 8)
    many = next(title for title in titles if len(title["artworks"]) > 8)
    for title in (few, many):
        page.page.select_option("select[aria-label=Title]", title["title_id"])
        assert f"title={title['title_id']}" in page.page.url
        days = demo.get(f"/title/{title['title_id']}/history")["days"]
        names = [one["artwork_id"] for one in title["artworks"]]
        groups = [[name] for name in names] if len(names) <= 8 else [*([name] for name in names[:7]), names[7:]]
        last = f"{len(groups)}: " if len(names) <= 8 else f"{len(names) - 7} others"
        page.page.locator(".arms .legend-name", has_text=last).wait_for()
        rows = table_of(page, "One title's artworks")
        for row, day in zip(rows, days, strict=True):
            shares = [sum(day["artworks"].get(name, {"share": 0})["share"] for name in group) for group in groups]
            assert numbers(row[1:]) == near(shares, digits=0)
        page.page.locator(".arms summary").click()


def test_generations_are_those_of_the_workspace_and_a_roll_back_serves_the_one_before(
    visit: VisitMaker, demo: Demo
) -> None:
    page, served = control(visit), demo.live()["generation"]
    assert page.page.inner_text(".generation.here .generation-number") == str(served)
    listed = [row[0] for row in table_of(page, "Generations")]
    assert listed == [str(one["generation"]) for one in demo.get("/generations")["generations"]]
    try:
        page.page.click(".generations button:has-text('Roll back')")
        page.wait(
            "(served) => document.querySelector('.generation.here .generation-number').textContent !== String(served)",
            served,
        )
        assert demo.live()["generation"] != served
    finally:
        demo.press("roll-back", generation=served)
        demo.wait("it is served again", lambda live: live["generation"] == served)


def test_predictions_stand_beside_what_came(visit: VisitMaker, demo: Demo) -> None:
    rows = table_of(control(visit), "Does it know what it does not know?")
    bins = demo.get("/calibration")["bins"]
    for row, one in zip(rows, bins, strict=True):
        assert numbers(row[:2]) == near([one["predicted"], one["observed"]])


def test_arrow_keys_read_a_live_chart(visit: VisitMaker) -> None:
    page = control(visit)
    chart = page.page.locator(".chart-plot[role=slider]").first
    page.wait("() => Number(document.querySelector('.chart-plot[role=slider]').getAttribute('aria-valuemax')) > 3")
    chart.focus()
    chart.press("Home")
    first = chart.get_attribute("aria-valuetext")
    chart.press("ArrowRight")
    assert chart.get_attribute("aria-valuetext") != first
    assert "p99" in str(first)
    assert int(str(chart.get_attribute("aria-valuenow"))) > 0


def test_a_shared_moment_opens_with_its_figures_and_goes_back_to_now(visit: VisitMaker, demo: Demo) -> None:
    page = control(visit, "#box=gate")
    page.page.click("text=Share this moment")
    address = page.page.input_value("[aria-label='Address of this moment']")
    assert "token" not in address
    other = control(visit, address.partition("/control")[2])
    assert f"generation {demo.live()['generation']}" in other.page.inner_text(".shared")
    assert other.page.inner_text(".flow-panel h3") == "Gate"
    other.page.click("text=Back to now")
    assert "moment" not in other.page.url
    assert other.page.locator(".shared").count() == 0


def test_an_address_of_somebody_elses_making_shows_nothing_of_its_own(visit: VisitMaker) -> None:
    page = control(visit)
    for fragment in FRAGMENTS:
        page.page.goto(f"{page.demo.origin}/control{fragment}")
        page.page.reload()
        page.page.wait_for_selector(".watched-poster img")
        shown = page.page.inner_text("main")
        assert page.page.locator("main img[src=x]").count() == 0
        assert not any(word in shown for word in ("NaN", "Infinity", NASTY)), fragment


def test_a_workspace_of_ones_own_has_no_buttons_and_no_truth_and_says_so(visit: VisitMaker) -> None:
    page = visit("/tour")
    answered(page, "/session", lambda session: session | {"demo": False, "truth": False, "controls": []})
    own: dict[str, Any] = {"day": None, "phase": "served", "marks": [], "nights": [], "step": None}
    unknown = {"best": None, "uniform": None, "closed": None}
    answered(page, "/live.json*", lambda live: live | own | {"days": [day | unknown for day in live["days"]]})
    page.page.route("**/api/live", lambda route: route.abort())
    page.page.goto(f"{page.demo.origin}/control")
    page.page.wait_for_selector(".watched-poster img")
    page.page.get_by_text("Nothing can be pressed here").wait_for()
    assert page.page.locator("[data-action], .transport button").count() == 0
    rows = table_of(page, "What people take, day by day")
    assert len(rows[0]) == 2


def test_a_title_that_looks_like_markup_is_text(visit: VisitMaker) -> None:
    page = visit("/tour")
    answered(
        page, "/catalogue", lambda known: known | {"titles": [title | {"name": NASTY} for title in known["titles"]]}
    )
    page.page.goto(f"{page.demo.origin}/control")
    page.page.wait_for_selector(".watched-poster img")
    assert page.page.locator("select[aria-label=Title] option").first.text_content() == NASTY
    assert page.page.locator("img[src=x]").count() == 0


def test_titles_that_came_and_artworks_that_went_are_offered_without_a_reload(visit: VisitMaker, demo: Demo) -> None:
    page, first = control(visit), demo.get("/catalogue")["titles"][0]
    gone, live = first["artworks"][0]["artwork_id"], demo.live()
    new = first | {"title_id": "launched", "name": "Launched"}

    def changed(known: Any) -> Any:
        shown = [one | {"retired": one["retired"] or one["artwork_id"] == gone} for one in first["artworks"]]
        return known | {"titles": [first | {"artworks": shown}, new]}

    answered(page, "/catalogue", changed)
    answered(page, "/live.json*", lambda told: told | {"revision": live["revision"] + 1})
    page.page.route("**/api/live", lambda route: route.abort())
    page.page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")  # opens the stream anew
    page.page.wait_for_selector("[name=title_id] option[value=launched]", state="attached")
    page.page.wait_for_selector("select[aria-label=Title] option[value=launched]", state="attached")
    page.page.select_option("[name=title_id]", first["title_id"])
    assert page.page.locator(f"[name=artwork_id] option[value={gone}]").count() == 0


def test_a_demo_that_starts_opens_the_control_room_by_itself(visit: VisitMaker) -> None:
    page = visit("/tour")
    answers = [503, 503]

    def starting(route: Any) -> None:
        if answers:
            body = json.dumps({"title": "Not ready", "detail": "The data are being made.", "status": answers.pop()})
            route.fulfill(status=503, content_type="application/problem+json", body=body)
        else:
            route.fallback()

    page.page.route("**/api/catalogue", starting)
    page.page.goto(f"{page.demo.origin}/control")
    page.page.get_by_text("The data are being made.").wait_for()
    page.page.wait_for_selector(".flow-box")


def test_lost_figures_are_told_and_come_back(visit: VisitMaker) -> None:
    page = control(visit)
    page.page.route("**/api/live*", lambda route: route.abort())
    page.page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")  # opens the stream anew
    page.page.get_by_text("The demo does not answer.").wait_for()
    page.page.unroute("**/api/live*")
    page.page.get_by_text("The demo does not answer.").wait_for(state="hidden")


def test_nothing_jumps_in_the_control_room(visit: VisitMaker) -> None:
    page = visit("/tour")
    page.page.add_init_script(
        "window.moved = []; new PerformanceObserver((list) => list.getEntries().forEach((one) => one.hadRecentInput || "
        "window.moved.push([one.value, ...one.sources.map((source) => source.node?.outerHTML?.slice(0, 80))])))"
        ".observe({type: 'layout-shift', buffered: true});"
    )
    page.page.goto(f"{page.demo.origin}/control")
    page.page.wait_for_selector(".watched-poster img")
    page.page.wait_for_selector(".generation.here")
    moved = page.page.evaluate("() => window.moved")
    assert sum(value for value, *_ in moved) < 0.05, moved


def test_axe_finds_nothing_serious_while_a_store_is_away_and_tables_are_open(visit: VisitMaker, demo: Demo) -> None:
    page = control(visit, "#moment=2026-01-01T00:00:00Z&day=3", reduced_motion="reduce")
    page.page.click("text=Share this moment")
    page.page.click("[data-action=store-freeze]")
    try:
        page.page.wait_for_selector(".flow-store .trouble")
        for summary in page.page.locator(".chart-table summary").all():
            summary.click()
        for theme in ("dark", "light"):
            page.page.emulate_media(color_scheme=theme)
            page.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert violations(page) == [], theme
    finally:
        demo.mend()


def test_the_report_is_behind_a_tab_that_keys_open_and_the_address_keeps(visit: VisitMaker, demo: Demo) -> None:
    page = control(visit, reduced_motion="reduce")
    tabs = page.page.locator("[role=tab]")
    assert tabs.all_text_contents() == ["As it runs", "Report"]
    tabs.first.focus()
    tabs.first.press("ArrowRight")
    page.page.wait_for_selector(".report-verdict")
    assert page.page.evaluate("() => document.activeElement.id") == "tab-report"
    assert page.page.is_hidden(".flow-publish")
    told = demo.get("/report")
    assert page.page.inner_text(".report-verdict") == told["sentence"]
    shown = page.page.locator(".report-body h3").all_text_contents()
    assert shown == [section["title"] for section in told["sections"]]
    assert {"Alarms", "Learning", "Artworks", "People", "Serving", "Data"} <= set(shown)
    assert "artwork report --workspace" in page.page.inner_text(".report")
    for theme in ("dark", "light"):
        page.page.emulate_media(color_scheme=theme)
        page.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert violations(page) == [], theme
    page.page.reload()
    page.page.wait_for_selector(".report-verdict")
    page.page.locator("[role=tab][aria-selected=true]").press("Home")
    page.page.wait_for_selector(".flow-publish", state="visible")
    assert page.page.is_hidden(".report")


def test_a_report_that_cannot_be_made_says_why_and_is_read_again(visit: VisitMaker) -> None:
    page = visit("/tour")
    body = json.dumps({"title": "not-ready", "detail": f"{NASTY} is half-way there"})
    page.page.route(
        "**/api/report", lambda route: route.fulfill(status=503, content_type="application/problem+json", body=body)
    )
    page.page.goto(f"{page.demo.origin}/control#tab=report")
    page.page.get_by_text(f"{NASTY} is half-way there").wait_for()
    page.page.unroute("**/api/report")
    page.page.click("text=Read again")
    page.page.wait_for_selector(".report-verdict")
