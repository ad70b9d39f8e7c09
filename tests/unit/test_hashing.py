from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from bandit.arrays import U64
from bandit.errors import InputError
from bandit.hashing import hash_ids, hash_pairs, hash_title, hash_users
from bandit.snapshot import MASK64, id64, keyed_hash

IDS = st.text("abcXYZ019._~-", min_size=1, max_size=64)


def uniforms(hashes: U64) -> npt.NDArray[np.float64]:
    return np.asarray(hashes / 2.0**64, dtype=np.float64)


def hashed(purpose: str, seed: int, generation: int, users: list[str], titles: list[str]) -> U64:
    """The hash of every (title, user), (t, n)."""
    states = hash_users(purpose, seed, generation, hash_ids(users))
    return np.array([hash_title(states, title) for title in hash_ids(titles)])


@pytest.mark.simulations
def test_a_million_keys_hash_as_the_pinned_hash_says() -> None:
    users, titles = [f"u{n}" for n in range(1000)], [f"t{n}" for n in range(1000)]
    found = hashed("draw", 7, 17, users, titles)
    wanted = (keyed_hash("draw", 7, 17, user, title) for title in titles for user in users)
    assert (found.ravel() == np.fromiter(wanted, dtype=np.uint64, count=found.size)).all()


@given(st.text("abc_", max_size=20), st.integers(0, MASK64), st.integers(0, 2**32 - 1), IDS, IDS)
@settings(deadline=None)
def test_any_key_hashes_as_the_pinned_hash_says(
    purpose: str, seed: int, generation: int, user: str, title: str
) -> None:
    assert hashed(purpose, seed, generation, [user], [title])[0, 0] == keyed_hash(
        purpose, seed, generation, user, title
    )


def test_ids_are_hashed_one_by_one() -> None:
    assert hash_ids(["u1", "u2"]).tolist() == [id64("u1"), id64("u2")]


def test_no_ids_make_no_hashes() -> None:
    assert hash_users("draw", 0, 1, hash_ids([])).shape == (0,)


def test_hashes_are_uniform_over_users_of_a_title() -> None:
    found = hashed("draw", 1, 1, [f"u{n}" for n in range(100_000)], ["t"])[0]
    assert kstest(uniforms(found), "uniform").pvalue > 1e-3


def test_every_byte_of_the_hashes_is_uniform() -> None:
    found = hashed("draw", 1, 1, [f"u{n}" for n in range(1000)], [f"t{n}" for n in range(100)])
    counts = [np.bincount(found.ravel().view(np.uint8)[place::8], minlength=256) for place in range(8)]
    assert min(chisquare(count).pvalue for count in counts) > 1e-4


def test_neighbouring_titles_of_a_user_are_independent() -> None:
    first, second = (uniforms(row) for row in hashed("draw", 1, 1, [f"u{n}" for n in range(100_000)], ["t1", "t2"]))
    cells = np.histogram2d(first, second, bins=10, range=((0, 1), (0, 1)))[0]
    assert chisquare(cells.ravel()).pvalue > 1e-3


def test_purposes_are_independent() -> None:
    users = [f"u{n}" for n in range(50_000)]
    draws, fallbacks = (uniforms(hashed(purpose, 1, 1, users, ["t"])[0]) for purpose in ("draw", "fallback"))
    assert abs(np.corrcoef(draws, fallbacks)[0, 1]) < 4 / np.sqrt(len(users))


def test_the_hash_of_one_title_is_that_of_as_many_pairs() -> None:
    states, titles = hash_users("draw", 7, 17, hash_ids(["u1", "u2", "u3"])), hash_ids(["t1"])
    assert (hash_title(states, titles[0]) == hash_pairs(states, np.repeat(titles, 3))).all()
    assert (hash_title(states, titles) == hash_title(states, titles[0])).all()  # type: ignore[arg-type]  # of one title


@pytest.mark.parametrize("title", [hash_ids(["t1", "t2"]), np.array([1.5]), np.int64(3), "t1", None, 2**64])
def test_what_is_not_the_hash_of_one_title_is_refused(title: Any) -> None:
    with pytest.raises(InputError):
        hash_title(hash_users("draw", 7, 17, hash_ids(["u1", "u2"])), title)
