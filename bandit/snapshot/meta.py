"""Which generation is served (``art:current``), and what a generation in the store is (its meta)."""

import json
from dataclasses import asdict, dataclass
from typing import Final

from bandit.errors import OldFormatError, RowError
from bandit.snapshot.catalogue import MAX_ARMS, MAX_TITLES, Counts, most_parts
from bandit.snapshot.checks import MAX_GENERATION, Fields, shown
from bandit.snapshot.keyed_hash import MASK64
from bandit.snapshot.row_formats import FORMAT_2, ROW_FORMATS, RowFormat, format_of_total
from bandit.snapshot.segments import MAX_SEGMENTS
from bandit.snapshot.splits import MAX_SPLITS

MAX_FLIP: Final = (1 << 53) - 1
"""What a double, and so every reader of JSON and of metrics, counts exactly."""

MAX_CURRENT_BYTES: Final = 4096
MAX_META_BYTES: Final = 65536
MAX_VARIANTS: Final = 256
MAX_USERS: Final = (1 << 32) - 1
_LEFT_OUT: Final = {"salt", "splits"}
"""Members of a meta that are not written where they say nothing."""
_REMEDY: Final = "remove it, then publish again"
_OLD: Final = (
    "is of row format 1, which was written until November 2026 and is not read any more;"
    " run `artwork publish` for the newest generation on disk, or `artwork run`"
)


@dataclass(frozen=True)
class Current:
    """Value of ``art:current``: the generation served, its identity, a count of flips that only grows, what was served before.

    Two that differ in anything are a flip: the number alone does not say whose generation it is. ``identity`` is empty for a
    generation of row format 1, which only publishers see, who replace it.
    """

    generation: int
    identity: str
    flip: int
    previous: int | None = None


@dataclass(frozen=True)
class Meta:
    """Value of ``art:g:<generation>:meta``; ``variants`` are the names that a row's variant indexes and answers give.

    ``identity`` is the digest of what decides the generation's picks; ``manifest_digest`` is for information. ``users`` counts
    rows; ``titles``, ``artworks`` and ``segments`` are those of the catalogue, which bound its size. ``total`` is what
    the weights of a decision add up to in row format ``format``. ``splits`` are the shares of titles that the second variant has
    of users whose rows are by title, by split, and ``salt`` is what they are dealt by; both are empty where nobody's are.
    """

    generation: int
    identity: str
    seed: int
    manifest_digest: str
    catalogue_digest: str
    catalogue_parts: int
    users: int
    titles: int
    artworks: int
    variants: tuple[str, ...]
    created_at: str
    segments: int = 0
    total: int = FORMAT_2.total
    format: int = FORMAT_2.number
    salt: str = ""
    splits: tuple[float, ...] = ()

    @property
    def row_format(self) -> RowFormat:
        """How the rows are packed."""
        return format_of_total(self.total)

    @property
    def counts(self) -> Counts:
        """How much there is in the catalogue."""
        return Counts(self.titles, self.artworks, self.segments)


def encode_json(value: Current | Meta) -> bytes:
    """A dataclass as canonical JSON: sorted keys, no spaces. What a reader would refuse is not written.

    Raises:
        RowError: a field is out of its range.
    """
    plain = {name: item for name, item in asdict(value).items() if item or name not in _LEFT_OUT}
    raw = json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
    if isinstance(value, Current):
        decode_current(raw)
    else:
        decode_meta(raw)
    return raw


def decode_current(raw: bytes) -> Current:
    """Read ``art:current``.

    Raises:
        OldFormatError: it is of row format 1.
        RowError: reason "current"; the value is not what a publisher writes.
    """
    current = decode_any_current(raw)
    if not current.identity:
        raise OldFormatError(f"the store's current generation {current.generation} {_OLD}")
    return current


def decode_any_current(raw: bytes) -> Current:
    """The same for publishers: where it is of row format 1, its identity is empty.

    Raises:
        RowError: reason "current".
    """
    fields = Fields(raw, "art:current", "current", MAX_CURRENT_BYTES, _REMEDY)
    generation = fields.integer("generation", 1, MAX_GENERATION)
    flip = fields.integer("flip", 1, MAX_FLIP)
    if "identity" not in fields:
        return Current(generation, "", flip)
    previous = fields.integer_or_none("previous", 1, MAX_GENERATION)
    if previous == generation:
        raise fields.wrong(f"names generation {generation} as its own previous one")
    return Current(generation, fields.digest("identity"), flip, previous)


def decode_meta(raw: bytes) -> Meta:
    """Read a generation's meta.

    Raises:
        OldFormatError: it is of row format 1.
        RowError: reason "meta", the value is not what a publisher writes; reason "format", it is of a format to come.
    """
    fields = Fields(raw, "the generation's meta", "meta", MAX_META_BYTES, _REMEDY)
    written = fields.integer("format", 0, MASK64)
    if written == 1:
        raise OldFormatError(f"the generation {_OLD}")
    totals = [known.total for known in ROW_FORMATS if known.number == written]
    if not totals:
        known = " and ".join(map(str, sorted({known.number for known in ROW_FORMATS})))
        raise RowError("format", f"the generation has row format {written}, this reader knows {known}; upgrade it")
    total = fields.integer("total", min(totals), max(totals))
    if total not in totals:
        raise fields.wrong(f"has total {total}, expected {' or '.join(map(str, totals))} in row format {written}")
    titles = fields.integer("titles", 1, MAX_TITLES)
    counts = Counts(
        titles, fields.integer("artworks", titles, titles * MAX_ARMS), fields.integer("segments", 0, MAX_SEGMENTS)
    )
    splits = _splits(fields)
    return Meta(
        generation=fields.integer("generation", 1, MAX_GENERATION),
        identity=fields.digest("identity"),
        seed=fields.integer("seed", 0, MASK64),
        manifest_digest=fields.text("manifest_digest"),
        catalogue_digest=fields.digest("catalogue_digest"),
        catalogue_parts=fields.integer("catalogue_parts", 1, most_parts(counts)),
        users=fields.integer("users", 0, MAX_USERS),
        titles=counts.titles,
        artworks=counts.artworks,
        variants=fields.texts("variants", 1, MAX_VARIANTS),
        created_at=fields.text("created_at"),
        segments=counts.segments,
        total=total,
        format=written,
        salt=fields.text("salt") if splits else "",
        splits=splits,
    )


def _splits(fields: Fields) -> tuple[float, ...]:
    """The shares of the splits; none where the meta has no such member."""
    if "splits" not in fields:
        return ()
    shares = fields.list_of("splits")
    if not (1 <= len(shares) <= MAX_SPLITS and all(type(share) is float and 0 < share < 1 for share in shares)):
        raise fields.wrong(f"has splits {shown(shares)}, expected 1 to {MAX_SPLITS} shares between 0 and 1")
    if len(fields.list_of("variants")) < 2:
        raise fields.wrong("has splits and one variant, expected two that they are between")
    return tuple(shares)
