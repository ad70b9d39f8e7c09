"""The keyed hash: every random number of a job, and of a fallback that the service draws."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from bandit.errors import InputError

MASK64: Final = (1 << 64) - 1
GOLDEN: Final = 0x9E3779B97F4A7C15
TOTAL_WEIGHT: Final = 65535
"""What the weights of one decision add up to, unless a generation's row format says less; the propensity is the weight over it.

Weights of the fallback add up to this in every format."""

DRAW: Final = "draw"
FALLBACK: Final = "fallback"
SEGMENT: Final = "segment"
EXPLORE: Final = "explore"
VARIANT: Final = "other"
"""The purpose under which users are assigned to variants; its text is that of the first generations that had two."""

INTERLEAVE: Final = "interleave"
SPLIT: Final = "split"
"""The purposes under which an interleaving gives titles to variants, and users to splits."""

JOINT: Final = "joint"
SIMULATION: Final = "simulation"


def id64(text: str) -> int:
    """An id as an unsigned 64-bit integer: the little-endian value of its 8-byte BLAKE2b digest.

    >>> hex(id64("u1"))
    '0xd56a4e3f684d9992'
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def mix64(z: int) -> int:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014, figure 16), a bijection of 64-bit integers.

    >>> hex(mix64(GOLDEN))
    '0xe220a8397b1dcdaf'
    """
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
    return z ^ (z >> 31)


def absorb64(state: int, word: int) -> int:
    """One step of the keyed hash: take a 64-bit word into the state."""
    return mix64(((state ^ word) + GOLDEN) & MASK64)


def hash_base(purpose: str, seed: int, generation: int) -> int:
    """The state of the keyed hash after (purpose, seed, generation); users and titles are absorbed next.

    A job that hashes many (user, title) pairs computes this once; ``bandit.kernels.hashing`` goes on from it.
    """
    state = 0
    for word in (id64(purpose), seed & MASK64, generation & MASK64):
        state = absorb64(state, word)
    return state


def keyed_hash(purpose: str, seed: int, generation: int, user_id: str, title_id: str) -> int:
    """The pinned random number of a decision, an unsigned 64-bit integer.

    Every random number of a job comes from here under a purpose of its own, so that anyone who knows the five
    arguments can draw it again.

    >>> hex(keyed_hash("draw", 7, 17, "u1", "t1"))
    '0x2603aaf924809593'
    """
    return absorb64(absorb64(hash_base(purpose, seed, generation), id64(user_id)), id64(title_id))


def draw(weights: Sequence[int], hashed: int, total: int = TOTAL_WEIGHT) -> int:
    """The arm that a 64-bit hash selects: the smallest ``a`` with ``cumsum(weights)[a] > floor(hash * total / 2**64)``.

    ``weights`` add up to ``total``. An arm of weight 0 is never drawn.

    >>> draw([0, 65534, 1], 0), draw([0, 65534, 1], MASK64)
    (1, 2)
    """
    point = (hashed * total) >> 64
    for arm, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return arm
    raise InputError(f"weights add up to {sum(weights)}, expected {total}; quantise them before drawing")
