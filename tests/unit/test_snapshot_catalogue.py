import json
import tracemalloc
import zlib
from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.errors import InputError, RowError
from bandit.snapshot import (
    MAX_CATALOGUE_BYTES,
    MAX_TITLES,
    PART_BYTES,
    Catalogue,
    CatalogueTitle,
    Counts,
    Segment,
    Signals,
    decode_catalogue,
    encode_catalogue,
    most_parts,
    most_plain_bytes,
    most_segments,
    pack_weights,
)

IDS = st.text("abc019._~-", min_size=1, max_size=12) | st.text("A", min_size=64, max_size=64)
SMALL = Catalogue(
    (
        CatalogueTitle("t1", ("a", "b"), 1, (65534, 1), pack_weights([(1, 65534)])),
        CatalogueTitle("t2", ("c",), 0, (65535,), pack_weights([(65535,)])),
    ),
    "popularity",
    (Segment("s1", Signals("NL")),),
)
PLAIN = Catalogue((CatalogueTitle("t1", ("a", "b"), 1, (65534, 1)), CatalogueTitle("t2", ("c",), 0, ())), "popularity")


@st.composite
def titles(random: st.DrawFn, title_id: str, n_segments: int) -> CatalogueTitle:
    artworks = random(st.lists(IDS, min_size=1, max_size=5, unique=True))
    cuts = st.lists(st.integers(0, 65535), min_size=len(artworks) - 1, max_size=len(artworks) - 1).map(sorted)
    weights = cuts.map(lambda found: tuple(high - low for low, high in pairwise([0, *found, 65535])))
    segments = random(st.lists(weights, min_size=n_segments, max_size=n_segments))
    default = random(st.integers(0, len(artworks) - 1))
    return CatalogueTitle(title_id, tuple(artworks), default, random(weights | st.just(())), pack_weights(segments))


@st.composite
def catalogues(random: st.DrawFn) -> Catalogue:
    values = st.none() | IDS
    hours = st.sampled_from([None, "night", "evening"])
    rules = st.builds(Signals, values, values, values, hours).filter(lambda rule: rule.known > 0)
    names = random(st.lists(IDS, max_size=2, unique=True))
    chosen = random(st.lists(rules, min_size=len(names), max_size=len(names), unique=True))
    segments = [Segment(*both) for both in zip(names, chosen, strict=True)]
    named = random(st.lists(IDS, max_size=6, unique=True))
    return Catalogue(tuple(random(titles(name, len(segments))) for name in named), "popularity", tuple(segments))


def large() -> Catalogue:
    """A catalogue whose compressed form needs several parts."""
    names = [blake2b(f"{n}".encode(), digest_size=30).hexdigest() for n in range(5000)]
    return Catalogue(tuple(CatalogueTitle(name, (name,), 0, (65535,)) for name in names), "popularity")


@given(catalogues())
@settings(deadline=None)
def test_a_catalogue_comes_back_as_it_was(catalogue: Catalogue) -> None:
    digest, parts = encode_catalogue(catalogue)
    assert decode_catalogue(parts, digest, catalogue.counts) == catalogue


def test_the_digest_of_a_known_catalogue_never_changes() -> None:
    assert encode_catalogue(PLAIN)[0] == "afbc3700d2f0a114e95c5b43d9e294a4"
    assert encode_catalogue(SMALL)[0] == "06de444169e71271efc85363c1bc7b14"


@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_catalogue_reads_the_same_however_it_was_compressed(level: int) -> None:
    digest, parts = encode_catalogue(SMALL)
    packed = zlib.compress(zlib.decompress(b"".join(parts)), level)
    assert decode_catalogue([packed], digest, SMALL.counts) == SMALL


def test_a_large_catalogue_is_cut_into_parts_within_the_limit() -> None:
    digest, parts = encode_catalogue(large())
    assert len(parts) > 2
    assert max(map(len, parts)) == PART_BYTES
    assert decode_catalogue(parts, digest, large().counts) == large()


@pytest.mark.parametrize("gone", [0, 1, -1])
def test_a_missing_part_is_refused(gone: int) -> None:
    digest, parts = encode_catalogue(large())
    del parts[gone]
    with pytest.raises(RowError, match="publish again"):
        decode_catalogue(parts, digest, large().counts)


def test_parts_in_another_order_are_refused() -> None:
    digest, parts = encode_catalogue(large())
    with pytest.raises(RowError, match="publish again"):
        decode_catalogue(parts[::-1], digest, large().counts)


def test_every_flipped_byte_of_a_part_is_refused() -> None:
    digest, (part,) = encode_catalogue(SMALL)
    for place in range(2, len(part)):  # the first two bytes describe the compression, not the content
        damaged = part[:place] + bytes([part[place] ^ 0x55]) + part[place + 1 :]
        with pytest.raises(RowError) as caught:
            decode_catalogue([damaged], digest, SMALL.counts)
        assert caught.value.reason == "catalogue"


def test_the_parts_of_another_catalogue_are_refused() -> None:
    digest, _ = encode_catalogue(SMALL)
    _, parts = encode_catalogue(replace(SMALL, fallback_policy="uniform"))
    with pytest.raises(RowError, match="has the digest"):
        decode_catalogue(parts, digest, SMALL.counts)


def refusal_of(plain: bytes, counts: Counts = SMALL.counts) -> str:
    """What is said of lines whose digest is right."""
    with pytest.raises(RowError) as caught:
        decode_catalogue([zlib.compress(plain)], blake2b(plain, digest_size=16).hexdigest(), counts)
    assert caught.value.reason == "catalogue"
    return str(caught.value)


def lines_of(catalogue: Catalogue = SMALL) -> list[bytes]:
    return zlib.decompress(b"".join(encode_catalogue(catalogue)[1])).split(b"\n")


def with_member(line: bytes, name: str, value: object) -> bytes:
    return json.dumps(json.loads(line) | {name: value}).encode()


def each(name: str, values: Iterable[Any]) -> list[tuple[str, Any]]:
    return [(name, value) for value in values]


NESTED = b"[" * 100_000 + b"]" * 100_000
UNUSABLE = {
    "not JSON": b"{",
    "no object": b"[]",
    "not UTF-8": b'{"title_id":"\xff"}',
    "UTF-16": '{"title_id":"t1"}'.encode("utf-16"),
    "nested deeply": NESTED[:3000] + NESTED[-3000:],
    "nothing": b"",
    "not a number": b'{"title_id":NaN}',
    "two documents": b"{}{}",
    "a number of 5,000 digits": b'{"title_id":' + b"9" * 5000 + b"}",
}
WRONG_MEMBERS = [
    *each("title_id", ("", "t/1", "t\n1", "t" * 65, "é", 1, None, ["t1"], {"t1": 1}, "\ud800")),
    *each("artworks", ([], "ab", ["a", "a"], ["a", 1], ["a", None], ["a", "b/"], {"a": 1}, None)),
    ("artworks", [f"a{number}" for number in range(257)]),
    *each("default", (-1, 2, 1.0, True, "1", None, 2**64, [1])),
    *each("weights", ([65535], [65534, 2], [65536, -1], [65535.0, 0], [True, 65534], "ab", None, {})),
    *each("weights", ([65534, "1"], [65535, None], [[65535], 0], [2**64, 65535 - 2**64], 65535)),
    *each("segments", ([[1, 1]], [[65535, 0]], [[]], "s", None, [None], {}, [65535, 0], "AQD+/w==")),
]
WRONG_SEGMENTS = {
    "lists": [[1, 65534]],
    "nothing": "",
    "no list": [],
    "too short": "AQD+",
    "too long": "AQD+/wAA",
    "no base64": "AQD+/w=!",
    "not ASCII": "AQD+/w==\u00e9",
    "another sum": "AQD//w==",
    "null": None,
    "a number": 1,
}
WRONG_MEMBERS_OF_RULES: tuple[Any, ...] = (
    *({"country": None}, {"country": 1}, {"country": "N L"}, {"country": "N" * 65}, {"county": "NL"}),
    *({"hours": "noon"}, {"hours": ["night"]}, {}, [], "country", None),
)
WRONG_RULES: tuple[Any, ...] = (
    *([], ["s1"], "s1", None, {}, [None], [{"name": "s1"}], [[]]),
    *([{"name": name, "rule": {"country": "NL"}}] for name in ("s/1", "", 1, None)),
    *([{"name": "s1", "rule": rule}] for rule in WRONG_MEMBERS_OF_RULES),
    [{"name": "s1", "rule": {"country": "NL"}, "users": 1}],
    [{"name": "s1", "rule": {"country": "NL"}}] * 2,
)


@pytest.mark.parametrize("line", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_line_that_is_no_object_is_refused(line: bytes) -> None:
    header, first, _ = lines_of()
    assert "publish again" in refusal_of(b"\n".join([header, first, line]))
    assert "publish again" in refusal_of(b"\n".join([line, first]))


@pytest.mark.parametrize(("name", "value"), WRONG_MEMBERS)
def test_a_title_with_a_member_of_another_type_range_or_size_is_refused(name: str, value: object) -> None:
    plain = Catalogue((CatalogueTitle("t1", ("a", "b"), 1, (65534, 1)),), "popularity")
    header, line = lines_of(plain)
    said = refusal_of(b"\n".join([header, with_member(line, name, value)]), Counts(1, 500))
    assert "a title of the catalogue" in said
    assert name in said
    counts = plain.counts._replace(artworks=500)
    assert "500" in refusal_of(b"\n".join([header, line]), counts)  # and nothing else was wrong


@pytest.mark.parametrize("name", ["title_id", "artworks", "default", "weights", "segments"])
def test_a_title_that_lacks_a_member_is_refused_with_its_name(name: str) -> None:
    header, line, _ = lines_of()
    value = json.loads(line)
    del value[name]
    assert f"lacks {name}" in refusal_of(b"\n".join([header, json.dumps(value).encode()]))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("format", 1, "format 1"),
        ("format", 3, "format 3"),
        ("format", True, "has format True"),
        ("titles", 3, "has titles 3"),
        ("titles", 10**12, "has titles 1000000000000"),
        ("fallback_policy", None, "has fallback_policy None"),
        ("fallback_policy", "beta\n", "has fallback_policy"),
        *(("segments", value, "has segments") for value in WRONG_RULES),
    ],
)
def test_a_header_that_does_not_fit_is_refused(field: str, value: object, said: str) -> None:
    header, *lines = lines_of()
    assert said in refusal_of(b"\n".join([with_member(header, field, value), *lines]))


@pytest.mark.parametrize("value", WRONG_SEGMENTS.values(), ids=WRONG_SEGMENTS.keys())
def test_weights_of_segments_that_a_publisher_would_not_write_are_refused(value: object) -> None:
    header, first, second = lines_of()
    assert "segments" in refusal_of(b"\n".join([header, with_member(first, "segments", value), second]))


@pytest.mark.parametrize("second", [Segment("s1", Signals("US")), Segment("s2", Signals("NL"))], ids=["name", "rule"])
def test_two_segments_of_one_name_or_one_rule_are_refused(second: Segment) -> None:
    title = CatalogueTitle("t1", ("a", "b"), 1, (65534, 1), pack_weights([(1, 65534)] * 2))
    twice = Catalogue((title,), "popularity", (SMALL.segments[0], second))
    assert "one name or one rule" in refusal_of(b"\n".join(lines_of(twice)), twice.counts)


def test_a_title_that_is_there_twice_is_refused() -> None:
    header, first, _ = lines_of()
    assert "title t1 of the catalogue is there twice" in refusal_of(b"\n".join([header, first, first]), Counts(2, 4, 1))


@pytest.mark.parametrize(
    "counts", [Counts(3, 3, 1), Counts(2, 4, 1), Counts(1, 3, 1), Counts(2, 2, 1), Counts(2, 3, 2)]
)
def test_a_catalogue_with_more_or_less_in_it_than_its_meta_says_is_refused(counts: Counts) -> None:
    refusal_of(b"\n".join(lines_of()), counts)


def test_what_inflates_to_more_than_its_counts_allow_is_refused_before_it_is_inflated() -> None:
    bomb = zlib.compress(b" " * 100_000_000, 9)  # 100 kB
    tracemalloc.start()
    try:
        with pytest.raises(RowError, match="inflates to more than"):
            decode_catalogue([bomb], "0" * 32, Counts(200, 1000))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_no_counts_allow_more_than_a_fixed_size() -> None:
    assert most_plain_bytes(Counts(MAX_TITLES, MAX_TITLES * 256, 64)) == MAX_CATALOGUE_BYTES


def test_compressed_bytes_beyond_what_the_counts_allow_are_refused_before_they_are_inflated() -> None:
    with pytest.raises(RowError, match="is larger than 2 titles with 3 artworks can be"):
        decode_catalogue([b"\0" * PART_BYTES] * 2, "0" * 32, SMALL.counts)


@pytest.mark.parametrize("rest", [b"x", b"x" * 1000, zlib.compress(b"more")])
@pytest.mark.parametrize("in_own_part", [True, False])
def test_bytes_after_the_end_of_a_catalogue_are_refused(rest: bytes, in_own_part: bool) -> None:
    digest, (part,) = encode_catalogue(SMALL)
    with pytest.raises(RowError, match="publish again"):
        decode_catalogue([part, rest] if in_own_part else [part + rest], digest, SMALL.counts)


@given(catalogues(), st.sampled_from([0, 6, 9]))
@settings(deadline=None)
def test_every_catalogue_is_within_the_sizes_that_follow_from_its_counts(catalogue: Catalogue, level: int) -> None:
    _, parts = encode_catalogue(catalogue)
    plain = zlib.decompress(b"".join(parts))
    assert len(plain) <= most_plain_bytes(catalogue.counts)
    assert len(zlib.compress(plain, level)) <= most_parts(catalogue.counts) * PART_BYTES


def test_the_longest_title_is_within_the_size_that_follows_from_its_counts() -> None:
    artworks = tuple(f"{number:064d}" for number in range(256))
    weights = (65535 - 255 * 128, *[128] * 255)
    title = CatalogueTitle("t" * 64, artworks, 255, weights, pack_weights([weights] * 64))
    rules = [Signals(name, name, name, "afternoon") for name in map("{:064d}".format, range(64))]
    catalogue = Catalogue(
        (title,), "p" * 256, tuple(Segment(f"{number:064d}", rule) for number, rule in enumerate(rules))
    )
    digest, parts = encode_catalogue(catalogue)
    assert decode_catalogue(parts, digest, catalogue.counts) == catalogue


def test_a_catalogue_of_more_titles_than_a_shortlist_can_name_is_not_written() -> None:
    title = CatalogueTitle("t", ("a",), 0, (65535,))
    with pytest.raises(InputError, match="the catalogue has 65,537 titles"):
        encode_catalogue(Catalogue((title,) * (MAX_TITLES + 1), "popularity"))


@pytest.mark.parametrize("id_chars", [1, 20, 50, 64])
@pytest.mark.parametrize(("titles", "arms"), [(65_536, 20), (65_536, 18), (40_000, 30), (65_536, 4), (5_000, 256)])
def test_a_catalogue_has_no_more_segments_than_it_can_be_published_with(titles: int, arms: int, id_chars: int) -> None:
    count = most_segments(titles, titles * arms, titles * arms * id_chars)
    names = tuple(f"{arm:x}".rjust(min(id_chars, 2), "0").rjust(id_chars, "x") for arm in range(arms))
    weights = (65535 // arms + 65535 % arms, *[65535 // arms] * (arms - 1))
    segments = tuple(Segment(f"s{place}", Signals(f"c{place}")) for place in range(count))
    packed = pack_weights([weights] * count)
    header, line = lines_of(
        Catalogue((CatalogueTitle("t" * 64, names, arms - 1, weights, packed),), "popularity", segments)
    )
    assert count > 0
    assert len(header) + titles * (len(line) + 1) <= MAX_CATALOGUE_BYTES


def test_a_catalogue_that_is_full_has_room_for_no_segment() -> None:
    assert most_segments(65_536, 65_536 * 28, 65_536 * 28 * 64) == 0
    assert most_segments(65_536, 65_536 * 256, 65_536 * 256 * 64) == 0
    assert most_segments(100, 1000, 20_000) == 64
