"""Difference-in-differences of a table: what each assumption says in worlds where it holds and where it does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bandit.errors import InputError
from bandit.experiments import difference_in_differences, without_each_unit
from batch.experiments.designs.panel import Panel, read_panel

TRENDS = "without treatment, treated units would have gone on like the others"
UNITS = "there are enough units of both kinds"
ALONE = "no unit decides alone"
STARTS = "all units were treated from one time on, or the effect stays as it is"
COMPLETE = "the treatment does not decide who has a row"
SCALE = "the figure is not that of a change by the same share in all units"


def rows(
    seed: int = 1,
    *,
    units: int = 40,
    treated: int = 15,
    times: int = 12,
    start: int = 6,
    effect: float = 1.0,
    trend: float = 0.0,
    starts: tuple[int, ...] = (),
    growth: float = 0.0,
    loud: float = 1.0,
) -> pl.DataFrame:
    """A row per unit and time; ``loud`` times as noisy is the last treated unit, effects grow by ``growth`` per time."""
    random = np.random.default_rng(seed)
    unit, time = np.repeat(np.arange(units), times), np.tile(np.arange(times), units)
    first = np.array(starts or (start,))[np.arange(units) % len(starts or (start,))]
    since = time - np.where(np.arange(units) < treated, first, times)[unit]
    noise = random.normal(0, 1, (units, times))
    noise[treated - 1] *= loud
    outcome = random.normal(0, 2, units)[unit] + 0.3 * time + noise[unit, time] + trend * (unit < treated) * time
    return pl.DataFrame(
        {
            "unit": [f"city {each}" for each in unit],
            "time": time,
            "treated": (since >= 0).astype(int),
            "outcome": outcome + (since >= 0) * (effect + growth * since),
        }
    )


def columns_of(frame: pl.DataFrame) -> tuple[Any, Any, Any, Any]:
    outcomes, units, times, treated = (frame[name].to_numpy() for name in ("outcome", "unit", "time", "treated"))
    return outcomes, units, times, treated


def found(folder: Path, frame: pl.DataFrame) -> Panel:
    path = folder / "panel.csv"
    frame.write_csv(path)
    return read_panel(path)


def holds(made: Panel) -> dict[str, bool | None]:
    return {one.name: one.holds for one in made.assumptions}


def test_an_effect_is_that_of_the_library_and_no_assumption_fails(tmp_path: Path) -> None:
    frame = rows()
    made = found(tmp_path, frame)
    alone = difference_in_differences(*columns_of(frame))
    assert (made.found.value, made.p_value) == pytest.approx((alone.value, alone.p_value))
    assert made.found.units == (15, 25)
    assert made.passed
    assert [holds(made)[name] for name in (TRENDS, UNITS, ALONE, STARTS, COMPLETE)] == [True] * 5
    assert made.conclusion.startswith("no assumption fails. This is the effect of the treatment if")


def test_days_and_numbers_are_times_in_order_whatever_the_order_of_rows(tmp_path: Path) -> None:
    frame = rows(times=11)
    days = frame.with_columns(time=pl.concat_str(pl.lit("2026-01-"), (pl.col("time") + 1).cast(pl.String).str.zfill(2)))
    one, other = found(tmp_path, frame), found(tmp_path, days.sample(fraction=1.0, shuffle=True, seed=3))
    assert one.times[9:] == ("9", "10")  # as text 10 would come before 9
    assert other.times[-1] == "2026-01-11"
    assert one.found.value == pytest.approx(other.found.value)


def test_tables_in_which_everything_holds_hardly_ever_fail(tmp_path: Path) -> None:
    made = [found(tmp_path, rows(seed)) for seed in range(40)]
    assert sum(not one.passed for one in made) <= 4


def test_units_that_moved_apart_before_fail(tmp_path: Path) -> None:
    made = found(tmp_path, rows(effect=0.0, trend=0.4))
    assert made.p_value < 0.001  # and there is no effect at all
    assert holds(made)[TRENDS] is False
    assert not made.passed
    assert "do NOT take this for the effect of the treatment: 1 assumption fails" in made.conclusion


def test_a_trend_that_is_hidden_by_noise_is_not_passed_for_none(tmp_path: Path) -> None:
    """The trend is seen in few of these worlds, and the figure is clear in most: it must not be said to rest on nothing."""
    made = [found(tmp_path, rows(seed, effect=0.0, trend=0.12)) for seed in range(20)]
    clear = [one for one in made if one.p_value < 0.05]
    assert len(clear) >= 15
    assert sum(holds(one)[TRENDS] is True for one in clear) <= 1
    assert sum(holds(one)[TRENDS] is None for one in clear) >= 8  # most hide: no trend is clear, and none is excluded


def test_an_effect_with_a_trend_allowed_for_is_the_one_of_both_columns(tmp_path: Path) -> None:
    frame = rows(effect=1.0, trend=0.4, treated=20, units=60)
    made = found(tmp_path, frame)
    assert made.found.detrended is not None
    assert made.found.value > 2.5  # the trend is taken for an effect
    assert made.found.detrended.lower < 1.0 < made.found.detrended.upper
    assert made.found.trend_reach == pytest.approx(6.0)  # half of 12 times: the later half is 6 after the earlier one


def test_one_unit_that_decides_is_named(tmp_path: Path) -> None:
    made = found(tmp_path, rows(5, loud=20.0))
    assert holds(made)[ALONE] is False
    assert any("'city 14'" in one.seen for one in made.assumptions)


def test_effects_without_each_unit_are_those_of_tables_without_it() -> None:
    frame = rows(units=8, treated=4, times=4, start=2)
    made = without_each_unit(*columns_of(frame))
    for place, unit in enumerate(frame["unit"].unique(maintain_order=True)):
        alone = difference_in_differences(*columns_of(frame.filter(pl.col("unit") != unit)))
        assert made[place] == pytest.approx(alone.value)
    only = frame.filter(pl.col("unit").is_in(["city 3", "city 4", "city 5"]))
    assert without_each_unit(*columns_of(only))[0] is None


def test_late_units_that_are_compared_with_changed_ones_are_told(tmp_path: Path) -> None:
    """Effects grow: the pooled figure is far from the mean of clean comparisons, one start at a time."""
    made = found(tmp_path, rows(units=40, treated=36, starts=(2, 5, 8), growth=0.5, effect=0.0))
    assert holds(made)[STARTS] is False
    told = [one.effect.value for one in made.starts if one.effect is not None]
    assert told == pytest.approx([2.25, 1.5, 0.75], abs=0.6)  # the truth: half of 0.5 per time since the start
    assert made.found.value < min(told) + 0.5
    steady = found(tmp_path, rows(starts=(3, 6), effect=1.0))
    assert holds(steady)[STARTS] is None
    assert [one.units for one in steady.starts] == [8, 7]


def test_few_units_have_the_bootstrap_and_very_few_have_nothing(tmp_path: Path) -> None:
    made = found(tmp_path, rows(units=12, treated=6, effect=2.0))
    assert made.p_value == made.found.wild_p_value
    assert holds(made)[UNITS] is None
    assert holds(found(tmp_path, rows(treated=3)))[UNITS] is False
    assert any("cannot be below 0.125" in one.means for one in found(tmp_path, rows(units=4, treated=2)).assumptions)


def test_rows_that_are_not_there_and_units_without_a_before_are_told(tmp_path: Path) -> None:
    frame = rows()
    made = found(tmp_path, frame.filter((pl.col("unit") != "city 0") | (pl.col("time") < 9)))
    assert holds(made)[COMPLETE] is None
    assert any("3 of 480 rows are not there" in one.seen for one in made.assumptions)
    always = frame.with_columns(treated=pl.when(pl.col("unit") == "city 1").then(1).otherwise("treated"))
    made = found(tmp_path, always)
    assert made.notes == ("1 unit is treated at all times and left out: there is no time before to compare with",)
    assert made.found.units == (14, 25)


def test_the_case_in_which_a_panel_misleads_is_as_the_docs_say(tmp_path: Path) -> None:
    """Customers move from untreated to treated cities: what the one gains the other loses, and nothing is gained."""
    frame = rows(effect=0.0)
    after = pl.col("time") >= 6
    is_treated = pl.col("treated") == 1
    gained = pl.when(is_treated).then(1.0).when(after).then(-15 * 1.0 / 25).otherwise(0.0)
    made = found(tmp_path, frame.with_columns(pl.col("outcome") + gained))
    assert round(made.found.value, 1) == 1.7  # each treated city gained 1, all cities together nothing
    assert made.p_value < 1e-6
    assert made.passed  # nothing tells


def test_units_that_were_treated_because_they_had_a_bad_time_are_told(tmp_path: Path) -> None:
    """They were chosen by their outcome just before (Ashenfelter's dip), and go back to what they were without any effect."""
    clear, told = 0, 0
    for seed in range(10):
        frame = rows(seed, treated=0)
        dip = frame.filter(pl.col("time") == 5).with_columns(level=pl.col("outcome")).select("unit", "level")
        usual = frame.filter(pl.col("time") < 5).group_by("unit").agg(usual=pl.col("outcome").mean())
        chosen = dip.join(usual, on="unit").sort(pl.col("level") - pl.col("usual")).head(15)["unit"]
        own = pl.col("unit").is_in(chosen.implode()) & (pl.col("time") >= 6)
        made = found(tmp_path, frame.with_columns(treated=own.cast(pl.Int8)))
        clear += made.p_value < 0.05
        told += made.p_value < 0.05 and holds(made)[TRENDS] is not True
    assert clear == told


def test_a_trend_that_goes_on_while_nobody_looks_is_not_passed_for_none(tmp_path: Path) -> None:
    """Six days before and six days after a gap of 95: a trend of 0.01 per day cannot be seen before, and makes 1.0 in the gap."""
    days = np.array([*range(6), *range(100, 106)])
    silent = 0
    for seed in range(20):
        frame = rows(seed, effect=0.0).with_columns(time=pl.col("time").replace_strict(dict(enumerate(days.tolist()))))
        own = pl.col("unit").is_in([f"city {unit}" for unit in range(15)])
        made = found(tmp_path, frame.with_columns(outcome=pl.col("outcome") + 0.01 * pl.col("time") * own))
        assert made.p_value < 0.01
        silent += holds(made)[TRENDS] is True
        assert "not evenly apart" in made.assumptions[0].seen
    assert silent <= 2  # 11 where a trend goes by the number of rows


def test_a_trend_goes_by_the_distance_of_times(tmp_path: Path) -> None:
    frame = rows()
    even = difference_in_differences(*columns_of(frame))
    doubled = difference_in_differences(*columns_of(frame.with_columns(pl.col("time") * 2.5)))
    assert (doubled.trend_reach, doubled.pre_trend) == (even.trend_reach, even.pre_trend)
    late = difference_in_differences(*columns_of(frame.with_columns(pl.col("time") + 10 * (pl.col("time") >= 6))))
    assert late.value == pytest.approx(even.value, abs=1e-12)
    assert late.trend_reach == pytest.approx(even.trend_reach + 10)
    months = [202608 + month if month < 5 else 202701 + month - 5 for month in range(12)]
    made = found(tmp_path, frame.with_columns(time=pl.col("time").replace_strict(dict(enumerate(months)))))
    assert made.times[4:6] == ("202612", "202701")
    assert made.found.trend_reach == pytest.approx(even.trend_reach)


def test_a_change_by_the_same_share_in_large_and_small_units_is_told(tmp_path: Path) -> None:
    """Everybody gains a fifth; treated units are twice as large, so they gain twice as much."""
    told = 0
    for seed in range(20):
        own = pl.col("unit").is_in([f"city {unit}" for unit in range(15)])
        season = pl.when(pl.col("time") >= 6).then(0.2).otherwise(0.0)
        frame = rows(seed, effect=0.0).with_columns(outcome=pl.col("outcome") + (15 + 15 * own) * (1 + season))
        made = found(tmp_path, frame)
        assert made.p_value < 0.01
        told += holds(made)[SCALE] is None
    assert told == 20
    refunded = frame.with_columns(outcome=pl.when(pl.int_range(pl.len()) == 3).then(-1.0).otherwise("outcome"))
    assert holds(found(tmp_path, refunded))[SCALE] is None  # one amount below 0 does not hide it
    alike = found(tmp_path, rows().with_columns(pl.col("outcome") + 20))
    assert holds(alike)[SCALE] is True


def test_untreated_units_without_a_before_leave_shares_untold(tmp_path: Path) -> None:
    """Starts at 3 and 8, and others from 3 on alone: what they changed by since the first start cannot be told."""
    frame = rows(starts=(3, 8)).with_columns(pl.col("outcome") + 20)
    ever = pl.col("treated").max().over("unit") == 1
    made = found(tmp_path, frame.filter(ever | (pl.col("time") >= 3)))
    assert holds(made)[SCALE] is None


def test_blanks_around_the_name_of_a_unit_do_not_make_it_two(tmp_path: Path) -> None:
    frame = rows()
    blank = pl.when(pl.col("time") % 2 == 0).then(pl.lit(" ")).otherwise(pl.lit(""))
    made = found(tmp_path, frame.with_columns(unit=pl.col("unit") + blank))
    assert made.found == found(tmp_path, frame).found


def changed(column: str, row: int, value: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def change(frame: pl.DataFrame) -> pl.DataFrame:
        texts = frame[column].cast(pl.String).to_list()
        texts[row] = value
        return frame.with_columns(pl.Series(column, texts))

    return change


BAD: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "a column that is missing": (lambda frame: frame.drop("unit", "outcome"), "has no column unit and no outcome, it has"),
    "no rows": (lambda frame: frame.head(0), "has no rows"),
    "an outcome that is none": (changed("outcome", 4, "NaN"), "column outcome, row 5: found 'NaN', expected a finite"),
    "an outcome that is a word": (changed("outcome", 4, "many"), "column outcome, row 5: found 'many'"),
    "an endless outcome": (changed("outcome", 4, "inf"), "column outcome, row 5"),
    "an outcome that is blank": (changed("outcome", 4, None), "column outcome, row 5"),
    "treated that is no yes or no": (changed("treated", 3, "2"), "column treated, row 4: found '2', expected 1 or 0"),
    "a unit without a name": (changed("unit", 7, " "), "column unit, row 8"),
    "a time that is a word": (changed("time", 2, "May"), "column time, row 3: found 'May'"),
    "one unit": (lambda frame: frame.filter(pl.col("unit") == "city 0"), "has one unit, 'city 0'"),
    "one time": (lambda frame: frame.filter(pl.col("time") == 8), "has one time, 8"),
    "no untreated unit": (lambda frame: frame.filter(pl.col("unit").is_in(["city 0", "city 1"])), "has no untreated unit"),
    "no treated unit": (lambda frame: frame.with_columns(treated=pl.lit(0)), "has no treated unit"),
    "no time before": (lambda frame: frame.filter(pl.col("time") >= 6), "has no time before the treatment"),
    "treatment that goes back": (changed("treated", 9, "0"), "unit 'city 0' was treated and is not treated any more at time 9"),
    "a unit in two spellings": (changed("unit", 7, "City 0"), "has units 'city 0' and 'City 0', expected one spelling"),
    "a time of the day": (changed("time", 2, "2026-01-01T00:00"), "expected a number, or a day as YYYY-MM-DD"),
    "a unit twice at a time": (lambda frame: pl.concat([frame, frame[30:31]]), "has several rows of unit 'city 2' at time 6"),
    "outcomes that say it exactly": (lambda frame: frame.with_columns(outcome=pl.lit(1.0)), "expected some that vary"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_table_that_is_no_panel_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    change, said = BAD[kind]
    with pytest.raises(InputError) as refused:
        found(tmp_path, change(rows()))
    assert said in str(refused.value)
