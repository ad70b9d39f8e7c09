"""One generation as it is served, and how it is read from the store."""

import asyncio
from dataclasses import dataclass, replace
from typing import NamedTuple

from bandit.errors import RowError
from bandit.snapshot import (
    TOTAL_WEIGHT,
    CatalogueTitle,
    Current,
    Meta,
    decode_catalogue,
    decode_meta,
    meta_key,
    part_key,
)
from service.store import Store


class PlacedTitle(NamedTuple):
    """A title and its place in the catalogue, which dense rows follow."""

    place: int
    title: CatalogueTitle


@dataclass(frozen=True)
class Serving:
    """Everything of one generation but its rows. Never changed: a poll replaces the whole object.

    A request takes the object once, so no answer mixes two generations. A title whose fallback weights are unusable
    has ``weights == ()`` here. ``packed`` is the compressed catalogue as published, for the copy on disk.
    """

    current: Current
    meta: Meta
    titles: dict[str, PlacedTitle]
    fallback_policy: str
    packed: bytes

    @property
    def generation(self) -> int:
        """The generation that is served."""
        return self.meta.generation


async def load_serving(store: Store, current: Current, known: Serving | None) -> Serving:
    """Read the generation that ``current`` names; the catalogue of ``known`` is kept where the digest is the same.

    Raises:
        StoreUnavailableError: the store failed in between.
        RowError: meta or a part is missing or damaged.
    """
    raw = await store.get(meta_key(current.generation))
    if raw is None:
        raise RowError("meta", f"generation {current.generation} has no meta in the store; publish it again")
    meta = decode_meta(raw)
    _check_numbers(current, meta)
    if known is not None and known.meta.catalogue_digest == meta.catalogue_digest:
        return replace(known, current=current, meta=meta)
    packed = await _packed_catalogue(store, meta)
    return await asyncio.to_thread(build_serving, current, meta, packed)


async def _packed_catalogue(store: Store, meta: Meta) -> bytes:
    parts = [await store.get(part_key(meta.catalogue_digest, part)) for part in range(meta.catalogue_parts)]
    missing = [number for number, part in enumerate(parts) if part is None]
    if missing:
        raise RowError("catalogue", f"catalogue {meta.catalogue_digest} lacks the parts {missing}; publish again")
    return b"".join(part for part in parts if part is not None)


def build_serving(current: Current, meta: Meta, packed: bytes) -> Serving:
    """Decode and check a catalogue; takes some hundred milliseconds for 10,000 titles.

    Raises:
        RowError: the catalogue is damaged, or meta, current and catalogue do not belong together.
    """
    _check_numbers(current, meta)
    catalogue = decode_catalogue([packed], meta.catalogue_digest)
    titles = {title.title_id: PlacedTitle(place, _usable(title)) for place, title in enumerate(catalogue.titles)}
    return Serving(current, meta, titles, catalogue.fallback_policy, packed)


def _check_numbers(current: Current, meta: Meta) -> None:
    numbers = (current.generation, current.flip, meta.generation, meta.seed, meta.catalogue_parts)
    if not all(isinstance(number, int) for number in numbers) or meta.generation != current.generation:
        raise RowError("meta", f"current names generation {current.generation!r}, its meta says {meta.generation!r}")


def _usable(title: CatalogueTitle) -> CatalogueTitle:
    if not 0 <= title.default < len(title.artworks):
        raise RowError(
            "catalogue", f"title {title.title_id} has default {title.default}, {len(title.artworks)} artworks"
        )
    return title if _valid_weights(title) else replace(title, weights=())


def _valid_weights(title: CatalogueTitle) -> bool:
    weights = title.weights
    return len(weights) == len(title.artworks) and min(weights) >= 0 and sum(weights) == TOTAL_WEIGHT
