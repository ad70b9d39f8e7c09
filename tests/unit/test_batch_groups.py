"""How many blocks of users with shortlists are scored together."""

import itertools

import pytest

from batch.choosing.chooser import USERS_A_BLOCK, USERS_A_TITLE, blocks_a_group

USERS = (1, 2048, 2049, 30_000, 131_072, 1_000_000, 260_000_000)
TITLES = (1, 12, 1682, 15_000, 65_536)
LONGEST = (0, 1, 7, 100, 4_000)


@pytest.mark.parametrize("longest", LONGEST)
def test_groups_are_alike_hold_no_more_than_memory_has_and_users_enough_for_a_title(longest: int) -> None:
    for users, titles in itertools.product(USERS, TITLES):
        check(users, titles, longest)


def check(users: int, titles: int, longest: int) -> None:
    blocks, group = -(-users // USERS_A_BLOCK), blocks_a_group(users, titles, longest)
    groups = -(-blocks // group)
    assert 1 <= group <= min(blocks, 64)
    assert group == 1 or group * USERS_A_BLOCK * longest <= 10_000_000
    assert group == -(-blocks // groups), "the last group is smaller than it need be"
    fewest = -(-USERS_A_TITLE[0] * titles // (USERS_A_BLOCK * max(1, longest)))
    if group < fewest and groups > 1:  # with one group fewer, memory would not do
        larger = -(-blocks // (groups - 1))
        assert larger > 64 or larger * USERS_A_BLOCK * longest > 10_000_000
    if blocks >= 2 * fewest:
        assert groups >= 2, "one core has it all"


def test_more_users_of_the_same_lists_are_in_groups_of_at_least_as_many_to_a_title() -> None:
    sizes = [blocks_a_group(users, 15_000, 100) for users in (30_000, 131_072, 1_000_000, 260_000_000)]
    assert sizes == sorted(sizes)
    assert sizes[-1] * USERS_A_BLOCK * 100 / 15_000 > USERS_A_TITLE[1]
