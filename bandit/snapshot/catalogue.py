"""The catalogue of a generation: titles and artworks in the order that rows follow, with the weights of the fallback.

It is one JSON line per title after a line that describes it, compressed, in parts that are addressed by the digest of the lines.
A reader knows from the generation's meta how much there is in it, and so how large it can be, before it decompresses a byte.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from bandit.errors import InputError, RowError
from bandit.snapshot.checks import MAX_TEXT, Fields, shown
from bandit.snapshot.keyed_hash import TOTAL_WEIGHT
from bandit.snapshot.keys import is_id

CATALOGUE_FORMAT: Final = 1
PART_BYTES: Final = 65536
MAX_TITLES: Final = 65536
"""A shortlist names titles by 16 bits."""
MAX_ARMS: Final = 256
MAX_SEGMENTS: Final = 64
MAX_CATALOGUE_BYTES: Final = 128 * 1024 * 1024
"""Before compression: 65,536 titles of 20 artworks whose ids have 20 characters are 44 MB."""

_REMEDY: Final = "publish again"
_ID_BYTES: Final = 64 + 3  # with quotes and a comma
_WEIGHT_BYTES: Final = 5 + 1
_TITLE_BYTES: Final = 160  # names, brackets, the title's id and its default
_HEADER_BYTES: Final = 200 + MAX_TEXT


class Counts(NamedTuple):
    """How much there is in a catalogue; ``artworks`` are those of all titles together."""

    titles: int
    artworks: int
    segments: int = 0


@dataclass(frozen=True)
class CatalogueTitle:
    """One title: its artworks in arm order, the default arm, and the weight vector of the popularity fallback.

    ``weights`` has one u16 per artwork and adds up to ``TOTAL_WEIGHT``, or is empty where there is no fallback but the default
    artwork; ``segments`` holds one such vector per segment of the catalogue, in the catalogue's order of segments.
    """

    title_id: str
    artworks: tuple[str, ...]
    default: int
    weights: tuple[int, ...]
    segments: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """Titles in the order that dense rows follow, the policy behind the fallback weights, and the segments' names."""

    titles: tuple[CatalogueTitle, ...]
    fallback_policy: str
    segments: tuple[str, ...] = ()

    @property
    def counts(self) -> Counts:
        """How much there is in it."""
        return Counts(len(self.titles), sum(len(title.artworks) for title in self.titles), len(self.segments))


class OpenCatalogue(NamedTuple):
    """A catalogue whose bytes are those of its digest; its titles are decoded and checked one by one, as they are asked for."""

    fallback_policy: str
    segments: tuple[str, ...]
    titles: Iterator[CatalogueTitle]


@lru_cache(maxsize=64)
def most_plain_bytes(counts: Counts) -> int:
    """The largest that a catalogue can be before compression."""
    title_bytes = _TITLE_BYTES + 3 * counts.segments
    artwork_bytes = _ID_BYTES + _WEIGHT_BYTES * (1 + counts.segments)
    bound = _HEADER_BYTES + _ID_BYTES * counts.segments + title_bytes * counts.titles + artwork_bytes * counts.artworks
    return min(bound, MAX_CATALOGUE_BYTES)


def most_packed_bytes(counts: Counts) -> int:
    """The largest that it can be compressed: deflate adds 5 bytes to 16 KiB that it cannot make smaller."""
    plain = most_plain_bytes(counts)
    return plain + 5 * (plain // 16383 + 1) + 64


def most_parts(counts: Counts) -> int:
    """The most parts that it can be cut into."""
    return -(-most_packed_bytes(counts) // PART_BYTES)


def encode_catalogue(catalogue: Catalogue) -> tuple[str, list[bytes]]:
    """A catalogue as (digest, compressed parts of at most ``PART_BYTES``).

    The digest is that of the lines before compression: the same catalogue has the same digest whatever the zlib. One line
    a title, so that a reader can decode it in slices.

    Raises:
        InputError: it is larger than a reader takes.
    """
    header = {
        "format": CATALOGUE_FORMAT,
        "titles": len(catalogue.titles),
        "fallback_policy": catalogue.fallback_policy,
        "segments": catalogue.segments,
    }
    lines: Iterable[object] = [header, *(asdict(title) for title in catalogue.titles)]
    plain = "\n".join(json.dumps(line, sort_keys=True, separators=(",", ":")) for line in lines).encode()
    if len(catalogue.titles) > MAX_TITLES or len(plain) > MAX_CATALOGUE_BYTES:
        raise InputError(
            f"the catalogue has {len(catalogue.titles):,} titles and {len(plain):,} bytes, a store takes {MAX_TITLES:,} and"
            f" {MAX_CATALOGUE_BYTES:,}; leave out titles or artworks, or shorten their ids"
        )
    packed = zlib.compress(plain, 6)
    return _digest(plain), [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]


def open_catalogue(parts: Sequence[bytes], digest: str, counts: Counts) -> OpenCatalogue:
    """Join and check the parts of a catalogue that has as much in it as ``counts`` say.

    Decompressing and checking release the interpreter's lock; decoding the titles does not, so that a service can do the
    first in a thread and the second in slices.

    Raises:
        RowError: reason "catalogue"; a part is missing or damaged, or the format is not known. ``titles`` raises it where
            a title is not what a publisher writes, or there are not as many as ``counts`` say.
    """
    lines = _lines(_inflated(parts, digest, counts))
    most = most_plain_bytes(Counts(0, 0, counts.segments))
    header = Fields(next(lines), "the catalogue's first line", "catalogue", most, _REMEDY)
    if (written := header.integer("format", 0, MAX_TITLES)) != CATALOGUE_FORMAT:
        raise RowError("catalogue", f"the catalogue has format {written}, this reader knows {CATALOGUE_FORMAT}")
    header.integer("titles", counts.titles, counts.titles)
    segments = header.texts("segments", counts.segments, counts.segments, is_id)
    return OpenCatalogue(header.text("fallback_policy"), segments, _titles(lines, counts))


def decode_catalogue(parts: Sequence[bytes], digest: str, counts: Counts) -> Catalogue:
    """Join, check and decode the parts of a catalogue.

    Raises:
        RowError: reason "catalogue"; see ``open_catalogue``.
    """
    opened = open_catalogue(parts, digest, counts)
    return Catalogue(tuple(opened.titles), opened.fallback_policy, opened.segments)


def _inflated(parts: Sequence[bytes], digest: str, counts: Counts) -> bytes:
    """The lines of a catalogue. Inflated piece by piece: one call for all of it would keep the interpreter's lock."""
    if sum(map(len, parts)) > most_packed_bytes(counts):
        raise _wrong(digest, f"is larger than {counts.titles:,} titles with {counts.artworks:,} artworks can be")
    inflate, pieces, left = zlib.decompressobj(), [], most_plain_bytes(counts)
    try:
        for part in parts:
            rest = part
            while rest:
                pieces.append(inflate.decompress(rest, PART_BYTES))
                rest = inflate.unconsumed_tail
                left -= len(pieces[-1])
                if left < 0 or inflate.unused_data:
                    raise _wrong(
                        digest, "inflates to more than its generation's meta allows, or is followed by other bytes"
                    )
        pieces.append(inflate.flush())
    except zlib.error as error:
        raise _wrong(digest, f"does not decompress: {error}") from error
    plain = b"".join(pieces)
    if not inflate.eof or _digest(plain) != digest:
        raise _wrong(digest, f"has the digest {_digest(plain)}")
    return plain


def _wrong(digest: str, how: str) -> RowError:
    return RowError("catalogue", f"catalogue {digest} {how}; publish again")


def _lines(plain: bytes) -> Iterator[bytes]:
    start = 0
    while (end := plain.find(b"\n", start)) >= 0:
        yield plain[start:end]
        start = end + 1
    yield plain[start:]


def _titles(lines: Iterator[bytes], counts: Counts) -> Iterator[CatalogueTitle]:
    known: set[str] = set()
    titles = artworks = 0
    for line in lines:
        title = decode_title(line, counts.segments)
        titles, artworks = titles + 1, artworks + len(title.artworks)
        known.add(title.title_id)
        if len(known) != titles or titles > counts.titles or artworks > counts.artworks:
            raise RowError("catalogue", f"title {title.title_id} of the catalogue is there twice, or one too many")
        yield title
    if (titles, artworks) != (counts.titles, counts.artworks):
        raise RowError(
            "catalogue",
            f"the catalogue has {titles} titles with {artworks} artworks, its generation's meta says {counts.titles} with"
            f" {counts.artworks}; publish again",
        )


def decode_title(line: bytes, n_segments: int = 0) -> CatalogueTitle:
    """One title of a catalogue from its line.

    Raises:
        RowError: reason "catalogue"; it is not what a publisher writes.
    """
    most = most_plain_bytes(Counts(1, MAX_ARMS, n_segments))
    fields = Fields(line, "a title of the catalogue", "catalogue", most, _REMEDY)
    title_id = fields.text("title_id")
    if not is_id(title_id):
        raise fields.wrong(f"has title_id {shown(title_id)}, which is no id")
    artworks = fields.texts("artworks", 1, MAX_ARMS, is_id)
    segments = fields.list_of("segments")
    vectors = [fields.list_of("weights"), *segments]
    if len(segments) != n_segments or not all(_are_weights(weights, len(artworks)) for weights in vectors):
        raise fields.wrong(
            f"({title_id}) has weights that are not {len(artworks)} whole numbers of the sum {TOTAL_WEIGHT}, or not {n_segments}"
            " such vectors of segments"
        )
    return CatalogueTitle(
        title_id,
        artworks,
        fields.integer("default", 0, len(artworks) - 1),
        tuple(vectors[0]),
        tuple(tuple(weights) for weights in segments),
    )


def _are_weights(weights: Any, n_artworks: int) -> bool:
    """Whether these are the weights of a title's artworks, or none at all."""
    if not isinstance(weights, list) or not weights:
        return weights == []
    return (
        len(weights) == n_artworks
        and set(map(type, weights)) == {int}
        and min(weights) >= 0
        and sum(weights) == TOTAL_WEIGHT
    )


def _digest(plain: bytes) -> str:
    return blake2b(plain, digest_size=16).hexdigest()
