"""The catalogue of a generation: titles and artworks in the order that rows follow, with the weights of fallback and segments.

It is one JSON line per title after a line that describes it, compressed, in parts that are addressed by the digest of the lines.
A reader knows from the generation's meta how much there is in it, and so how large it can be, before it decompresses a byte.
Format 1 is that of a catalogue without segments, format 2 has some, and each title's weights of them in base64.
"""

import json
import zlib
from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from bandit.errors import InputError, RowError
from bandit.snapshot.checks import MAX_TEXT, Fields, shown
from bandit.snapshot.keyed_hash import TOTAL_WEIGHT
from bandit.snapshot.keys import is_id
from bandit.snapshot.segments import MAX_SEGMENTS, Segment, are_full, as_plain, packed_bytes, read_segments

CATALOGUE_FORMAT: Final = 1
SEGMENTS_FORMAT: Final = 2
PART_BYTES: Final = 65536
MAX_TITLES: Final = 65536
"""A shortlist names titles by 16 bits."""
MAX_ARMS: Final = 256
MAX_CATALOGUE_BYTES: Final = 128 * 1024 * 1024
"""Before compression: 65,536 titles of 20 artworks whose ids have 20 characters are 44 MB."""

_REMEDY: Final = "publish again"
_ID_CHARS: Final = 64
_ID_BYTES: Final = _ID_CHARS + 3  # with quotes and a comma
_WEIGHT_BYTES: Final = 5 + 1
_SEGMENT_WEIGHT_BYTES: Final = 3  # of two bytes in base64, rounded up
_SEGMENT_BYTES: Final = 512  # a name and four signals of 64 characters each
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
    artwork; ``segments`` holds one full vector per segment of the catalogue, in the catalogue's order, packed as
    ``bandit.snapshot.segments`` has them.
    """

    title_id: str
    artworks: tuple[str, ...]
    default: int
    weights: tuple[int, ...]
    segments: bytes = b""


@dataclass(frozen=True)
class Catalogue:
    """Titles in the order that dense rows follow, the policy behind the fallback weights, and the segments.

    Of the segments whose rules fit a look-up, the first answers.
    """

    titles: tuple[CatalogueTitle, ...]
    fallback_policy: str
    segments: tuple[Segment, ...] = ()

    @property
    def counts(self) -> Counts:
        """How much there is in it."""
        return Counts(len(self.titles), sum(len(title.artworks) for title in self.titles), len(self.segments))


class OpenCatalogue(NamedTuple):
    """A catalogue whose bytes are those of its digest; its titles are decoded and checked one by one, as they are asked for."""

    fallback_policy: str
    segments: tuple[Segment, ...]
    titles: Iterator[CatalogueTitle]


@lru_cache(maxsize=64)
def most_plain_bytes(counts: Counts) -> int:
    """The largest that a catalogue can be before compression."""
    artwork_bytes = _ID_BYTES + _WEIGHT_BYTES + _SEGMENT_WEIGHT_BYTES * counts.segments
    header_bytes = _HEADER_BYTES + _SEGMENT_BYTES * counts.segments
    return min(header_bytes + _TITLE_BYTES * counts.titles + artwork_bytes * counts.artworks, MAX_CATALOGUE_BYTES)


def most_segments(titles: int, artworks: int, id_bytes: int) -> int:
    """How many segments a catalogue has room for, whose artworks' ids have so many characters together."""
    named = _HEADER_BYTES + _TITLE_BYTES * titles + (_ID_BYTES - _ID_CHARS + _WEIGHT_BYTES) * artworks + id_bytes
    room = (MAX_CATALOGUE_BYTES - named) // (_SEGMENT_BYTES + _SEGMENT_WEIGHT_BYTES * artworks)
    return min(max(room, 0), MAX_SEGMENTS)


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
        "format": SEGMENTS_FORMAT if catalogue.segments else CATALOGUE_FORMAT,
        "titles": len(catalogue.titles),
        "fallback_policy": catalogue.fallback_policy,
        "segments": list(map(as_plain, catalogue.segments)),
    }
    plain = "\n".join(map(_line, (header, *map(_plain_title, catalogue.titles)))).encode()
    if len(catalogue.titles) > MAX_TITLES or len(plain) > MAX_CATALOGUE_BYTES:
        raise InputError(
            f"the catalogue has {len(catalogue.titles):,} titles and {len(plain):,} bytes, a store takes {MAX_TITLES:,} and"
            f" {MAX_CATALOGUE_BYTES:,}; leave out titles or artworks, or shorten their ids"
        )
    packed = zlib.compress(plain, 6)
    return _digest(plain), [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]


def _line(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _plain_title(title: CatalogueTitle) -> dict[str, Any]:
    return asdict(title) | {"segments": b2a_base64(title.segments, newline=False).decode() if title.segments else []}


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
    expected = SEGMENTS_FORMAT if counts.segments else CATALOGUE_FORMAT
    if (written := header.integer("format", 0, MAX_TITLES)) != expected:
        raise RowError(
            "catalogue",
            f"the catalogue has format {written}, expected {expected} of one with {counts.segments} segments; this reader knows"
            f" {CATALOGUE_FORMAT} and {SEGMENTS_FORMAT}: publish again, or upgrade it",
        )
    header.integer("titles", counts.titles, counts.titles)
    segments = read_segments(header, counts.segments)
    return OpenCatalogue(header.text("fallback_policy"), segments, _titles(lines, counts))


def decode_catalogue(parts: Sequence[bytes], digest: str, counts: Counts) -> Catalogue:
    """Join, check and decode the parts of a catalogue.

    Raises:
        RowError: reason "catalogue"; see ``open_catalogue``.
    """
    opened = open_catalogue(parts, digest, counts)
    return Catalogue(tuple(opened.titles), opened.fallback_policy, opened.segments)


def _inflated(parts: Sequence[bytes], digest: str, counts: Counts) -> bytearray:
    """The lines of a catalogue. Inflated piece by piece: one call for all of it would keep the interpreter's lock."""
    if sum(map(len, parts)) > most_packed_bytes(counts):
        raise _wrong(digest, f"is larger than {counts.titles:,} titles with {counts.artworks:,} artworks can be")
    inflate, inflated, left = zlib.decompressobj(), bytearray(), most_plain_bytes(counts)
    try:
        for rest in _pieces(parts):
            while rest:
                piece = inflate.decompress(rest, PART_BYTES)
                inflated += piece
                rest = inflate.unconsumed_tail  # noqa: PLW2901 - of a piece, until nothing is left of it
                left -= len(piece)
                if left < 0 or inflate.unused_data:
                    raise _wrong(
                        digest, "inflates to more than its generation's meta allows, or is followed by other bytes"
                    )
        inflated += inflate.flush()
    except zlib.error as error:
        raise _wrong(digest, f"does not decompress: {error}") from error
    if not inflate.eof or _digest(inflated) != digest:
        raise _wrong(digest, f"has the digest {_digest(inflated)}")
    return inflated


def _pieces(parts: Sequence[bytes]) -> Iterator[bytes]:
    """Parts in small pieces: what is left of one is copied again and again."""
    for part in parts:
        for start in range(0, len(part), PART_BYTES):
            yield part[start : start + PART_BYTES]


def _wrong(digest: str, how: str) -> RowError:
    return RowError("catalogue", f"catalogue {digest} {how}; publish again")


def _lines(plain: bytearray) -> Iterator[bytes]:
    start = 0
    while (end := plain.find(b"\n", start)) >= 0:
        yield bytes(plain[start:end])
        start = end + 1
    yield bytes(plain[start:])


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
    weights = fields.list_of("weights")
    if not _are_weights(weights, len(artworks)):
        raise fields.wrong(
            f"({title_id}) has weights that are not {len(artworks)} whole numbers of the sum {TOTAL_WEIGHT}"
        )
    default = fields.integer("default", 0, len(artworks) - 1)
    return CatalogueTitle(
        title_id, artworks, default, tuple(weights), _segments(fields, title_id, n_segments, len(artworks))
    )


def _segments(fields: Fields, title_id: str, n_segments: int, n_artworks: int) -> bytes:
    """The weights of a title's artworks by segment."""
    if not n_segments:
        if fields.list_of("segments"):
            raise fields.wrong(f"({title_id}) has weights of segments, and the catalogue has no segments")
        return b""
    packed = fields.packed("segments", packed_bytes(n_segments, n_artworks))
    if not are_full(packed, n_segments, n_artworks):
        raise fields.wrong(f"({title_id}) has segments whose weights do not add up to {TOTAL_WEIGHT} each")
    return packed


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


def _digest(plain: bytes | bytearray) -> str:
    return blake2b(plain, digest_size=16).hexdigest()
