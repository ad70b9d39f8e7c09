import re
from typing import Any

import naive
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from bandit.errors import InputError
from bandit.hashing import hash_ids
from bandit.policies import decide, draw_arms, quantise
from bandit.snapshot import TOTAL_WEIGHT, draw

F64 = npt.NDArray[np.float64]
HALF = np.array([[0.5, 0.5]])
ONE = hash_ids(["one"])
TOTALS = st.sampled_from([TOTAL_WEIGHT, 4095, 2047])
FLOORS = st.sampled_from([0.0, 0.001, 0.02, 0.5])


@st.composite
def probabilities(random: st.DrawFn) -> list[float]:
    parts = random(st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any))
    return [part / sum(parts) for part in parts]


def weights(p: list[float], **settings_: Any) -> list[int]:
    return [int(weight) for weight in quantise(np.array([p]), **settings_)[0]]


def test_the_formula_worked_by_hand() -> None:
    # nu = 0.05; p~ = 0.93 p + 0.02/3 + 0.05 [new] = 0.657667, 0.192667, 0.149667; times 65532 = 43098.21, 12625.83, 9807.96;
    # the two units left go to the third and the second arm, and every arm has one more.
    found = weights([0.7, 0.2, 0.1], new=np.array([False, False, True]), floor=0.02, new_floor=0.05)
    assert found == [43099, 12627, 9809]


def test_the_formula_worked_by_hand_for_another_total() -> None:
    # The same p~ times 4092 = 2691.17, 788.39, 612.44: the unit left goes to the third arm, and every arm has one more.
    new = np.array([False, False, True])
    assert weights([0.7, 0.2, 0.1], new=new, floor=0.02, new_floor=0.05, total=4095) == [2692, 789, 614]


def test_the_formula_worked_by_hand_without_a_floor() -> None:
    # p * 65535 = 45874.5, 13107.0, 6553.5: equal remainders, and the unit left goes to the lowest of them.
    assert weights([0.7, 0.2, 0.1], floor=0.0) == [45875, 13107, 6553]


@given(probabilities(), FLOORS, TOTALS)
@settings(deadline=None)
def test_weights_add_up(p: list[float], floor: float, total: int) -> None:
    assert sum(weights(p, floor=floor, total=total)) == total


@given(probabilities(), TOTALS)
@settings(deadline=None)
def test_every_arm_can_be_drawn_when_there_is_a_floor(p: list[float], total: int) -> None:
    assert min(weights(p, floor=1e-9, total=total)) >= 1


@given(probabilities())
@settings(deadline=None)
def test_without_a_floor_an_impossible_arm_stays_impossible(p: list[float]) -> None:
    assert all(weight == 0 for weight, share in zip(weights(p, floor=0.0), p, strict=True) if share == 0)


@given(probabilities(), FLOORS, st.integers(0, 2**20 - 1), TOTALS)
@settings(deadline=None)
def test_a_weight_is_its_floored_probability_up_to_rounding(
    p: list[float], floor: float, fresh: int, total: int
) -> None:
    new = [bool(fresh >> arm & 1) for arm in range(len(p))]
    off = 1 if floor == 0 else max(2, len(p))
    wanted = naive.floored(p, None, new, floor, 0.05)
    for weight, share in zip(weights(p, new=np.array(new), floor=floor, total=total), wanted, strict=True):
        assert abs(weight - share * total) <= off


def test_ineligible_arms_have_weight_0_and_the_floor_is_spread_over_the_others() -> None:
    assert weights([0.0, 1.0, 0.0], eligible=np.array([False, True, True]), floor=0.5) == [0, 49151, 16384]


def test_equal_remainders_go_to_the_lowest_arms() -> None:
    assert weights([0.25] * 4, floor=0.0) == [16384, 16384, 16384, 16383]


def test_equal_remainders_go_to_the_lowest_eligible_arms() -> None:
    eligible = np.array([False, True, True, True, True])
    assert weights([0, 0.25, 0.25, 0.25, 0.25], eligible=eligible, floor=0.0) == [0, 16384, 16384, 16384, 16383]


def test_a_single_arm_has_all_weight() -> None:
    assert weights([1.0]) == [TOTAL_WEIGHT]


def test_new_arms_have_at_least_their_share() -> None:
    found = weights([0.9, 0.1, 0.0, 0.0], new=np.array([False, False, True, True]), floor=0.0, new_floor=0.05)
    np.testing.assert_allclose(np.array(found) / TOTAL_WEIGHT, [0.81, 0.09, 0.05, 0.05], atol=1e-4)


def test_new_arms_together_have_half_at_most() -> None:
    new = np.array([False] + [True] * 19)
    found = np.array(weights([1.0] + [0.0] * 19, new=new, floor=0.0, new_floor=0.05)) / TOTAL_WEIGHT
    np.testing.assert_allclose(found, [0.5] + [0.5 / 19] * 19, atol=1e-4)


def test_a_new_arm_that_is_not_eligible_takes_no_share() -> None:
    mask = np.array([True, True, False])
    assert weights([0.5, 0.5, 0.0], eligible=mask, new=~mask, floor=0.0) == [*weights([0.5, 0.5], floor=0.0), 0]


def test_masks_may_differ_by_row() -> None:
    p = np.array([[0.5, 0.5], [1.0, 0.0]])
    found = quantise(p, np.array([[True, True], [True, False]]), np.array([[True, False], [True, False]]), 0.0)
    assert found.tolist() == [[34406, 31129], [65535, 0]]


def test_rounding_of_a_row_sum_does_not_reach_the_weights() -> None:
    assert weights([0.5 + 4e-7, 0.5 + 4e-7], floor=0.0) == weights([0.5, 0.5], floor=0.0)


@pytest.mark.parametrize("total", [TOTAL_WEIGHT, 4095, 2047])
def test_a_decision_is_the_drawn_arm_with_its_weight(total: int) -> None:
    p = np.random.default_rng(1).dirichlet(np.ones(6), size=500)
    hashes = hash_ids(f"{n}" for n in range(500))
    arms, chosen = decide(p, hashes, total=total)
    vectors = quantise(p, total=total)
    assert arms.tolist() == [draw(w, h, total) for w, h in zip(vectors.tolist(), hashes.tolist(), strict=True)]
    assert chosen.tolist() == vectors[np.arange(500), arms].tolist()


def test_an_arm_that_is_not_eligible_is_never_drawn() -> None:
    hashes = hash_ids(f"{n}" for n in range(2000))
    arms, _ = decide(np.full((2000, 3), 1 / 2), hashes, eligible=np.array([True, False, True]))
    assert set(arms.tolist()) == {0, 2}


@pytest.mark.parametrize(("k", "total"), [(10, 4095), (16, 4095), (32, 2047)])
def test_every_arm_is_drawn_as_often_as_its_weight_over_the_total_says(k: int, total: int) -> None:
    p = np.random.default_rng(k).dirichlet(np.full(k, 0.3))
    count = 200_000
    drawn = decide(np.broadcast_to(p, (count, k)), hash_ids(f"{n}" for n in range(count)), total=total)
    expected = quantise(p[None], total=total)[0] / total * count
    assert chisquare(np.bincount(drawn.arms, minlength=k), expected).pvalue > 1e-3


@pytest.mark.parametrize(
    ("k", "total", "largest"),
    [
        (2, 4095, 97.5),
        (5, 4095, 240 + 15 / 17),
        (10, 4095, 455),
        (16, 4095, 682.5),
        (20, 2047, 682 + 1 / 3),
        (32, 2047, 1023.5),
        (33, 65535, 1638.375),
        (100, 65535, 4681 + 1 / 14),
    ],
)
def test_the_largest_importance_weight_of_the_default_floors_is_what_the_documentation_says(
    k: int, total: int, largest: float
) -> None:
    """Of an arm that has no probability of its own; new arms beside it take from the others, not from it."""
    p = np.zeros((1, k))
    p[0, 0] = 1.0
    found = [total / int(quantise(p, new=new, total=total).min()) for new in (None, np.arange(k) == 0)]
    assert found == pytest.approx([largest] * 2)


def test_decisions_of_nobody_are_none() -> None:
    assert decide(np.empty((0, 3)), hash_ids([])).arms.shape == (0,)


@pytest.mark.parametrize(
    ("p", "settings_", "said"),
    [
        (np.array([0.5, 0.5]), {}, "shape (2,), expected (n, k)"),
        (np.empty((1, 0)), {}, "shape (1, 0), expected (n, k) with 1 to 256 arms"),
        (np.full((1, 257), 1 / 257), {}, "shape (1, 257)"),
        (np.array([[0.5, 0.4]]), {}, "row 0 of the probabilities sums to 0.9 over its eligible arms, expected 1"),
        (np.array([[0.5, 0.5], [2.0, 2.0]]), {}, "row 1 of the probabilities sums to 4.0"),
        (np.array([[0.0, 0.0]]), {}, "row 0 of the probabilities sums to 0.0"),
        (np.array([[np.nan, 1.0]]), {}, "probabilities must be finite and at least 0"),
        (np.array([[np.inf, 1.0]]), {}, "probabilities must be finite and at least 0"),
        (np.array([[-0.5, 1.5]]), {}, "probabilities must be finite and at least 0"),
        (HALF, {"eligible": np.array([True, False])}, "row 0 of the probabilities sums to 0.5"),
        (HALF, {"eligible": np.array([False, False])}, "row 0 has no eligible arm"),
        (HALF, {"eligible": np.ones(3, dtype=np.bool_)}, "eligible has the shape (3,), expected (2,) or (1, 2)"),
        (HALF, {"new": np.ones(3, dtype=np.bool_)}, "new has the shape (3,), expected (2,) or (1, 2)"),
        (HALF, {"floor": -0.1}, "floor is -0.1, expected a share between 0 and 0.5"),
        (HALF, {"floor": 0.6}, "floor is 0.6"),
        (HALF, {"floor": float("nan")}, "floor is nan"),
        (HALF, {"new_floor": 0.6}, "new_floor is 0.6, expected a share between 0 and 0.5"),
        (HALF, {"total": 1}, "total is 1, expected a whole number from 2, one unit for each arm, to 65535"),
        (HALF, {"total": 65536}, "total is 65536, expected a whole number from 2"),
        (HALF, {"total": 4095.0}, "total is 4095.0, expected a whole number from 2"),
        (HALF, {"total": -4095}, "total is -4095, expected a whole number from 2"),
        (HALF, {"total": "4095"}, "total is '4095', expected a whole number from 2"),
    ],
)
def test_wrong_input_is_refused_with_the_values(p: F64, settings_: dict[str, Any], said: str) -> None:
    before = p.copy()
    with pytest.raises(InputError, match=re.escape(said)):
        decide(p, ONE, **settings_)
    np.testing.assert_array_equal(p, before)


@pytest.mark.parametrize("hashes", [hash_ids(["a", "b"]), np.array([3]), np.array([0.5])])
def test_hashes_that_are_not_one_word_a_decision_are_refused(hashes: npt.NDArray[np.uint64]) -> None:
    with pytest.raises(InputError, match=r"expected \(1,\) uint64: one a decision"):
        decide(HALF, hashes)


@pytest.mark.parametrize("row", [[1, 2], [65535, 1], [0, 0], [4000, 95], [2047, 0]])
@pytest.mark.parametrize("total", [65535, 4095, 2047])
def test_weights_that_do_not_add_up_are_not_drawn_from(row: list[int], total: int) -> None:
    if sum(row) == total:
        assert draw_arms(np.array([row], dtype=np.uint16), ONE, total).arms[0] in {0, 1}
        return
    with pytest.raises(InputError, match=f"row 0 of the weights adds up to {sum(row)}, expected {total}; quantise"):
        draw_arms(np.array([row], dtype=np.uint16), ONE, total)
