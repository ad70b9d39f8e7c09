"""Rows packed by kernels are the bytes of ``encode_row``, checksum and all, and give back what was packed."""

import zlib

import numba
import numpy as np
import pytest
from hiredis import pack_command
from redis.crc import key_slot

from bandit.errors import InputError
from bandit.kernels.packing import checksum, checksum_tables, find_slots, pack_commands, pack_each, slot_table
from bandit.snapshot import FORMAT_2, ROW_FORMATS, RowFormat, decode_row, encode_row, row_key
from batch.workspace.row_files import Packing, listed_rows, pack

IDENTITY = "0123456789abcdef" * 2
COUNT = 12 if numba.config.DISABLE_JIT else 500


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 300])
def test_a_checksum_is_that_of_zip_files(length: int) -> None:
    data = np.random.default_rng(length).integers(0, 256, length + 5, dtype=np.uint8)
    for before in (0, 1, 0xFFFFFFFF):
        expected = zlib.crc32(data[2 : 2 + length].tobytes(), before)
        assert checksum(data, 2, 2 + length, np.uint32(before), checksum_tables()) == expected


def user_ids(count: int, random: np.random.Generator) -> list[str]:
    letters = np.array(list("abcXYZ019._~-"))
    lengths = [1, 64, *random.integers(1, 65, count - 2).tolist()]
    return ["".join(random.choice(letters, length)) for length in lengths]


every_format = pytest.mark.parametrize("form", ROW_FORMATS, ids=lambda form: f"{form.number}-{form.arm_bits}-bits")


def drawn(form: RowFormat, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Arms and weights, the smallest and the largest among them."""
    arms = random.integers(0, form.most_arms, count, dtype=np.uint8)
    weights = random.integers(1, form.total, count, dtype=np.uint16, endpoint=True)
    arms[:1], weights[:1] = form.most_arms - 1, form.total
    return arms, weights


@every_format
@pytest.mark.parametrize("titles", [1, 2, 8, 100, -1])
def test_dense_rows_are_the_bytes_of_encode_row(titles: int, form: RowFormat) -> None:
    random, count = np.random.default_rng(titles + 1), COUNT if titles > 0 else 4
    titles = titles if titles > 0 else form.most_dense_picks
    ids = user_ids(count, random)
    arms, weights = (drawn_of.reshape(count, titles) for drawn_of in drawn(form, count * titles, random))
    variants = random.integers(0, 256, count, dtype=np.uint8)
    packed = pack(
        Packing(4_000_000_000, IDENTITY, is_shortlist=False, form=form),
        0,
        ids,
        np.arange(count),
        variants,
        np.full(count, titles),
        arms.ravel(),
        weights.ravel(),
    )
    for row, user_id in enumerate(ids):
        picks = form.pack(zip(arms[row].tolist(), weights[row].tolist(), strict=True))
        expected = encode_row(user_id, 4_000_000_000, IDENTITY, int(variants[row]), picks, row_format=form)
        assert packed.record(row) == (user_id, expected)


def shortlists(count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """How many titles each user has, and which: gaps around what one and two bytes hold, the first and last of all."""
    counts = np.array([1, 2, 3, 2, 3, 1, *random.integers(1, 40, count - 6)])
    titles = [np.sort(random.choice(65_536, size, replace=False)) for size in counts]
    titles[0], titles[1], titles[2] = np.array([0]), np.array([3839, 7680]), np.array([239, 479, 720])
    titles[3:6] = np.array([0, 65_535]), np.array([240, 4_080, 7_921]), np.array([65_535])
    return counts, np.concatenate(titles).astype(np.uint16)


@every_format
def test_rows_of_shortlists_are_the_bytes_of_encode_row(form: RowFormat) -> None:
    random = np.random.default_rng(5)
    ids = user_ids(COUNT, random)
    counts, titles = shortlists(COUNT, random)
    arms, weights = drawn(form, len(titles), random)
    packing = Packing(17, IDENTITY, is_shortlist=True, form=form)
    variants, by_title = np.zeros(COUNT, dtype=np.uint8), np.arange(COUNT) % 3 == 0
    packed = pack(packing, 0, ids, np.arange(COUNT), variants, counts, arms, weights, titles, by_title)
    stops = np.cumsum(counts)
    for row, user_id in enumerate(ids):
        own = slice(int(stops[row] - counts[row]), int(stops[row]))
        picks = form.pack(zip(arms[own].tolist(), weights[own].tolist(), strict=True))
        listed, marked = titles[own].astype("<u2").tobytes(), bool(by_title[row])
        expected = encode_row(user_id, 17, IDENTITY, 0, picks, listed, form, by_title=marked)
        assert packed.record(row) == (user_id, expected)


@every_format
@pytest.mark.parametrize("is_shortlist", [False, True])
def test_packed_rows_give_back_their_picks(is_shortlist: bool, form: RowFormat) -> None:
    random = np.random.default_rng(6)
    ids = user_ids(COUNT, random)
    counts, titles = shortlists(COUNT, random)
    if not is_shortlist:
        titles = np.concatenate([np.arange(count) for count in counts]).astype(np.uint16)
    arms, weights = drawn(form, len(titles), random)
    variants = random.integers(0, 256, COUNT, dtype=np.uint8)
    places = np.sort(random.choice(10 * COUNT, COUNT, replace=False))
    packing = Packing(17, IDENTITY, is_shortlist, form)
    listed = titles if is_shortlist else titles[:0]
    by_title = random.random(COUNT) < 0.5
    packed = pack(packing, 0, ids, places, variants, counts, arms, weights, listed, by_title)
    some = np.arange(0, COUNT, 3)
    own = np.isin(np.repeat(np.arange(COUNT), counts), some)
    for rows, kept in ((None, np.ones(len(titles), dtype=bool)), (some, own)):
        table = packed.picks(packing, rows)
        np.testing.assert_array_equal(table.users, np.repeat(places, counts)[kept])
        np.testing.assert_array_equal(table.titles, titles[kept])
        np.testing.assert_array_equal(table.arms, arms[kept])
        np.testing.assert_array_equal(table.weights, weights[kept])
        np.testing.assert_array_equal(table.variants, np.repeat(variants, counts)[kept])
        np.testing.assert_array_equal(table.by_title, np.repeat(by_title, counts)[kept])


@every_format
@pytest.mark.parametrize("is_shortlist", [False, True])
@pytest.mark.parametrize("beyond", [300, 70_000])
def test_a_row_beyond_what_rows_may_have_is_refused(is_shortlist: bool, beyond: int, form: RowFormat) -> None:
    count = (form.most_shortlist_picks if is_shortlist else form.most_dense_picks) + beyond
    titles = np.arange(count).astype(np.uint16)
    with pytest.raises(InputError, match=rf"the row of user u1 has {count} picks.*candidates\.parquet"):
        pack(
            Packing(17, IDENTITY, is_shortlist, form),
            0,
            ["u1"],
            np.zeros(1, dtype=np.int64),
            np.zeros(1, dtype=np.uint8),
            np.array([count]),
            np.zeros(count, dtype=np.uint8),
            np.ones(count, dtype=np.uint16),
            titles if is_shortlist else titles[:0],
        )


def test_commands_name_keys_and_rows_as_the_protocol_asks() -> None:
    ids = ["u1", "a-user-with-a-long-id"]
    packed = pack(
        Packing(17, IDENTITY, is_shortlist=False, form=FORMAT_2),
        0,
        ids,
        np.arange(2),
        np.zeros(2, dtype=np.uint8),
        np.array([1, 1]),
        np.zeros(2, dtype=np.uint8),
        np.ones(2, dtype=np.uint16),
    )
    out = np.empty(1000, dtype=np.uint8)

    def command(name: bytes, *, with_rows: bool) -> bytes:
        start = b"$%d\r\n%s\r\n" % (len(name), name)
        verb, prefix, end = (np.frombuffer(part, dtype=np.uint8) for part in (start, b"art:g:17:u:{", b"}"))
        lengths = packed.id_lengths, packed.row_lengths
        size = pack_commands(packed.records, *lengths, 0, 0, 2, verb, prefix, end, with_rows, out)
        return out[:size].tobytes()

    keys = [f"art:g:17:u:{{{user_id}}}".encode() for user_id in ids]
    rows = [packed.record(row)[1] for row in range(2)]
    parts = [part for pair in zip(keys, rows, strict=True) for part in pair]
    expected = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    assert command(b"MSET", with_rows=True) == b"*5\r\n$4\r\nMSET\r\n" + expected
    expected = b"".join(b"$%d\r\n%s\r\n" % (len(key), key) for key in keys)
    assert command(b"EXISTS", with_rows=False) == b"*3\r\n$6\r\nEXISTS\r\n" + expected
    assert decode_row(rows[0], "u1", 17, IDENTITY).n_picks == 1


def test_a_node_of_a_cluster_gets_a_command_for_each_of_its_rows_and_slots_are_those_of_the_client() -> None:
    ids = ["u1", "a", "a-user-with-a-long-id", "~._-", "Z" * 64]
    rows = listed_rows((user_id, f"row of {user_id}".encode()) for user_id in ids)
    slots = np.empty(len(ids), dtype=np.uint16)
    find_slots(rows.records, rows.starts, rows.id_lengths, slot_table(), slots)
    assert slots.tolist() == [key_slot(row_key(17, user_id).encode()) for user_id in ids]
    out, own = np.empty(1000, dtype=np.uint8), np.array([1, 2, 4])
    for head, with_rows in ((b"*3\r\n$3\r\nSET\r\n", True), (b"*2\r\n$6\r\nEXISTS\r\n", False)):
        verb, prefix, end = (np.frombuffer(part, dtype=np.uint8) for part in (head, b"art:g:17:u:{", b"}"))
        lengths = rows.id_lengths, rows.row_lengths
        size = pack_each(rows.records, rows.starts, *lengths, own, verb, prefix, end, with_rows, out)
        wanted = [(head.split(b"\r\n")[2].decode(), *_key_and_row(ids[row], with_row=with_rows)) for row in own]
        assert out[:size].tobytes() == b"".join(pack_command(words) for words in wanted)  # type: ignore[arg-type]  # its stubs allow one word only


def _key_and_row(user_id: str, *, with_row: bool) -> list[str]:
    return [row_key(17, user_id), *([f"row of {user_id}"] if with_row else [])]


def test_rows_of_another_generation_or_format_are_never_read_as_picks() -> None:
    one, of_arms = np.ones(1, dtype=np.uint16), np.zeros(1, dtype=np.uint8)
    written = Packing(17, IDENTITY, is_shortlist=False, form=FORMAT_2)
    packed = pack(written, 0, ["u1"], np.arange(1), of_arms, np.array([1]), of_arms, one)
    for other in (
        written._replace(generation=18),
        written._replace(is_shortlist=True),
        *(written._replace(form=form) for form in ROW_FORMATS if form is not FORMAT_2),
    ):
        with pytest.raises(InputError, match=r"row 0 of a file of picks .* is of another generation or format"):
            packed.picks(other)
    assert packed.picks(written).weights.tolist() == [1]
