import struct
import zlib

import naive
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bandit.errors import InputError, OldFormatError, RowError
from bandit.snapshot import (
    FORMAT_2,
    HEADER_BYTES,
    MAX_ROW_BYTES,
    Pick,
    Row,
    decode_row,
    encode_row,
)

PICKS = bytes([1, 0xFF, 0xFF, 0, 0x10, 0x27])  # arm 1 with weight 65535, arm 0 with weight 10000
INDICES = bytes([3, 0, 0, 1])  # titles 3 and 256
DENSE = "414202020000110000000200c4c4a0cd01ffff001027"
SHORTLIST = "4142020201001100000002009db909670300000101ffff001027"

IDENTITY = "0123456789abcdef" * 2
FORMAT_1 = "414201020000020011000000c3b285dc01ffff001027"
"""The same picks as they were packed until November 2026."""
GENERATIONS = st.integers(0, 2**32 - 1)
IDENTITIES = [f"{number:032x}" for number in range(0, 1 << 128, (1 << 128) // 97)]
PAIRS = st.tuples(st.integers(0, 255), st.integers(0, 65535))
USERS = st.text("abc019._~-", min_size=1, max_size=64)


def packed(picks: list[tuple[int, int]]) -> bytes:
    return b"".join(struct.pack("<BH", arm, weight) for arm, weight in picks)


def sealed(header: bytes, body: bytes, user_id: str = "u1", identity: str = IDENTITY) -> bytes:
    """A row with any header and a checksum that fits it."""
    return header + struct.pack("<I", zlib.crc32(f"{identity}:{user_id}:".encode() + header + body)) + body


def reason_for(raw: bytes, user_id: str = "u1", generation: int = 17, identity: str = IDENTITY) -> str:
    with pytest.raises(RowError) as caught:
        decode_row(raw, user_id, generation, identity)
    return caught.value.reason


def test_the_bytes_of_a_dense_row_never_change() -> None:
    assert encode_row("u1", 17, IDENTITY, 2, PICKS).hex() == DENSE


def test_the_bytes_of_a_shortlist_row_never_change() -> None:
    assert encode_row("u1", 17, IDENTITY, 2, PICKS, INDICES).hex() == SHORTLIST


@given(USERS, GENERATIONS, st.integers(0, 255), st.lists(PAIRS, max_size=60))
@settings(deadline=None)
def test_a_dense_row_gives_back_its_picks(
    user_id: str, generation: int, variant: int, picks: list[tuple[int, int]]
) -> None:
    row = decode_row(encode_row(user_id, generation, IDENTITY, variant, packed(picks)), user_id, generation, IDENTITY)
    assert (row.variant, row.n_picks) == (variant, len(picks))
    assert [row.pick(title) for title in range(len(picks))] == [Pick(*pair) if pair[1] else None for pair in picks]


@given(
    USERS, GENERATIONS, st.dictionaries(st.integers(0, 65535), PAIRS, min_size=1, max_size=60), st.integers(0, 65535)
)
@settings(deadline=None)
def test_a_shortlist_row_gives_back_its_picks_and_no_others(
    user_id: str, generation: int, picks: dict[int, tuple[int, int]], other: int
) -> None:
    titles = sorted(picks)
    indices = struct.pack(f"<{len(titles)}H", *titles)
    raw = encode_row(user_id, generation, IDENTITY, 0, packed([picks[title] for title in titles]), indices)
    row = decode_row(raw, user_id, generation, IDENTITY)
    for title in [*titles, other]:
        wanted = picks.get(title, (0, 0))
        assert row.pick(title) == (Pick(*wanted) if wanted[1] else None)


@given(USERS, GENERATIONS, st.lists(PAIRS, min_size=1, max_size=30), st.booleans())
@settings(deadline=None)
def test_a_row_opens_byte_by_byte_as_defined(
    user_id: str, generation: int, picks: list[tuple[int, int]], is_shortlist: bool
) -> None:
    titles = [3 * place for place in range(len(picks))] if is_shortlist else list(range(len(picks)))
    indices = struct.pack(f"<{len(titles)}H", *titles) if is_shortlist else b""
    decoded = naive.decode_row(
        encode_row(user_id, generation, IDENTITY, 4, packed(picks), indices), user_id, generation, IDENTITY
    )
    assert decoded == (4, [(title, *pick) for title, pick in zip(titles, picks, strict=True)])


def test_a_title_beyond_a_dense_row_has_no_pick() -> None:
    assert decode_row(bytes.fromhex(DENSE), "u1", 17, IDENTITY).pick(2) is None


@pytest.mark.parametrize("text", [DENSE, SHORTLIST])
def test_every_truncation_is_refused(text: str) -> None:
    raw = bytes.fromhex(text)
    assert {reason_for(raw[:length]) for length in range(len(raw))} == {"truncated"}


def test_a_row_with_bytes_to_spare_is_refused() -> None:
    assert reason_for(bytes.fromhex(DENSE) + b"\0") == "truncated"


@pytest.mark.parametrize("text", [DENSE, SHORTLIST])
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
    st.sampled_from([2, 2, 2, 1, 3]),
    st.integers(0, 255),
    st.sampled_from([0, 1, 0, 1, 2, 65535]),
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
    """Whatever title is asked for, there is no pick or one that three bytes can hold."""
    titles = [*range(row.n_picks + 2), 65535]
    picks = [row.pick(title) for title in titles]
    assert all(pick is None or (0 <= pick.arm <= 255 and 1 <= pick.weight <= 65535) for pick in picks)
    assert row.n_picks * 3 <= len(raw) - HEADER_BYTES


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
    body = data.draw(
        st.binary(min_size=3 * count, max_size=3 * count) | st.binary(min_size=5 * count, max_size=5 * count)
    )
    header = header[:10] + struct.pack("<H", count)
    raw = sealed(header, body)
    if (row := opened(raw)) is not None:
        assert_within_range(row, raw)


@given(USERS, GENERATIONS, st.lists(PAIRS, min_size=1, max_size=30), st.booleans(), st.data())
@settings(deadline=None)
def test_any_row_cut_short_or_with_any_bit_flipped_is_refused(
    user_id: str, generation: int, picks: list[tuple[int, int]], is_shortlist: bool, data: st.DataObject
) -> None:
    indices = struct.pack(f"<{len(picks)}H", *range(len(picks))) if is_shortlist else b""
    raw = encode_row(user_id, generation, IDENTITY, 0, packed(picks), indices)
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    flipped = bytearray(raw)
    flipped[bit // 8] ^= 1 << bit % 8
    for damaged in (raw[: data.draw(st.integers(0, len(raw) - 1))], bytes(flipped)):
        assert reason_for(damaged, user_id, generation) in REASONS


@given(USERS, USERS, GENERATIONS, GENERATIONS, st.lists(PAIRS, max_size=30))
@settings(deadline=None)
def test_a_row_opens_for_no_other_user_and_no_other_generation(
    user_id: str, other: str, generation: int, later: int, picks: list[tuple[int, int]]
) -> None:
    assume((user_id, generation) != (other, later))
    assert reason_for(encode_row(user_id, generation, IDENTITY, 0, packed(picks)), other, later) in {
        "generation",
        "checksum",
    }


def test_the_row_of_another_user_is_refused() -> None:
    assert reason_for(bytes.fromhex(DENSE), user_id="u2") == "checksum"


def test_the_row_of_another_generation_is_refused() -> None:
    assert reason_for(bytes.fromhex(DENSE), generation=18) == "generation"


def test_the_row_of_another_workspace_under_the_same_number_is_refused() -> None:
    assert reason_for(bytes.fromhex(DENSE), identity="f" * 32) == "checksum"


@given(USERS, GENERATIONS, st.sampled_from(IDENTITIES), st.sampled_from(IDENTITIES), st.lists(PAIRS, max_size=30))
def test_a_row_opens_under_no_other_identity(
    user_id: str, generation: int, own: str, other: str, picks: list[tuple[int, int]]
) -> None:
    assume(own != other)
    raw = encode_row(user_id, generation, own, 0, packed(picks))
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


@pytest.mark.parametrize(("form", "flags"), [(4, 0), (0, 0), (2, 2), (2, 256), (3, 4), (3, 8), (3, 257)])
def test_a_row_of_a_future_format_is_refused_though_its_checksum_fits(form: int, flags: int) -> None:
    header = struct.pack("<2sBBHIH", b"AB", form, 0, flags, 17, 2)
    assert reason_for(sealed(header, PICKS)) == "format"


def test_other_bytes_are_refused_by_their_magic() -> None:
    assert reason_for(b"{" * 40) == "magic"


def test_the_longest_dense_row_is_just_within_the_limit() -> None:
    raw = encode_row("u1", 17, IDENTITY, 0, PICKS[:3] * FORMAT_2.most_dense_picks)
    assert len(raw) <= MAX_ROW_BYTES < len(raw) + 3
    assert decode_row(raw, "u1", 17, IDENTITY).pick(FORMAT_2.most_dense_picks - 1) == Pick(1, 65535)


def test_a_dense_row_over_the_limit_is_refused_with_the_remedy() -> None:
    with pytest.raises(InputError, match=r"user u1 has 2726 picks .* at most 8192 bytes .* candidates.parquet"):
        encode_row("u1", 17, IDENTITY, 0, PICKS[:3] * (FORMAT_2.most_dense_picks + 1))


def test_a_shortlist_over_the_limit_is_refused() -> None:
    titles = FORMAT_2.most_shortlist_picks + 1
    with pytest.raises(InputError, match="user u1"):
        encode_row("u1", 17, IDENTITY, 0, PICKS[:3] * titles, struct.pack(f"<{titles}H", *range(titles)))


def test_the_header_is_sixteen_bytes() -> None:
    assert HEADER_BYTES == 16
