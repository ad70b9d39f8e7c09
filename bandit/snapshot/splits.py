"""Interleaving: which of two variants chose a title, where a user's row holds picks of both.

Users are dealt to *splits*, groups of equal size, and each user's titles to the first two variants of the generation: of them,
the second has the share that the split says. Both are hashes of the salt under purposes of their own, the same for all
generations of a seed and a salt: what a user sees of a title, day after day, is the work of one variant.
"""

from typing import Final, NamedTuple

from bandit.snapshot.keyed_hash import INTERLEAVE, MASK64, SPLIT, absorb64, hash_base, id64

MAX_SPLITS: Final = 8


def title_base(seed: int, salt: str) -> int:
    """The state of the keyed hash that titles are dealt by, after purpose, seed and salt; user and title are absorbed next."""
    return absorb64(hash_base(INTERLEAVE, seed, 0), id64(salt))


def split_base(seed: int, salt: str) -> int:
    """The state of the keyed hash that users are dealt to splits by; the user is absorbed next."""
    return absorb64(hash_base(SPLIT, seed, 0), id64(salt))


def threshold64(share: float) -> int:
    """A share of all hashes: those below it.

    >>> threshold64(0.5) == 1 << 63, threshold64(1.0) == MASK64
    (True, True)
    """
    return min(int(share * 2.0**64), MASK64)


def split_of(hashed: int, count: int) -> int:
    """The place among ``count`` splits of equal size of a user with this hash."""
    return (hashed * count) >> 64


class Splits(NamedTuple):
    """The splits of a generation, ready to be asked: ``base`` is ``title_base``, ``thresholds`` are those of their shares."""

    base: int
    thresholds: tuple[int, ...]

    @classmethod
    def of(cls, seed: int, salt: str, shares: tuple[float, ...]) -> "Splits":
        """Those of a generation whose meta says these."""
        return cls(title_base(seed, salt), tuple(map(threshold64, shares)))

    def user_state(self, user_id: str) -> int:
        """The state of the hash after the user; the title's ``id64`` is absorbed last."""
        return absorb64(self.base, id64(user_id))

    def variant(self, split: int, state: int, title: int) -> int:
        """The place of the variant that chose a title, by its ``id64``: 1 for the share that the split gives to the second.

        >>> splits = Splits.of(7, "s", (0.5, 0.1))
        >>> state = splits.user_state("u1")
        >>> [splits.variant(0, state, id64(title)) for title in ("t1", "t2", "t3", "t4")]
        [1, 1, 0, 0]
        """
        return 1 if absorb64(state, title) < self.thresholds[split] else 0
