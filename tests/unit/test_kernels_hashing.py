import numba
import numpy as np

from bandit.kernels.hashing import absorb_each, absorb_pairs
from bandit.snapshot import MASK64, absorb64

COUNT = 2_000 if numba.config.DISABLE_JIT else 1_000_000
EDGES = [0, 1, 2**63 - 1, 2**63, MASK64 - 1, MASK64]


def words(seed: int, count: int = COUNT) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.random.default_rng(seed).integers(0, MASK64, count, dtype=np.uint64, endpoint=True)


def test_a_word_is_absorbed_as_the_pinned_hash_says() -> None:
    states, others = words(1), words(2)
    out = np.empty_like(states)
    with np.errstate(over="ignore"):
        absorb_pairs(states, others, out)
    assert out.tolist() == [absorb64(a, b) for a, b in zip(states.tolist(), others.tolist(), strict=True)]


def test_words_are_absorbed_into_one_state_as_the_pinned_hash_says() -> None:
    others = words(3, 2_000)
    out = np.empty_like(others)
    with np.errstate(over="ignore"):
        absorb_each(np.uint64(0xDEADBEEFCAFEF00D), others, out)
    assert out.tolist() == [absorb64(0xDEADBEEFCAFEF00D, word) for word in others.tolist()]


def test_the_smallest_and_largest_words_are_absorbed_exactly() -> None:
    pairs = np.array([(a, b) for a in EDGES for b in EDGES], dtype=np.uint64)
    out = np.empty(len(pairs), dtype=np.uint64)
    with np.errstate(over="ignore"):
        absorb_pairs(pairs[:, 0].copy(), pairs[:, 1].copy(), out)
    assert out.tolist() == [absorb64(a, b) for a in EDGES for b in EDGES]


def test_no_words_leave_the_output_empty() -> None:
    none = np.empty(0, dtype=np.uint64)
    absorb_pairs(none, none, none)
    absorb_each(np.uint64(1), none, none)
    assert none.shape == (0,)
