"""Regression discontinuity of a table: what each assumption says in worlds where it holds and where it does not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bandit.errors import InputError
from bandit.experiments import discontinuity
from batch.experiments.designs.cutoff import Cutoff, read_cutoff

ENOUGH = "there are enough rows on both sides"
MOVED = "nobody moved scores across the cutoff"
HOLE = "the rows next to the cutoff do not decide"
FINE = "scores are fine, and not heaped upon"
PEOPLE = "rows with the same score are different people"
WIDTHS = "another bandwidth says the same"
ELSEWHERE = "the outcome does not jump where nothing changes"
BEFORE = "what was fixed before does not jump"
KEPT = "the rule was kept"


def rows(seed: int = 1, *, count: int = 4000, jump: float = 1.5) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    score = random.uniform(0, 100, count)
    return pl.DataFrame(
        {
            "score": score,
            "outcome": 0.05 * score + jump * (score >= 50) + random.normal(0, 2, count),
            "age": 30 + 0.1 * score + random.normal(0, 5, count),
        }
    )


def found(folder: Path, frame: pl.DataFrame, *fixed: str, bandwidth: float = 20.0) -> Cutoff:
    path = folder / "scores.parquet"
    frame.write_parquet(path)
    return read_cutoff(path, 50.0, bandwidth, fixed=fixed)


def holds(made: Cutoff) -> dict[str, bool | None]:
    return {one.name: one.holds for one in made.assumptions}


def test_a_jump_is_that_of_the_library_and_no_assumption_fails(tmp_path: Path) -> None:
    frame = rows(2).with_columns(treated=(pl.col("score") >= 50).cast(pl.Int8))
    made = found(tmp_path, frame, "age")
    alone = discontinuity(frame["outcome"].to_numpy(), frame["score"].to_numpy(), 50.0, 20.0)
    assert made.found == alone
    assert made.found.lower < 1.5 < made.found.upper
    assert [holds(made)[name] for name in (ENOUGH, MOVED, HOLE, FINE, PEOPLE, WIDTHS, ELSEWHERE, BEFORE, KEPT)] == [
        True
    ] * 9
    assert made.passed
    assert all((one.score < 50) == (place < len(made.bins) / 2) for place, one in enumerate(made.bins))
    assert sum(one.rows for one in made.bins) == frame.filter((pl.col("score") - 50).abs() <= 40).height


def test_tables_in_which_everything_holds_hardly_ever_fail(tmp_path: Path) -> None:
    made = [found(tmp_path, rows(seed), "age") for seed in range(40)]
    assert sum(not one.passed for one in made) <= 4


def test_users_who_pushed_themselves_over_the_cutoff_are_told(tmp_path: Path) -> None:
    """There is no effect: those who did well anyway took the trouble to reach 50."""
    random = np.random.default_rng(20)
    frame = rows(2, jump=0.0)
    score, outcome = frame["score"].to_numpy().copy(), frame["outcome"].to_numpy().copy()
    pushed = (score > 46) & (score < 50) & (random.random(len(score)) < 0.6)
    score[pushed] = 50 + random.uniform(0, 4, pushed.sum())
    outcome[pushed] += 4
    made = found(tmp_path, pl.DataFrame({"score": score, "outcome": outcome}))
    assert made.found.p_value < 0.01
    assert holds(made)[MOVED] is False
    assert not made.passed


def test_scores_that_other_people_rounded_are_told(tmp_path: Path) -> None:
    """A third of the people round to tens, and have other outcomes: at the cutoff, a ten, the rounded ones make the jump."""
    random = np.random.default_rng(30)
    frame = rows(3, jump=0.0)
    rounds = random.random(frame.height) < 0.3
    score = np.where(rounds, frame["score"].to_numpy().round(-1), frame["score"].to_numpy())
    made = found(tmp_path, pl.DataFrame({"score": score, "outcome": frame["outcome"].to_numpy() + 3.0 * rounds}))
    assert made.found.p_value < 0.01
    assert holds(made)[FINE] is False


def test_few_different_scores_fail(tmp_path: Path) -> None:
    made = found(tmp_path, rows().with_columns(pl.col("score").floor().floordiv(5) * 5))
    assert holds(made)[FINE] is False
    assert holds(made)[MOVED] is None


def test_people_with_several_rows_each_are_told(tmp_path: Path) -> None:
    """There is no effect, and ten rows of each of 400 people: p is below 0.05 in two of three tables."""
    clear = told = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        score, level = np.repeat(random.uniform(0, 100, 400), 10), np.repeat(random.normal(0, 2, 400), 10)
        made = found(tmp_path, pl.DataFrame({"score": score, "outcome": level + random.normal(0, 1, 4000)}))
        clear += made.found.p_value < 0.05
        told += holds(made)[PEOPLE] is False
        assert not made.passed
    assert (clear >= 10, told) == (True, 20)
    again = found(tmp_path, pl.concat([rows()] * 2))
    assert holds(again)[PEOPLE] is False


def test_different_people_with_whole_scores_pass(tmp_path: Path) -> None:
    made = [found(tmp_path, rows(seed).with_columns(pl.col("score").floor()), bandwidth=40.0) for seed in range(30)]
    assert sum(holds(one)[PEOPLE] is False for one in made) <= 2
    assert sum(holds(one)[PEOPLE] is True for one in made) >= 25


def test_a_fixed_column_that_never_varies_says_nothing(tmp_path: Path) -> None:
    assert holds(found(tmp_path, rows().with_columns(one=pl.lit(1)), "one"))[BEFORE] is None


@pytest.mark.parametrize("column", ["score", "outcome", "treated"])
def test_what_the_rule_is_made_of_was_not_fixed_before_it(tmp_path: Path, column: str) -> None:
    with pytest.raises(InputError, match=f"--fixed {column}: that is part of the rule"):
        found(tmp_path, rows().with_columns(treated=(pl.col("score") >= 50).cast(pl.Int8)), column)


def test_an_outcome_that_bends_at_the_cutoff_is_not_taken_for_a_jump(tmp_path: Path) -> None:
    """It rises within a few points around 50, without any jump."""
    frame = rows(jump=0.0).with_columns(outcome=pl.col("outcome") + 4 / (1 + ((50 - pl.col("score")) / 3).exp()))
    made = found(tmp_path, frame, bandwidth=40.0)
    assert made.found.p_value < 0.01
    assert holds(made)[WIDTHS] is False


def test_what_was_fixed_before_must_not_jump(tmp_path: Path) -> None:
    frame = rows().with_columns(age=pl.col("age") + 4 * (pl.col("score") >= 50))
    assert holds(found(tmp_path, frame, "age"))[BEFORE] is False
    assert holds(found(tmp_path, rows()))[BEFORE] is None  # nothing was named


def test_a_rule_that_was_not_kept_is_told(tmp_path: Path) -> None:
    made = found(tmp_path, rows().with_columns(treated=(pl.col("score") >= 52).cast(pl.Int8)))
    assert holds(made)[KEPT] is False


def test_a_jump_where_nothing_changes_is_told(tmp_path: Path) -> None:
    frame = rows().with_columns(outcome=pl.col("outcome") + 2 * (pl.col("score") >= 30))
    assert holds(found(tmp_path, frame))[ELSEWHERE] is False


def test_a_check_that_could_see_nothing_does_not_pass(tmp_path: Path) -> None:
    made = found(tmp_path, rows(2, count=250, jump=3.0))
    assert holds(made)[MOVED] is None
    assert holds(made)[ENOUGH] is None
    assert made.found.p_value < 0.05
    assert holds(found(tmp_path, rows(count=250), bandwidth=10.0))[ENOUGH] is False


def marked(seed: int) -> pl.DataFrame:
    """Whoever marks the exams lifts some good pupils over 50 and lets as many bad ones drop below it: nothing else happens."""
    random = np.random.default_rng(1000 + seed)
    frame = rows(seed, jump=0.0)
    score = frame["score"].to_numpy().copy()
    before = random.normal(0, 2, frame.height)  # how good they are anyway
    lifted = (score > 40) & (score < 50) & (before > 1.5)
    dropped = (score >= 50) & (score < 60) & (before < -1.5)
    score[lifted] += 10
    score[dropped] -= 10
    return pl.DataFrame({"score": score, "outcome": frame["outcome"].to_numpy() + before, "before": before})


def test_the_case_in_which_a_cutoff_misleads_is_as_the_docs_say(tmp_path: Path) -> None:
    made = [found(tmp_path, marked(seed)) for seed in range(20)]
    assert [sum(one.found.p_value < 0.05 for one in made), sum(one.passed for one in made)] == [20, 12]
    assert round(float(np.mean([one.found.value for one in made])), 1) == 2.2
    named = [found(tmp_path, marked(seed), "before") for seed in range(20)]
    assert sum(holds(one)[BEFORE] is False for one in named) == 20


BAD: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "a column that is missing": (lambda frame: frame.drop("score"), "has no column score, it has outcome, age"),
    "no rows": (lambda frame: frame.head(0), "has no rows"),
    "a score that is none": (lambda frame: frame.with_columns(score=pl.lit(float("nan"))), "column score, row 1: found nan"),
    "an outcome that is blank": (lambda frame: frame.with_columns(outcome=pl.lit(None, pl.Float64)), "column outcome, row 1"),
    "nobody below": (lambda frame: frame.filter(pl.col("score") >= 50), "has no score below the cutoff 50: they go from 50."),
    "nobody above": (lambda frame: frame.filter(pl.col("score") < 50), "has no score from the cutoff 50 on: they go from"),
    "few rows near": (lambda frame: frame.filter((pl.col("score") < 45) | (pl.col("score") > 64)), "take a wider bandwidth"),
    "a user twice": (lambda frame: frame.with_columns(user=pl.lit("u1")), "has several rows of user 'u1'"),
    "a user twice but for a blank": (
        lambda frame: frame.with_columns(user=pl.Series([f"u{row // 2}" + " " * (row % 2) for row in range(400)])),
        "has several rows of user 'u0'",
    ),
    "a treatment that is none": (lambda frame: frame.with_columns(treated=pl.lit(0.5)), "column treated, row 1: found 0.5"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_table_without_two_sides_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    change, said = BAD[kind]
    with pytest.raises(InputError) as refused:
        found(tmp_path, change(rows(count=400)), bandwidth=4.0 if kind == "few rows near" else 20.0)
    assert said in str(refused.value)


@pytest.mark.parametrize(("flag", "widths"), [("--bandwidth", (0.0, None)), ("--bias-bandwidth", (20.0, -1.0))])
def test_a_bandwidth_that_is_none_is_refused(tmp_path: Path, flag: str, widths: tuple[float, float | None]) -> None:
    path = tmp_path / "scores.csv"
    rows(count=400).write_csv(path)
    with pytest.raises(InputError, match=f"{flag} is .* expected above 0"):
        read_cutoff(path, 50.0, *widths)


def test_a_cutoff_with_many_digits_is_told_with_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "born.parquet"
    rows().with_columns(pl.col("score") + 20_080_000).write_parquet(path)
    seen = " ".join(one.seen for one in read_cutoff(path, 20_080_050.0, 20.0).assumptions)
    assert "within 20 of 20080050" in seen
    assert "at 20080030 it jumps by" in seen
