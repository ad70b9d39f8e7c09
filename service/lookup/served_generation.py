"""A generation as it is served, everything of it but its rows, and how it is read from the store."""

import asyncio
import gc
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from time import perf_counter
from typing import Final, NamedTuple

from bandit.errors import RowError
from bandit.snapshot import (
    FALLBACK,
    MAX_META_BYTES,
    NO_OVERLAY,
    PART_BYTES,
    SEGMENT,
    CatalogueTitle,
    Current,
    Meta,
    Overlay,
    Segment,
    SegmentFinder,
    Splits,
    decode_meta,
    hash_base,
    id64,
    meta_key,
    open_catalogue,
    part_key,
    row_prefix,
)
from service.lookup.answers import Phrases, piece
from service.lookup.store import Store

SLICE_SECONDS: Final = 0.0004
"""How long decoding may hold the event loop at a time: a fraction of the millisecond that look-ups would notice."""

REST_SECONDS: Final = 0.001
"""Pause for look-ups between two slices of a reload: decoding then takes about a third of the loop's time."""

RELEASE_AFTER_SECONDS: Final = 2.0
"""Far longer than any request takes."""


class Remaining(NamedTuple):
    """What remains of a title of which artworks are retired.

    ``place`` is its position in the catalogue, ``retired`` its retired arms. ``cumulated`` holds the cumulated popularity
    weights without theirs, and ``answers`` the bytes of each arm as the fallback answers it; where no weight remains,
    ``cumulated`` is empty and ``answers`` holds that of the default artwork alone.
    """

    place: int
    retired: frozenset[int]
    cumulated: "array[int]"
    answers: tuple[bytes, ...]


class ServedTitle(NamedTuple):
    """A title in the form that look-ups need.

    ``place`` is its position in the catalogue, which dense rows follow. ``pieces`` holds the JSON members ``"title_id":…,
    "artwork_id":…`` of each arm: written once, so that an answer is put together from ready bytes. ``cumulated`` holds the
    cumulated popularity weights of the arms, empty where it has none; ``hashed`` is the title's word of the keyed hash.
    Where artworks are retired, ``place`` is beyond every row, ``cumulated`` is empty, and ``remaining`` says what there is.
    ``segments`` are the weights of the arms by segment as they were published, packed; empty where there are none.
    """

    place: int
    pieces: tuple[bytes, ...]
    default: int
    hashed: int
    cumulated: "array[int]"
    remaining: Remaining | None = None
    segments: bytes = b""


def served_title(place: int, title: CatalogueTitle) -> ServedTitle:
    """The served form of a title of the catalogue."""
    return ServedTitle(
        place,
        tuple(piece(title.title_id, artwork_id) for artwork_id in title.artworks),
        title.default,
        id64(title.title_id),
        array("H", accumulate(title.weights)),
        segments=title.segments,
    )


@dataclass(
    frozen=True, repr=False
)  # asyncio has a task's result written: of 15,000 titles with segments, 400 MB for a moment
class ServedGeneration:
    """Everything of one generation but its rows. It never changes: a poll replaces the whole object.

    A request takes the object once, so no answer mixes two generations, or two revisions of the overlay. ``titles`` has as keys
    the ids as they stand in a URL; ``own_titles`` are those that were published, before the overlay changed any.
    ``segments`` finds the segment of a look-up. ``packed`` is the compressed catalogue as published, for the copy on disk. The
    rest is made once for all look-ups.
    """

    current: Current
    meta: Meta
    titles: dict[bytes, ServedTitle]
    own_titles: dict[bytes, ServedTitle]
    overlay: Overlay
    fallback_policy: str
    segments: SegmentFinder
    packed: bytes
    row_prefix: bytes
    fallback_base: int
    segment_base: int
    splits: Splits
    phrases: Phrases

    def find(self, title_ids: Iterable[bytes]) -> list[ServedTitle | bytes]:
        """The titles of ids, in their order; in the place of one that is not known, its id."""
        titles = self.titles
        return [titles.get(title_id, title_id) for title_id in title_ids]

    @property
    def generation(self) -> int:
        """The generation that is served."""
        return self.meta.generation

    @property
    def identity(self) -> str:
        """The generation's identity, which seeds the checksums of its rows."""
        return self.meta.identity


def served_generation(
    current: Current,
    meta: Meta,
    titles: dict[bytes, ServedTitle],
    fallback_policy: str,
    packed: bytes,
    segments: Sequence[Segment] = (),
) -> ServedGeneration:
    """A generation as it was published, ready to be served.

    Raises:
        RowError: current and meta do not belong together.
    """
    if (meta.generation, meta.identity) != (current.generation, current.identity):
        raise RowError(
            "identity",
            f"art:current names generation {current.generation} with the identity {current.identity}, its meta is of"
            f" {meta.generation} with {meta.identity}; publish again",
        )
    return ServedGeneration(
        current,
        meta,
        titles,
        titles,
        NO_OVERLAY,
        fallback_policy,
        SegmentFinder(tuple(segments)),
        packed,
        row_prefix=row_prefix(meta.generation).encode(),
        fallback_base=hash_base(FALLBACK, meta.seed, meta.generation),
        segment_base=hash_base(SEGMENT, meta.seed, meta.generation),
        splits=Splits.of(meta.seed, meta.salt, meta.splits),
        phrases=Phrases.of(meta.generation, meta.variants, fallback_policy, NO_OVERLAY.revision, segments),
    )


async def load_generation(store: Store, current: Current, known: ServedGeneration | None) -> ServedGeneration:
    """Read the generation that ``current`` names; the catalogue of ``known`` is kept where the digest is the same.

    Raises:
        StoreUnavailableError: the store failed.
        RowError: meta or a part is missing or damaged.
    """
    raw = await store.get(meta_key(current.generation), MAX_META_BYTES)
    if raw is None:
        raise RowError("meta", f"generation {current.generation} has no meta in the store; publish it again")
    meta = decode_meta(raw)
    if known is not None and (known.meta.catalogue_digest, known.meta.counts) == (meta.catalogue_digest, meta.counts):
        return served_generation(
            current, meta, known.own_titles, known.fallback_policy, known.packed, known.segments.segments
        )
    packed = await _packed_catalogue(store, meta)
    return await build_generation(current, meta, packed, rest_seconds=0.0 if known is None else REST_SECONDS)


async def _packed_catalogue(store: Store, meta: Meta) -> bytes:
    parts = []
    for number in range(meta.catalogue_parts):
        part = await store.get(part_key(meta.catalogue_digest, number), PART_BYTES)
        if part is None or len(part) > PART_BYTES:
            how = "is missing" if part is None else f"has more than {PART_BYTES} bytes"
            raise RowError("catalogue", f"part {number} of catalogue {meta.catalogue_digest} {how}; publish again")
        parts.append(part)
    return b"".join(parts)


async def build_generation(current: Current, meta: Meta, packed: bytes, rest_seconds: float = 0.0) -> ServedGeneration:
    """Decode and check a catalogue, a slice at a time, with a rest between slices.

    The garbage collector is off meanwhile, and what was made is frozen: the collector would walk through a growing
    catalogue again and again, which takes longer than all slices together, and find nothing, because it has no cycles.

    Raises:
        RowError: the catalogue is damaged, or meta, current and catalogue do not belong together.
    """
    catalogue = await asyncio.to_thread(open_catalogue, [packed], meta.catalogue_digest, meta.counts)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        titles = await _titles(catalogue.titles, rest_seconds)
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
    return served_generation(current, meta, titles, catalogue.fallback_policy, packed, catalogue.segments)


async def _titles(decoded: Iterator[CatalogueTitle], rest_seconds: float) -> dict[bytes, ServedTitle]:
    titles: dict[bytes, ServedTitle] = {}
    until = perf_counter() + SLICE_SECONDS
    for place, title in enumerate(decoded):
        titles[title.title_id.encode()] = served_title(place, title)
        if perf_counter() > until:
            await asyncio.sleep(rest_seconds)
            until = perf_counter() + SLICE_SECONDS
    return titles


async def release(titles: dict[bytes, ServedTitle], after_seconds: float = RELEASE_AFTER_SECONDS) -> None:
    """Free a catalogue that is no longer served, a slice at a time: freeing it at once would hold up the loop.

    Requests that started before the swap may still read it; they are answered long before this begins.
    """
    await asyncio.sleep(after_seconds)
    until = perf_counter() + SLICE_SECONDS
    while titles:
        titles.popitem()
        if perf_counter() > until:
            await asyncio.sleep(REST_SECONDS)
            until = perf_counter() + SLICE_SECONDS
