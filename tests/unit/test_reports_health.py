"""The words of a report: what matters most first, what needs somebody by its cost, and what is not known with its reason."""

import shlex
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np
import polars as pl
import pytest

from artwork.reports.health_findings import DeadLetters, Serving
from artwork.reports.health_page import render_health, rendered_health, told_health
from artwork.reports.health_words import HEALTHY, Health, document, health
from artwork.web.figures.health import gauges
from bandit.monitoring.signals import (
    BEST,
    CLASSES,
    CLICKS,
    CONTEXTS,
    IS_BEST,
    PROPENSITIES,
    RATE,
    SIGNALS,
    TIMELY,
    Bets,
    Night,
)
from batch.monitoring.change import Change, Part, Terms, split_change
from batch.monitoring.checks import (
    Artwork,
    Bin,
    Moved,
    Ratio,
    UserClass,
    calibration,
    class_rates,
    clickbait,
    one_sided,
    propensity_ratios,
    starved,
)
from batch.monitoring.days import DayFacts, effective_number
from batch.monitoring.drift import DatedAlarm, Drift, SignalState
from batch.monitoring.flips import Flips
from batch.monitoring.gather import Arrivals, Figures, NewArtworks

DAY = "2026-11-28"


def facts(**changes: Any) -> DayFacts:
    nothing = pl.DataFrame(
        schema={"user_id": pl.String, "explores": pl.Boolean, "shown": pl.Float64, "taken": pl.Float64}
    )
    plain: dict[str, Any] = {
        "day": DAY,
        "impressions": 10_000,
        "users": 900,
        "clicks": 900,
        "rewards": 600.0,
        "rate": 0.06,
        "rate_error": 0.003,
        "effective": 0.2,
        "sources": {"personalized": 9_800, "popularity": 200},
        "policies": {"thompson": 9_900, "uniform": 100},
        "by_user": nothing,
        "artworks": nothing,
    }
    return DayFacts(**(plain | changes))


def states(**alarms: DatedAlarm) -> tuple[SignalState, ...]:
    return tuple(SignalState(name, 3.0, 1400.0, 40, "", (alarms[name],) if name in alarms else ()) for name in SIGNALS)


def drift(signals: tuple[SignalState, ...] = ()) -> Drift:
    return Drift("2026-10-01", "2026-11-27", 3, 58, signals or states())


def figures(**changes: Any) -> Figures:
    plain: dict[str, Any] = {
        "workspace": "workspace",
        "day": DAY,
        "made_at": "2026-11-29T03:00:00+00:00",
        "on": "2026-11-29",
        "generation": 17,
        "generation_made_at": "2026-11-29T02:00:00+00:00",
        "picks_since": "2026-11-20T02:00:00+00:00",
        "unfinished": None,
        "reward": "take",
        "explore_share": 0.01,
        "floor": 0.02,
        "today": facts(),
        "before": facts(),
        "drift": drift(),
        "change": Change(
            DAY, "2026-11-27", 5000, 5000, 0.05, 0.06, Part("change", 0.01, 0.004), (Part("mix", 0.01, 0.004),)
        ),
        "propensities": [Ratio("arm 1", 1.02, 0.98, 1.06, 0.4)],
        "contexts": [Moved("age", 0.01, 0.9)],
        "bins": [Bin(0.05, 0.06, 0.004, 1000)],
        "baits": [],
        "starving": [],
        "classes": [UserClass("PT phone", 0.06, 0.05, 0.004, 2000, 0.99)],
        "one_sided": [],
        "flips": Flips(1000, 100),
        "new_artworks": NewArtworks(3, 0.01, 100, 14, 4, 2, 1),
        "themes": (7.5, 19),
        "new_users": 4,
        "in_time": ("2026-11-26", 0.97),
        "arrivals": Arrivals("2026-11-28T23:59:00+00:00", {"rows": 10_000, "late plays": 3}, {}),
    }
    return Figures(**(plain | changes))


def said(serving: Serving | None = None, dead: DeadLetters | None = None, **changes: Any) -> Health:
    return health(figures(**changes), serving or Serving(None), dead or DeadLetters(0))


ALARM = DatedAlarm("2026-11-27", "2026-11-25", "all", 5000.0, 1.0, 0.8)


def test_a_good_day_is_healthy_in_one_word() -> None:
    made = said()
    assert (made.sentence, made.alarm, made.needs_you) == (HEALTHY, False, ())
    assert render_health(made).splitlines()[0] == HEALTHY


@pytest.mark.parametrize(
    ("signal", "alarm", "words", "command"),
    [
        (RATE, ALARM, "fell by 36%", "artwork run --retention 0.9"),
        (RATE, replace(ALARM, after=1.2), "rose by 44%", "artwork run --retention 0.9"),
        (
            CLASSES,
            replace(ALARM, member="PT phone"),
            "users of PT phone fell by 36%, against that of all others",
            "artwork run --retention 0.9",
        ),
        (
            BEST,
            replace(ALARM, member=IS_BEST),
            "earn 36% less, against others, than before: tastes have shifted",
            "artwork run",
        ),
        (CLICKS, ALARM, "takes per click fell by 36%", "artwork catalogue show"),
        (TIMELY, replace(ALARM, after=0.1), "1% of a day's rewards are there", "artwork events dead"),
        (PROPENSITIES, replace(ALARM, member="arm 2"), "arm 2 is shown 0.80 times as often", "generations rollback"),
        (CONTEXTS, replace(ALARM, member="age"), "the contexts' age is not what it was", "artwork data check"),
    ],
)
def test_an_alarm_is_the_first_sentence_with_its_day_and_command(
    signal: str, alarm: DatedAlarm, words: str, command: str
) -> None:
    made = said(drift=drift(states(**{signal: alarm})))
    assert made.alarm
    assert words in made.sentence
    assert ", since 2026-11-25; run `" in made.sentence
    assert command in made.sentence


def test_an_alarm_of_an_earlier_night_is_told_and_is_none() -> None:
    made = said(drift=drift(states(**{RATE: replace(ALARM, day="2026-11-20")})))
    assert (made.alarm, made.sentence) == (False, HEALTHY)
    assert "the last alarm was on 2026-11-20" in render_health(made)


def test_what_costs_most_takes_comes_first() -> None:
    bait = Artwork("t1/a1", 900, 900, 0.3, 0.1, 0.1, 0.7, 20.0)
    below = UserClass("PT phone", 0.01, 0.06, 0.004, 2000, 0.001)
    made = said(baits=[bait], classes=[below], propensities=[Ratio("arm 1", 1.4, 1.3, 1.5, 0.001)])
    assert [finding.name for finding in made.needs_you] == ["classes below uniform", "clickbait", "propensities"]
    assert [round(finding.lost) for finding in made.needs_you] == [100, 20, 0]
    assert made.sentence.startswith("users of these classes would take more under uniform picks: PT phone")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {
                "drift": Drift(
                    None, None, None, 0, tuple(SignalState(n, None, 1400.0, 0, "too few", ()) for n in SIGNALS)
                )
            },
            "not watched: too few",
        ),
        ({"change": None}, "not known, because the log has one day"),
        (
            {"change": Change(DAY, DAY, 0, 0, 0, 0, Part("change", 0, 0), (), "it is gone")},
            "not known, because it is gone",
        ),
        ({"propensities": []}, "not known, because no night is watched"),
        ({"bins": []}, "not known, because the generation that chose is not in the workspace"),
        ({"in_time": None}, "not known, because no day was learned from twice yet"),
        ({"today": facts(effective=None)}, "not known, because no impression had a choice"),
        ({"today": facts(policies={"thompson": 10_000})}, "no impression is under uniform"),
        ({"flips": Flips(0, 0)}, "not known, because nobody saw a title on both days"),
        ({"flips": None}, "not known, because nobody saw a title on both days"),
        ({"themes": None}, "not known, because artworks.parquet has no themes"),
        ({"new_users": None, "new_artworks": None}, "not known, because no generation has picks"),
        ({"classes": []}, "not known, because no class of users"),
        ({"contexts": []}, "not known, because fewer than 8 nights are watched"),
        ({"arrivals": None}, "not known, because `artwork join` has joined none here"),
        ({"today": facts(impressions=0, users=0, rewards=0.0, policies={}, sources={})}, "0 impressions"),
    ],
)
def test_what_is_not_known_says_why_and_does_not_stand_in_the_way(changes: dict[str, Any], words: str) -> None:
    made = said(**changes)
    assert made.is_healthy
    assert made.sentence.startswith(HEALTHY)
    assert words in render_health(made)
    assert "nan" not in render_health(made).lower().split()


def test_a_day_that_is_healthy_says_how_much_of_it_is_not_watched() -> None:
    own = tuple(replace(state, evidence=None, why="too few") for state in states()[:3]) + states()[3:]
    made = said(drift=drift(own))
    assert made.sentence == "healthy, as far as is known: 3 of 7 signals are not watched"
    assert '<p class="verdict">healthy, as far' in rendered_health(made, "artwork report")


ALL_POPULAR = {"popularity": 9_900, "personalized": 100}


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"on": "2026-12-01"}, "log", "the log ends on 2026-11-28, 3 days before 2026-12-01"),
        ({"on": "2026-11-26"}, "log", "a clock is wrong"),
        ({"today": facts(sources=ALL_POPULAR), "before": facts(sources=ALL_POPULAR)}, "fallback", "99.0% of the imp"),
        ({"today": facts(sources={"personalized": 7_000, "segment": 3_000})}, "fallback", "30.0% of the impressions"),
        ({"today": facts(rewards=0.0, rate=0.0)}, "rewards", "none of the 10,000 impressions of 2026-11-28"),
        ({"today": facts(rewards=0.0, rate=0.0), "before": None}, "rewards", "none of the 10,000 impressions"),
        ({"before": facts(rewards=0.0, rate=0.0, day="2026-11-27")}, "rewards", "impressions of 2026-11-27"),
        ({"generation_made_at": "2026-11-15T02:00:00+00:00"}, "picks", "generation 17, made on 2026-11-15"),
        ({"unfinished": (18, "2026-11-28T02:00:00+00:00")}, "unfinished", "generation 18 was trained on 2026-11-28"),
        ({"one_sided": [("PT phone", 1.0, 0.3)]}, "explore users", "PT phone 100%, 30% of the others"),
    ],
)
def test_what_is_plainly_wrong_is_not_healthy(changes: dict[str, Any], name: str, words: str) -> None:
    made = said(**changes)
    assert [finding.name for finding in made.needs_you] == [name]
    assert not made.is_healthy
    assert words in made.sentence
    assert made.alarm == (name in {"log", "rewards"})


def test_that_nothing_has_a_reward_comes_before_what_follows_from_it() -> None:
    rose = replace(ALARM, member="PT phone", after=5.0)
    none = facts(rewards=0.0, rate=0.0)
    made = said(drift=drift(states(**{CLASSES: rose})), today=none, before=none)
    assert made.sentence.startswith("none of the 10,000 impressions")


@pytest.mark.parametrize(
    "changes",
    [
        {"on": "2026-11-28"},
        {"on": "2026-11-30"},
        {"today": facts(sources=ALL_POPULAR, impressions=10), "before": None},
        {"today": facts(sources=ALL_POPULAR), "picks_since": "2026-11-28T02:00:00+00:00"},
        {"today": facts(sources=ALL_POPULAR), "picks_since": None},
        {"today": facts(rewards=0.0, rate=0.0), "arrivals": Arrivals(None, {"open rows": 9_000}, {})},
        {"today": facts(rewards=0.0, rate=0.0, impressions=400), "before": facts(rate=0.006)},
        {"unfinished": (18, "2026-11-29T02:00:00+00:00")},
    ],
)
def test_what_may_well_be_is_healthy(changes: dict[str, Any]) -> None:
    assert said(**changes).sentence == HEALTHY


def test_those_who_explore_are_alike_to_the_others_but_for_chance() -> None:
    random = np.random.default_rng(1)
    ids = [f"u{n}" for n in range(2000)]
    classes = pl.DataFrame(
        {"user_id": ids, "class": random.choice(["a", "b", "c"], 2000, p=[0.6, 0.35, 0.05]).tolist()}
    )
    drawn = pl.DataFrame({"user_id": ids, "explores": random.random(2000) < 0.1, "shown": [5.0] * 2000})
    own = drawn.join(classes, on="user_id").filter(~pl.col("explores") | (pl.col("class") == "b"))
    assert one_sided(facts(by_user=drawn), classes) == []
    assert one_sided(facts(by_user=own), classes)[0][:2] == ("a", 0.0)
    assert one_sided(facts(by_user=drawn.filter("explores")), classes) == []
    assert one_sided(facts(by_user=drawn), classes.clear()) == []


def test_an_empty_log_says_so_first() -> None:
    made = said(day=None, today=None, before=None, change=None)
    assert not made.is_healthy
    assert made.sentence.startswith("nothing can be said yet: the log is empty")


@pytest.mark.parametrize(
    ("serving", "name", "command"),
    [
        (Serving("http://h:1", reason="/metrics does not answer"), "service", "artwork doctor"),
        (Serving("http://h:1", p99_ms=9.0, look_ups=10, generation=1), "p99", "artwork loadtest"),
        (Serving("http://h:1", breaker_open=True, generation=1), "breaker", "artwork store status"),
        (Serving("http://h:1", catalogue_age_seconds=3e5, generation=1), "catalogue's age", "artwork run"),
    ],
)
def test_a_service_in_trouble_needs_somebody(serving: Serving, name: str, command: str) -> None:
    made = said(serving)
    assert [(finding.name, finding.command) for finding in made.needs_you] == [(name, command)]
    assert not made.alarm


@pytest.mark.parametrize(
    ("dead", "words", "command"),
    [
        (DeadLetters(0), "none: every entry", None),
        (DeadLetters(None, "the store does not run"), "not known, because the store does not run", None),
        (DeadLetters(3, newest="2026-11-28T10:00:00+00:00", why="no JSON"), "on 2026-11-28: no JSON", True),
        (DeadLetters(3, newest="2026-11-22T10:00:00+00:00", why="no JSON"), "3 entries", True),
        (DeadLetters(1234, newest="2026-11-21T10:00:00+00:00", why="no JSON"), "1,234 entries", False),
        (DeadLetters(1, newest="2027-01-01T00:00:00+00:00", why="no JSON"), "1 entries", True),
        (DeadLetters(1, newest="", why="an id that is no time"), "an id that is no time", True),
        (DeadLetters(1), "1 entries", True),
    ],
)
def test_dead_letters_of_the_last_days_need_somebody(dead: DeadLetters, words: str, command: bool | None) -> None:
    made = said(dead=dead)
    [found] = [finding for section in made.sections for finding in section.findings if finding.name == "dead letters"]
    assert words in found.text
    assert found.command == ("" if command is None else "artwork events dead")
    assert (found in made.needs_you) == bool(command)
    assert not made.alarm


def test_new_artworks_are_told_with_what_became_of_them() -> None:
    out = render_health(said())
    assert "3 have fewer than 100 impressions yet; they had 1.0% of the day's; 4 came to a title of others" in out
    assert "within 14 days: 2 of them have at least 100 impressions, and 1 are shown more than any other" in out
    none = render_health(said(new_artworks=NewArtworks(0, 0.0, 100, 14, 0, 0, 0)))
    assert "none came to a title of others within 14 days" in none


def test_a_page_that_draws_it_itself_is_told_what_the_page_without_script_says() -> None:
    made = said(Serving("http://h:1", p99_ms=9.0, look_ups=10, generation=1), dead=DeadLetters(2, newest="", why="<b>"))
    told, page = told_health(made, "artwork report"), rendered_health(made, "artwork report")
    assert told["sections"][0]["title"] == "Needs you"
    assert told["sentence"] == made.sentence
    assert not told["is_healthy"]
    for section in told["sections"]:
        assert f"<h2>{section['title']}</h2>" in page
        for line in section["findings"]:
            assert escape(line["text"]) in page
            assert line["command"] in page


def test_the_page_escapes_names_and_has_no_script() -> None:
    bad = "<script>alert(1)</script>"
    made = said(propensities=[Ratio(bad, 1.4, 1.3, 1.5, 0.001)], workspace=bad)
    page = rendered_health(made, f"artwork report --workspace {bad}")
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    assert len(page.encode()) < 100_000


def test_the_document_is_plain() -> None:
    made = document(said())
    assert "by_user" not in made["figures"]["today"]
    assert made["figures"]["today"]["rate"] == 0.06


def test_gauges_of_workers_are_read_and_others_passed_over() -> None:
    text = '# HELP a x\na{worker="0"} 1.0\na{worker="1"} 2\nab 9\na nonsense\na 3\n'
    assert gauges(text, "a") == [1.0, 2.0, 3.0]


def terms(random: np.random.Generator, count: int, shift: float) -> Terms:
    rewards = (random.random(count) < 0.1 + shift).astype(np.float64)
    return Terms(random.integers(50, size=count), rewards, random.random(count), random.normal(size=count))


def test_the_parts_of_a_change_add_up_whatever_the_model_says() -> None:
    random = np.random.default_rng(1)
    today, before = terms(random, 400, 0.1), terms(random, 300, 0.0)
    total, parts = split_change(today, before)
    assert total.value == pytest.approx(today.rewards.mean() - before.rewards.mean())
    assert sum(part.value for part in parts) == pytest.approx(total.value)


def test_the_same_policy_on_both_days_has_no_part_in_the_change() -> None:
    random = np.random.default_rng(2)
    expected = random.random(200)
    rewards = (random.random(200) < 0.3).astype(np.float64)
    own = Terms(np.arange(200), rewards, expected, rewards - expected)
    _, parts = split_change(own, terms(random, 100, 0.0))
    assert [parts[0].value, parts[0].error] == pytest.approx([0.0, 0.0], abs=1e-12)


def test_users_who_come_on_both_days_are_counted_once_in_the_error() -> None:
    random = np.random.default_rng(3)
    level = random.random(200)
    day = Terms(np.arange(200), level, np.zeros(200), np.zeros(200))
    total, _ = split_change(day, day)
    assert [total.value, total.error] == pytest.approx([0.0, 0.0], abs=1e-12)


def artworks(**columns: list[float]) -> DayFacts:
    frame = pl.DataFrame({"title_id": ["t1"] * 3, "artwork_id": ["a", "b", "c"]} | columns)
    return facts(artworks=frame.with_columns(chosen_among=pl.col("shown").sum()))


def test_clickbait_is_opened_more_and_watched_less_than_the_rest_of_its_title() -> None:
    day = artworks(
        shown=[1000.0] * 3, clicked=[300.0, 100.0, 100.0], taken=[10.0, 70.0, 70.0], watched=[60.0, 80.0, 80.0]
    )
    [bait] = clickbait(day)
    assert bait.name == "t1/a"
    assert bait.lost == pytest.approx(60.0)


def test_a_command_is_safe_in_a_shell_whatever_the_ids_are() -> None:
    bait = Artwork("a/b $(reboot)/c d", 900, 900, 0.3, 0.1, 0.1, 0.7, 90.0, "a/b $(reboot)", "c d")
    [finding] = said(baits=[bait]).needs_you
    assert shlex.split(finding.command) == ["artwork", "catalogue", "retire", "a/b $(reboot)", "c d"]
    assert "'a/b $(reboot)'" in finding.command


@pytest.mark.parametrize("watched", [[240.0, 80.0, 80.0], [0.0, 0.0, 0.0]])
def test_artworks_that_keep_their_promise_are_no_clickbait(watched: list[float]) -> None:
    day = artworks(shown=[1000.0] * 3, clicked=[300.0, 100.0, 100.0], taken=[200.0, 70.0, 70.0], watched=watched)
    assert clickbait(day) == []


def test_an_artwork_that_is_never_shown_is_starved_where_the_floor_promises_enough() -> None:
    catalogue = pl.DataFrame({"title_id": ["t1"] * 4, "artwork_id": ["a", "b", "c", "d"]})
    day = artworks(shown=[4000.0, 3000.0, 1.0], clicked=[0.0] * 3, taken=[0.0] * 3, watched=[0.0] * 3)
    assert [own.name for own in starved(day, catalogue, 0.02)] == ["t1/c", "t1/d"]
    assert starved(day, catalogue, 0.0) == []
    assert starved(day, catalogue, 0.001) == []


def test_a_class_is_below_uniform_only_where_chance_does_not_explain_it() -> None:
    rows = [
        {
            "user_id": f"u{n}",
            "explores": n % 2 == 0,
            "shown": 20.0,
            "taken": 2.0 + n // 2 % 2 + (n < 100) * (n % 2 == 0),
        }
        for n in range(200)
    ]
    classes = pl.DataFrame({"user_id": [f"u{n}" for n in range(200)], "class": ["bad"] * 100 + ["good"] * 100})
    made = class_rates(facts(by_user=pl.DataFrame(rows)), classes)
    assert [(own.name, own.is_below) for own in made] == [("bad", True), ("good", False)]


@pytest.mark.parametrize("count", [0, 1, 3, 1000])
def test_calibration_has_at_most_five_bins_of_two_decisions(count: int) -> None:
    bins = calibration(np.linspace(0, 1, count), np.zeros(count))
    assert len(bins) <= 5
    assert all(own.decisions > 1 for own in bins)


@pytest.mark.parametrize(("counts", "number"), [([5.0], 1.0), ([3.0, 3.0, 3.0], 3.0), ([8.0, 0.0], 1.0)])
def test_the_effective_number_of_even_shares_is_their_number(counts: list[float], number: float) -> None:
    assert effective_number(np.array(counts)) == pytest.approx(number)


def test_on_quiet_days_hardly_any_report_names_a_propensity() -> None:
    random = np.random.default_rng(5)
    named = 0
    for _ in range(200):
        shown = random.poisson(14.0, 200).tolist()
        night = Night(1, bets={f"t/{n}": Bets(np.zeros(6), float(own), 14.0) for n, own in enumerate(shown)})
        named += any(ratio.is_off for ratio in propensity_ratios([night]))
    assert named <= 2


def test_an_artwork_that_is_shown_half_as_often_is_named() -> None:
    night = Night(1, bets={"t/a": Bets(np.zeros(6), 60.0, 120.0), "t/b": Bets(np.zeros(6), 118.0, 120.0)})
    assert [ratio.name for ratio in propensity_ratios([night]) if ratio.is_off] == ["t/a"]
