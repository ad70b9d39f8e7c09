"""Who chose a title of a row that holds picks of two variants: a hash that writer, reader and a slow twin agree on."""

import naive
import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from bandit.hashing import DealtTitles, hash_ids, hash_title, hash_users
from bandit.snapshot import DRAW, MASK64, Splits, id64, split_base, split_of, threshold64, title_base

SEED, SALT, SHARES = 7, "mix", (0.5, 0.1)
USERS = [f"u{number:05d}" for number in range(2000)]
TITLES = [f"t{number:03d}" for number in range(100)]
HASHED = hash_ids(USERS)
DEALT = DealtTitles.of(SEED, SALT, SHARES, HASHED)
SECOND = np.column_stack([DEALT.second(title) for title in hash_ids(TITLES)])  # (users, titles): 200,000 decisions


def test_the_hashes_are_pinned() -> None:
    assert (title_base(7, "mix"), split_base(7, "mix")) == (0xF45026F634F97DEF, 0x6158498D70B5A5E1)
    assert Splits.of(7, "mix", SHARES).user_state("u1") == 0x7399ACE9A84B946F
    assert [threshold64(share) for share in (0.5, 0.1, 1.0)] == [1 << 63, 1844674407370955264, MASK64]
    assert [split_of(hashed, 3) for hashed in (0, MASK64 // 3, MASK64 // 3 + 1, MASK64)] == [0, 0, 1, 2]


def test_service_arrays_and_slow_twin_agree() -> None:
    splits = Splits.of(SEED, SALT, SHARES)
    for row in range(0, len(USERS), 40):
        state, split = splits.user_state(USERS[row]), int(DEALT.splits[row])
        assert split == naive.split_of(SEED, SALT, len(SHARES), USERS[row])
        told = [splits.variant(split, state, id64(title)) for title in TITLES]
        assert told == SECOND[row].tolist()
        assert told == [naive.chose_second(SEED, SALT, SHARES, USERS[row], title) for title in TITLES]


def test_pairs_are_dealt_as_titles_are() -> None:
    titles = hash_ids(TITLES)[np.arange(len(USERS)) % len(TITLES)]
    expected = SECOND[np.arange(len(USERS)), np.arange(len(USERS)) % len(TITLES)]
    assert (DEALT.second_of_pairs(titles) == expected).all()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
def test_splits_are_of_equal_size_and_those_of_whole_numbers(count: int) -> None:
    dealt = DealtTitles.of(SEED, SALT, [0.5] * count, HASHED)
    assert dealt.splits.tolist() == [naive.split_of(SEED, SALT, count, user) for user in USERS]
    assert count == 1 or chisquare(np.bincount(dealt.splits, minlength=count)).pvalue > 0.001


def test_the_second_variant_has_its_share_of_200_000_decisions_of_each_split_title_and_half_of_users() -> None:
    for split, share in enumerate(SHARES):
        own = SECOND[DEALT.splits == split]
        expected = np.array([share, 1 - share]) * own.size
        assert chisquare([own.sum(), own.size - own.sum()], expected).pvalue > 0.001
        by_title = own.sum(axis=0)  # (titles,)
        spread = ((by_title - len(own) * share) ** 2 / (len(own) * share * (1 - share))).sum()
        assert 60 < spread < 150  # chi-square with 100 degrees: 61.9 to 149.4 in 99.8 %


def test_who_chose_says_nothing_of_what_is_drawn() -> None:
    """The draw of a pick, the variants of other salts and the split of the user are independent of it."""
    states = hash_users(DRAW, SEED, 1, HASHED)
    draws = np.column_stack([hash_title(states, title) >> np.uint64(61) for title in hash_ids(TITLES)])  # 8 arms alike
    own = DEALT.splits == 0
    table = np.zeros((2, 8), dtype=np.int64)
    np.add.at(table, (SECOND[own].astype(np.int64).ravel(), draws[own].astype(np.int64).ravel()), 1)
    assert chi2_contingency(table).pvalue > 0.001
    another = DealtTitles.of(SEED, "another", (0.5,), HASHED)
    both = np.column_stack([another.second(title) for title in hash_ids(TITLES)])[own]
    crossed = [[(SECOND[own] & both).sum(), (SECOND[own] & ~both).sum()]]
    crossed.append([(~SECOND[own] & both).sum(), (~SECOND[own] & ~both).sum()])
    assert chi2_contingency(crossed).pvalue > 0.001
