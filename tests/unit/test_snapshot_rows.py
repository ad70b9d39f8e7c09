import struct
import zlib

import naive
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bandit.errors import InputError, OldFormatError, RowError
from bandit.snapshot import (
    FORMAT_2,
    FORMAT_3_OF_16,
    FORMAT_3_OF_32,
    HEADER_BYTES,
    MAX_ARMS,
    MAX_ROW_BYTES,
    MAX_TITLES,
    ROW_FORMATS,
    Pick,
    Row,
    RowFormat,
    decode_row,
    encode_row,
    format_of_total,
    gap_code,
    row_format,
)

PICKS = bytes([1, 0xFF, 0xFF, 0, 0x10, 0x27])  # arm 1 with weight 65535, arm 0 with weight 10000
INDICES = bytes([3, 0, 0, 1])  # titles 3 and 256
DENSE = "414202020000110000000200c4c4a0cd01ffff001027"
SHORTLIST = "4142020201001100000002009db909670300000101ffff001027"
PINNED = [
    (FORMAT_2, [(1, 65535), (0, 10000)], DENSE, SHORTLIST),
    (
        FORMAT_3_OF_16,
        [(15, 4095), (0, 1000)],
        "4142030200001100000002000edef432ffff803e",
        "414203020100110000000200d3765a4503f00cffff803e",
    ),
    (
        FORMAT_3_OF_32,
        [(31, 2047), (0, 1000)],
        "414203020200110000000200f0c8990affff007d",
        "414203020300110000000200234f8a3903f00cffff007d",
    ),
]
"""The bytes of the same row in every format, dense and with the titles 3 and 256."""

IDENTITY = "0123456789abcdef" * 2
FORMAT_1 = "414201020000020011000000c3b285dc01ffff001027"
"""The same picks as they were packed until November 2026."""
GENERATIONS = st.integers(0, 2**32 - 1)
IDENTITIES = [f"{number:032x}" for number in range(0, 1 << 128, (1 << 128) // 97)]
FORMATS = st.sampled_from(ROW_FORMATS)
USERS = st.text("abc019._~-", min_size=1, max_size=64)


def pairs(form: RowFormat) -> st.SearchStrategy[tuple[int, int]]:
    """Arm and weight of a pick."""
    return st.tuples(st.integers(0, form.most_arms - 1), st.integers(0, form.total))


@st.composite
def some_picks(random: st.DrawFn, at_least: int = 0, at_most: int = 60) -> tuple[RowFormat, list[tuple[int, int]]]:
    form = random(FORMATS)
    return form, random(st.lists(pairs(form), min_size=at_least, max_size=at_most))


def indices_of(titles: list[int]) -> bytes:
    return struct.pack(f"<{len(titles)}H", *titles)


def made(form: RowFormat, picks: list[tuple[int, int]], titles: list[int] | None = None) -> bytes:
    """A row of u1 in generation 17."""
    return encode_row("u1", 17, IDENTITY, 0, form.pack(picks), indices_of(titles or []), form)


def sealed(header: bytes, body: bytes, user_id: str = "u1", identity: str = IDENTITY) -> bytes:
    """A row with any header and a checksum that fits it."""
    return header + struct.pack("<I", zlib.crc32(f"{identity}:{user_id}:".encode() + header + body)) + body


def reason_for(raw: bytes, user_id: str = "u1", generation: int = 17, identity: str = IDENTITY) -> str:
    with pytest.raises(RowError) as caught:
        decode_row(raw, user_id, generation, identity)
    return caught.value.reason


@pytest.mark.parametrize(("form", "picks", "dense", "shortlist"), PINNED)
def test_the_bytes_of_a_row_never_change(
    form: RowFormat, picks: list[tuple[int, int]], dense: str, shortlist: str
) -> None:
    assert encode_row("u1", 17, IDENTITY, 2, form.pack(picks), row_format=form).hex() == dense
    assert encode_row("u1", 17, IDENTITY, 2, form.pack(picks), INDICES, form).hex() == shortlist


@given(USERS, GENERATIONS, st.integers(0, 255), some_picks())
@settings(deadline=None)
def test_a_dense_row_gives_back_its_picks_and_their_total(
    user_id: str, generation: int, variant: int, drawn: tuple[RowFormat, list[tuple[int, int]]]
) -> None:
    form, picks = drawn
    raw = encode_row(user_id, generation, IDENTITY, variant, form.pack(picks), row_format=form)
    row = decode_row(raw, user_id, generation, IDENTITY)
    assert (row.variant, row.n_picks, row.total) == (variant, len(picks), form.total)
    assert [row.pick(title) for title in range(len(picks))] == [Pick(*pair) if pair[1] else None for pair in picks]
    assert row.arms_and_weights(range(len(picks) + 1)) == [*picks, (0, 0)]


@given(USERS, GENERATIONS, some_picks(1), st.data())
@settings(deadline=None)
def test_a_shortlist_row_gives_back_its_picks_and_no_others(
    user_id: str, generation: int, drawn: tuple[RowFormat, list[tuple[int, int]]], data: st.DataObject
) -> None:
    form, pairs = drawn
    size = len(pairs)
    titles = sorted(data.draw(st.lists(st.integers(0, 65535), min_size=size, max_size=size, unique=True)))
    picks, others = dict(zip(titles, pairs, strict=True)), data.draw(st.lists(st.integers(0, 65536), max_size=5))
    raw = encode_row(user_id, generation, IDENTITY, 0, form.pack(pairs), indices_of(titles), form)
    row = decode_row(raw, user_id, generation, IDENTITY)
    asked = [*titles, *others, *(title + 1 for title in titles), *(title - 1 for title in titles if title)]
    wanted = [picks.get(title, (0, 0)) for title in asked]
    assert row.arms_and_weights(asked) == wanted
    assert [row.pick(title) for title in asked] == [Pick(*pair) if pair[1] else None for pair in wanted]


@given(USERS, GENERATIONS, some_picks(1, 30), st.integers(0, 2000))
@settings(deadline=None)
def test_a_row_opens_byte_by_byte_as_defined(
    user_id: str, generation: int, drawn: tuple[RowFormat, list[tuple[int, int]]], apart: int
) -> None:
    form, picks = drawn
    titles = [apart * place for place in range(len(picks))] if apart else list(range(len(picks)))
    raw = encode_row(
        user_id, generation, IDENTITY, 4, form.pack(picks), indices_of(titles) if apart else b"", row_format=form
    )
    decoded = naive.decode_row(raw, user_id, generation, IDENTITY)
    assert decoded == (4, [(title, *pick) for title, pick in zip(titles, picks, strict=True)])


def test_a_title_beyond_a_dense_row_has_no_pick() -> None:
    assert decode_row(bytes.fromhex(DENSE), "u1", 17, IDENTITY).pick(2) is None


TEXTS = [text for _, _, *texts in PINNED for text in texts]


@pytest.mark.parametrize("text", TEXTS)
def test_every_truncation_is_refused(text: str) -> None:
    raw = bytes.fromhex(text)
    assert {reason_for(raw[:length]) for length in range(len(raw))} == {"truncated"}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("spare", [b"\0", b"\xff", b"\0\0", b"\xff\0", bytes(3)])
def test_a_row_with_bytes_to_spare_is_refused(text: str, spare: bytes) -> None:
    assert reason_for(bytes.fromhex(text) + spare) == "truncated"


@pytest.mark.parametrize("text", TEXTS)
def test_every_flipped_bit_is_refused(text: str) -> None:
    raw = bytes.fromhex(text)
    for bit in range(8 * len(raw)):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        assert reason_for(bytes(damaged)) in REASONS


REASONS = {"truncated", "magic", "format", "size", "generation", "checksum"}
HEADERS = st.builds(
    struct.Struct("<2sBBHIH").pack,
    st.sampled_from([b"AB", b"AB", b"AB", b"BA"]),
    st.sampled_from([2, 2, 3, 3, 1, 4]),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 4, 65535]),
    st.sampled_from([17, 17, 17, 18]),
    st.integers(0, 12) | st.integers(0, 65535),
)
"""Mostly what a row begins with, so that what follows is reached."""


def opened(raw: bytes) -> Row | None:
    """The row, or None where it is refused in the one way that there is."""
    try:
        return decode_row(raw, "u1", 17, IDENTITY)
    except RowError as error:
        reason = error.reason
    assert reason in REASONS
    return None


def assert_within_range(row: Row, raw: bytes) -> None:
    """Whatever title is asked for, there is no pick or one that the format can hold."""
    titles = [*range(row.n_picks + 2), 65535, MAX_TITLES]
    picks = [row.pick(title) for title in titles]
    form = row.row_format
    assert all(pick is None or (0 <= pick.arm < form.most_arms and 1 <= pick.weight <= form.total) for pick in picks)
    assert picks[-1] is None
    assert row.n_picks * form.pick_bytes <= len(raw) - HEADER_BYTES


@given(st.binary(max_size=80) | st.builds(bytes.__add__, HEADERS, st.binary(max_size=80)))
@settings(deadline=None)
def test_any_bytes_are_refused_or_a_row(raw: bytes) -> None:
    if (row := opened(raw)) is not None:
        assert_within_range(row, raw)


@given(HEADERS, st.integers(0, 12), st.data())
@settings(deadline=None, max_examples=300)
def test_any_header_and_body_whose_checksum_fits_are_refused_or_a_row(
    header: bytes, count: int, data: st.DataObject
) -> None:
    sizes = data.draw(st.sampled_from([2, 3, 3, 5])) * count + data.draw(st.sampled_from([0, 0, 1, 2]))
    body = data.draw(st.binary(min_size=sizes, max_size=sizes))
    header = header[:10] + struct.pack("<H", count)
    raw = sealed(header, body)
    if (row := opened(raw)) is not None:
        assert_within_range(row, raw)


@given(USERS, GENERATIONS, some_picks(1, 30), st.booleans(), st.data())
@settings(deadline=None)
def test_any_row_cut_short_or_with_any_bit_flipped_is_refused(
    user_id: str,
    generation: int,
    drawn: tuple[RowFormat, list[tuple[int, int]]],
    is_shortlist: bool,
    data: st.DataObject,
) -> None:
    form, picks = drawn
    indices = indices_of([300 * place for place in range(len(picks))]) if is_shortlist else b""
    raw = encode_row(user_id, generation, IDENTITY, 0, form.pack(picks), indices, form)
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    flipped = bytearray(raw)
    flipped[bit // 8] ^= 1 << bit % 8
    for damaged in (raw[: data.draw(st.integers(0, len(raw) - 1))], bytes(flipped)):
        assert reason_for(damaged, user_id, generation) in REASONS


@given(USERS, USERS, GENERATIONS, GENERATIONS, some_picks())
@settings(deadline=None)
def test_a_row_opens_for_no_other_user_and_no_other_generation(
    user_id: str, other: str, generation: int, later: int, drawn: tuple[RowFormat, list[tuple[int, int]]]
) -> None:
    assume((user_id, generation) != (other, later))
    form, picks = drawn
    raw = encode_row(user_id, generation, IDENTITY, 0, form.pack(picks), row_format=form)
    assert reason_for(raw, other, later) in {"generation", "checksum"}


def test_the_row_of_another_user_is_refused() -> None:
    assert reason_for(bytes.fromhex(DENSE), user_id="u2") == "checksum"


def test_the_row_of_another_generation_is_refused() -> None:
    assert reason_for(bytes.fromhex(DENSE), generation=18) == "generation"


def test_the_row_of_another_workspace_under_the_same_number_is_refused() -> None:
    assert reason_for(bytes.fromhex(DENSE), identity="f" * 32) == "checksum"


@given(USERS, GENERATIONS, st.sampled_from(IDENTITIES), st.sampled_from(IDENTITIES), some_picks())
def test_a_row_opens_under_no_other_identity(
    user_id: str, generation: int, own: str, other: str, drawn: tuple[RowFormat, list[tuple[int, int]]]
) -> None:
    assume(own != other)
    form, picks = drawn
    raw = encode_row(user_id, generation, own, 0, form.pack(picks), row_format=form)
    assert reason_for(raw, user_id, generation, other) == "checksum"


def test_a_row_of_format_1_is_refused_with_what_to_run() -> None:
    with pytest.raises(OldFormatError, match=r"format 1, .* run `artwork publish` or `artwork run`"):
        decode_row(bytes.fromhex(FORMAT_1), "u1", 17, IDENTITY)


def test_a_row_that_is_longer_than_any_is_refused_though_its_checksum_fits() -> None:
    header = struct.pack("<2sBBHIH", b"AB", 2, 0, 0, 17, FORMAT_2.most_dense_picks + 1)
    assert reason_for(sealed(header, PICKS[:3] * (FORMAT_2.most_dense_picks + 1))) == "size"


def test_a_row_relabelled_with_another_generation_is_refused() -> None:
    raw = bytearray.fromhex(DENSE)
    raw[6] = 18
    assert reason_for(bytes(raw), generation=18) == "checksum"


@pytest.mark.parametrize(("form", "flags"), [(4, 0), (0, 0), (2, 2), (2, 256), (3, 8), (3, 16), (3, 257)])
def test_a_row_of_a_future_format_is_refused_though_its_checksum_fits(form: int, flags: int) -> None:
    header = struct.pack("<2sBBHIH", b"AB", form, 0, flags, 17, 2)
    assert reason_for(sealed(header, PICKS)) == "format"


def test_other_bytes_are_refused_by_their_magic() -> None:
    assert reason_for(b"{" * 40) == "magic"


@pytest.mark.parametrize("form", ROW_FORMATS)
def test_the_longest_dense_row_is_just_within_the_limit(form: RowFormat) -> None:
    raw = made(form, [(1, form.total)] * form.most_dense_picks)
    assert len(raw) <= MAX_ROW_BYTES < len(raw) + form.pick_bytes
    assert decode_row(raw, "u1", 17, IDENTITY).pick(form.most_dense_picks - 1) == Pick(1, form.total)


@pytest.mark.parametrize(("form", "most"), [(FORMAT_2, 2725), (FORMAT_3_OF_16, 4088), (FORMAT_3_OF_32, 4088)])
def test_a_dense_row_over_the_limit_is_refused_with_the_remedy(form: RowFormat, most: int) -> None:
    with pytest.raises(InputError, match=rf"u1 has {most + 1} picks .* at most 8192 bytes .* candidates.parquet"):
        made(form, [(1, form.total)] * (most + 1))


@pytest.mark.parametrize("form", ROW_FORMATS)
@pytest.mark.parametrize("wide", [0, 1, 262])
def test_a_shortlist_of_the_most_titles_fits_whichever_they_are(form: RowFormat, wide: int) -> None:
    most = form.most_shortlist_picks
    titles = [
        241 * place for place in range(wide)
    ]  # every gap takes two bytes, as many as the titles of a catalogue allow
    titles += range(MAX_TITLES - most + wide, MAX_TITLES)
    raw = made(form, [(1, form.total)] * most, titles)
    assert len(raw) <= MAX_ROW_BYTES
    assert decode_row(raw, "u1", 17, IDENTITY).pick(MAX_TITLES - 1) == Pick(1, form.total)


@pytest.mark.parametrize("form", ROW_FORMATS)
def test_a_shortlist_over_the_limit_is_refused(form: RowFormat) -> None:
    titles = list(range(form.most_shortlist_picks + 100))
    with pytest.raises(InputError, match=rf"user u1 .* at most {form.most_shortlist_picks} titles per user"):
        made(form, [(1, form.total)] * len(titles), titles)


def test_the_header_is_sixteen_bytes() -> None:
    assert HEADER_BYTES == 16


@pytest.mark.parametrize(
    ("most_arms", "form"),
    [
        (1, FORMAT_3_OF_16),
        (16, FORMAT_3_OF_16),
        (17, FORMAT_3_OF_32),
        (32, FORMAT_3_OF_32),
        (33, FORMAT_2),
        (256, FORMAT_2),
    ],
)
def test_the_smallest_format_is_taken_that_the_largest_title_fits(most_arms: int, form: RowFormat) -> None:
    assert row_format(most_arms) is form
    assert format_of_total(form.total) is form


@pytest.mark.parametrize("most_arms", [0, -1, MAX_ARMS + 1])
def test_no_format_takes_other_titles(most_arms: int) -> None:
    with pytest.raises(InputError, match=rf"has {most_arms} artworks, expected 1 to 256"):
        row_format(most_arms)


@pytest.mark.parametrize("total", [0, 1, 255, 2048, 4096, 65536, -65535])
def test_no_format_has_another_total(total: int) -> None:
    with pytest.raises(InputError, match=rf"add up to {total} .* expected 4095, 2047, 65535"):
        format_of_total(total)


@pytest.mark.parametrize("form", ROW_FORMATS)
def test_a_pick_out_of_range_is_not_packed(form: RowFormat) -> None:
    for arm, weight in [(form.most_arms, 1), (-1, 1), (0, form.total + 1), (0, -1)]:
        with pytest.raises(InputError, match=rf"arm {arm} with weight {weight}; row format {form.number} takes"):
            form.pack([(0, 1), (arm, weight)])


@pytest.mark.parametrize("titles", [[3, 3], [5, 4], [0, 65535, 1]])
@pytest.mark.parametrize("form", [FORMAT_3_OF_16, FORMAT_3_OF_32])
def test_a_shortlist_that_is_not_ascending_is_not_packed(form: RowFormat, titles: list[int]) -> None:
    with pytest.raises(InputError, match="of a shortlist comes after"):
        made(form, [(0, 1)] * len(titles), titles)


@pytest.mark.parametrize(
    ("titles", "code"),
    [
        ([0], "00"),
        ([239], "ef"),
        ([240], "f000"),
        ([241], "f001"),
        ([0, 1, 2], "000000"),
        ([479, 480], "f0ef00"),
        ([4079], "ffef"),
        ([4080], "fff000"),
        ([65535], "ff" * 17 + "f00f"),
    ],
)
def test_gaps_are_coded_in_as_few_bytes_as_can_be(titles: list[int], code: str) -> None:
    assert gap_code(titles).hex() == code


@pytest.mark.parametrize(
    "codes",
    [
        "",  # there are none
        "00",  # one pick too few
        "000000",  # one too many
        "00f0",  # it ends before the pick
        "0000f0",  # it goes on after the last pick
        "f0f0",
        "f00000f0",
    ],
)
@pytest.mark.parametrize("flags", [1, 3])
def test_a_gap_code_that_does_not_end_with_the_last_pick_is_refused(codes: str, flags: int) -> None:
    header = struct.pack("<2sBBHIH", b"AB", 3, 0, flags, 17, 2)
    assert reason_for(sealed(header, bytes.fromhex(codes) + bytes(4))) == "truncated"


def test_titles_beyond_every_catalogue_have_no_pick() -> None:
    """The code of a shortlist can go on for ever; a look-up asks for the title 65536 where artworks are retired."""
    titles = [MAX_TITLES - 1, MAX_TITLES, MAX_TITLES + 5000]
    header = struct.pack("<2sBBHIH", b"AB", 3, 0, 1, 17, 3)
    row = decode_row(sealed(header, gap_code(titles) + FORMAT_3_OF_16.pack([(1, 1)] * 3)), "u1", 17, IDENTITY)
    assert [row.pick(title) for title in titles] == [Pick(1, 1), None, None]
    assert row.arms_and_weights(titles) == [(1, 1), (0, 0), (0, 0)]


def test_a_gap_between_picks_is_no_pick() -> None:
    """Moving on ends at a place that is nobody's."""
    row = decode_row(made(FORMAT_3_OF_16, [(1, 7), (2, 8)], [239, 1000]), "u1", 17, IDENTITY)
    assert [title for title in range(1200) if row.pick(title)] == [239, 1000]


def test_a_row_is_read_by_its_own_format_whatever_the_one_before_was() -> None:
    rows = [decode_row(made(form, [(3, form.total)] * 2), "u1", 17, IDENTITY) for form in ROW_FORMATS]
    assert [(row.pick(1), row.total) for row in rows] == [(Pick(3, total), total) for total in (4095, 2047, 65535)]


def test_mutated_rows_with_the_right_checksum_say_what_they_say_byte_by_byte_or_are_refused() -> None:
    """A hundred thousand rows, every one of them sealed again after bytes of it were changed, put in, or taken out."""
    random = np.random.default_rng(18)
    kept = [
        made(form, [(a % form.most_arms, 1 + a) for a in range(12)], titles)
        for form in ROW_FORMATS
        for titles in (None, [7 * place for place in range(12)], [5000 * place for place in range(12)])
    ]
    asked = [0, 1, 7, 11, 12, 60, 77, 5000, 55_000, 65_535, MAX_TITLES]
    refused = opened_rows = 0
    for number in range(100_000):
        raw = _mutated(kept[number % len(kept)], random)
        row = opened(raw)
        if row is None:
            refused += 1
            continue
        opened_rows += 1
        stated = naive.decode_row(raw, "u1", 17, IDENTITY).picks
        titles = [title for title, *_ in stated]
        found = row.arms_and_weights(asked)
        if sorted(set(titles)) == titles:
            says = {title: tuple(pick) for title, *pick in stated if title < MAX_TITLES}
            assert found == [says.get(title, (0, 0)) for title in asked], raw.hex()
        else:  # format 2 finds what it can among indices that are not in order, but nothing of another title
            assert row.row_format is FORMAT_2
            assert all((title, *pick) in stated or pick == (0, 0) for title, pick in zip(asked, found, strict=True))
        assert [row.arms_and_weights([title])[0] for title in asked] == found, raw.hex()
    assert refused > 10_000
    assert opened_rows > 10_000


def _mutated(raw: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(raw[:12] + raw[16:])
    for _ in range(random.integers(1, 4)):
        place = int(random.integers(2, len(changed)))
        match int(random.integers(4)):
            case 0:
                changed[place] ^= 1 << int(random.integers(8))
            case 1:
                changed[place] = int(random.choice([0, 1, 239, 240, 255]))
            case 2:
                del changed[place]
            case _:
                changed.insert(place, int(random.integers(256)))
    return sealed(bytes(changed[:12]), bytes(changed[12:]))
