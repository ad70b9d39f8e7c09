"""Pinned random numbers of many decisions at once: the keyed hash of ``bandit.snapshot`` on arrays."""

from collections.abc import Iterable, Mapping, Set

import numpy as np

from bandit.arrays import U64, hash_array, writable
from bandit.errors import InputError
from bandit.kernels.hashing import absorb_each, absorb_one, absorb_pairs
from bandit.snapshot import hash_base, id64


def hash_ids(ids: Iterable[str]) -> U64:
    """The 64-bit form of each id, (n,) uint64; computed once for ids that are hashed under many purposes.

    Raises:
        InputError: one is missing or no text.
    """
    if isinstance(ids, str | bytes | Mapping | Set):
        raise InputError(f"ids are one {type(ids).__name__}, expected a list of text in a fixed order")
    return np.fromiter((id64(_checked(row, text)) for row, text in enumerate(ids)), dtype=np.uint64)


def hash_users(purpose: str, seed: int, generation: int, users: U64) -> U64:
    """The state of the keyed hash after purpose, seed, generation and each user, (n,) uint64."""
    words = _words("users", users)
    out = np.empty_like(words)
    absorb_each(np.uint64(hash_base(purpose, seed, generation)), words, out)
    return out


def hash_title(user_states: U64, title: np.uint64) -> U64:
    """The keyed hashes of one title for many users, (n,) uint64, from ``hash_users`` and the title's ``hash_ids``.

    >>> states = hash_users("draw", 7, 17, hash_ids(["u1"]))
    >>> hex(hash_title(states, hash_ids(["t1"])[0])[0])
    '0x2603aaf924809593'
    """
    states = _words("user_states", user_states)
    out = np.empty_like(states)
    absorb_one(states, title if type(title) is np.uint64 else _one_word(title), out)
    return out


def hash_pairs(user_states: U64, titles: U64) -> U64:
    """The keyed hash of each (user, title), (n,) uint64, from ``hash_users`` and ``hash_ids`` of as many titles.

    Raises:
        InputError: there is not one title a user.
    """
    states, words = _words("user_states", user_states), _words("titles", titles)
    if states.shape != words.shape:
        raise InputError(f"there are {len(states)} users and {len(words)} titles, expected one of each per decision")
    out = np.empty_like(states)
    absorb_pairs(states, words, out)
    return out


def _words(name: str, values: U64) -> U64:
    words = hash_array(name, values)
    if words.ndim != 1:
        raise InputError(f"{name} have the shape {words.shape}, expected (n,): one hash each")
    return writable(words)


def _one_word(title: object) -> np.uint64:
    word = hash_array("title", title)  # type: ignore[arg-type]
    if word.size != 1:
        raise InputError(f"title has the shape {word.shape}, expected one hash; pass those of pairs to hash_pairs")
    return np.uint64(word.ravel()[0])


def _checked(row: int, text: object) -> str:
    if not isinstance(text, str):
        raise InputError(f"row {row} of the ids is {text!r} ({type(text).__name__}), expected text; fill gaps first")
    return text
