import naive
import numba
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.kernels.deciding import draw_rows, quantise_rows
from bandit.snapshot import MASK64, TOTAL_WEIGHT, draw

F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
U16 = npt.NDArray[np.uint16]
U64 = npt.NDArray[np.uint64]

COUNT = 1_000 if numba.config.DISABLE_JIT else 1_000_000
TOTALS = [TOTAL_WEIGHT, 4095, 2047]
COMPILED = pytest.mark.compiled  # Python raises where compiled code goes on


def quantised(p: F64, eligible: Bool, new: Bool, floor: float, new_floor: float, total: int = TOTAL_WEIGHT) -> U16:
    out = np.full(p.shape, 999, dtype=np.uint16)
    with np.errstate(all="ignore"):
        quantise_rows(p, eligible, new, floor, new_floor, out, total)
    return out


def drawn(weights: U16, hashes: U64, total: int = TOTAL_WEIGHT) -> tuple[list[int], list[int]]:
    arms, chosen = np.empty(len(hashes), dtype=np.uint8), np.empty(len(hashes), dtype=np.uint16)
    with np.errstate(over="ignore"):
        draw_rows(weights, hashes, arms, chosen, total)
    return arms.tolist(), chosen.tolist()


def random_weights(n: int, k: int, total: int) -> U16:
    """Rows of k weights that add up to a total, many of them 0."""
    cuts = np.sort(np.random.default_rng(k).integers(0, total, (n, k - 1), endpoint=True), axis=1)
    cuts[:, : (k - 1) // 3] = 0
    edges = np.concatenate([np.zeros((n, 1)), cuts, np.full((n, 1), total)], axis=1)
    return np.diff(edges, axis=1).astype(np.uint16)


@st.composite
def rows(random: st.DrawFn) -> tuple[F64, Bool, Bool]:
    k = random(st.integers(1, 24))
    parts = random(st.lists(st.floats(0, 1), min_size=k, max_size=k))
    eligible = random(st.lists(st.booleans(), min_size=k, max_size=k))
    eligible[random(st.integers(0, k - 1))] = True
    new = random(st.lists(st.booleans(), min_size=k, max_size=k))
    p = np.array([part if ok else 0.0 for part, ok in zip(parts, eligible, strict=True)]) + 1e-6 * np.array(eligible)
    return (p / p.sum())[None], np.array([eligible]), np.array([new]) & np.array([eligible])


@given(
    rows(),
    st.sampled_from([0.0, 1e-6, 0.02, 0.3, 0.5]),
    st.sampled_from([0.0, 0.05, 0.2, 0.5]),
    st.sampled_from(TOTALS),
)
@settings(deadline=None, max_examples=40 if numba.config.DISABLE_JIT else 400)
def test_weights_are_those_of_the_naive_twin_within_a_unit(
    row: tuple[F64, Bool, Bool], floor: float, new_floor: float, total: int
) -> None:
    found = quantised(*row, floor, new_floor, total)[0].tolist()
    p, eligible, new = (side[0].tolist() for side in row)
    wanted = naive.quantise(p, eligible, new, floor, new_floor, total)
    assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 1
    assert sum(found) == total


@pytest.mark.parametrize("k", [1, 2, 10, 40])
@pytest.mark.parametrize("floor", [0.0, 0.02])
def test_without_masks_all_arms_are_eligible_and_none_is_new(k: int, floor: float) -> None:
    p = np.random.default_rng(k).dirichlet(np.full(k, 0.3), size=150)
    out, none = np.empty(p.shape, dtype=np.uint16), np.empty((0, k), dtype=np.bool_)
    with np.errstate(all="ignore"):
        quantise_rows(p, none, none, floor, 0.05, out, 4095)
    assert (out == quantised(p, np.ones(p.shape, np.bool_), np.zeros(p.shape, np.bool_), floor, 0.05, 4095)).all()


@pytest.mark.parametrize("total", [TOTAL_WEIGHT, 4095])
def test_two_hundred_and_fifty_six_arms_are_quantised_exactly(total: int) -> None:
    p = np.full((1, 256), 1 / 256)
    yes, no = np.ones((1, 256), dtype=np.bool_), np.zeros((1, 256), dtype=np.bool_)
    most = (total + 1) // 256
    assert quantised(p, yes, no, 0.02, 0.05, total)[0].tolist() == [most] * 255 + [most - 1]


def test_no_rows_are_quantised_and_drawn_to_nothing() -> None:
    none = np.empty((0, 3))
    no = np.empty((0, 3), dtype=np.bool_)
    assert quantised(none, no, no, 0.02, 0.05).shape == (0, 3)
    assert drawn(np.empty((0, 3), dtype=np.uint16), np.empty(0, dtype=np.uint64)) == ([], [])


@COMPILED
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -1e300, 1e300, -3.0])
@pytest.mark.parametrize("places", [[0], [0, 1], [0, 1, 2]])
def test_quantising_returns_whatever_the_numbers_are(wrong: float, places: list[int]) -> None:
    p = np.full((1, 3), 1 / 3)
    p[0, places] = wrong
    yes = np.ones((1, 3), dtype=np.bool_)
    assert quantised(p, yes, yes, 0.02, 0.05).shape == (1, 3)


@COMPILED
def test_quantising_returns_when_no_arm_is_eligible() -> None:
    no = np.zeros((1, 3), dtype=np.bool_)
    assert quantised(np.full((1, 3), 1 / 3), no, no, 0.02, 0.05).shape == (1, 3)


@pytest.mark.parametrize(("k", "total"), [(1, 4095), (2, 2047), (16, 4095), (20, 65535), (32, 2047), (256, 65535)])
def test_draws_are_those_of_the_pinned_rule(k: int, total: int) -> None:
    count = max(COUNT // 8, 8) if k <= 32 else min(COUNT // 10, 20_000)
    weights = random_weights(count, k, total)
    hashes = np.random.default_rng(k).integers(0, MASK64, count, dtype=np.uint64, endpoint=True)
    hashes[:4] = [0, MASK64, 1, MASK64 - 1]
    arms, chosen = drawn(weights, hashes, total)
    assert arms == [draw(w, h, total) for w, h in zip(weights.tolist(), hashes.tolist(), strict=True)]
    assert chosen == [w[a] for w, a in zip(weights.tolist(), arms, strict=True)]


@pytest.mark.parametrize(("total", "apart"), [(TOTAL_WEIGHT, 997), (4095, 1), (2047, 1)])
def test_draws_agree_on_both_sides_of_every_cumulative_weight(total: int, apart: int) -> None:
    """So an arm is drawn by exactly w of the T equal parts of all hashes: the propensity is w / T, to the last hash."""
    cuts = list(range(1, total, apart))
    hashes = [h for cut in cuts for h in (-(-cut * 2**64 // total) - 1, -(-cut * 2**64 // total))]
    weights = [[cut, total - cut] for cut in cuts for _ in range(2)]
    arms, _ = drawn(np.array(weights, dtype=np.uint16), np.array(hashes, dtype=np.uint64), total)
    assert arms == [0, 1] * len(cuts)
    assert arms == [naive.draw(w, h, total) for w, h in zip(weights, hashes, strict=True)]


def test_drawing_returns_when_weights_do_not_add_up() -> None:
    arms, _ = drawn(np.zeros((1, 3), dtype=np.uint16), np.array([MASK64], dtype=np.uint64))
    assert len(arms) == 1
