"""Experiments on a table of one's own: what is read, what stops a reading, and what is refused by name."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bandit.errors import InputError
from bandit.experiments import mean_effect, ratio_effect
from batch.experiments.deciding import decide_now, records, replay
from batch.experiments.plans.file import plan_path
from batch.experiments.quality import failed
from batch.experiments.reading import Source, check, peek, read
from batch.experiments.register import read_register, start
from batch.workspace.workspace import Workspace

START = date(2026, 3, 2)
DAYS = 6
END = START + timedelta(days=DAYS - 1)
BEFORE = START - timedelta(days=1)
USERS = 800
PLAN = f"""
hypothesis = "b is better"
source = "table"
start = {START}
end = {END}
looks = [2026-03-04, {END}]
smallest_effect = 0.2
users = {USERS}
segments = ["country"]

[[variants]]
name = "a"
share = 0.5
[[variants]]
name = "b"
share = 0.5

[[metrics]]
name = "minutes"
role = "primary"
of = "minutes"
covariate = "before"

[[metrics]]
name = "takes per visit"
role = "guardrail"
of = "takes"
per = "visits"
margin = 0.05
"""


def rows(lift: float = 0.5, users: int = USERS, seed: int = 1) -> pl.DataFrame:
    """A row per user and day."""
    random = np.random.default_rng(seed)
    base = random.gamma(2, 2, users)
    treated = random.random(users) < 0.5
    parts = []
    for day in range(DAYS):
        visits = random.poisson(1, users) + 1
        parts.append(
            pl.DataFrame(
                {
                    "user": [f"u{user}" for user in range(users)],
                    "variant": np.where(treated, "b", "a"),
                    "day": pl.Series([START + timedelta(days=day)] * users),
                    "minutes": random.gamma(2, base / 2) + lift * treated,
                    "takes": random.binomial(visits, 0.3),
                    "visits": visits,
                    "before": base + random.normal(0, 0.5, users),
                    "country": np.where(np.arange(users) % 3, "de", "fr"),
                }
            )
        )
    return pl.concat(parts)


@pytest.fixture
def there(tmp_path: Path) -> Workspace:
    """A workspace in which the plan has started."""
    return started(tmp_path, PLAN)


def started(root: Path, text: str) -> Workspace:
    workspace = Workspace(root)
    path = plan_path(workspace, "x")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    start(workspace, "x", late=False, today=START)
    return workspace


def source(workspace: Workspace, frame: pl.DataFrame, today: date = END, name: str = "table.parquet") -> Source:
    path = workspace.root / name
    frame.write_csv(path) if name.endswith("csv") else frame.write_parquet(path)
    return Source(workspace, path, today)


def test_effects_are_those_of_sums_per_user(there: Workspace) -> None:
    frame = rows()
    made = read(source(there, frame), "x")
    sums = frame.group_by("user", "variant").agg(pl.col("minutes", "takes", "visits").sum(), pl.col("before").first())
    own = [sums.filter(pl.col("variant") == name) for name in "ba"]
    minutes, takes = made.effects
    columns = [side["minutes"].to_numpy() for side in own], [side["before"].to_numpy() for side in own]
    expected = mean_effect(columns[0][0], columns[0][1], covariates=tuple(columns[1]))
    assert minutes.effect is not None
    assert (minutes.effect.value, minutes.effect.standard_error) == pytest.approx(
        (expected.value, expected.standard_error)
    )
    assert minutes.plain_error is not None
    assert minutes.effect.standard_error < 0.7 * minutes.plain_error  # what CUPED is for
    takes_of, visits_of = ([side[name].to_numpy() for side in own] for name in ("takes", "visits"))
    ratio = ratio_effect((takes_of[0], visits_of[0]), (takes_of[1], visits_of[1]))
    assert takes.effect is not None
    assert (takes.effect.value, takes.effect.p_value) == pytest.approx((ratio.value, ratio.p_value))


def test_a_table_in_csv_says_the_same_as_in_parquet(there: Workspace) -> None:
    frame = rows()
    one, other = (read(source(there, frame, name=name), "x") for name in ("t.parquet", "t.csv"))
    assert one.data == other.data
    assert one.effects == other.effects


def test_the_order_of_rows_changes_nothing(there: Workspace) -> None:
    frame = rows()
    one, other = (read(source(there, own), "x") for own in (frame, frame.sample(fraction=1, shuffle=True, seed=3)))
    assert one.data == other.data
    assert one.effects == other.effects


def test_an_early_look_counts_the_days_up_to_it_and_has_a_wider_interval(there: Workspace) -> None:
    frame = rows()
    early, late = read(source(there, frame, date(2026, 3, 5)), "x"), read(source(there, frame), "x")
    assert (early.day, early.look, late.day, late.look) == ("2026-03-04", 1, str(END), 2)
    assert early.bound is not None
    assert late.bound is not None
    assert early.bound > late.bound > 1.96
    cut = read(source(there, frame.filter(pl.col("day") <= date(2026, 3, 4)), date(2026, 3, 5)), "x")
    assert cut.data == early.data


@pytest.mark.parametrize(
    ("today", "look", "said"),
    [
        (date(2026, 3, 3), None, "no planned look of x has come, the next is 2026-03-04.*peek"),
        (
            date(2026, 3, 5),
            date(2026, 3, 3),
            "2026-03-03 is no planned look of x, which are 2026-03-04, 2026-03-07.*peek",
        ),
        (date(2026, 3, 5), END, "the look of 2026-03-07 has not come: the data end with 2026-03-05.*peek"),
    ],
)
def test_an_unplanned_look_with_fixed_intervals_is_refused(
    there: Workspace, today: date, look: date | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read(source(there, rows(), today), "x", look)
    assert peek(source(there, rows(), today), "x").day == str(min(today, END))


def test_a_table_without_days_is_read_on_the_day_of_a_look_or_after_the_end(there: Workspace) -> None:
    frame = (
        rows()
        .group_by("user", "variant", "country")
        .agg(pl.col("minutes", "takes", "visits").sum(), pl.col("before").first())
    )
    with pytest.raises(InputError, match="no planned look"):
        read(source(there, frame, date(2026, 3, 5)), "x")
    assert read(source(there, frame, date(2026, 3, 4)), "x").look == 1
    assert read(source(there, frame, END + timedelta(days=9)), "x").look == 2


def broken(change: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    return change(rows())


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda frame: frame.filter((pl.col("variant") == "a") | (pl.col("user").hash(seed=2) % 3 > 0)), "sample ratio"),
        (lambda frame: frame.filter(pl.col("day") != date(2026, 3, 4)), "missing days"),
        (lambda frame: pl.concat([frame, frame.head(20)]), "duplicated events"),
        (
            lambda frame: frame.with_columns(
                variant=pl.when(pl.col("day") == END, pl.col("user").str.ends_with("7"))
                .then(pl.lit("b"))
                .otherwise("variant")
            ),
            "crossover",
        ),
        (lambda frame: frame.filter((pl.col("variant") == "a") | pl.col("user").is_in(["u1", "u2", "u3"])), "users"),
    ],
)  # fmt: skip
def test_a_failed_check_stops_the_reading_and_the_decision(
    there: Workspace, change: Callable[[pl.DataFrame], pl.DataFrame], name: str
) -> None:
    given = source(there, broken(change))
    _, _, checks = check(given, "x")
    assert name in [one.name for one in failed(checks)]
    assert read(given, "x").effects == ()
    made = decide_now(given, "x")
    assert [verdict.verdict for verdict in made.verdicts] == ["INVALID"]
    assert any(name in reason for reason in made.verdicts[0].reasons)


def test_a_healthy_table_fails_no_check(there: Workspace) -> None:
    assert failed(check(source(there, rows()), "x")[2]) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.drop("minutes"), "metric minutes needs the column minutes"),
        (lambda frame: frame.drop("before", "country"), "metric minutes needs the column before; segment country needs"),
        (lambda frame: frame.rename({"user": "session"}), "has no column user, it has session.*unit that was randomised is"),
        (lambda frame: frame.drop("variant"), "has no column variant"),
        (lambda frame: frame.with_columns(variant=pl.lit("z")), "column variant, row 1: found 'z', expected one of"),
        (lambda frame: frame.with_columns(minutes=pl.lit(float("nan"))), "column minutes, row 1: found nan, expected a finite"),
        (lambda frame: frame.with_columns(minutes=pl.lit(float("inf"))), "column minutes, row 1: found inf"),
        (lambda frame: frame.with_columns(minutes=pl.lit(None)), "column minutes, row 1: found None"),
        (lambda frame: frame.with_columns(minutes=pl.lit("many")), "column minutes, row 1: found 'many'"),
        (lambda frame: frame.with_columns(user=pl.lit(None, dtype=pl.String)), "column user, row 1: found None"),
        (lambda frame: frame.with_columns(day=pl.lit("yesterday")), "column day, row 1: found 'yesterday', expected"),
        (lambda frame: frame.clear(), "has no rows"),
        (lambda frame: frame.with_columns(day=pl.col("day").dt.offset_by("1y")), "has no row between 2026-03-02 and 2026-03-07"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_is_refused_by_name(
    there: Workspace, change: Callable[[pl.DataFrame], pl.DataFrame], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read(source(there, broken(change)), "x")


def test_a_plan_of_a_table_needs_a_table(there: Workspace) -> None:
    with pytest.raises(InputError, match="name it with --table"):
        check(Source(there, None, END), "x")
    with pytest.raises(InputError, match="is no file"):
        check(Source(there, there.root / "missing.csv", END), "x")


def test_a_start_in_the_past_is_refused_and_late_is_shown(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    plan_path(workspace, "x").parent.mkdir()
    plan_path(workspace, "x").write_text(PLAN)
    with pytest.raises(InputError, match=r"starts on 2026-03-02, which is past: 2026-03-02 is over.*--late"):
        start(workspace, "x", late=False, today=START + timedelta(days=1))
    assert not plan_path(workspace, "x").with_suffix("").exists()  # nothing is half-written
    start(workspace, "x", late=True, today=START + timedelta(days=1))
    assert any("exploratory" in text for text in read(source(workspace, rows()), "x").cautions)


def test_a_changed_file_is_refused_until_it_is_registered_as_a_new_version_that_readings_show(there: Workspace) -> None:
    path = plan_path(there, "x")
    path.write_text(PLAN.replace("margin = 0.05", "margin = 0.5"))
    with pytest.raises(InputError, match=r"changed since it was registered as version 1: metrics: .*0\.05.* -> .*0\.5"):
        read(source(there, rows()), "x")
    own = start(there, "x", late=False, today=END)
    assert own.version.version == 2
    made = read(source(there, rows()), "x")
    assert [shift.version for shift in made.shifts] == [2]
    assert any("changed after the start" in text for text in made.cautions)
    with pytest.raises(InputError, match="runs as version 2 already"):
        start(there, "x", late=False, today=END)


def test_a_start_that_is_moved_into_the_past_by_a_new_version_is_refused_too(there: Workspace) -> None:
    path = plan_path(there, "x")
    path.write_text(PLAN.replace(f"start = {START}", f"start = {BEFORE}"))
    with pytest.raises(InputError, match="which is past"):
        start(there, "x", late=False, today=END)
    assert start(there, "x", late=True, today=END).version.late


def test_a_comment_changes_no_plan(there: Workspace) -> None:
    path = plan_path(there, "x")
    path.write_text("# looked at again\n" + path.read_text())
    assert read(source(there, rows()), "x").version == 1


def test_a_register_that_was_changed_is_refused(there: Workspace) -> None:
    path = there.root / "experiments" / "x" / "register.json"
    content = json.loads(path.read_text())
    content["versions"][0]["plan"]["smallest_effect"] = 5.0
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="version 1 is not what its digest says"):
        read(source(there, rows()), "x")


def test_a_look_that_is_read_again_on_other_data_says_so(there: Workspace) -> None:
    assert not any("are not those read on" in text for text in read(source(there, rows()), "x").cautions)
    again = read(source(there, rows(seed=2)), "x")
    assert any("are not those read on" in text for text in again.cautions)
    assert [look.day for look in read_register(there, "x").looks] == [str(END)] * 2


@pytest.mark.parametrize(
    ("lift", "takes", "verdict"),
    [(0.5, 0.0, "SHIP"), (-0.5, 0.0, "ROLL BACK"), (0.5, -0.2, "ROLL BACK"), (0.0, 0.0, "HOLD")],
)
def test_a_decision_follows_effects_and_margins(there: Workspace, lift: float, takes: float, verdict: str) -> None:
    frame = rows(lift).with_columns(takes=(pl.col("takes") + takes * (pl.col("variant") == "b")).cast(pl.Float64))
    made = decide_now(source(there, frame), "x")
    assert [one.verdict for one in made.verdicts] == [verdict]


def test_a_decision_on_record_is_replayed_to_the_same_bytes(there: Workspace) -> None:
    made = decide_now(source(there, rows()), "x")
    again = decide_now(source(there, rows()), "x")
    assert (made.record.name, again.again, again.record) == ("decision-1.json", True, made.record)
    assert replay(made.record).same
    other = decide_now(source(there, rows(seed=5)), "x")
    assert [path.name for path in records(there, "x")] == ["decision-1.json", "decision-2.json"]
    assert replay(other.record).same


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["verdicts"][0].update(verdict="NEUTRAL"),
        lambda record: record["inputs"]["effects"][0]["effect"].update(value=-9.0),
        lambda record: record["inputs"].update(data="0" * 32),
        lambda record: record.update(digest="0" * 32),
        lambda record: record.update(note="added"),
    ],
)
def test_a_record_that_was_changed_gives_other_bytes(there: Workspace, change: Callable[[Any], object]) -> None:
    path = decide_now(source(there, rows()), "x").record
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
    assert not replay(path).same


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"experiment": "x"}', '{"experiment": "x", "inputs": {"plan": {"variants": [1, 2]}}}', "{" * 10_000,
     '{"experiment": "x", "inputs": {"plan": {"variants": [{"name": "a"}]}, "day": NaN}}'],
)  # fmt: skip
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "decision-1.json"
    path.write_text(text)
    with pytest.raises(InputError, match="is no record of a decision"):
        replay(path)


def test_whoever_met_two_variants_counts_for_the_first(there: Workspace) -> None:
    frame = rows()
    moved = frame.with_columns(
        variant=pl.when((pl.col("day") == END) & pl.col("user").is_in(["u1"])).then(pl.lit("b")).otherwise(pl.lit("a"))
    ).filter(pl.col("user") == "u1")
    rest = frame.filter(pl.col("user") != "u1")
    made = read(source(there, pl.concat([rest, moved.select(rest.columns)])), "x")
    first = rest.filter(pl.col("variant") == "a")["user"].n_unique()
    assert made.users["a"] == first + 1


def test_a_window_counts_a_users_first_days_and_only_users_for_whom_they_are_over(tmp_path: Path) -> None:
    workspace = started(tmp_path, PLAN.replace("smallest_effect", "window = 2\nsmallest_effect"))
    frame = rows().filter((pl.col("user") != "u5") | (pl.col("day") == END))  # first seen on the last day
    made = read(source(workspace, frame), "x")
    assert sum(made.users.values()) == USERS - 1
    own = frame.filter(pl.col("day") < START + timedelta(days=2), pl.col("variant") == "a", pl.col("user") != "u5")
    assert made.effects[1].values[1] == pytest.approx(float(own["takes"].sum()) / float(own["visits"].sum()))


def test_peeking_shows_a_sequence_that_is_wider_than_the_fixed_interval(there: Workspace) -> None:
    made = peek(source(there, rows(), date(2026, 3, 5)), "x")
    assert (made.kind, made.look) == ("peek", None)
    for one in made.effects:
        assert one.effect is not None
        assert one.sequence is not None
        assert one.sequence[0] < one.effect.lower < one.effect.upper < one.sequence[1]
    days = [point.day for point in made.over_time]
    assert days == [str(START + timedelta(days=number)) for number in range(4)]


def test_segments_are_adjusted_together(there: Workspace) -> None:
    made = read(source(there, rows()), "x")
    assert [(one.segment, one.value) for one in made.segments] == [("country", "de"), ("country", "fr")]
    assert all(one.adjusted >= one.effect.p_value for one in made.segments)


def test_three_variants_are_each_held_against_the_control(tmp_path: Path) -> None:
    text = PLAN.replace('name = "b"\nshare = 0.5', 'name = "b"\nshare = 0.25\n[[variants]]\nname = "c"\nshare = 0.25')
    workspace = started(tmp_path, text)
    frame = rows().with_columns(
        variant=pl.when((pl.col("variant") == "b") & (pl.col("user").hash(seed=4) % 2 == 0))
        .then(pl.lit("c"))
        .otherwise("variant")
    )
    made = decide_now(source(workspace, frame), "x")
    assert [one.treatment for one in made.verdicts] == ["b", "c"]
    assert [(one.metric.name, one.treatment) for one in made.reading.effects] == [
        ("minutes", "b"), ("takes per visit", "b"), ("minutes", "c"), ("takes per visit", "c"),
    ]  # fmt: skip
    assert replace(made.reading, effects=()).is_readable
