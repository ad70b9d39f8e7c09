"""Segments: users alike in their sign-up signals, for whom the service draws from weights of their own.

A segment's rule names one signal or several. The segment of a look-up is the first, in the catalogue's order, of which the
look-up has every signal; the publisher puts the rules with the most signals first. Weights are packed as u16, little-endian, by
segment and artwork: as tuples, those of 15,000 titles, 64 segments and 10 artworks a title would take 420 MB.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Self

from bandit.snapshot.checks import Fields, are_different
from bandit.snapshot.keyed_hash import TOTAL_WEIGHT
from bandit.snapshot.keys import is_id

MAX_SEGMENTS: Final = 64
HOUR_BANDS: Final = ("night", "morning", "afternoon", "evening")
"""Of six hours each, from midnight on, at the user's place."""

_BAND_HOURS: Final = 24 // len(HOUR_BANDS)
_WEIGHT_BYTES: Final = 2


class Signals(NamedTuple):
    """What is known of a user at sign-up, None where it is not; ``hours`` is one of ``HOUR_BANDS``.

    As a rule, what users have to have: None is any.
    """

    country: str | None = None
    device: str | None = None
    campaign: str | None = None
    hours: str | None = None

    @classmethod
    def of(
        cls, country: str | None = None, device: str | None = None, campaign: str | None = None, hour: int | None = None
    ) -> Self:
        """The signals of a look-up, which names an hour of the day."""
        return cls(country, device, campaign, None if hour is None else hour_band(hour))

    @property
    def known(self) -> int:
        """How many are known."""
        return sum(value is not None for value in self)


NO_SIGNALS: Final = Signals()


class Segment(NamedTuple):
    """Users who have all the signals of a rule; ``name`` is an id."""

    name: str
    rule: Signals


def hour_band(hour: int) -> str:
    """The band of an hour from 0 to 23.

    >>> hour_band(0), hour_band(23)
    ('night', 'evening')
    """
    return HOUR_BANDS[hour // _BAND_HOURS]


@dataclass(frozen=True)
class SegmentFinder:
    """Finds the segment of signals among those of a catalogue, in its order."""

    segments: tuple[Segment, ...] = ()

    @cached_property
    def _places(self) -> dict[Signals, int]:
        return {segment.rule: place for place, segment in enumerate(self.segments)}

    @cached_property
    def _named(self) -> set[tuple[bool, ...]]:
        """Which signals rules name: at most 15 combinations, each of which is looked up."""
        return {tuple(value is not None for value in segment.rule) for segment in self.segments}

    def find(self, signals: Signals) -> int | None:
        """The place of the first segment of which these have every signal; None if there is none."""
        if signals == NO_SIGNALS:
            return None
        places = self._places
        found = [
            place
            for named in self._named
            if (place := places.get(tuple(map(_if_named, signals, named)))) is not None  # type: ignore[call-overload]  # a tuple of the same texts is the same key
        ]
        return min(found, default=None)


def _if_named(value: str | None, is_named: bool) -> str | None:  # noqa: FBT001 - of map
    return value if is_named else None


def pack_weights(vectors: Sequence[Sequence[int]]) -> bytes:
    """The weight vectors of a title, by segment, as ``segment_weights`` reads them."""
    return b"".join(struct.pack(f"<{len(vector)}H", *vector) for vector in vectors)


def segment_weights(packed: bytes, segment: int, n_arms: int) -> tuple[int, ...]:
    """The weights of a title's arms for the segment at a place.

    >>> segment_weights(pack_weights([[1, 2], [3, 4]]), 1, 2)
    (3, 4)
    """
    return struct.unpack_from(f"<{n_arms}H", packed, _WEIGHT_BYTES * n_arms * segment)


def packed_bytes(n_segments: int, n_arms: int) -> int:
    """How long the packed weights of a title are."""
    return _WEIGHT_BYTES * n_segments * n_arms


def are_full(packed: bytes, n_segments: int, n_arms: int) -> bool:
    """Whether each of a title's vectors adds up to ``TOTAL_WEIGHT``."""
    weights = struct.unpack(f"<{n_segments * n_arms}H", packed)
    return all(sum(weights[start : start + n_arms]) == TOTAL_WEIGHT for start in range(0, len(weights), n_arms))


def as_plain(segment: Segment) -> dict[str, object]:
    """A segment as JSON has it."""
    rule = {name: value for name, value in segment.rule._asdict().items() if value is not None}
    return {"name": segment.name, "rule": rule}


def read_segments(header: Fields, count: int) -> tuple[Segment, ...]:
    """The segments in the first line of a catalogue.

    Raises:
        RowError: they are not so many, or one is not what a publisher writes.
    """
    values = header.list_of("segments")
    if len(values) != count or not all(map(_is_segment, values)):
        raise header.wrong(f"has segments that are not {count} names with a rule each")
    segments = tuple(Segment(value["name"], Signals(**value["rule"])) for value in values)
    names, rules = [segment.name for segment in segments], {segment.rule for segment in segments}
    if not are_different(names, is_id) or len(rules) != count:
        raise header.wrong("has segments of which two have one name or one rule")
    return segments


def _is_segment(value: object) -> bool:
    if not (isinstance(value, dict) and value.keys() == {"name", "rule"}):
        return False
    name, rule = value["name"], value["rule"]
    if not (isinstance(name, str) and is_id(name) and isinstance(rule, dict) and rule):
        return False
    return rule.keys() <= set(Signals._fields) and all(_is_signal(*item) for item in rule.items())


def _is_signal(name: str, value: object) -> bool:
    return isinstance(value, str) and (value in HOUR_BANDS if name == "hours" else is_id(value) is not None)
