"""Pinned random numbers of many decisions at once: the keyed hash of ``bandit.snapshot`` on arrays."""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple, Self

import numpy as np

from bandit.arrays import I64, U64, Bool, hash_array, writable
from bandit.errors import InputError
from bandit.kernels.hashing import absorb_each, absorb_one, absorb_pairs
from bandit.snapshot import hash_base, id64, split_base, threshold64, title_base

_S32, _LOW32 = np.uint64(32), np.uint64(0xFFFFFFFF)


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
    return absorb_users(hash_base(purpose, seed, generation), users)


def absorb_users(state: int, users: U64) -> U64:
    """The states of the keyed hash after ``state`` and each user, (n,) uint64."""
    words = _words("users", users)
    out = np.empty_like(words)
    absorb_each(np.uint64(state), words, out)
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


class DealtTitles(NamedTuple):
    """n users whose titles are dealt to two variants, (n,) each; ``bandit.snapshot.splits`` on arrays.

    The second variant has the titles whose hash after ``states`` is below ``thresholds``, which are those of ``splits``.

    >>> dealt = DealtTitles.of(7, "s", [0.5, 0.1], hash_ids(["u1", "u2", "u3"]))
    >>> dealt.splits.tolist(), dealt.second(hash_ids(["t1"])[0]).tolist()
    ([1, 1, 1], [False, False, False])
    """

    splits: I64
    states: U64
    thresholds: U64

    @classmethod
    def of(cls, seed: int, salt: str, shares: Sequence[float], users: U64) -> Self:
        """Those of users given by ``hash_ids``; ``shares`` of titles are the second variant's, by split."""
        hashed = absorb_users(split_base(seed, salt), users)
        high, low, count = hashed >> _S32, hashed & _LOW32, np.uint64(len(shares))
        splits = ((high * count + (low * count >> _S32)) >> _S32).astype(
            np.int64
        )  # what hashed * count has above 64 bits
        thresholds = np.array([threshold64(share) for share in shares], dtype=np.uint64)
        return cls(splits, absorb_users(title_base(seed, salt), users), thresholds[splits])

    def second(self, title: np.uint64) -> Bool:
        """Whether the second variant chooses a title, by ``hash_ids``, for each user, (n,)."""
        return np.asarray(hash_title(self.states, title) < self.thresholds)

    def second_of_pairs(self, titles: U64) -> Bool:
        """The same of one title for each user, (n,)."""
        return np.asarray(hash_pairs(self.states, titles) < self.thresholds)


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
