from collections.abc import Callable

import naive
import numpy as np
import numpy.typing as npt
import pytest

from bandit.kernels.linear import BLOCK, FEW, accumulate, accumulate_mixed, accumulate_sorted, sort_by_arm

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]
Way = Callable[[Floats, I64, F64, naive.LinearSums], None]


def row_by_row(contexts: Floats, arms: I64, rewards: F64, sums: naive.LinearSums) -> None:
    accumulate(contexts, arms, rewards, *sums)


def sorted_by_arm(contexts: Floats, arms: I64, rewards: F64, sums: naive.LinearSums) -> None:
    width = contexts.shape[1] + 2
    starts, order = np.zeros(len(sums.counts) + 1, dtype=np.int64), np.empty(len(arms), dtype=np.int64)
    sort_by_arm(arms, starts, order)
    block, gram = np.full((BLOCK, width), np.nan), np.full((width, width), np.nan)
    accumulate_sorted(contexts, rewards, starts, order, block, gram, *sums)


def mixed(contexts: Floats, arms: I64, rewards: F64, sums: naive.LinearSums) -> None:
    width, n_arms = contexts.shape[1] + 2, len(sums.counts)
    blocks, gram = np.full((n_arms, BLOCK, width), np.nan), np.full((width, width), np.nan)
    accumulate_mixed(contexts, arms, rewards, np.zeros(n_arms, dtype=np.int64), blocks, gram, *sums)


every_way = pytest.mark.parametrize("way", [row_by_row, sorted_by_arm, mixed])
in_blocks = pytest.mark.parametrize("way", [sorted_by_arm, mixed])


def empty(n_arms: int, d: int) -> naive.LinearSums:
    return naive.linear_sums(np.empty((0, d)), [], [], n_arms)


def summed(way: Way, contexts: Floats, arms: I64, rewards: F64, n_arms: int) -> naive.LinearSums:
    sums = empty(n_arms, contexts.shape[1])
    way(contexts, arms, rewards, sums)
    return sums


def log(m: int, d: int, n_arms: int) -> tuple[F64, I64, F64]:
    random = np.random.default_rng(m + d)
    return random.normal(size=(m, d)), random.integers(0, n_arms, m), random.random(m)


def assert_close(found: naive.LinearSums, wanted: naive.LinearSums, atol: float = 1e-12) -> None:
    for name, one, other in zip(found._fields, found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=atol, err_msg=name)


def assert_same_bytes(found: naive.LinearSums, wanted: naive.LinearSums, arms: I64 | slice = slice(None)) -> None:
    for name, one, other in zip(found._fields, found, wanted, strict=True):
        assert one[arms].tobytes() == other[arms].tobytes(), name


@every_way
@pytest.mark.parametrize(
    ("m", "d", "n_arms"),
    [(0, 3, 2), (1, 1, 1), (FEW, 2, 1), (60, 4, 1), (200, 3, 7), (40, 2, 60), (2 * BLOCK, 3, 1), (2 * BLOCK + 1, 9, 1)],
)
def test_the_sums_are_those_of_the_naive_twin(way: Way, m: int, d: int, n_arms: int) -> None:
    assert_close(summed(way, *log(m, d, n_arms), n_arms), naive.linear_sums(*log(m, d, n_arms), n_arms))


@every_way
def test_counts_takes_and_squares_are_summed_by_arm(way: Way) -> None:
    arms = np.array([0, 2, 2, 2, 2, 2])
    found = summed(way, np.ones((6, 1)), arms, np.array([0.5, 1.0, 0.5, 0.0, 0.0, 0.0]), 3)
    assert found.counts.tolist() == [1, 0, 5]
    assert found.takes.tolist() == [0.5, 0, 1.5]
    assert found.squares.tolist() == [0.25, 0, 1.25]


@every_way
def test_contexts_of_single_precision_are_summed_in_double(way: Way) -> None:
    contexts, arms, rewards = log(300, 3, 2)
    narrow = contexts.astype(np.float32)
    assert_same_bytes(summed(way, narrow, arms, rewards, 2), summed(way, narrow.astype(np.float64), arms, rewards, 2))


@every_way
def test_sums_are_added_to_what_is_there(way: Way) -> None:
    contexts, arms, rewards = log(50, 2, 3)
    sums = summed(way, contexts[:20], arms[:20], rewards[:20], 3)
    way(contexts[20:], arms[20:], rewards[20:], sums)
    assert_close(sums, summed(way, contexts, arms, rewards, 3))


@every_way
def test_the_precision_is_symmetric_to_the_last_bit(way: Way) -> None:
    precision = summed(way, *log(500, 5, 3), 3).precision
    assert (precision == precision.swapaxes(1, 2)).all()


@every_way
@pytest.mark.parametrize("count", [1, 2 * FEW])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_feature_that_is_not_finite_stays_within_its_arm(way: Way, count: int, wrong: float) -> None:
    contexts, arms = np.ones((2 * count, 2)), np.repeat([0, 1], count)
    contexts[0, 1] = wrong
    with np.errstate(invalid="ignore"):
        found = summed(way, contexts, arms, np.ones(2 * count), 2)
    twin = naive.linear_sums(contexts[count:], arms[count:], np.ones(count), 2)
    assert_same_bytes(found, twin, slice(1, 2))
    assert not np.isfinite(found.precision[0, :, 1]).any()
    assert found.precision[0, 0, 0] == count


@every_way
def test_features_of_any_size_are_summed_as_the_naive_twin_does(way: Way) -> None:
    contexts, arms, rewards = log(300, 4, 2)
    contexts *= [1e-150, 1e-3, 1e3, 1e150]
    assert_close(summed(way, contexts, arms, rewards, 2), naive.linear_sums(contexts, arms, rewards, 2), atol=0)


def test_rows_sorted_by_arm_keep_their_order() -> None:
    arms = log(500, 1, 9)[1]
    starts, order = np.zeros(12, dtype=np.int64), np.empty(500, dtype=np.int64)
    sort_by_arm(arms, starts, order)
    assert order.tolist() == sorted(range(500), key=lambda row: (arms[row], row))
    assert starts.tolist() == [int((arms < a).sum()) for a in range(12)]


@pytest.mark.parametrize(("m", "d", "n_arms"), [(700, 4, 3), (300, 9, 100), (FEW - 1, 2, 2), (0, 2, 2)])
def test_blocks_of_sorted_and_of_mixed_rows_give_the_same_bytes(m: int, d: int, n_arms: int) -> None:
    rows = log(m, d, n_arms)
    assert_same_bytes(summed(sorted_by_arm, *rows, n_arms), summed(mixed, *rows, n_arms))


@in_blocks
def test_an_arm_of_few_rows_has_the_bytes_of_one_row_after_the_other(way: Way) -> None:
    contexts, _, rewards = log(10 * (FEW - 1), 3, 1)
    arms = np.arange(len(rewards)) % 10
    assert_same_bytes(summed(way, contexts, arms, rewards, 10), summed(row_by_row, contexts, arms, rewards, 10))


@in_blocks
@pytest.mark.parametrize("rows", [FEW - 1, FEW, BLOCK, 2 * BLOCK + FEW - 1, 3 * BLOCK + 50])
def test_an_arm_has_the_same_bytes_however_rows_of_other_arms_are_mixed_in(way: Way, rows: int) -> None:
    contexts, _, rewards = log(rows, 5, 1)
    alone = summed(way, contexts, np.full(rows, 2), rewards, 4)
    others, arms, their_rewards = log(900, 5, 4)
    places = np.sort(np.random.default_rng(1).permutation(rows + 900)[:rows])
    kept = np.ones(rows + 900, dtype=np.bool_)
    kept[places] = False
    all_contexts, all_arms, all_rewards = np.empty((rows + 900, 5)), np.full(rows + 900, 2), np.empty(rows + 900)
    all_contexts[places], all_contexts[kept] = contexts, others
    all_rewards[places], all_rewards[kept] = rewards, their_rewards
    all_arms[kept] = np.where(arms == 2, 3, arms)
    assert_same_bytes(summed(way, all_contexts, all_arms, all_rewards, 4), alone, slice(2, 3))
