"""Interactions of simultaneous experiments on a table: all pairs, what could be seen, and what is refused."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from artwork.reports.experiments.designs import render_interactions
from bandit.errors import InputError
from bandit.experiments import interactions
from batch.experiments.designs.interactions import Interactions, of_table


def rows(
    seed: int = 1, users: int = 8000, experiments: int = 4, interaction: float = 0.0, lift: float = 0.0
) -> pl.DataFrame:
    """A row per user; e0 and e1 together have ``interaction`` more takes per visit, each alone multiplies by 1 + lift."""
    random = np.random.default_rng(seed)
    has = {f"e{number}": random.integers(0, 2, users) for number in range(experiments)}
    visits = random.poisson(5, users) + 1
    rate = 0.2 * (1 + lift * has["e0"]) * (1 + lift * has["e1"]) + interaction * has["e0"] * has["e1"]
    numbers = {"user": np.arange(users).astype(str), "visits": visits, "takes": random.binomial(visits, rate)}
    return pl.DataFrame(numbers | has)


def found(folder: Path, frame: pl.DataFrame, *names: str) -> Interactions:
    path = folder / "users.parquet"
    frame.write_parquet(path)
    return of_table(path, "takes", "visits", names)


def test_all_pairs_are_those_of_the_library_with_the_smallest_p_first(tmp_path: Path) -> None:
    frame = rows(interaction=0.05)
    made = found(tmp_path, frame)
    names = [f"e{number}" for number in range(4)]
    outcomes = frame["takes"].to_numpy(), frame["visits"].to_numpy()
    alone = {(one.first, one.second): one for one in interactions(outcomes, frame.select(names).to_numpy(), names)}
    assert {(one.first, one.second) for one in made.pairs} == set(combinations(names, 2))
    for one in made.pairs:
        assert one.effect is not None
        same = alone[one.first, one.second]
        assert one.effect.value == pytest.approx(same.effect.value)
        assert one.adjusted == pytest.approx(same.adjusted)
        assert one.detectable == pytest.approx(same.detectable)
        assert one.alone is not None
        assert one.alone == pytest.approx(3.48 * one.effect.standard_error, rel=0.01)  # z of 0.05 / 12, and of 0.8
    assert [(one.first, one.second) for one in made.called] == [("e0", "e1")]
    text = render_interactions(made)
    assert "1 of 6 pairs interact: e0 x e1" in text
    assert "e0: control is 0, treatment 1" in text


def test_of_190_pairs_without_any_hardly_one_is_called(tmp_path: Path) -> None:
    made = [found(tmp_path, rows(seed, users=2000, experiments=20)) for seed in range(5)]
    assert [len(one.pairs) for one in made] == [190] * 5
    assert sum(sum(one.effect is not None and one.effect.p_value < 0.05 for one in each.pairs) for each in made) > 25
    assert sum(bool(each.called) for each in made) <= 1


def test_an_interaction_of_the_size_that_is_said_to_be_seen_is_seen_four_times_in_five(tmp_path: Path) -> None:
    """As the only one of 6 pairs; Benjamini and Hochberg call a little more often than the first step of theirs."""
    size = found(tmp_path, rows()).pairs[0].alone
    assert size is not None
    seen = [
        any((one.first, one.second) == ("e0", "e1") for one in found(tmp_path, rows(seed, interaction=size)).called)
        for seed in range(60)
    ]
    assert 0.65 < np.mean(seen) < 0.93


def test_the_case_in_which_interactions_mislead_is_as_the_docs_say(tmp_path: Path) -> None:
    """Two experiments raise takes by 40 % each, whoever has the other: in absolute terms they interact."""
    made = found(tmp_path, rows(3, users=40_000, experiments=2, lift=0.4))
    (pair,) = made.called
    assert pair.effect is not None
    assert round(pair.effect.value, 3) == 0.035  # 0.2 x 0.4 x 0.4 is 0.032
    rates = (
        rows(3, users=40_000, experiments=2, lift=0.4)
        .group_by("e0", "e1")
        .agg(rate=pl.col("takes").sum() / pl.col("visits").sum())
    )
    told = {(row["e0"], row["e1"]): row["rate"] for row in rates.iter_rows(named=True)}
    assert told[1, 1] / told[0, 1] == pytest.approx(told[1, 0] / told[0, 0], abs=0.03)  # the lifts do not


def test_users_who_are_not_in_an_experiment_count_in_no_pair_of_it(tmp_path: Path) -> None:
    frame = rows().with_columns(e0=pl.when(pl.int_range(pl.len()) < 2000).then(None).otherwise("e0"))
    made = found(tmp_path, frame)
    assert {one.users for one in made.pairs if "e0" in {one.first, one.second}} == {6000}
    assert {one.users for one in made.pairs if "e0" not in {one.first, one.second}} == {8000}


def test_names_of_variants_and_rows_of_days_do_as_well(tmp_path: Path) -> None:
    frame = rows(interaction=0.05)
    named = frame.with_columns(
        e0=pl.when(pl.col("e0") == 1).then(pl.lit("bold")).otherwise(pl.lit("control")),
        day=pl.lit("2026-03-02"),
    )
    halves = [named.with_columns(takes=pl.col("takes") - 1), named.with_columns(takes=pl.lit(1), visits=pl.lit(0))]
    one, other = found(tmp_path, frame), found(tmp_path, pl.concat(halves, how="vertical_relaxed"))
    assert "e0: control is control, treatment bold" in other.notes
    assert [pair.effect for pair in one.pairs] == [pair.effect for pair in other.pairs]


def test_pairs_that_share_too_few_users_are_told_and_the_others_stay(tmp_path: Path) -> None:
    frame = rows().with_columns(e1=pl.when(pl.col("e0") == 0).then("e1").otherwise(None))
    made = found(tmp_path, frame)
    told = {(one.first, one.second): one.problem for one in made.pairs if one.effect is None}
    assert list(told) == [("e0", "e1")]
    assert "expected at least 2 users" in told["e0", "e1"]
    assert "e0 x e1 cannot be told" in render_interactions(made)


def test_experiments_that_were_not_drawn_independently_are_told(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    same = random.random(8000) < 0.3
    frame = rows().with_columns(e1=pl.when(pl.Series(same)).then("e0").otherwise("e1"))
    text = render_interactions(found(tmp_path, frame))
    assert text.count("they were not drawn independently") == 1
    assert "caution: e0 x e1: 6" in text
    assert "caution" not in render_interactions(found(tmp_path, rows()))


BAD: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], tuple[str, ...], str]] = {
    "no user": (lambda frame: frame.drop("user"), (), "has no column user"),
    "no metric": (lambda frame: frame.drop("takes"), (), "has no column takes, it has"),
    "an experiment that is not there": (lambda frame: frame, ("e0", "e9"), "has no column e9"),
    "one experiment": (lambda frame: frame, ("e0",), "expected two or more"),
    "three variants": (
        lambda frame: frame.with_columns(e0=pl.int_range(pl.len()) % 3), (), "column e0 has 3 different values (0, 1, 2)"
    ),
    "a variant for all": (lambda frame: frame.with_columns(e0=pl.lit(1)), (), "column e0 has 1 different values (1)"),
    "a metric that is none": (lambda frame: frame.with_columns(takes=pl.lit(float("nan"))), (), "column takes, row 1"),
    "a user with two variants": (
        lambda frame: pl.concat([frame, frame.head(1).with_columns(e0=1 - pl.col("e0"))]), (), "column e0: user '0' has several"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_table_without_pairs_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    change, names, said = BAD[kind]
    with pytest.raises(InputError) as refused:
        found(tmp_path, change(rows(users=400)), *names)
    assert said in str(refused.value)
