"""Pinned random numbers of many decisions at once: the keyed hash of ``bandit.snapshot`` on arrays."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from bandit.kernels.hashing import absorb_each, absorb_pairs
from bandit.snapshot import hash_base, id64

U64 = npt.NDArray[np.uint64]


def hash_ids(ids: Iterable[str]) -> U64:
    """The 64-bit form of each id, (n,) uint64; computed once for ids that are hashed under many purposes."""
    return np.fromiter((id64(text) for text in ids), dtype=np.uint64)


def hash_users(purpose: str, seed: int, generation: int, users: U64) -> U64:
    """The state of the keyed hash after purpose, seed, generation and each user, (n,) uint64."""
    out = np.empty_like(users)
    absorb_each(np.uint64(hash_base(purpose, seed, generation)), users, out)
    return out


def hash_title(user_states: U64, title: np.uint64) -> U64:
    """The keyed hashes of one title for many users, (n,) uint64, from ``hash_users`` and the title's ``hash_ids``.

    >>> states = hash_users("draw", 7, 17, hash_ids(["u1"]))
    >>> hex(hash_title(states, hash_ids(["t1"])[0])[0])
    '0x2603aaf924809593'
    """
    out = np.empty_like(user_states)
    absorb_pairs(user_states, np.broadcast_to(title, user_states.shape).copy(), out)
    return out
