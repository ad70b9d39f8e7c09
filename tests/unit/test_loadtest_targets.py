import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from loadtest.boundary import InputError
from loadtest.targets import Targets, draw_page, draw_title, draw_user, make_targets, read_targets

DRAWS = 40_000
USERS = tuple(f"u{rank}" for rank in range(1, 101))
TITLES = tuple(f"m{rank}" for rank in range(1, 201))


@pytest.fixture
def targets() -> Targets:
    return make_targets(USERS, TITLES)


def test_the_second_user_is_drawn_half_as_often_as_the_first_and_the_tenth_a_tenth(targets: Targets) -> None:
    rng = Random(1)
    drawn = Counter(draw_user(targets, rng) for _ in range(DRAWS))
    assert drawn["u2"] / drawn["u1"] == pytest.approx(1 / 2, rel=0.1)
    assert drawn["u10"] / drawn["u1"] == pytest.approx(1 / 10, rel=0.1)


def test_one_user_in_twenty_is_cold(targets: Targets) -> None:
    rng = Random(2)
    cold = sum(draw_user(targets, rng) not in USERS for _ in range(DRAWS))
    assert cold / DRAWS == pytest.approx(0.05, abs=0.005)


def test_one_title_in_a_hundred_is_unknown(targets: Targets) -> None:
    rng = Random(3)
    unknown = sum(draw_title(targets, rng) not in targets.known_titles for _ in range(DRAWS))
    assert unknown / DRAWS == pytest.approx(0.01, abs=0.002)


def test_a_page_has_as_many_titles_as_asked_for_and_none_twice(targets: Targets) -> None:
    rng = Random(4)
    for _ in range(200):
        page = draw_page(targets, rng, 40)
        assert len(page) == len(set(page)) == 40


def test_a_page_of_a_small_catalogue_is_as_long_as_the_catalogue() -> None:
    assert len(draw_page(make_targets(("u1",), ("m1", "m2", "m3")), Random(5), 40)) == 3


def test_the_same_seed_draws_the_same_page(targets: Targets) -> None:
    assert draw_page(targets, Random("0:7"), 40) == draw_page(targets, Random("0:7"), 40)


def test_two_users_of_the_load_test_draw_different_pages(targets: Targets) -> None:
    assert draw_page(targets, Random("0:7"), 40) != draw_page(targets, Random("0:8"), 40)


def test_the_file_of_a_publish_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "loadtest.json"
    path.write_text(json.dumps({"generation": 17, "users": ["u9", "u1"], "titles": ["m3"]}))
    targets = read_targets(path)
    assert (targets.users, targets.titles) == (("u9", "u1"), ("m3",))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ('{"titles": ["m1"]}', "`users`"),
        ('{"users": ["u1"], "titles": []}', "`titles`"),
        ('{"users": [1], "titles": ["m1"]}', "`users`"),
        ("[]", "`users`"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_field(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "loadtest.json"
    path.write_text(content)
    with pytest.raises(InputError, match=complaint) as caught:
        read_targets(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json: No such file"):
        read_targets(tmp_path / "nowhere.json")
