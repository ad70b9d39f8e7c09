import json
import zlib
from hashlib import blake2b

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.errors import RowError
from bandit.snapshot import PART_BYTES, Catalogue, CatalogueTitle, decode_catalogue, encode_catalogue

IDS = st.text("abc019._~-", min_size=1, max_size=12)
SMALL = Catalogue(
    (
        CatalogueTitle("t1", ("a", "b"), 1, (65534, 1)),
        CatalogueTitle("t2", ("c",), 0, (65535,), ((65535,),)),
    ),
    "popularity",
    ("s1",),
)


@st.composite
def titles(random: st.DrawFn) -> CatalogueTitle:
    artworks = random(st.lists(IDS, min_size=1, max_size=5))
    weights = st.lists(st.integers(0, 65535), min_size=len(artworks), max_size=len(artworks)).map(tuple)
    segments = random(st.lists(weights, max_size=2))
    default = random(st.integers(0, len(artworks) - 1))
    return CatalogueTitle(random(IDS), tuple(artworks), default, random(weights), tuple(segments))


def large() -> Catalogue:
    """A catalogue whose compressed form needs several parts."""
    names = [blake2b(f"{n}".encode(), digest_size=30).hexdigest() for n in range(5000)]
    return Catalogue(tuple(CatalogueTitle(name, (name,), 0, (65535,)) for name in names), "popularity")


@given(st.lists(titles(), max_size=6).map(tuple), st.lists(IDS, max_size=2).map(tuple))
@settings(deadline=None)
def test_a_catalogue_comes_back_as_it_was(some: tuple[CatalogueTitle, ...], segments: tuple[str, ...]) -> None:
    catalogue = Catalogue(some, "popularity", segments)
    digest, parts = encode_catalogue(catalogue)
    assert decode_catalogue(parts, digest) == catalogue


def test_the_digest_of_a_known_catalogue_never_changes() -> None:
    assert encode_catalogue(SMALL)[0] == "1040a4bd2f45cff27617932b4e117eba"


@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_catalogue_reads_the_same_however_it_was_compressed(level: int) -> None:
    digest, parts = encode_catalogue(SMALL)
    packed = zlib.compress(zlib.decompress(b"".join(parts)), level)
    assert decode_catalogue([packed], digest) == SMALL


def test_a_large_catalogue_is_cut_into_parts_within_the_limit() -> None:
    digest, parts = encode_catalogue(large())
    assert len(parts) > 2
    assert max(map(len, parts)) == PART_BYTES
    assert decode_catalogue(parts, digest) == large()


@pytest.mark.parametrize("gone", [0, 1, -1])
def test_a_missing_part_is_refused(gone: int) -> None:
    digest, parts = encode_catalogue(large())
    del parts[gone]
    with pytest.raises(RowError, match="publish again"):
        decode_catalogue(parts, digest)


def test_parts_in_another_order_are_refused() -> None:
    digest, parts = encode_catalogue(large())
    with pytest.raises(RowError, match="publish again"):
        decode_catalogue(parts[::-1], digest)


def test_every_flipped_byte_of_a_part_is_refused() -> None:
    digest, (part,) = encode_catalogue(SMALL)
    for place in range(2, len(part)):  # the first two bytes describe the compression, not the content
        damaged = part[:place] + bytes([part[place] ^ 0x55]) + part[place + 1 :]
        with pytest.raises(RowError) as caught:
            decode_catalogue([damaged], digest)
        assert caught.value.reason == "catalogue"


def test_the_parts_of_another_catalogue_are_refused() -> None:
    digest, _ = encode_catalogue(SMALL)
    _, parts = encode_catalogue(Catalogue(SMALL.titles[:1], "popularity"))
    with pytest.raises(RowError, match="has the digest"):
        decode_catalogue(parts, digest)


@pytest.mark.parametrize(("field", "value", "said"), [("format", 2, "format 2"), ("titles", 3, "header says 3")])
def test_a_header_that_does_not_fit_is_refused(field: str, value: int, said: str) -> None:
    _, parts = encode_catalogue(SMALL)
    header, *lines = zlib.decompress(b"".join(parts)).split(b"\n")
    plain = b"\n".join([json.dumps(json.loads(header) | {field: value}).encode(), *lines])
    with pytest.raises(RowError, match=said):
        decode_catalogue([zlib.compress(plain)], blake2b(plain, digest_size=16).hexdigest())
