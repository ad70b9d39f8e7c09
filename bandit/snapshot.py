"""Store keys, row and catalogue bytes, and the keyed hash: the one place that knows them.

Standard library only, because the look-up service imports this module and nothing else of ``bandit``.
Writer (``batch``) and reader (``service``) meet here and nowhere else.
"""

import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from bandit.errors import InputError, RowError

# --- ids -------------------------------------------------------------------------------------------------------------

ID_PATTERN: Final = r"[A-Za-z0-9._~-]{1,64}"
"""What a user, title or artwork id looks like: safe in a key, in a URL path and in a file."""

is_id: Final = re.compile(ID_PATTERN).fullmatch

# --- keys ------------------------------------------------------------------------------------------------------------

CURRENT_KEY: Final = "art:current"
OVERLAY_KEY: Final = "art:catalogue"
ROWS_PATTERN: Final = "art:g:*"
PARTS_PATTERN: Final = "art:c:*"


def meta_key(generation: int) -> str:
    """The key of a generation's description."""
    return f"art:g:{generation}:meta"


def row_prefix(generation: int) -> str:
    """What every row key of a generation starts with."""
    return f"art:g:{generation}:u:"


def row_key(generation: int, user_id: str) -> str:
    """The key of one user's row in a generation."""
    return f"art:g:{generation}:u:{user_id}"


def part_key(digest: str, part: int) -> str:
    """The key of one part of a catalogue, addressed by the catalogue's content."""
    return f"art:c:{digest}:{part}"


def generation_of_key(key: str) -> int | None:
    """The generation that a key of ``ROWS_PATTERN`` belongs to, or None for a key of another form."""
    fields = key.split(":", 3)
    return int(fields[2]) if len(fields) == 4 and fields[2].isdecimal() else None


def digest_of_key(key: str) -> str:
    """The catalogue digest in a key of ``PARTS_PATTERN``."""
    return key.split(":", 3)[2]


# --- the keyed hash --------------------------------------------------------------------------------------------------

MASK64: Final = (1 << 64) - 1
GOLDEN: Final = 0x9E3779B97F4A7C15
TOTAL_WEIGHT: Final = 65535
"""What the weights of one decision add up to; the propensity of an arm is its weight over this."""

DRAW: Final = "draw"
FALLBACK: Final = "fallback"
EXPLORE: Final = "explore"
OTHER: Final = "other"
JOINT: Final = "joint"
SIMULATION: Final = "simulation"


def id64(text: str) -> int:
    """An id as an unsigned 64-bit integer: the little-endian value of its 8-byte BLAKE2b digest.

    >>> hex(id64("u1"))
    '0xd56a4e3f684d9992'
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def mix64(z: int) -> int:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014, figure 16), a bijection of 64-bit integers.

    >>> hex(mix64(GOLDEN))
    '0xe220a8397b1dcdaf'
    """
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
    return z ^ (z >> 31)


def absorb64(state: int, word: int) -> int:
    """One step of the keyed hash: take a 64-bit word into the state."""
    return mix64(((state ^ word) + GOLDEN) & MASK64)


def hash_base(purpose: str, seed: int, generation: int) -> int:
    """The state of the keyed hash after (purpose, seed, generation); users and titles are absorbed next.

    A job that hashes many (user, title) pairs computes this once; ``bandit.kernels.hashing`` goes on from it.
    """
    state = 0
    for word in (id64(purpose), seed & MASK64, generation & MASK64):
        state = absorb64(state, word)
    return state


def keyed_hash(purpose: str, seed: int, generation: int, user_id: str, title_id: str) -> int:
    """The pinned random number of a decision, an unsigned 64-bit integer.

    Every random number of a job comes from here under a purpose of its own, so that anyone who knows the five
    arguments can draw it again.

    >>> hex(keyed_hash("draw", 7, 17, "u1", "t1"))
    '0x2603aaf924809593'
    """
    return absorb64(absorb64(hash_base(purpose, seed, generation), id64(user_id)), id64(title_id))


def draw(weights: Sequence[int], hashed: int) -> int:
    """The arm that a 64-bit hash selects: the smallest ``a`` with ``cumsum(weights)[a] > floor(hash * 65535 / 2**64)``.

    ``weights`` add up to ``TOTAL_WEIGHT``. An arm of weight 0 is never drawn.

    >>> draw([0, 65534, 1], 0), draw([0, 65534, 1], MASK64)
    (1, 2)
    """
    point = (hashed * TOTAL_WEIGHT) >> 64
    for arm, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return arm
    raise InputError(f"weights add up to {sum(weights)}, expected {TOTAL_WEIGHT}; quantise them before drawing")


# --- rows ------------------------------------------------------------------------------------------------------------

ROW_MAGIC: Final = b"AB"
ROW_FORMAT: Final = 1
SHORTLIST: Final = 1
"""Flag: the picks are preceded by sorted u16 title indices instead of covering the catalogue in order."""

MAX_ROW_BYTES: Final = 8192
MAX_ARMS: Final = 256
_HEADER: Final = struct.Struct("<2sBBHHII")  # magic, format, policy, flags, count, generation, crc
_PICK: Final = struct.Struct("<BH")
_CRC: Final = struct.Struct("<I")
HEADER_BYTES: Final = _HEADER.size
_SIGNED_BYTES: Final = HEADER_BYTES - _CRC.size
PICK_BYTES: Final = _PICK.size
INDEX_BYTES: Final = 2
MAX_DENSE_PICKS: Final = (MAX_ROW_BYTES - HEADER_BYTES) // PICK_BYTES
MAX_SHORTLIST_PICKS: Final = (MAX_ROW_BYTES - HEADER_BYTES) // (PICK_BYTES + INDEX_BYTES)


class Pick(NamedTuple):
    """One pick of a row: the arm, and its weight out of ``TOTAL_WEIGHT`` (never 0)."""

    arm: int
    weight: int


class Row(NamedTuple):
    """A checked row: ``policy`` indexes the generation's policies, ``indices`` are None when the row is dense."""

    policy: int
    n_picks: int
    indices: memoryview | None
    picks: memoryview

    def pick(self, title_index: int) -> Pick | None:
        """The pick of a title by its place in the catalogue, or None where the row has none."""
        place = title_index if self.indices is None else self._place(title_index)
        if place is None or place >= self.n_picks:
            return None
        arm, weight = _PICK.unpack_from(self.picks, place * PICK_BYTES)
        return Pick(arm, weight) if weight else None

    def arms_and_weights(self, title_indices: Sequence[int]) -> list[tuple[int, int]]:
        """(arm, weight) of each title, the weight 0 where the row has no pick: ``pick`` for a page, at a third of the time."""
        if self.indices is not None:
            return [self.pick(title_index) or (0, 0) for title_index in title_indices]
        unpack, picks, n_picks = _PICK.unpack_from, self.picks, self.n_picks
        return [unpack(picks, PICK_BYTES * place) if place < n_picks else (0, 0) for place in title_indices]

    def _place(self, title_index: int) -> int | None:
        low, high = 0, self.n_picks
        while low < high:
            middle = (low + high) // 2
            if self._index(middle) < title_index:
                low = middle + 1
            else:
                high = middle
        return low if low < self.n_picks and self._index(low) == title_index else None

    def _index(self, place: int) -> int:
        assert self.indices is not None
        return self.indices[2 * place] | self.indices[2 * place + 1] << 8


def encode_row(user_id: str, generation: int, policy: int, picks: bytes, indices: bytes = b"") -> bytes:
    """One user's row: the 16-byte header, then ``indices`` (u16 little-endian, sorted), then ``picks`` (u8 arm, u16 weight).

    Without ``indices`` the row is dense: one pick a title, in catalogue order; a pick of weight 0 stands for none.

    Raises:
        InputError: the row would be longer than ``MAX_ROW_BYTES``.
    """
    count = len(picks) // PICK_BYTES
    length = HEADER_BYTES + len(indices) + len(picks)
    if length > MAX_ROW_BYTES:
        raise InputError(
            f"the row of user {user_id} has {count} picks and {length} bytes, at most {MAX_ROW_BYTES} bytes are allowed;"
            f" give candidates.parquet with at most {MAX_SHORTLIST_PICKS} titles a user"
        )
    header = _HEADER.pack(ROW_MAGIC, ROW_FORMAT, policy, SHORTLIST if indices else 0, count, generation, 0)
    body = indices + picks
    return header[:_SIGNED_BYTES] + _CRC.pack(_checksum(header, body, user_id, generation)) + body


def decode_row(raw: bytes, user_id: str, generation: int) -> Row:
    """Check a row against who and what was asked for, and open it.

    Raises:
        RowError: with ``reason`` truncated, magic, format, generation or checksum. The checksum is seeded with user
            and generation, so the row of another user fails it.
    """
    if len(raw) < HEADER_BYTES:
        raise RowError("truncated", f"the row has {len(raw)} bytes, its header alone has {HEADER_BYTES}")
    magic, form, policy, flags, count, stated, checksum = _HEADER.unpack_from(raw)
    if magic != ROW_MAGIC:
        raise RowError("magic", f"the row starts with {magic!r}, expected {ROW_MAGIC!r}")
    if form != ROW_FORMAT or flags > SHORTLIST:
        raise RowError("format", f"the row has format {form}, flags {flags}; this reader knows format {ROW_FORMAT}")
    if stated != generation:
        raise RowError("generation", f"the row is of generation {stated}, asked for {generation}")
    indices_end = HEADER_BYTES + (count * INDEX_BYTES if flags & SHORTLIST else 0)
    if len(raw) != indices_end + count * PICK_BYTES:
        raise RowError(
            "truncated", f"the row has {len(raw)} bytes, {count} picks need {indices_end + count * PICK_BYTES}"
        )
    view = memoryview(raw)
    if checksum != _checksum(view, view[HEADER_BYTES:], user_id, generation):
        raise RowError("checksum", "the row's checksum does not fit its bytes, its user and its generation")
    indices = view[HEADER_BYTES:indices_end] if flags & SHORTLIST else None
    return Row(policy, count, indices, view[indices_end:])


def _checksum(header: bytes | memoryview, body: bytes | memoryview, user_id: str, generation: int) -> int:
    seed = zlib.crc32(f"{generation}:{user_id}:".encode())
    return zlib.crc32(body, zlib.crc32(header[:_SIGNED_BYTES], seed))


# --- current and meta ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Current:
    """Value of ``art:current``: the generation served, a count of flips that only grows, and what was served before."""

    generation: int
    flip: int
    previous: int | None = None


@dataclass(frozen=True)
class Meta:
    """Value of ``art:g:<generation>:meta``. ``policies`` is what a row's policy number indexes."""

    generation: int
    seed: int
    manifest_digest: str
    catalogue_digest: str
    catalogue_parts: int
    users: int
    titles: int
    policies: tuple[str, ...]
    created_at: str
    format: int = ROW_FORMAT


def encode_json(value: Current | Meta) -> bytes:
    """A dataclass as canonical JSON: sorted keys, no spaces."""
    return json.dumps(asdict(value), sort_keys=True, separators=(",", ":")).encode()


def decode_current(raw: bytes) -> Current:
    """Read ``art:current``.

    Raises:
        RowError: reason "current"; the value is not what a publisher writes.
    """
    value = _decode_object(raw, "current", {"generation", "flip"})
    return Current(value["generation"], value["flip"], value.get("previous"))


def decode_meta(raw: bytes) -> Meta:
    """Read a generation's meta.

    Raises:
        RowError: reason "meta"; the value is not what a publisher writes, or is of a format this reader does not know.
    """
    names = set(Meta.__dataclass_fields__)
    value = _decode_object(raw, "meta", names)
    if value["format"] != ROW_FORMAT:
        raise RowError("meta", f"the generation has format {value['format']}, this reader knows {ROW_FORMAT}")
    return Meta(**{name: value[name] for name in names} | {"policies": tuple(value["policies"])})


def _decode_object(raw: bytes, reason: str, names: set[str]) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise RowError(reason, f"the value of {reason} is not JSON: {error}") from error
    found = value if isinstance(value, dict) else {}
    if not names <= found.keys():
        raise RowError(reason, f"the value of {reason} lacks {sorted(names - found.keys())}; publish again")
    return found


# --- catalogue -------------------------------------------------------------------------------------------------------

PART_BYTES: Final = 65536
CATALOGUE_FORMAT: Final = 1


@dataclass(frozen=True)
class CatalogueTitle:
    """One title: its artworks in arm order, the default arm, and the weight vector of the popularity fallback.

    ``weights`` has one u16 an artwork and adds up to ``TOTAL_WEIGHT``; ``segments`` holds one such vector a segment
    of the catalogue, in the catalogue's order of segments.
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


def encode_catalogue(catalogue: Catalogue) -> tuple[str, list[bytes]]:
    """A catalogue as (digest, compressed parts of at most ``PART_BYTES``).

    The digest is that of the lines before compression: the same catalogue has the same digest whatever the zlib. One line
    a title, so that a reader can decode it in slices.
    """
    header = {
        "format": CATALOGUE_FORMAT,
        "titles": len(catalogue.titles),
        "fallback_policy": catalogue.fallback_policy,
        "segments": catalogue.segments,
    }
    lines: Iterable[object] = [header, *(asdict(title) for title in catalogue.titles)]
    plain = "\n".join(json.dumps(line, sort_keys=True, separators=(",", ":")) for line in lines).encode()
    packed = zlib.compress(plain, 6)
    return _digest(plain), [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]


class OpenCatalogue(NamedTuple):
    """A checked catalogue whose titles are decoded one by one, as they are asked for."""

    fallback_policy: str
    segments: tuple[str, ...]
    titles: Iterator[CatalogueTitle]


def open_catalogue(parts: Sequence[bytes], digest: str) -> OpenCatalogue:
    """Join and check the parts of a catalogue.

    Decompressing and checking release the interpreter's lock; decoding the titles does not, so that a service can do the
    first in a thread and the second in slices.

    Raises:
        RowError: reason "catalogue"; a part is missing or damaged, or the format is not known. ``titles`` raises it where
            their number is not what the header says.
    """
    lines = _lines(_checked(parts, digest))
    header = json.loads(next(lines))
    if header["format"] != CATALOGUE_FORMAT:
        raise RowError(
            "catalogue", f"the catalogue has format {header['format']}, this reader knows {CATALOGUE_FORMAT}"
        )
    return OpenCatalogue(header["fallback_policy"], tuple(header["segments"]), _titles(lines, header["titles"]))


def decode_catalogue(parts: Sequence[bytes], digest: str) -> Catalogue:
    """Join, check and decode the parts of a catalogue.

    Raises:
        RowError: reason "catalogue"; a part is missing or damaged, or the format is not known.
    """
    opened = open_catalogue(parts, digest)
    return Catalogue(tuple(opened.titles), opened.fallback_policy, opened.segments)


def _checked(parts: Sequence[bytes], digest: str) -> bytes:
    """The lines of a catalogue. Inflated piece by piece: one call for all of it would keep the interpreter's lock."""
    inflate, pieces = zlib.decompressobj(), []
    try:
        for part in parts:
            rest = part
            while rest:
                pieces.append(inflate.decompress(rest, PART_BYTES))
                rest = inflate.unconsumed_tail
        pieces.append(inflate.flush())
    except zlib.error as error:
        raise RowError("catalogue", f"catalogue {digest} does not decompress: {error}; publish again") from error
    plain = b"".join(pieces)
    if not inflate.eof or _digest(plain) != digest:
        raise RowError("catalogue", f"catalogue {digest} has the digest {_digest(plain)}; publish again")
    return plain


def _lines(plain: bytes) -> Iterator[bytes]:
    start = 0
    while (end := plain.find(b"\n", start)) >= 0:
        yield plain[start:end]
        start = end + 1
    yield plain[start:]


def _titles(lines: Iterator[bytes], stated: int) -> Iterator[CatalogueTitle]:
    count = 0
    for line in lines:
        yield decode_title(line)
        count += 1
    if count != stated:
        raise RowError("catalogue", f"the catalogue has {count} titles, its header says {stated}")


def decode_title(line: bytes) -> CatalogueTitle:
    """One title of a catalogue from its line."""
    value = json.loads(line)
    return CatalogueTitle(
        value["title_id"],
        tuple(value["artworks"]),
        value["default"],
        tuple(value["weights"]),
        tuple(tuple(weights) for weights in value["segments"]),
    )


def _digest(plain: bytes) -> str:
    return blake2b(plain, digest_size=16).hexdigest()
