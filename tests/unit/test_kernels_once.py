"""Arrays that may not be written to, as columns of polars and stretched masks, are given to the kernels that there are.

Numba would compile a kernel anew for them: the largest in 15 s, in each process that finds it missing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bandit.evaluation.intervals.sequence import confidence_sequence
from bandit.hashing import hash_pairs
from bandit.kernels import beta_winning, deciding, frequencies, hashing, linear, sequences, winning
from bandit.policies import ThompsonSampling
from bandit.policies.deciding import decide, quantise
from bandit.posterior import LinearPosterior
from bandit.scores import BetaScores, Draws, Moments

pytestmark = pytest.mark.compiled

MEANS, MASK = np.array([[0.1, 0.2, 0.3]] * 4), np.ones((4, 3), dtype=np.bool_)
WORDS = np.arange(4, dtype=np.uint64)
CHOICES = np.full((4, 3), 1 / 3)
THOMPSON = ThompsonSampling()

CALLS: dict[str, tuple[Any, Callable[..., object], tuple[Any, ...]]] = {
    "means": (
        winning.win_probabilities,
        lambda m, d, e: THOMPSON.probabilities(Moments(m, d), e),
        (MEANS, MEANS, MASK),
    ),
    "successes": (
        beta_winning.beta_win_probabilities,
        lambda a, b, e: THOMPSON.probabilities(BetaScores(a, b), e),
        (MEANS, MEANS, MASK),
    ),
    "draws": (
        frequencies.win_frequencies,
        lambda draws, e: THOMPSON.probabilities(Draws(draws, draws.mean(axis=0)), e),
        (np.stack([MEANS, MEANS]), MASK),
    ),
    "probabilities": (deciding.quantise_rows, lambda p, e: quantise(p, e, e), (CHOICES, MASK)),
    "hashes": (deciding.draw_rows, decide, (CHOICES, WORDS)),
    "ids": (hashing.absorb_pairs, hash_pairs, (WORDS, WORDS)),
    "rewards": (
        linear.accumulate_mixed,
        lambda arms, rewards: LinearPosterior(3, 3).observe(MEANS, arms, rewards),
        (np.zeros(4, dtype=np.int64), np.ones(4)),
    ),
    "weights": (
        sequences.running_sums,
        lambda values: confidence_sequence(values, 0, 1),
        (np.array([0.0, 0.5, 1.0, 0.25]),),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_arrays_that_may_not_be_written_to_compile_no_kernel_anew(name: str) -> None:
    kernel, call, arrays = CALLS[name]
    call(*arrays)
    compiled = list(kernel.signatures)
    assert compiled
    fixed = [array.copy() for array in arrays]
    for array in fixed:
        array.flags.writeable = False
    call(*fixed)
    assert kernel.signatures == compiled
