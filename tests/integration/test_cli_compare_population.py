"""``artwork compare``: whom intervals are about, where a log is cut, and rewards that are not shares."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from shell import assert_refused, call

USERS, SHOWINGS, DAYS = 120, 40, 6


def frame(days: int) -> pl.DataFrame:
    """A uniform log of three arms: so many days of users who come back every day and differ from each other."""
    random = np.random.default_rng(3)
    level = random.normal(size=USERS)
    user = np.repeat(np.arange(USERS), SHOWINGS)
    day = np.tile(np.arange(SHOWINGS), USERS) * DAYS // SHOWINGS
    order = np.argsort(day, kind="stable")
    user, day = user[order], day[order]
    arms = random.integers(0, 3, len(user))
    chance = 1 / (1 + np.exp(1.5 - level[user] - 0.5 * (arms == 2)))
    kept = day < days
    return pl.DataFrame(
        {
            "time": [f"2026-03-{1 + each:02d}T{hour % 24:02d}:00:00" for hour, each in enumerate(day)],
            "user": [f"u{each}" for each in user],
            "action": [f"a{arm}" for arm in arms],
            "reward": (random.random(len(user)) < chance).astype(int),
            "pscore": np.full(len(user), 1 / 3),
        }
    ).filter(pl.Series(kept))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("returning")
    frame(DAYS).write_csv(made / "six.csv")
    frame(DAYS - 2).write_csv(made / "four.csv")
    frame(DAYS).with_columns(reward=pl.col("reward") * 40 - 10).write_csv(made / "money.csv")
    frame(DAYS).drop("user").write_csv(made / "nobody.csv")
    (made / "table.csv").write_text("arm,probability\na0,0.1\na1,0.1\na2,0.8\n")
    return made


@pytest.fixture
def here(folder: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def compared(*words: str, log: str = "six.csv", policies: str = "table:table.csv") -> Any:
    answer = call("compare", "--log", log, "--policies", policies, "--json", "--report", "out/page.html", *words)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def width(made: Any) -> float:
    first = made["evaluation"]["results"][1]["estimates"]["snips"]
    return float(first["upper"] - first["lower"])


def test_intervals_are_for_users_like_those_of_the_log_unless_the_log_itself_is_asked_for(here: Path) -> None:
    users, log = compared(), compared("--population", "log")
    assert (users["evaluation"]["users"], users["evaluation"]["population"]) == (USERS, "users")
    assert (log["evaluation"]["users"], log["evaluation"]["population"]) == (None, "log")
    assert width(users) > 1.3 * width(log)
    text = call("compare", "--log", "six.csv", "--policies", "table:table.csv", "--report", "out/page.html").out
    assert "decisions of 120 users; intervals are for users like them" in text
    page = (here / "out/page.html").read_text()
    assert "intervals are for users like them" in page


def test_a_log_that_knows_no_user_says_so(here: Path) -> None:
    text = call("compare", "--log", "nobody.csv", "--policies", "table:table.csv", "--report", "out/page.html").out
    assert "caution: no user is known, so that intervals take decisions for independent" in text
    assert "is a guess, read off this log; nobody is called better by them alone" in text


def test_a_log_that_has_grown_judges_the_same_policies_by_the_day_that_was_printed(here: Path) -> None:
    words = "thompson,greedy"
    short = compared(log="four.csv", policies=words)
    assert short["split_at"] == "2026-03-03"
    page = (here / "out/page.html").read_text()
    assert "--split-at 2026-03-03" in page
    grown = compared("--split-at", "2026-03-03", policies=words)
    assert grown["learned_from"] == short["learned_from"]
    assert grown["judged_by"] > short["judged_by"]
    assert compared(policies=words)["split_at"] == "2026-03-04"  # a share moves with the log
    text = call("compare", "--log", "four.csv", "--policies", words, "--report", "out/page.html").out
    assert "cut at 2026-03-03: with --split-at 2026-03-03 the log judges the same policies once it has grown" in text


def test_money_is_shown_as_it_is_and_asks_for_its_range_where_a_method_needs_it(here: Path) -> None:
    made = compared(log="money.csv")
    kinds = {other["kind"] for other in made["evaluation"]["results"][1]["others"]}
    assert kinds == {"normal"}
    assert any("need to know the smallest and the largest possible one" in note for note in made["evaluation"]["notes"])
    told = compared("--reward-range=-10,30", log="money.csv")
    kinds = {other["kind"] for other in told["evaluation"]["results"][1]["others"]}
    assert kinds == {"normal", "bernstein", "sequence"}
    shares = compared()["evaluation"]["results"][1]["estimates"]["snips"]
    priced = told["evaluation"]["results"][1]["estimates"]["snips"]
    for end in ("value", "lower", "upper"):
        assert priced[end] == pytest.approx(40 * shares[end] - 10)
    text = call(
        "compare",
        "--log",
        "money.csv",
        "--policies",
        "table:table.csv",
        "--reward-range=-10,30",
        "--report",
        "out/page.html",
    ).out
    assert f"{priced['value']:,.5g}" in text
    assert f"{100 * priced['value']:.3f}%" not in text


REFUSED = {
    "both_cuts": (("--split", "0.3", "--split-at", "2026-03-03", "--policies", "thompson"), "leave one out"),
    "nothing_learns": (("--split-at", "2026-03-03"), "--split-at 2026-03-03 has no effect, as no policy has to learn"),
    "outside": (("--split-at", "2027-01-01", "--policies", "thompson"), "both need some"),
    "no_day": (
        ("--split-at", "March", "--policies", "thompson"),
        "--split-at is 'March', expected a day as YYYY-MM-DD",
    ),
    "population": (("--population", "everybody"), "there is no population 'everybody'; choose one of users, log"),
    "range": (
        ("--reward-range", "1,0"),
        "--reward-range is '1,0', expected the smallest and the largest possible reward",
    ),
    "range_of_one": (("--reward-range", "5"), "--reward-range is '5'"),
    "outside_range": (("--reward-range", "0,0.5"), "has the reward 1, expected 0 to 0.5 as reward_range says"),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_effect_or_makes_no_sense_is_refused(here: Path, words: tuple[str, ...], said: str) -> None:
    policies = () if "--policies" in words else ("--policies", "table:table.csv")
    assert_refused(call("compare", "--log", "six.csv", "--report", "out/page.html", *policies, *words), 2, said)
