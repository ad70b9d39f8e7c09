"""MovieLens-100K: both archives give the same ratings; damage is refused."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bandit.errors import InputError, SurroundingsError
from batch.datasets.dataset import most_rated
from batch.datasets.movielens import build
from batch.datasets.movielens_files import read_grouplens, read_wheel
from batch.datasets.ratings import GENRES, Ratings
from batch.workspace.tables import check_tables

FOLDER = "recbole/dataset_example/ml-100k/"
OF_PACKAGE = {
    "ml-100k.user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    "2\t53\tF\tother\t94043\n1\t24\tM\ttechnician\t85711\n10\t40\tM\twriter\t32067\n",
    "ml-100k.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "1\tToy Story\t1995\tAnimation Children's Comedy\n"
    '2\tL\'Ennui "Noir" é\t1998\tFilm-Noir Sci-Fi\n'
    "3\tunknown\tunkonwn\tunknown\n"
    "10\tLand (1995)\tV\tWar\n",
    "ml-100k.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "1\t2\t3\t881250949\n2\t1\t5\t891717742\n1\t1\t4\t878887116\n10\t10\t1\t880606923\n",
}


def flags(*genres: str) -> str:
    return "|".join(str(int(genre in genres)) for genre in ("unknown", *GENRES))


OF_GROUPLENS = {
    "u.user": "2|53|F|other|94043\n1|24|M|technician|85711\n10|40|M|writer|32067\n",
    "u.item": f"1|Toy Story (1995)|01-Jan-1995||http://a|{flags('Animation', 'Comedy', 'Children' + chr(39) + 's')}\n"
    f'2|L\'Ennui "Noir" é (1998)|01-Jan-1998||http://b|{flags("Film-Noir", "Sci-Fi")}\n'
    f"3|unknown||||{flags('unknown')}\n"
    f"10|Land (1995) (V)|01-Jan-1995||http://c|{flags('War')}\n",
    "u.data": "1\t2\t3\t881250949\n2\t1\t5\t891717742\n1\t1\t4\t878887116\n10\t10\t1\t880606923\n",
}


def write_wheel(folder: Path) -> tuple[Path, str]:
    path = folder / "package.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in OF_PACKAGE.items():
            archive.writestr(FOLDER + name, text)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def write_grouplens(folder: Path, files: dict[str, str] = OF_GROUPLENS) -> Path:
    path = folder / "ml-100k.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"ml-100k/{name}", text.encode("latin-1"))
    return path


def same(one: Ratings, other: Ratings) -> bool:
    return all(
        getattr(one, name).equals(getattr(other, name), null_equal=True) for name in ("users", "titles", "ratings")
    )


def test_both_archives_give_the_same_ratings(tmp_path: Path) -> None:
    assert same(read_wheel(*write_wheel(tmp_path)), read_grouplens(write_grouplens(tmp_path)))


def test_the_unpacked_folder_gives_what_the_archive_gives(tmp_path: Path) -> None:
    archive = write_grouplens(tmp_path)
    for name, text in OF_GROUPLENS.items():
        (tmp_path / name).write_bytes(text.encode("latin-1"))
    assert same(read_grouplens(tmp_path), read_grouplens(archive))


def test_ids_sort_as_their_numbers_do(tmp_path: Path) -> None:
    found = read_grouplens(write_grouplens(tmp_path))
    assert found.users["user_id"].to_list() == ["u0001", "u0002", "u0010"]
    assert found.titles["title_id"].to_list() == ["m0001", "m0002", "m0003", "m0010"]


def test_titles_have_their_names_years_and_genres(tmp_path: Path) -> None:
    found = read_wheel(*write_wheel(tmp_path)).titles
    assert found.rows() == [
        ("m0001", "Toy Story", 1995, ["Animation", "Children's", "Comedy"]),
        ("m0002", 'L\'Ennui "Noir" é', 1998, ["Film-Noir", "Sci-Fi"]),
        ("m0003", "unknown", None, []),
        ("m0010", "Land", 1995, ["War"]),
    ]


def test_ratings_point_at_their_users_and_titles(tmp_path: Path) -> None:
    found = read_wheel(*write_wheel(tmp_path))
    assert found.user_rows.tolist() == [0, 0, 1, 2]
    assert found.title_rows.tolist() == [0, 1, 0, 3]
    assert found.scores.tolist() == [4.0, 3.0, 5.0, 1.0]
    assert found.times[0] == 878887116


def test_a_wheel_of_another_checksum_is_not_read(tmp_path: Path) -> None:
    path, _ = write_wheel(tmp_path)
    with pytest.raises(SurroundingsError, match=r"package\.whl has SHA-256 .* expected 0{64}"):
        read_wheel(path, "0" * 64)


def test_a_path_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("1,2,3\n")
    with pytest.raises(InputError, match=r"ratings\.csv is not a zip file or a folder"):
        read_grouplens(path)


@pytest.mark.parametrize("name", OF_GROUPLENS)
def test_an_archive_that_lacks_a_file_is_refused_with_its_name(name: str, tmp_path: Path) -> None:
    files = {key: text for key, text in OF_GROUPLENS.items() if key != name}
    with pytest.raises(InputError, match=rf"not a whole MovieLens-100K .*{name}"):
        read_grouplens(write_grouplens(tmp_path, files))


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a whole MovieLens-100K"):
        read_grouplens(tmp_path)


@pytest.mark.parametrize(
    ("line", "named"), [("1\tx\t3\t881250949\n", "x"), ("99\t1\t3\t881250949\n", "u0099"), ("1\t77\t3\t1\n", "m0077")]
)
def test_a_damaged_rating_is_refused_with_what_is_wrong(line: str, named: str, tmp_path: Path) -> None:
    files = OF_GROUPLENS | {"u.data": OF_GROUPLENS["u.data"] + line}
    with pytest.raises(InputError, match=named):
        read_grouplens(write_grouplens(tmp_path, files))


def test_the_data_set_is_a_workspace_without_fault(tmp_path: Path) -> None:
    dataset = build(read_wheel(*write_wheel(tmp_path)), seed=7)
    checked = check_tables(dataset.tables)
    assert checked.artworks.equals(dataset.tables.artworks, null_equal=True)
    assert dataset.world.tastes.shape == (3, len(GENRES))
    assert len(dataset.world.artwork_title) == checked.artworks.height


def test_the_most_rated_are_kept_and_equals_go_by_id(tmp_path: Path) -> None:
    ratings = read_wheel(*write_wheel(tmp_path))
    users, titles = most_rated(ratings, n_users=2, n_titles=1)
    assert (users.tolist(), titles.tolist()) == ([0, 1], [0])


@pytest.mark.parametrize(("users", "titles", "what"), [(4, None, "4 users"), (None, 5, "5 titles")])
def test_more_than_there_are_cannot_be_asked_for(
    users: int | None, titles: int | None, what: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"{what} asked for, expected 1 to"):
        most_rated(read_wheel(*write_wheel(tmp_path)), users, titles)


def test_a_selection_keeps_each_title_its_own_artworks(tmp_path: Path) -> None:
    ratings = read_wheel(*write_wheel(tmp_path))
    whole, part = build(ratings, seed=7), build(ratings, seed=7, n_users=1, n_titles=1)
    kept = whole.tables.artworks.filter(pl.col("title_id") == "m0001")
    assert part.tables.artworks.equals(kept, null_equal=True)
    np.testing.assert_array_equal(
        part.world.take_probabilities(np.array([0]), 0), whole.world.take_probabilities(np.array([0]), 0)
    )
