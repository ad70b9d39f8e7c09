"""The bytes of an answer, put together from ready pieces.

Every id is of ``[A-Za-z0-9._~-]``, which JSON takes as it is, so a user's id goes in as it came. The rest is written by
orjson when a generation is taken. Building a dictionary a pick and having it written takes four times as long.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from bandit.snapshot import TOTAL_WEIGHT

PERSONALIZED = "personalized"
POPULARITY = "popularity"
DEFAULT = "default"
NO_REVISION = 0


@dataclass(frozen=True)
class Phrases:
    """What the picks of one generation say alike.

    A pick is ``{"user_id":"…",`` then a title's piece, then a phrase by source and policy, then the propensity, then
    ``tail``.
    """

    personalized: tuple[bytes, ...]
    popularity: bytes
    default: bytes
    tail: bytes
    generation: bytes

    @classmethod
    def of(cls, generation: int, variants: Sequence[str], fallback_policy: str) -> "Phrases":
        """The phrases of a generation, the personalized ones by variant."""
        last = {"generation": generation, "revision": NO_REVISION, "segment": None}
        return cls(
            tuple(_phrase(PERSONALIZED, policy) for policy in variants),
            _phrase(POPULARITY, fallback_policy),
            _phrase(DEFAULT, DEFAULT),
            b"," + orjson.dumps(last)[1:],
            b"%d" % generation,
        )


def _phrase(source: str, policy: str) -> bytes:
    return b"," + orjson.dumps({"source": source, "policy": policy})[1:-1] + b',"propensity":'


class PropensityTexts(dict[int, bytes]):
    """The propensity of a weight as JSON, each written when it is first needed: 65,535 at most, some 9 MB."""

    def __missing__(self, weight: int) -> bytes:
        """Write it."""
        # A copy: what orjson returns keeps the kilobytes that it was written into, 261 MB for all weights.
        text = self[weight] = bytes(memoryview(orjson.dumps(weight / TOTAL_WEIGHT)))
        return text


def piece(title_id: str, artwork_id: str) -> bytes:
    """The two members of a pick that its title and arm decide, without braces."""
    return orjson.dumps({"title_id": title_id, "artwork_id": artwork_id})[1:-1]


def unknown(title_id: bytes) -> bytes:
    """All of a pick between user and tail, for a title that the catalogue does not know."""
    return b'"title_id":"%b","artwork_id":null,"source":null,"policy":null,"propensity":null' % title_id


def single_body(user_id: bytes, middle: bytes, phrases: Phrases) -> bytes:
    """One pick; ``middle`` is its bytes between user and tail."""
    return b"".join((b'{"user_id":"', user_id, b'",', middle, phrases.tail))


def page_body(user_id: bytes, middles: Sequence[bytes], phrases: Phrases) -> bytes:
    """A page of picks."""
    between = b"".join((phrases.tail, b',{"user_id":"', user_id, b'",'))
    first = b'{"user_id":"%b","generation":%b,"picks":[{"user_id":"%b",' % (user_id, phrases.generation, user_id)
    return b"".join((first, between.join(middles), phrases.tail, b"]}"))
