"""Who gets which variant: always the same one, exclusive inside a layer, independent across, few moved by new shares."""

from dataclasses import replace
from datetime import date
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from bandit.hashing import hash_ids
from batch.choosing.variants import variants_of
from batch.config import Config, Variant
from batch.experiments.assignment import NOBODY, allocation, assigned, overlap_of
from batch.experiments.plans.plan import Arm, Metric, Plan

USERS = [f"u{number}" for number in range(20_000)]
ALARM = 1e-6


def plan(name: str = "x", layer: str = "page", **settings: object) -> Plan:
    day = date(2026, 1, 5)
    arms = (Arm("a", 0.5), Arm("b", 0.5))
    return replace(
        Plan(name, "h", day, day, (day,), arms, (Metric("m", "take"),), 0.01, layer=layer), **settings  # type: ignore[arg-type]
    )  # fmt: skip


def arms(shares: dict[str, float]) -> tuple[Arm, ...]:
    return tuple(Arm(name, share) for name, share in shares.items())


def test_users_have_the_planned_shares_and_keep_their_variant() -> None:
    own = plan(variants=(Arm("a", 0.7), Arm("b", 0.2), Arm("c", 0.1)))
    places = assigned(own, USERS)
    assert chisquare(np.bincount(places), np.array([0.7, 0.2, 0.1]) * len(USERS)).pvalue > ALARM
    assert assigned(own, USERS[500:]).tolist() == places[500:].tolist()


def test_slices_of_a_layer_share_no_user_and_leave_none_out() -> None:
    slices = [(0.0, 0.3), (0.3, 0.75), (0.75, 1.0)]
    inside = [assigned(plan(f"e{at}", traffic=own), USERS) != NOBODY for at, own in enumerate(slices)]
    assert np.sum(inside, axis=0).tolist() == [1] * len(USERS)


def test_twenty_experiments_at_once_are_independent_across_layers() -> None:
    places = [assigned(plan(f"e{number}", f"layer{number}"), USERS) for number in range(20)]
    p_values = [
        chi2_contingency(np.histogram2d(one, other, bins=2)[0]).pvalue for one, other in combinations(places, 2)
    ]
    assert min(p_values) > ALARM
    assert 0.3 < np.mean(np.array(p_values) < 0.5) < 0.7


def test_the_holdback_is_the_same_users_in_every_experiment() -> None:
    held = [assigned(plan(f"e{number}", f"l{number}", holdback=0.1), USERS) == NOBODY for number in range(3)]
    assert (held[0] == held[1]).all()
    assert (held[0] == held[2]).all()
    assert held[0].mean() == pytest.approx(0.1, abs=0.01)


@given(
    st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=2, max_size=6),
)
def test_new_shares_move_half_of_the_sum_of_changes_and_nobody_else(raw: list[list[float]]) -> None:
    history = [dict(zip("abc", np.divide(own, sum(own)).tolist(), strict=True)) for own in raw]
    before, after = allocation(history[:-1]), allocation(history)
    grid = np.arange(0.5 / 4000, 1, 1 / 4000)
    names = [
        np.array([piece.variant for piece in pieces])[
            np.searchsorted([piece.stop for piece in pieces[:-1]], grid, side="right")
        ]
        for pieces in (before, after)
    ]
    changes = [history[-1][name] - history[-2][name] for name in "abc"]
    assert (names[0] != names[1]).mean() == pytest.approx(sum(map(abs, changes)) / 2, abs=0.01)
    for name in "abc":
        assert (names[1] == name).mean() == pytest.approx(history[-1][name], abs=0.01)


def test_a_new_version_moves_only_the_users_that_it_has_to() -> None:
    first, second = {"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.4, "b": 0.3, "c": 0.3}
    before = assigned(plan(variants=arms(first)), USERS, [first])
    after = assigned(plan(variants=arms(second)), USERS, [first, second])
    moved = before != after
    assert moved.mean() == pytest.approx(0.1, abs=0.01)
    assert set(zip(before[moved].tolist(), after[moved].tolist(), strict=True)) == {(0, 2)}


def test_a_variant_that_is_new_or_gone_takes_or_gives_its_users_alone() -> None:
    pieces = allocation([{"a": 0.5, "b": 0.5}, {"a": 0.4, "b": 0.4, "c": 0.2}])
    assert [piece.variant for piece in pieces] == ["a", "c", "b", "c"]
    assert allocation([{"a": 0.5, "b": 0.5}, {"a": 1.0}])[0].variant == "a"


def test_the_layer_of_picks_is_assigned_as_its_generations_are() -> None:
    live = (Variant("a", "thompson", share=0.5), Variant("b", "greedy", share=0.5))
    own = plan(layer="picks", variants=tuple(Arm(variant.name, 0.5, variant) for variant in live))
    expected = variants_of(Config(live, seed=9, salt="x"), hash_ids(USERS))
    assert assigned(own, USERS, seed=9).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [((0, 0.5), (0.5, 1), None), ((0, 0.6), (0.5, 1), (0.5, 0.6)), ((0, 1), (0.2, 0.3), (0.2, 0.3))],
)
def test_slices_overlap_where_both_have_users(
    one: tuple[float, float], other: tuple[float, float], shared: tuple[float, float] | None
) -> None:
    assert overlap_of(one, other) == overlap_of(other, one) == shared
