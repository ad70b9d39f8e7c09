"""The front of settings by several objectives, against pairs of plain loops, and how often chance is taken for a difference."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bandit.errors import InputError
from bandit.simulation.pareto import beside, find_front, on_front


def naive_front(points: npt.NDArray[np.float64]) -> list[bool]:
    """Whether nobody is at least as good in everything and better in something, pair by pair."""
    kept = []
    for one in points:
        dominated = False
        for other in points:
            at_least = all(b >= a for a, b in zip(one, other, strict=True))
            better = any(b > a for a, b in zip(one, other, strict=True))
            dominated |= at_least and better
        kept.append(not dominated)
    return kept


@given(arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 4)), elements=st.integers(0, 3).map(float)))
def test_the_front_is_that_of_all_pairs(points: npt.NDArray[np.float64]) -> None:
    assert on_front(points).tolist() == naive_front(points)


@given(arrays(np.float64, st.tuples(st.integers(2, 4), st.integers(1, 5), st.integers(1, 3)), elements=st.floats(0, 1)))
def test_the_front_of_seeds_is_that_of_their_means(values: npt.NDArray[np.float64]) -> None:
    found = find_front(values, resamples=10)
    assert found.is_on.tolist() == naive_front(values.mean(axis=0))
    assert ((found.shares >= 0) & (found.shares <= 1)).all()
    assert not (found.beats & ~found.dominates).any()
    assert not (found.beats & found.is_alike).any()
    assert (found.is_alike == found.is_alike.T).all()
    assert found.is_alike.diagonal().all()


def test_equal_settings_are_both_on_the_front() -> None:
    assert on_front([[1, 2], [1, 2], [0, 2]]).tolist() == [True, True, False]


def test_what_is_behind_in_every_seed_is_beaten_and_is_on_no_front() -> None:
    random = np.random.default_rng(5)
    level = random.normal(0, 1, (8, 1, 2))  # of a seed, which all settings share
    values = level + np.array([[0.0, 0.0], [0.5, 0.5], [0.6, 0.0]]) + random.normal(0, 0.01, (8, 3, 2))
    found = find_front(values)
    assert found.is_on.tolist() == [False, True, True]
    assert found.beats[1, 0]
    assert not found.beats[1, 2]
    assert not found.is_alike[0, 1]
    assert found.shares[0] == 0
    assert found.shares[2] == 1


def test_a_lead_by_chance_dominates_and_is_none() -> None:
    values = np.random.default_rng(2).normal(0, 1, (6, 2, 1))
    found = find_front(values)
    assert found.dominates.any()
    assert not found.beats.any()
    assert found.is_alike.all()
    assert 0 < found.shares.min() < found.shares.max() < 1


def test_one_seed_tells_nothing_apart() -> None:
    found = find_front([[[0.0, 0.0], [1.0, 1.0]]])
    assert found.is_on.tolist() == [False, True]
    assert found.is_alike.all()
    assert not found.beats.any()
    assert np.isnan(found.shares).all()


@pytest.mark.parametrize("seeds", [3, 10])
def test_settings_that_are_all_the_same_are_told_apart_in_one_table_of_twenty_at_most(seeds: int) -> None:
    """Also where the seeds differ much, as worlds do, and objectives and settings go together."""
    random = np.random.default_rng(11)
    told = 0
    for _ in range(600):
        common = random.normal(0, 3, (seeds, 1, 1)) + random.normal(0, 1, (seeds, 6, 1))
        found = find_front(common + random.normal(0, 1, (seeds, 6, 3)), resamples=1)
        told += not found.is_alike.all()
    assert told / 600 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


@pytest.mark.parametrize(("seeds", "settings"), [(2, 2), (2, 10), (3, 4), (3, 10), (5, 10)])
@pytest.mark.parametrize("steps", [2, 4, 10])
def test_values_of_few_steps_that_agree_at_every_seed_are_no_more_than_chance(
    seeds: int, settings: int, steps: int
) -> None:
    """As of a page of a few titles: by a spread of 0, up to every table of two seeds told settings apart that are the same."""
    random = np.random.default_rng(14)
    told = 0
    for _ in range(400):
        values = random.integers(0, steps, (seeds, settings, 3)) / steps + 0.1
        told += not find_front(values, resamples=1).is_alike.all()
    assert told / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_a_lead_that_is_the_same_at_every_seed_has_no_ends() -> None:
    values = [[[0.1, 0.5], [0.3, 0.5]], [[0.2, 0.7], [0.2 + 0.2, 0.7]]]
    means, reach = beside(values, 0)
    assert means[1].tolist() == pytest.approx([0.2, 0.0])
    assert np.isnan(reach[1]).all()
    assert reach[0].tolist() == [0, 0]
    assert find_front(values).is_alike.all()


def test_differences_that_are_there_are_found_by_ten_seeds() -> None:
    random = np.random.default_rng(12)
    lead = np.array([[0.0], [3.0]])
    told = sum(bool(find_front(random.normal(0, 1, (10, 2, 1)) + lead, resamples=1).beats[1, 0]) for _ in range(200))
    assert told / 200 > 0.95


def test_intervals_beside_a_setting_hold_the_truth_together() -> None:
    """Three settings, two objectives, and seeds that differ by more than the settings do."""
    random = np.random.default_rng(13)
    truth = np.array([[0.0, 0.0], [0.5, -0.5], [1.0, 0.2]])
    held = 0
    for _ in range(500):
        values = truth + random.normal(0, 5, (6, 1, 2)) + random.normal(0, 1, (6, 3, 2))
        means, reach = beside(values, 1)
        held += bool((np.abs(means - (truth - truth[1])) <= reach + 1e-12).all())
    assert held / 500 >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 500)
    assert (means[1] == 0).all()
    assert (reach[[0, 2]] > 0).all()


def test_a_single_seed_has_differences_and_no_ends() -> None:
    means, reach = beside([[[0.0], [1.0]]], 0)
    assert means.tolist() == [[0.0], [1.0]]
    assert np.isnan(reach).all()


@pytest.mark.parametrize(
    ("values", "settings", "said"),
    [
        ([[1.0]], {}, r"values have the shape \(1, 1\), expected \(s, n, a\)"),
        ([[[np.nan]]], {}, "finite numbers"),
        (np.empty((0, 2, 2)), {}, "at least one of each"),
        ([[[1.0]]], {"level": 1.0}, "the level is 1.0"),
        ([[[1.0]]], {"resamples": 0}, "resamples 0"),
    ],
)
def test_odd_values_are_refused(values: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        find_front(values, **settings)


def test_points_that_are_no_table_are_refused() -> None:
    with pytest.raises(InputError, match=r"points have the shape \(2,\), expected \(n, a\)"):
        on_front([1.0, 2.0])
