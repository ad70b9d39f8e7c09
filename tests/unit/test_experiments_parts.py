"""What a reading says beside its effects: segments, days since exposure, and the holdback's long-term reading."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from artwork.reports.experiments.page import rendered
from artwork.reports.experiments.readings import render_reading
from bandit.arrays import F64
from bandit.experiments import shrunken
from batch.experiments.deciding import record_of
from batch.experiments.plans.file import plan_path
from batch.experiments.reading import Reading, Source, peek, read
from batch.experiments.register import registered, start
from batch.workspace.workspace import Workspace

START = date(2026, 3, 2)
PLAN = """
hypothesis = "b is better"
source = "table"
start = {start}
end = {end}
smallest_effect = 0.2
users = 1000
segments = [{segments}]
holdback = {holdback}

[[variants]]
name = "a"
share = 0.5
[[variants]]
name = "b"
share = 0.5

[[metrics]]
name = "takes"
role = "primary"
of = "takes"
per = "{per}"
"""


def reading(
    folder: Path,
    frame: pl.DataFrame,
    *,
    days: int,
    per: str = "user",
    segments: str = "",
    holdback: float = 0.0,
    how: Callable[[Source, str], Reading] = read,
    today: date | None = None,
) -> Reading:
    workspace = Workspace(folder)
    path = plan_path(workspace, "x")
    path.parent.mkdir(exist_ok=True)
    end = START + timedelta(days=days - 1)
    path.write_text(PLAN.format(start=START, end=end, per=per, segments=segments, holdback=holdback))
    start(workspace, "x", late=False, today=START)
    table = folder / "table.parquet"
    frame.write_parquet(table)
    return how(Source(workspace, table, today or end), "x")


def by_segment(seed: int, effects: F64, users: int = 4000) -> pl.DataFrame:
    """A row per user; ``effects`` are those of values s00, s01, ... of equal size."""
    random = np.random.default_rng(seed)
    treated, value = random.random(users) < 0.5, random.integers(0, len(effects), users)
    return pl.DataFrame(
        {
            "user": [f"u{user}" for user in range(users)],
            "variant": np.where(treated, "b", "a"),
            "takes": random.normal(5, 1, users) + effects[value] * treated,
            "place": [f"s{each:02d}" for each in value],
        }
    )


def test_effects_that_differ_between_segments_are_told_first_and_shrunk(tmp_path: Path) -> None:
    made = reading(tmp_path, by_segment(1, np.array([0.0, 0.0, 0.6, 0.2])), days=1, segments='"place"')
    (test,) = made.segment_tests
    assert test.differs is True
    assert test.adjusted is not None
    assert test.adjusted < 0.01
    mean = test.mean
    assert mean is not None
    for one in made.segments:
        assert one.shrunk is not None
        assert abs(one.shrunk - mean) < abs(one.effect.value - mean)
    text = render_reading(made)
    assert text.index("effects DIFFER") < text.index("place = s00")
    assert "shrunk interval" in text


def test_of_twenty_segments_without_effects_none_is_called(tmp_path: Path) -> None:
    """Some have p below 0.05 alone, most of the time; adjusted none has, and the test of all of them says why."""
    alone, called, differ = 0, 0, 0
    for seed in range(12):
        folder = tmp_path / str(seed)
        folder.mkdir()
        made = reading(folder, by_segment(seed, np.zeros(20)), days=1, segments='"place"')
        alone += any(one.effect.p_value < 0.05 for one in made.segments)
        called += any(one.adjusted < 0.05 for one in made.segments)
        differ += bool(made.segment_tests[0].differs)
    assert alone >= 6
    assert called <= 2
    assert differ <= 2


def test_segments_of_a_few_users_are_left_out_and_named(tmp_path: Path) -> None:
    frame = by_segment(1, np.array([0.0, 0.0]), users=1000)
    few = frame.head(1000).with_columns(
        place=pl.when(pl.int_range(pl.len()) < 5).then(pl.lit("tiny")).otherwise("place")
    )
    made = reading(tmp_path, few, days=1, segments='"place"')
    assert [one.value for one in made.segments] == ["s00", "s01"]
    assert len(made.segment_tests[0].left_out) == 1
    assert made.segment_tests[0].left_out[0].startswith("tiny (")
    assert "left out, with fewer than 30 users" in render_reading(made)


def test_nothing_is_read_within_a_segment_that_the_treatment_changed(tmp_path: Path) -> None:
    frame = by_segment(1, np.zeros(2))
    after = frame.with_columns(
        place=pl.when((pl.col("variant") == "b") & (pl.col("takes") > 4.5)).then(pl.lit("heavy")).otherwise("place")
    )
    made = reading(tmp_path, after, days=1, segments='"place"')
    assert made.segments == ()
    assert made.segment_tests[0].p_value is None
    assert "NOTHING is read: the variants have another mix" in render_reading(made)


def test_the_case_in_which_segments_mislead_is_as_the_docs_say(tmp_path: Path) -> None:
    """The treatment moves nobody's outcome, only who is called active: as many become so as cease to be."""
    random = np.random.default_rng(1)
    habit, treated = random.normal(0, 1, 8000), random.random(8000) < 0.5
    is_active = np.where(treated & (random.random(8000) < 0.3), habit < 0, habit > 0)
    frame = pl.DataFrame(
        {
            "user": [f"u{user}" for user in range(8000)],
            "variant": np.where(treated, "b", "a"),
            "takes": habit,
            "week": np.where(is_active, "active", "inactive"),
        }
    )
    made = reading(tmp_path, frame, days=1, segments='"week"')
    whole = made.effects[0].effect
    assert whole is not None
    assert whole.lower < 0 < whole.upper
    test = made.segment_tests[0]
    assert test.differs
    assert test.mix_p_value is not None
    assert test.mix_p_value > 0.05  # nothing tells
    assert [round(one.effect.value, 2) for one in made.segments] == [-0.47, 0.5]


def test_a_lift_that_is_the_same_for_all_is_told_from_effects_that_differ(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    treated, heavy = random.random(6000) < 0.5, random.random(6000) < 0.5
    takes = random.poisson(np.where(heavy, 20, 4) * np.where(treated, 1.2, 1.0))
    frame = pl.DataFrame(
        {
            "user": [f"u{user}" for user in range(6000)],
            "variant": np.where(treated, "b", "a"),
            "takes": takes,
            "plan": np.where(heavy, "heavy", "light"),
        }
    )
    made = reading(tmp_path, frame, days=1, segments='"plan"')
    assert made.segment_tests[0].differs
    assert made.segment_tests[0].lift_p_value is not None
    assert made.segment_tests[0].lift_p_value > 0.05
    assert "As shares of the control they do not differ clearly" in render_reading(made)


def constant(value: float) -> Callable[[int], float]:
    return lambda _: value


def over_days(
    seed: int,
    days: int,
    *,
    users: int = 1500,
    lift: Callable[[int], float] | None = None,
    active: Callable[[int], float] | None = None,
    at_once: bool = False,
) -> pl.DataFrame:
    """A row per user and day that they came; takes are Poisson of 4, times 1 + lift at their day since exposure."""
    random, lift, active = np.random.default_rng(seed), lift or constant(0.0), active or constant(1.0)
    treated = random.random(users) < 0.5
    first = random.integers(0, 1 if at_once else days // 3, users)
    parts = []
    for day in range(days):
        age = day - first
        comes = (age == 0) | ((age > 0) & (random.random(users) < [active(max(each, 0)) for each in age.tolist()]))
        rate = 4 * np.array(
            [1 + own * lift(max(each, 0)) for own, each in zip(treated.tolist(), age.tolist(), strict=True)]
        )
        parts.append(
            pl.DataFrame(
                {
                    "user": np.arange(users).astype(str),
                    "variant": np.where(treated, "b", "a"),
                    "day": [START + timedelta(days=day)] * users,
                    "takes": random.poisson(rate).astype(float),
                    "visits": np.ones(users),
                }
            ).filter(pl.Series(comes))
        )
    return pl.concat(parts)


def test_an_effect_that_wears_off_has_a_warning_and_one_that_lasts_has_none(tmp_path: Path) -> None:
    text = {}
    for name, lift in (("fading", lambda age: 0.4 * 0.6**age), ("lasting", constant(0.2))):
        folder = tmp_path / name
        folder.mkdir()
        made = reading(folder, over_days(1, 14, lift=lift), days=14, per="visits")
        (one,) = made.since_exposure
        assert one.found is not None
        assert len(one.found.days) >= 10
        assert 0.5 * one.of_users[0] <= one.users[0] < one.of_users[0]
        text[name] = render_reading(made)
    assert "WARNING: the effect wears off" in text["fading"]
    assert "WARNING" not in text["lasting"]
    assert "nothing says that it wears off" in text["lasting"]


def test_users_who_do_less_and_less_of_everything_make_no_novelty(tmp_path: Path) -> None:
    """On the day of exposure all come, later 3 in 10: takes per user fall, and with them a lift of a fifth that lasts."""
    frame = over_days(2, 12, users=3000, lift=constant(0.2), active=constant(0.3))
    (one,) = reading(tmp_path, frame, days=12).since_exposure
    assert one.found is not None
    assert one.found.change.p_value < 0.01  # in absolute terms it does wear off
    assert one.found.relative_change is not None
    assert one.found.relative_change.p_value > 0.05
    assert one.found.warning == ""


def test_days_since_exposure_that_are_days_of_the_calendar_are_cautioned_of(tmp_path: Path) -> None:
    made = reading(tmp_path, over_days(3, 8, at_once=True, lift=lambda age: 0.3 * (age < 4)), days=8, per="visits")
    assert made.since_exposure[0].found is not None
    assert made.since_exposure[0].found.warning
    assert "days since exposure are days of the calendar" in render_reading(made)


def test_the_case_in_which_days_since_exposure_mislead_is_as_the_docs_say(tmp_path: Path) -> None:
    """Half of the treated dislike it, take half as often, and stop coming: per visit the loss wears off, per user it stays."""
    frame = over_days(4, 12, users=3000).with_columns(dislikes=pl.col("user").cast(pl.Int64) % 2 == 0)
    hit = (pl.col("variant") == "b") & pl.col("dislikes")
    age = (pl.col("day") - pl.col("day").min().over("user")).dt.total_days()
    frame = frame.with_columns(takes=pl.when(hit).then(pl.col("takes") / 2).otherwise("takes")).filter(
        ~(hit & (age >= 3))
    )
    figures = {}
    for per in ("visits", "user"):
        folder = tmp_path / per
        folder.mkdir()
        (one,) = reading(folder, frame.drop("dislikes"), days=12, per=per).since_exposure
        assert one.found is not None
        told = any("those who stay" in caution for caution in one.cautions)
        assert told == (per == "visits")
        figures[per] = (round(one.found.early.value, 1), round(one.found.late.value, 1), bool(one.found.warning))
    assert figures == {"visits": (-0.7, -0.1, True), "user": (-1.4, -2.0, False)}


def test_a_table_without_days_has_none_since_exposure(tmp_path: Path) -> None:
    assert reading(tmp_path, by_segment(1, np.zeros(2)), days=1).since_exposure == ()


def test_users_who_nearly_all_came_today_tell_nothing_of_days_since_exposure(tmp_path: Path) -> None:
    numbers = np.arange(200)
    frame = pl.DataFrame(
        {
            "user": numbers.astype(str),
            "variant": np.where(numbers % 2, "a", "b"),
            "day": [START + timedelta(days=int(number >= 20)) for number in numbers],
            "takes": np.random.default_rng(1).normal(0, 1, 200),
        }
    )
    made = reading(tmp_path, frame, days=2, how=peek)
    assert made.is_readable
    assert made.since_exposure[0].found is None
    assert "fewer than 30 users of a variant have 2 days since their exposure behind them" in render_reading(made)


def held(frame: pl.DataFrame, share: float = 0.2) -> pl.DataFrame:
    """The last users are held back: they do what users of the control do."""
    users = frame["user"].cast(pl.Int64).max()
    assert isinstance(users, int)
    is_held = pl.col("user").cast(pl.Int64) > (1 - share) * users
    return frame.filter(~is_held | (pl.col("variant") == "a")).with_columns(
        variant=pl.when(is_held).then(pl.lit("holdback")).otherwise("variant")
    )


def test_the_holdback_is_read_beyond_the_end_of_the_plan_and_counts_for_no_variant(tmp_path: Path) -> None:
    frame = held(over_days(5, 28, lift=constant(0.2)))
    today = START + timedelta(days=27)
    made = reading(tmp_path, frame, days=14, per="visits", holdback=0.1, today=today)
    assert (
        sum(made.users.values())
        == frame.filter(pl.col("variant") != "holdback", pl.col("day") <= START + timedelta(13))["user"].n_unique()
    )
    own = made.holdback
    assert own is not None
    assert own.effect is not None
    assert (own.first, own.last) == (str(START), str(today))
    assert own.users[1] == frame.filter(pl.col("variant") == "holdback")["user"].n_unique()
    sums = frame.group_by(pl.col("variant") == "holdback").agg(pl.col("takes", "visits").sum()).sort("variant")
    rates = (sums["takes"] / sums["visits"]).to_list()
    assert own.effect.value == pytest.approx(rates[0] - rates[1])
    assert len(own.weeks) == 4
    assert "the long-term reading" in render_reading(made)
    page = rendered(made, None)
    assert "<h2>Holdback</h2>" in page
    assert "<h2>Days since exposure</h2>" in page


def test_a_holdback_that_lost_users_is_cautioned_of(tmp_path: Path) -> None:
    made = reading(tmp_path, held(over_days(5, 14)), days=14, per="visits", holdback=0.25)
    assert made.holdback is not None
    assert made.holdback.effect is not None
    assert "11.6% of the users were held back, planned 25.0%" in made.holdback.caution
    assert f"caution: {made.holdback.caution}" in render_reading(made)


def test_a_holdback_of_which_nobody_is_seen_says_so(tmp_path: Path) -> None:
    made = reading(tmp_path, over_days(5, 7), days=7, holdback=0.1)
    assert made.holdback is not None
    assert made.holdback.effect is None
    assert "no row has the variant holdback" in render_reading(made)


def test_none_of_it_is_part_of_a_decision(tmp_path: Path) -> None:
    made = reading(tmp_path, by_segment(1, np.array([0.0, 0.9])), days=1, segments='"place"')
    plan = registered(Workspace(tmp_path), "x").plan
    without = replace(made, segments=(), segment_tests=(), since_exposure=(), holdback=None)
    assert made.segments
    assert record_of(plan, made) == record_of(plan, without)


@pytest.mark.parametrize(("segments", "apart", "held"), [(10, 5.0, 0.76), (10, 10.0, 0.88), (20, 10.0, 0.67)])
def test_one_segment_unlike_all_others_is_held_as_seldom_as_the_docs_say(
    segments: int, apart: float, held: float
) -> None:
    random = np.random.default_rng(1)
    truth = np.where(np.arange(segments) == 0, apart, 0.0)
    hits = []
    for _ in range(1500):
        made = shrunken(truth + random.normal(size=segments), np.ones(segments))
        hits.append(np.abs(made.values - truth) <= 1.96 * made.standard_errors)
    of_all = np.mean(hits, axis=0)
    assert of_all[0] == pytest.approx(held, abs=0.035)
    assert of_all[1:].mean() > 0.94
