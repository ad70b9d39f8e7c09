"""The doubles behind the metrics: names that fit into them, memory that several mappings share."""

import os

import pytest

from service.metrics.counters import NAME_BYTES, NamedCounts, mapped, shared_memory


def named(capacity: int, labels: int = 1) -> tuple[list[float], NamedCounts]:
    values = [0.0] * NamedCounts.slots(capacity)
    return values, NamedCounts(values, 0, capacity, labels)


@pytest.mark.parametrize("name", ["", "a", "timeout", "sixsix", "\u00fc" * 20, "x" * NAME_BYTES])
def test_a_name_is_read_back_by_another_reader(name: str) -> None:
    values, counts = named(4)
    counts.add((name,), 2)
    assert NamedCounts(values, 0, 4).counts() == {(name,): 2}


def test_a_name_that_is_too_long_is_cut_and_stays_one_count_over_restarts() -> None:
    values, counts = named(8)
    counts.add(("x" * 200,))
    successor = NamedCounts(values, 0, 8)
    successor.add(("x" * 200,))
    assert successor.counts() == {("x" * NAME_BYTES,): 2}


def test_the_last_place_is_that_of_all_others() -> None:
    _, counts = named(3, labels=2)
    for policy in "abcde":
        counts.add(("personalized", policy))
    assert counts.counts() == {("personalized", "a"): 1, ("personalized", "b"): 1, ("other", "other"): 3}


def test_a_name_of_one_process_does_not_move_when_another_one_reads() -> None:
    values, counts = named(4)
    counts.add(("first",))
    reader = NamedCounts(values, 0, 4)
    counts.add(("second",), 5)
    counts.add(("first",))
    assert reader.counts() == {("first",): 2, ("second",): 5}


def test_two_mappings_of_the_memory_are_the_same_numbers() -> None:
    descriptor = shared_memory(4)
    writer, reader = mapped(descriptor), mapped(descriptor)
    os.close(descriptor)
    assert [reader[slot] for slot in range(len(reader))] == [0, 0, 0, 0]
    writer[3] += 1.5
    assert reader[3] == 1.5
