"""Worlds in which nothing was changed, or no more than chance, and in which an experiment must not say otherwise."""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from artwork.reports.experiments.page import rendered
from artwork.reports.experiments.readings import render_reading
from bandit.errors import InputError
from bandit.experiments import (
    Effect,
)
from bandit.experiments.spending import spent_by
from batch.experiments.deciding import Replayed, as_bytes, decide_now, replay
from batch.experiments.measuring import gathered_by
from batch.experiments.plans.file import plan_path
from batch.experiments.plans.plan import digest_of
from batch.experiments.reading import Source, peek, read, see, width_at
from batch.experiments.register import false_alarms, registered, start
from batch.workspace.workspace import Workspace

START = date(2026, 3, 2)
END = START + timedelta(days=5)
LATER = END + timedelta(days=6)


def plan(metrics: str, looks: tuple[date, ...] = (END,), end: date = END, share: float = 0.5, **top: object) -> str:
    """A plan of a table."""
    listed = ", ".join(map(str, looks))
    rest = "\n".join(f"{key} = {value}" for key, value in top.items())
    return f"""
hypothesis = "b is better"
source = "table"
start = {START}
end = {end}
looks = [{listed}]
smallest_effect = 0.2
users = 400
{rest}
[[variants]]
name = "a"
share = {1 - share}
[[variants]]
name = "b"
share = {share}
{metrics}
"""


def metric(name: str, role: str = "primary", rest: str = "") -> str:
    return f'[[metrics]]\nname = "{name}"\nof = "{name}"\nrole = "{role}"\n{rest}\n'


CERTAIN = Effect(0, 1, 0, 0, 1, math.inf, 0.95, (2, 2))


def started(root: Path, text: str) -> Workspace:
    workspace = Workspace(root)
    write(workspace, text)
    start(workspace, "x", late=False, today=START)
    return workspace


def write(workspace: Workspace, text: str) -> None:
    path = plan_path(workspace, "x")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def source(workspace: Workspace, columns: Mapping[str, object], today: date = END) -> Source:
    path = workspace.root / "table.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return Source(workspace, path, today)


def test_fewer_crashes_in_a_variant_of_sixty_users_do_not_ship_it(tmp_path: Path) -> None:
    workspace = started(tmp_path, plan(metric("crash", rest='direction = "down"'), share=0.02))
    columns = {
        "user": [f"u{place}" for place in range(3000)],
        "variant": ["b"] * 60 + ["a"] * 2940,
        "crash": [0] * 60 + [1] * 59 + [0] * 2881,
    }
    assert decide_now(source(workspace, columns), "x").verdicts[0].verdict == "NEUTRAL"


def test_a_peek_calls_nothing_better_that_its_sequence_does_not(tmp_path: Path) -> None:
    workspace = started(tmp_path, plan(metric("hours")))
    random = np.random.default_rng(1)
    hours = random.normal(0, 1, 400)
    treated = np.arange(400) % 2 == 1
    hours += np.where(treated, 0.25 - hours[treated].mean(), -hours[~treated].mean())  # 2.5 standard errors
    columns = {"user": [f"u{place}" for place in range(400)], "variant": np.where(treated, "b", "a"), "hours": hours}
    seen = peek(source(workspace, columns), "x")
    (hour,) = seen.effects
    assert hour.effect is not None
    assert hour.sequence is not None
    assert hour.adjusted is not None
    assert hour.effect.lower > 0 > hour.sequence[0]
    assert not hour.is_better
    assert hour.adjusted > 0.05
    assert "not clear" in render_reading(seen)
    (hour,) = read(source(workspace, columns), "x").effects
    assert hour.effect is not None
    assert hour.is_better
    assert hour.adjusted == hour.effect.p_value


def test_what_a_reading_says_of_several_primaries_is_what_a_decision_says(tmp_path: Path) -> None:
    names = [f"m{place}" for place in range(5)]
    workspace = started(tmp_path, plan("".join(map(metric, names)), (END - timedelta(days=3), END)))
    random = np.random.default_rng(3)
    treated = np.arange(400) % 2 == 1
    columns = {"user": [f"u{place}" for place in range(400)], "variant": np.where(treated, "b", "a")}
    for place, name in enumerate(names):
        numbers = random.normal(0, 1, 400)
        columns[name] = numbers + np.where(treated, (0.26 if not place else 0) - numbers[treated].mean(), 0)
    made = read(source(workspace, columns), "x")
    assert made.effects[0].effect is not None
    assert made.effects[0].effect.lower > 0  # alone it would be
    for one in made.effects:
        assert one.adjusted is not None
        assert (one.is_better or one.is_worse) == (one.adjusted < 0.05)
    assert decide_now(source(workspace, columns), "x").verdicts[0].verdict != "SHIP"
    assert not made.effects[0].is_better


def with_covariate(moved: float) -> dict[str, object]:
    """Hours that nothing changed, and a covariate that the treatment moved."""
    random = np.random.default_rng(1)
    treated = np.arange(800) % 2 == 1
    habit = random.normal(0, 1, 800)
    return {
        "user": [f"u{place}" for place in range(800)],
        "variant": np.where(treated, "b", "a"),
        "hours": habit + random.normal(0, 0.5, 800),
        "before": habit + moved * treated,
    }


def test_a_covariate_that_the_treatment_changed_stops_the_reading(tmp_path: Path) -> None:
    workspace = started(tmp_path, plan(metric("hours", rest='covariate = "before"')))
    made = decide_now(source(workspace, with_covariate(0.4)), "x")
    assert made.verdicts[0].verdict == "INVALID"
    assert "covariates failed" in made.verdicts[0].reasons[0]
    assert decide_now(source(workspace, with_covariate(0.0)), "x").verdicts[0].verdict == "NEUTRAL"


def daily(until: date, lift: float) -> dict[str, object]:
    """Hours of 400 users on every day, of whom the treated ones have a little more."""
    random = np.random.default_rng(1)
    days = (until - START).days + 1
    treated = np.arange(400) % 2 == 1
    hours = random.normal(0, 1, (days, 400)) + lift * treated
    return {
        "user": [f"u{place}" for place in range(400)] * days,
        "variant": np.tile(np.where(treated, "b", "a"), days),
        "day": [START + timedelta(days=day) for day in range(days) for _ in range(400)],
        "hours": hours.ravel(),
    }


def test_an_end_that_is_moved_after_it_was_read_is_one_look_more(tmp_path: Path) -> None:
    workspace = started(tmp_path, plan(metric("hours")))
    read(source(workspace, daily(END, 0.1)), "x")
    write(workspace, plan(metric("hours"), (LATER,), LATER))
    start(workspace, "x", late=False, today=END)
    made = read(source(workspace, daily(LATER, 0.1), LATER), "x")
    assert made.taken == (str(END), str(LATER))
    assert made.bound is not None
    assert made.bound > 1.97
    assert any("share the level" in text for text in made.cautions)
    decided = decide_now(source(workspace, daily(LATER, 0.1), LATER), "x")
    assert any("was changed after the start" in reason for reason in decided.verdicts[0].reasons)
    assert replay(decided.record).same


def test_a_look_that_is_left_out_after_it_was_read_still_counts(tmp_path: Path) -> None:
    middle = START + timedelta(days=2)
    workspace = started(tmp_path, plan(metric("hours"), (middle, END), spending='"pocock"'))
    read(source(workspace, daily(middle, 0.1), middle), "x")
    before = read(source(workspace, daily(END, 0.1)), "x").bound
    write(workspace, plan(metric("hours"), spending='"pocock"'))
    start(workspace, "x", late=False, today=END)
    assert read(source(workspace, daily(END, 0.1)), "x").bound == before


@pytest.mark.parametrize(
    "changed",
    [
        plan(metric("hours"), (START + timedelta(days=1), END)),
        plan(metric("hours"), (END - timedelta(days=1),), END - timedelta(days=1)),
        plan(metric("hours")).replace(f"start = {START}", f"start = {START + timedelta(days=1)}"),
    ],
    ids=["a look more", "an earlier end", "a later start"],
)
def test_days_that_were_seen_are_not_chosen_anew(tmp_path: Path, changed: str) -> None:
    workspace = started(tmp_path, plan(metric("hours")))
    write(workspace, changed)
    with pytest.raises(InputError, match=r"which is past.*--late"):
        start(workspace, "x", late=False, today=END + timedelta(days=1))
    start(workspace, "x", late=True, today=END + timedelta(days=1))
    decided = decide_now(source(workspace, daily(END, 0.1), END + timedelta(days=1)), "x")
    assert any("the verdict is exploratory" in reason for reason in decided.verdicts[0].reasons)


def test_a_day_without_one_of_the_variants_is_missing(tmp_path: Path) -> None:
    workspace = started(tmp_path, plan(metric("hours")))
    columns = pl.DataFrame(daily(END, 0.0)).filter((pl.col("day") != END) | (pl.col("variant") == "a"))
    made = read(source(workspace, columns.to_dict(as_series=False)), "x")
    assert [one.name for one in made.checks if one.passed is False] == ["missing days"]
    assert f"1 have none of b: {END}" in next(one.text for one in made.checks if one.name == "missing days")


@pytest.mark.parametrize("blank", ["", "  ", float("nan"), None])
def test_users_without_an_id_are_not_one_user(tmp_path: Path, blank: object) -> None:
    workspace = started(tmp_path, plan(metric("hours")))
    users: list[object] = [float(place) if isinstance(blank, float) else f"u{place}" for place in range(100)]
    columns: dict[str, object] = {
        "user": [*users[:90], *[blank] * 10],
        "variant": ["a", "b"] * 50,
        "hours": [1, 2, 3, 4] * 25,
    }
    with pytest.raises(InputError, match="column user, row 91"):
        read(source(workspace, columns), "x")


def test_looks_at_users_whose_window_is_over_keep_the_level(tmp_path: Path) -> None:
    end = START + timedelta(days=13)
    looks = tuple(START + timedelta(days=day) for day in range(7, 14))
    text = plan(metric("hours"), looks, end, window=7, spending='"pocock"')
    own = started(tmp_path, text)
    registered_as = registered(own, "x").plan
    bounds = np.array([width_at(registered_as, looks[:place]).reach(CERTAIN, 0.95) for place in range(1, 8)])
    users = np.arange(2, 9) / 8  # users come evenly, and count when their window of 7 days is over
    steps = np.sqrt(np.diff(users, prepend=0.0))
    seen = np.cumsum(steps * np.random.default_rng(1).normal(size=(40_000, 7)), axis=1) / np.sqrt(users)
    assert (np.abs(seen) > bounds).any(axis=1).mean() < 0.054  # 0.073 with the share of the days


@pytest.mark.parametrize("window", [0, 3])
def test_looks_share_the_level_by_what_was_known_at_each(tmp_path: Path, window: int) -> None:
    end = START + timedelta(days=13)
    looks = tuple(START + timedelta(days=day) for day in (4, 9, 13))
    own = registered(started(tmp_path, plan(metric("hours"), looks, end, window=window, spending='"pocock"')), "x")
    random = np.random.default_rng(5)
    rows = [
        (f"u{user}", START + timedelta(days=int(day)))
        for user in range(900)
        for day in {14 * random.random() ** 0.3 // 1, 14 * random.random() ** 0.3 // 1}  # most of them come late
    ]
    columns = {
        "user": [user for user, _ in rows],
        "variant": ["ab"[int(user[1:]) % 2] for user, _ in rows],
        "day": [day for _, day in rows],
        "hours": [1.0] * len(rows),
    }
    seen = see(source(Workspace(tmp_path), columns, end), own, end)
    first: dict[str, date] = {}
    for user, day in rows:
        first[user] = min(first.get(user, end), day)
    waits = timedelta(days=max(window, 1) - 1)
    known, parts = [], []
    for look in looks:
        count = {user for user, day in first.items() if day + waits <= look}
        visits = Counter(user for user, day in rows if user in count and day <= look)
        if window:
            visits = Counter(user for user, day in rows if user in count and day <= first[user] + waits)
        known.append((own.plan.information(look), len(count), visits.total()))
        apart = dict.fromkeys(first, 0.0)  # what each user adds to the error of the effect
        for variant in (0, 1):
            same = [user for user in count if int(user[1:]) % 2 == variant]
            mean = sum(visits[user] for user in same) / len(same)
            apart |= {user: (-1) ** variant * (visits[user] - mean) / len(same) for user in same}
        parts.append(np.array([apart[user] for user in sorted(apart)]))
    assert known[-1][1] > 300
    shared = np.ones((3, 3))
    for early, late in ((0, 1), (0, 2), (1, 2)):
        alike = max(float(np.corrcoef(parts[early], parts[late])[0, 1]), 0.0) ** 2
        shared[early, late] = min(alike, *(was / now for was, now in zip(known[early], known[late], strict=True)))
    expected = [min(shared[0, 1] * shared[1, 2], shared[0, 2]), shared[1, 2], 1.0]
    gathered = gathered_by(seen, own.plan, looks)
    assert gathered == pytest.approx(expected, abs=1e-12)
    assert gathered[0] < own.plan.information(looks[0]) / 4
    assert width_at(own.plan, looks, gathered).reach(CERTAIN, 0.95) > width_at(own.plan, looks).reach(CERTAIN, 0.95)


def late_weight(users: int, end: date, seed: int) -> dict[str, Any]:
    """Users who come on every day alike, and do three times as much on each as on the day before."""
    random = np.random.default_rng(seed)
    days = [START + timedelta(days=number) for number in range((end - START).days + 1)]
    return {
        "user": [f"u{user}" for user in range(users) for _ in days],
        "variant": ["ab"[user % 2] for user in range(users) for _ in days],
        "day": days * users,
        "hours": (3.0 ** np.arange(len(days)) * random.exponential(1.0, (users, len(days)))).ravel().tolist(),
    }


def test_looks_between_which_everybody_does_more_are_not_taken_for_alike(tmp_path: Path) -> None:
    """Days, users and rows say that looks share 9 of 10 parts; of what is known they share a ninth."""
    end = START + timedelta(days=9)
    looks = tuple(START + timedelta(days=day) for day in range(1, 10))
    own = registered(started(tmp_path, plan(metric("hours"), looks, end, spending='"pocock"')), "x")
    seen = see(source(Workspace(tmp_path), late_weight(800, end, 1), end), own, end)
    gathered = gathered_by(seen, own.plan, looks)
    assert (np.exp(np.diff(np.log(gathered))) > 5).all()
    bounds = [width_at(own.plan, looks[: place + 1], gathered[: place + 1]).reach(CERTAIN, 0.95) for place in range(9)]
    random = np.random.default_rng(2)
    parts = 3.0 ** np.arange(10) * random.normal(size=(20_000, 10))
    z = parts.cumsum(axis=1)[:, 1:] / np.sqrt((9.0 ** np.arange(10)).cumsum()[1:])
    assert (np.abs(z) > bounds).any(axis=1).mean() < 0.055  # 0.106 by the least share of days, users and rows


def test_a_covariate_takes_what_stays_the_same_out_of_looks(tmp_path: Path) -> None:
    """Without it looks are alike because users are the same; what is left of them when it is out is new on each day."""
    end = START + timedelta(days=9)
    random = np.random.default_rng(3)
    habit = random.normal(0, 50, 600)
    columns = late_weight(600, end, 4)
    columns["before"] = np.repeat(habit, 10).tolist()
    columns["hours"] = (np.array(columns["hours"]) / 3.0**9 * 5 + np.repeat(habit, 10)).tolist()
    looks = (START + timedelta(days=8), end)
    shares = []
    for name, covariate in (("with", 'covariate = "before"'), ("without", "")):
        own = registered(started(tmp_path / name, plan(metric("hours", rest=covariate), looks, end)), "x")
        seen = see(source(Workspace(tmp_path / name), columns, end), own, end)
        shares.append(gathered_by(seen, own.plan, looks)[0])
    assert shares[0] < 0.3
    assert shares[1] > 0.85


def test_looks_at_rows_without_days_say_that_their_pace_is_not_known(tmp_path: Path) -> None:
    columns: dict[str, object] = {
        "user": [f"u{user}" for user in range(200)],
        "variant": ["a", "b"] * 100,
        "hours": np.random.default_rng(1).normal(size=200).tolist(),
    }
    for looks, told in (((START + timedelta(days=2), END), True), ((END,), False)):
        workspace = started(tmp_path / str(len(looks)), plan(metric("hours"), looks))
        cautions = read(source(workspace, columns, END + timedelta(days=1)), "x").cautions
        assert any(text.startswith("rows have no day, so the 2 looks") for text in cautions) == told


def test_an_end_that_is_moved_on_after_it_was_read_says_what_that_costs(tmp_path: Path) -> None:
    """Nothing is found at the end, so it is moved to twice as many days: two looks, of which the first had the whole level."""
    later = START + timedelta(days=11)
    workspace = started(tmp_path, plan(metric("hours"), (END,)))
    own = source(workspace, daily(later, 0.0), later + timedelta(days=1))
    assert not any("false alarms" in text for text in read(own, "x").cautions)
    write(workspace, plan(metric("hours"), (later,), later))
    start(workspace, "x", late=True, today=END)
    spent = spent_by(np.array([0.5]), 0.05, "obrien_fleming")[0]
    assert false_alarms(registered(workspace, "x")) == pytest.approx(0.05 + 0.05 - spent)
    assert any("up to 9.7%, and not 5.0%" in text for text in read(own, "x").cautions)
    z = np.random.default_rng(3).normal(size=(100_000, 2)).cumsum(axis=1) / np.sqrt([1, 2])
    second = width_at(registered(workspace, "x").plan, (END, later)).reach(CERTAIN, 0.95)
    counted = ((np.abs(z[:, 0]) > 1.96) | (np.abs(z[:, 1]) > second)).mean()
    assert 0.08 < counted < 0.097


def test_looks_that_stay_what_they_were_leave_the_level_alone(tmp_path: Path) -> None:
    middle = START + timedelta(days=2)
    workspace = started(tmp_path, plan(metric("hours"), (middle, END)))
    own = source(workspace, daily(END, 0.0), END + timedelta(days=1))
    read(own, "x", middle)
    write(workspace, plan(metric("hours"), (middle, END)).replace("smallest_effect = 0.2", "smallest_effect = 0.3"))
    start(workspace, "x", late=True, today=END)
    read(own, "x", middle)
    assert false_alarms(registered(workspace, "x")) == pytest.approx(0.05)
    write(workspace, plan(metric("hours"), (middle, END), spending='"pocock"'))
    start(workspace, "x", late=True, today=END)
    assert false_alarms(registered(workspace, "x")) < 0.03  # what was read had less than the new version leaves
    assert not any("false alarms" in text for text in read(own, "x").cautions)


def test_a_decision_at_looks_keeps_what_was_known_and_is_replayed_as_those_of_before_are(tmp_path: Path) -> None:
    middle = START + timedelta(days=2)
    workspace = started(tmp_path, plan(metric("hours"), (middle, END), spending='"pocock"'))
    own = source(workspace, daily(END, 0.1), END + timedelta(days=1))
    decided = decide_now(own, "x")
    content = json.loads(decided.record.read_text())
    assert content["inputs"]["look"]["gathered"][-1] == 1.0
    assert replay(decided.record).same
    del content["inputs"]["look"]["gathered"]  # as a record of before had it
    content["digest"] = digest_of(content["inputs"])
    decided.record.write_bytes(as_bytes(content))
    assert replay(decided.record).same


def test_a_look_at_which_no_window_is_over_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="when no user's window of 5 days is over"):
        started(tmp_path, plan(metric("hours"), (START + timedelta(days=3), END), window=5))


def test_a_ratio_that_rises_because_less_is_divided_by_is_cautioned_of(tmp_path: Path) -> None:
    workspace = started(tmp_path, plan(metric("takes", rest='per = "visits"')))
    random = np.random.default_rng(1)
    treated = np.arange(800) % 2 == 1
    takes = random.poisson(3, 800)
    columns = {"user": [f"u{place}" for place in range(800)], "variant": np.where(treated, "b", "a"), "takes": takes}
    fewer = decide_now(source(workspace, {**columns, "visits": random.poisson(np.where(treated, 6, 9)) + 1}), "x")
    assert fewer.verdicts[0].verdict == "SHIP"
    assert any("because less is divided by" in reason for reason in fewer.verdicts[0].reasons)
    alike = decide_now(source(workspace, {**columns, "visits": random.poisson(9, 800) + 1}), "x")
    assert not any("divided by" in reason for reason in alike.verdicts[0].reasons)


def test_a_verdict_on_a_look_that_was_read_on_other_data_says_so(tmp_path: Path) -> None:
    workspace = started(tmp_path, plan(metric("hours")))
    late = END + timedelta(days=1)
    columns = daily(END, 0.1)
    first = decide_now(source(workspace, columns, late), "x")
    other = decide_now(source(workspace, daily(END, 0.2), late), "x")
    assert "this look was read 1 times before on other data" in other.verdicts[0].reasons[-1]
    again = decide_now(source(workspace, columns, late), "x")
    assert (again.again, again.record) == (True, first.record)


def test_a_look_on_a_day_that_goes_on_is_cautioned_of(tmp_path: Path) -> None:
    workspace = started(tmp_path, plan(metric("hours")))
    for today, is_told in ((END, True), (END + timedelta(days=1), False)):
        made = read(source(workspace, daily(END, 0.1), today), "x")
        assert any("is not over" in text for text in made.cautions) == is_told


def test_names_of_a_table_are_text_on_the_page_and_in_the_terminal(tmp_path: Path) -> None:
    odd = "<script>alert(1)</script>[red]"
    text = plan(metric("hours").replace('name = "hours"', f'name = "{odd}"'), segments='["place"]')
    workspace = started(tmp_path, text.replace('name = "b"', f'name = "{odd}"'))
    columns = daily(END, 0.1)
    variants = [odd if name == "b" else "a" for name in np.asarray(columns["variant"]).tolist()]
    seen = read(source(workspace, {**columns, "variant": variants, "place": [odd] * len(variants)}), "x")
    page = rendered(seen, None)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;[red]" in page
    assert odd in render_reading(seen)


def scale(record: dict[str, Any], key: str) -> None:
    record["inputs"]["effects"][0]["effect"][key] *= 0.1


def role(record: dict[str, Any]) -> None:
    record["inputs"]["effects"][0]["role"] = "proxy"
    record["inputs"]["effects"][1]["role"] = "primary"


def smallest(record: dict[str, Any]) -> None:
    record["inputs"]["plan"]["smallest_effect"] = 9.0


@pytest.mark.parametrize(
    "change",
    [partial(scale, key="standard_error"), partial(scale, key="value"), role, smallest],
    ids=["a smaller error", "another value", "swapped roles", "another plan"],
)
def test_a_record_that_was_changed_with_its_digest_contradicts_itself(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    workspace = started(tmp_path, plan(metric("hours") + metric("takes", "proxy")))
    columns = daily(END, 0.1)
    record = decide_now(source(workspace, {**columns, "takes": columns["hours"]}), "x").record
    assert replay(record).same
    there = json.loads(record.read_text())
    change(there)
    inputs = there["inputs"]
    verdicts = [
        {"treatment": "b", "verdict": one.verdict, "reasons": list(one.reasons)}
        for one in replay_of(tmp_path, there).verdicts
    ]
    again = replay_of(tmp_path, {**there, "digest": digest_of(inputs), "verdicts": verdicts})
    assert not again.same
    assert again.differs


def replay_of(folder: Path, content: dict[str, Any]) -> Replayed:
    path = folder / "changed.json"
    path.write_bytes(as_bytes(content))
    return replay(path)
