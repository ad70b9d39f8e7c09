"""What waits for its turn: requests of the slow path beyond those of one turn, and bytes behind those that are looked at."""

import asyncio
from itertools import pairwise

from service.http.departure import TURN_TASKS, Departure
from service.http.reading import Kept


def test_requests_of_many_connections_are_begun_in_turns_and_in_order() -> None:
    async def begin() -> list[int]:
        shared, begun = Departure(), list[int]()
        wanted = 3 * TURN_TASKS + 5
        for number in range(wanted):
            shared.begin(lambda number=number: begun.append(number))  # type: ignore[misc]
        after = [len(begun)]
        while len(begun) < wanted:
            await asyncio.sleep(0)
            after.append(len(begun))
        assert begun == list(range(wanted))
        return after

    after = asyncio.run(begin())
    assert after[0] == TURN_TASKS
    assert all(later - sooner <= TURN_TASKS for sooner, later in pairwise(after))


def test_a_request_that_comes_while_others_wait_is_begun_behind_them() -> None:
    async def begin() -> None:
        shared, begun = Departure(), list[str]()
        for _ in range(TURN_TASKS):
            shared.begin(lambda: None)
        shared.begin(lambda: begun.append("waited"))
        await asyncio.sleep(0)
        shared.begin(lambda: begun.append("came"))
        assert begun == ["waited", "came"]

    asyncio.run(begin())


def test_what_is_left_of_a_read_is_kept_without_a_copy() -> None:
    kept, data = Kept(), b"one\r\n\r\n\r\ntwo\r\n\r\n"
    kept.keep(data, 7)
    assert kept.data is data
    assert kept.has_head()
    kept.skip_blank_lines()
    assert kept.take() == (data, 9)
    assert kept.take() == (b"", 0)


def test_what_arrives_behind_it_is_kept_with_it() -> None:
    kept = Kept()
    kept.keep(b"one\r\n\r\ntw", 7)
    kept.add(b"o\r\n\r\n")
    assert kept.take() == (b"two\r\n\r\n", 0)


def test_of_a_read_that_was_looked_at_nothing_is_kept() -> None:
    kept = Kept()
    kept.keep(b"one", 3)
    assert (kept.data, kept.at, kept.has_head()) == (b"", 0, False)
    kept.keep(b"\r\n\n", 0)
    kept.skip_blank_lines()
    assert not kept.data
