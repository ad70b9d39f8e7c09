"""The bytes of an answer, put together from ready pieces.

Ids consist of ``[A-Za-z0-9._~-]``, which JSON needs not escape, so a user's id is copied as it came. Everything else is
written by orjson when a generation is loaded. Writing a dictionary per pick takes four times as long.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from bandit.snapshot import TOTAL_WEIGHT, Segment

PERSONALIZED = "personalized"
SEGMENT = "segment"
POPULARITY = "popularity"
DEFAULT = "default"


@dataclass(frozen=True)
class Phrases:
    """The pieces that picks of one generation share.

    A pick is ``{"user_id":"…",`` then a title's piece, then a phrase by source and policy, then the propensity, then
    ``tail``, or where a segment answers, that of the segment in ``segment_tails``.
    """

    personalized: tuple[bytes, ...]
    segment: bytes
    popularity: bytes
    default: bytes
    tail: bytes
    segment_tails: tuple[bytes, ...]
    generation: bytes

    @classmethod
    def of(
        cls,
        generation: int,
        variants: Sequence[str],
        fallback_policy: str,
        revision: int,
        segments: Sequence[Segment] = (),
    ) -> "Phrases":
        """The phrases of a generation under a revision of the overlay, the personalized ones by variant."""
        return cls(
            tuple(_phrase(PERSONALIZED, policy) for policy in variants),
            _phrase(SEGMENT, variants[0]),
            _phrase(POPULARITY, fallback_policy),
            _phrase(DEFAULT, DEFAULT),
            _tail(generation, revision, None),
            tuple(_tail(generation, revision, segment.name) for segment in segments),
            b"%d" % generation,
        )


def _tail(generation: int, revision: int, segment: str | None) -> bytes:
    return b"," + orjson.dumps({"generation": generation, "revision": revision, "segment": segment})[1:]


def _phrase(source: str, policy: str) -> bytes:
    return b"," + orjson.dumps({"source": source, "policy": policy})[1:-1] + b',"propensity":'


class PropensityTexts(dict[int, bytes]):
    """The propensity of each weight as JSON, written when it is first needed: up to 65,535, some 9 MB."""

    def __init__(self, total: int = TOTAL_WEIGHT) -> None:
        super().__init__()
        self._total = total

    def __missing__(self, weight: int) -> bytes:
        """Write it."""
        # A copy: what orjson returns keeps the kilobytes that it was written into, 261 MB for all weights.
        text = self[weight] = bytes(memoryview(orjson.dumps(weight / self._total)))
        return text


def piece(title_id: str, artwork_id: str) -> bytes:
    """The members ``title_id`` and ``artwork_id`` of a pick, without braces."""
    return orjson.dumps({"title_id": title_id, "artwork_id": artwork_id})[1:-1]


def popularity_answer(own_piece: bytes, propensity: float, phrases: Phrases) -> bytes:
    """A pick's bytes between user and tail, drawn by popularity; for what is answered again and again."""
    return own_piece + phrases.popularity + orjson.dumps(propensity)


def default_answer(own_piece: bytes, phrases: Phrases) -> bytes:
    """A pick's bytes between user and tail for an artwork that is the only one to show."""
    return own_piece + phrases.default + orjson.dumps(1.0)


def unknown(title_id: bytes) -> bytes:
    """A pick's bytes between user and tail for a title that the catalogue does not know."""
    return b'"title_id":"%b","artwork_id":null,"source":null,"policy":null,"propensity":null' % title_id


def single_body(user_id: bytes, middle: bytes, tail: bytes) -> bytes:
    """One pick; ``middle`` is its bytes between user and tail."""
    return b"".join((b'{"user_id":"', user_id, b'",', middle, tail))


def page_body(user_id: bytes, middles: Sequence[bytes], phrases: Phrases, tail: bytes) -> bytes:
    """A page of picks. ``tail`` is that of each; empty where the middles have theirs, because these differ."""
    between = b"".join((tail, b',{"user_id":"', user_id, b'",'))
    first = b'{"user_id":"%b","generation":%b,"picks":[{"user_id":"%b",' % (user_id, phrases.generation, user_id)
    return b"".join((first, between.join(middles), tail, b"]}"))
