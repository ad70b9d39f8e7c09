"""Files of rows: what they say of themselves is checked before any of it is believed."""

from collections.abc import Callable
from pathlib import Path

import naive
import numpy as np
import pytest

from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import FORMAT_2, FORMAT_3_OF_16, encode_row
from batch.workspace.row_files import Packing, RowFile, listed_rows, pack, read_row_file, write_row_file

IDENTITY = "0123456789abcdef" * 2
USERS = ["a", "b" * 64, "c~"]


def packed(*, is_shortlist: bool = True) -> RowFile:
    counts = np.array([3, 1, 2])
    titles = np.array([0, 5, 700, 65_535, 239, 240]) if is_shortlist else np.empty(0)
    return pack(
        Packing(17, IDENTITY, is_shortlist, FORMAT_3_OF_16),
        4096,
        USERS,
        np.array([4096, 4100, 6000]),
        np.array([0, 1, 2], dtype=np.uint8),
        counts,
        np.arange(6, dtype=np.uint8),
        np.arange(1, 7, dtype=np.uint16),
        titles.astype(np.uint16),
    )


@pytest.mark.parametrize("is_shortlist", [False, True])
def test_a_file_gives_back_its_rows(tmp_path: Path, is_shortlist: bool) -> None:
    rows = packed(is_shortlist=is_shortlist)
    write_row_file(tmp_path / "part", rows)
    again = read_row_file(tmp_path / "part")
    assert (again.first, again.n_picks) == (4096, 6)
    assert again.places.tolist() == [4096, 4100, 6000]
    assert [again.record(row) for row in range(3)] == [rows.record(row) for row in range(3)]
    assert again.user_ids == USERS


def test_the_layout_is_the_documented_one(tmp_path: Path) -> None:
    rows = packed()
    write_row_file(tmp_path / "part", rows)
    assert naive.rows_of_file(tmp_path / "part") == [rows.record(row) for row in range(3)]


def test_a_shard_without_rows_is_a_file_as_well(tmp_path: Path) -> None:
    write_row_file(tmp_path / "part", listed_rows([]))
    again = read_row_file(tmp_path / "part")
    assert len(again.places) == 0
    assert again.row_of(0) is None
    assert len(again.picks(Packing(17, IDENTITY, is_shortlist=False, form=FORMAT_2)).arms) == 0


def test_a_user_is_found_by_their_place() -> None:
    rows = packed()
    assert [rows.row_of(place) for place in (4095, 4096, 4097, 4100, 6000, 6001)] == [None, 0, None, 1, 2, None]


def test_rows_that_were_packed_one_by_one_are_listed_in_their_order() -> None:
    pairs = [(user, encode_row(user, 17, IDENTITY, 0, FORMAT_2.pack([(1, 2)]))) for user in USERS]
    rows = listed_rows(pairs)
    assert [rows.record(row) for row in range(3)] == pairs


def shifted(place: int, by: int) -> Callable[[bytes], bytes]:
    """A number of the file that is larger or smaller than it should be."""
    return lambda raw: raw[:place] + bytes([(raw[place] + by) % 256]) + raw[place + 1 :]


DAMAGED = {
    "empty": lambda _: b"",
    "a Parquet file": lambda raw: b"PAR1" + raw[4:],
    "of a layout to come": shifted(7, 1),
    "cut in its sizes": lambda raw: raw[:39],
    "cut by a byte": lambda raw: raw[:-1],
    "longer by a byte": lambda raw: raw + b"\0",
    "cut to nothing but sizes": lambda raw: raw[:40],
    "a row more than there is": shifted(16, 1),
    "a row fewer than there is": shifted(16, -1),
    "more rows than any file": shifted(23, 255),
    "more bytes of records": shifted(32, 1),
    "more bytes than any file": shifted(39, 255),
    "a longer row": shifted(40 + 3 * 4, 1),
    "a shorter row": shifted(40 + 3 * 4 + 2, -1),
    "a longer id": shifted(40 + 3 * 6, 1),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_that_is_not_whole_is_refused_by_its_name(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "part-0000004096.rows"
    write_row_file(path, packed())
    path.write_bytes(DAMAGED[damage](path.read_bytes()))
    with pytest.raises(InputError, match=r"part-0000004096\.rows (is no file of rows|has )"):
        read_row_file(path)


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.rows cannot be read"):
        read_row_file(tmp_path / "none.rows")
    with pytest.raises(InputError, match="cannot be read"):
        read_row_file(tmp_path)


def test_a_folder_that_takes_no_file_is_an_error_of_the_surroundings(tmp_path: Path) -> None:
    (tmp_path / "picks").write_bytes(b"a file where a folder should be")
    with pytest.raises(SurroundingsError, match="cannot write"):
        write_row_file(tmp_path / "picks" / "part", packed())
