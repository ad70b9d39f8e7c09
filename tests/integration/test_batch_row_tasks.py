"""Publishing by tasks: the same store as by one process, paced as a whole, and nothing written to another store."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import redis
from make_impressions import Served, make_generation, served, silent, stored_rows
from shell import assert_refused, call

from bandit.errors import SurroundingsError
from bandit.snapshot import CURRENT_KEY, Current, encode_json, meta_key, row_key
from batch.choosing.chooser import USERS_A_BLOCK
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.executors import Executor, SerialExecutor
from batch.executors.processes import open_processes
from batch.publishing.flips import count_rows, read_meta
from batch.publishing.publish import Published, publish
from batch.publishing.row_bytes import encoded_rows
from batch.publishing.row_tasks import TaskWriter, pace_of
from batch.workspace.generations import read_manifest
from batch.workspace.picks import RecordedPicks
from batch.workspace.workspace import Workspace

USERS = 2 * USERS_A_BLOCK + 100


class Counting(SerialExecutor):
    """Keeps how many shards each map was given, and does something before the last one of the first."""

    def __init__(self, before_the_last: Callable[[], object] = lambda: None) -> None:
        self.maps: list[int] = []
        self._before_the_last = before_the_last

    def map(self, task: Callable[[Any], Any], shards: Sequence[Any]) -> Iterator[Any]:
        self.maps.append(len(shards))
        for place, shard in enumerate(shards):
            if len(self.maps) == 1 and place == len(shards) - 1:
                self._before_the_last()
            yield task(shard)


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with two generations, in three files each."""
    made = Workspace(tmp_path_factory.mktemp("filed"))
    write(made, synthetic.build(n_users=USERS, n_titles=5, seed=3))
    for seed in range(2):
        assert len(RecordedPicks(made, read_manifest(made, make_generation(made, seed=seed, shard_size=1)))) == 3
    return made


@cache
def rows_on_disk(workspace: Workspace, generation: int) -> dict[str, bytes]:
    return dict(encoded_rows(workspace, generation))


def by_tasks(
    workspace: Workspace, generation: int, client: redis.Redis, store: str, executor: Executor, writers: int = 3
) -> Published:
    return publish(workspace, generation, client, store, silent, executor=executor, writers=writers)


def test_tasks_in_processes_leave_the_store_as_one_process_does(
    filed: Workspace, client: redis.Redis, store: str
) -> None:
    with open_processes(2) as executor:
        for number in (1, 2):  # the second one rests
            published = by_tasks(filed, number, client, store, executor, writers=2)
            rows = rows_on_disk(filed, number)
            assert stored_rows(client, filed, number) == rows
            assert (published.rows, published.row_bytes) == (USERS, sum(map(len, rows.values())))
    assert served(client) == Served(2, 2, 1)


def test_rows_are_told_of_as_tasks_are_done(filed: Workspace, client: redis.Redis, store: str) -> None:
    told: list[tuple[int, int]] = []
    publish(filed, 1, client, store, lambda _, done, total: told.append((done, total)), executor=Counting(), writers=3)
    assert told == [(USERS_A_BLOCK, USERS), (2 * USERS_A_BLOCK, USERS), (USERS, USERS)]


@pytest.mark.parametrize(("writers", "expected"), [(1, []), (2, [2, 2]), (50, [3, 3])])
def test_no_more_tasks_are_at_work_than_writers(
    filed: Workspace, client: redis.Redis, store: str, writers: int, expected: list[int]
) -> None:
    executor = Counting()
    by_tasks(filed, 1, client, store, executor, writers)
    assert executor.maps == expected  # for writing, and for counting; never more than there are files


def test_every_file_is_of_one_task(filed: Workspace, client: redis.Redis, store: str) -> None:
    manifest = read_manifest(filed, 1)
    for writers in (1, 2, 3, 4):
        made = TaskWriter(client, filed, manifest, None, url=store, executor=Counting(), writers=writers)
        assert sorted(file for task in made._tasks for file in task) == [0, 1, 2]


def test_writers_together_keep_to_the_pace_of_one(client: redis.Redis) -> None:
    assert pace_of(client, 4, 8.0) == (0.0, 2e6)  # nobody looks up in a store that serves nothing
    client.set(CURRENT_KEY, encode_json(Current(1, "0" * 32, 1, None)))
    for writers in range(1, 5):
        rests, most = pace_of(client, writers, 8.0)
        assert most is not None
        assert writers * most == pytest.approx(8e6)
        assert writers / (1 + rests) == 0.5  # of the time, one of them is at the store
    assert pace_of(client, 3, None).most_bytes_a_second is None


def test_a_task_writes_nothing_to_a_store_that_was_not_told_of_the_generation(
    filed: Workspace, client: redis.Redis, store: str
) -> None:
    forget = Counting(lambda: client.delete(meta_key(1)))
    with pytest.raises(SurroundingsError, match=r"as a task reaches it, has nothing of generation 1, expected"):
        by_tasks(filed, 1, client, store, forget)
    assert served(client) is None
    assert count_rows(client, 1) == 2 * USERS_A_BLOCK


def test_a_task_writes_nothing_of_a_generation_that_another_publisher_has_claimed(
    filed: Workspace, client: redis.Redis, store: str
) -> None:
    def claim() -> None:
        meta = read_meta(client, 1)
        assert meta is not None
        client.set(meta_key(1), encode_json(replace(meta, identity="f" * 32)))

    with pytest.raises(SurroundingsError, match=r"has the identity f{32} of generation 1, expected the identity"):
        by_tasks(filed, 1, client, store, Counting(claim))
    assert served(client) is None
    assert count_rows(client, 1) == 2 * USERS_A_BLOCK


def test_rows_that_are_lost_between_two_tasks_are_missed(filed: Workspace, client: redis.Redis, store: str) -> None:
    publish(filed, 1, client, store, silent)
    lose = Counting(lambda: client.delete(row_key(2, next(iter(rows_on_disk(filed, 2))))))
    with pytest.raises(
        SurroundingsError, match=rf"the store holds {USERS - 1} rows of generation 2, {USERS} were written"
    ):
        by_tasks(filed, 2, client, store, lose)
    assert served(client) == Served(1, 1)


def test_a_store_that_stops_taking_rows_of_a_task_is_told_with_how_far_it_came(
    filed: Workspace, client: redis.Redis, store: str
) -> None:
    publish(filed, 1, client, store, silent)
    full = Counting(lambda: client.config_set("maxmemory", 1))
    try:
        with pytest.raises(
            SurroundingsError, match=rf"of generation 2 when it had 4,096 of {USERS:,}: .*raise its maxmemory"
        ):
            by_tasks(filed, 2, client, store, full)
    finally:
        client.config_set("maxmemory", 0)
    assert served(client) == Served(1, 1)
    assert by_tasks(filed, 2, client, store, Counting()).previous == 1
    assert stored_rows(client, filed, 2) == rows_on_disk(filed, 2)


def test_several_writers_without_processes_are_refused(filed: Workspace) -> None:
    refused = call("publish", "--workspace", str(filed.root), "--writers", "2")
    assert_refused(refused, 2, "--writers 2 are processes, and the executor is serial", "--executor processes or ray")
