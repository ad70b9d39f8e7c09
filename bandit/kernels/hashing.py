"""The keyed hash of ``bandit.snapshot`` on arrays."""

import numpy as np

from bandit.arrays import U64
from bandit.kernels.jit import kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)


@kernel
def absorb(state: np.uint64, word: np.uint64) -> np.uint64:
    """One step of the keyed hash (``bandit.snapshot.absorb64``)."""
    z = (state ^ word) + _GOLDEN
    z = (z ^ (z >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    return z ^ (z >> _S31)


@kernel
def absorb_each(state: np.uint64, words: U64, out: U64) -> None:
    """Absorb every word into the same state; ``out`` (n,) is overwritten."""
    for i in range(words.shape[0]):
        out[i] = absorb(state, words[i])


@kernel
def absorb_one(states: U64, word: np.uint64, out: U64) -> None:
    """Absorb one word into every state; ``out`` (n,) is overwritten."""
    for i in range(states.shape[0]):
        out[i] = absorb(states[i], word)


@kernel
def absorb_pairs(states: U64, words: U64, out: U64) -> None:
    """Absorb ``words[i]`` into ``states[i]``; ``out`` (n,) is overwritten."""
    for i in range(words.shape[0]):
        out[i] = absorb(states[i], words[i])
