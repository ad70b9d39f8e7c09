"""Full disks: a step fails whole, what could not be written is still in the store, and the next try has it all."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import polars as pl
import pytest
import redis
from fault_rounds import differences
from faults import Service, running_service, until
from killed_runs import killed_runs
from posted_events import body, event
from small_disk import SmallDisk, small_disk
from streamed_events import event_ids
from streamed_logs import append, assert_whole, draw_entries, ids_of

from artwork.bench.testbed.store_fixture import StoreFixture, publish
from bandit.errors import SurroundingsError
from bandit.snapshot import event_stream_key
from batch.config import Config
from batch.events.arrivals import JoinSettings
from batch.events.ingest import ingest
from batch.store.client import URL_VARIABLE, connect
from batch.store.embedded import FSYNC_VARIABLE, start_store, stop_store
from batch.workspace.files import write_parquet
from batch.workspace.lock import only_job
from batch.workspace.workspace import Workspace

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(os.geteuid() != 0, reason="a file system of its own needs root"),
]

SETTINGS = JoinSettings(horizon_days=2)
ROOM = [0, 1 << 12, 1 << 13, 20_000, 60_000, 120_000, 250_000]
"""Bytes that are free when a run begins: it ends at another step each time."""
SURROUNDINGS_FAILED = 3


def test_a_run_on_a_full_disk_fails_whole_and_what_is_not_on_disk_is_in_the_store(
    served: Workspace, store: str, client: redis.Redis
) -> None:
    entries = draw_entries(served, 300, 6)
    share = -(-len(entries) // len(ROOM))
    with small_disk(32) as disk:
        workspace = Workspace(disk.folder / "w")
        shutil.copytree(served.root, workspace.root)
        with killed_runs(workspace.root, store) as runs:
            codes = []
            for number, room in enumerate(ROOM):
                append(client, entries[number * share : (number + 1) * share])
                disk.fill(room)
                codes.append(runs.run()[0])
                in_store = [json_ids(fields) for stream in range(3) for _, fields in waiting(client, stream)]
                known = set(event_ids(workspace)).union(*in_store)
                assert known == set(ids_of(entries[: (number + 1) * share]))
                assert_whole(workspace, client)
                disk.clear()
            assert set(codes) <= {0, SURROUNDINGS_FAILED}
            assert codes[0] == SURROUNDINGS_FAILED
            assert len([code for code in codes if code]) > 3
            assert runs.run()[0] == 0
        assert event_ids(workspace) == ids_of(entries)
        assert list(workspace.root.rglob("*.tmp")) == []
        shutil.copytree(workspace.root, served.root.parent / "again")
        assert differences(Workspace(served.root.parent / "again"), Config(), SETTINGS) == []


def waiting(client: redis.Redis, partition: int) -> Any:
    return client.xrange(event_stream_key(partition))


def json_ids(fields: dict[bytes, bytes]) -> set[str]:
    return {one["event_id"] for one in orjson.loads(fields[b"events"])}


@pytest.fixture(params=["always", "everysec"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """A disk with a workspace whose embedded store serves a generation."""
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    monkeypatch.setenv(FSYNC_VARIABLE, request.param)
    with small_disk(16) as disk:
        root = disk.folder / "w"
        root.mkdir()
        try:
            with connect(start_store(root).url) as client:
                publish(client, StoreFixture(users=20, titles=4), 1, flip=1)
            yield disk
        finally:
            disk.clear()
            stop_store(root, force=True)


def test_a_store_whose_disk_is_full_takes_no_events_and_loses_none_that_it_took(disk: SmallDisk) -> None:
    root = disk.folder / "w"
    accepted: list[str] = []
    with running_service(root, start_store(root).url, event_partitions="2") as service:
        until(lambda: service.get("/readyz").status_code == 200, "ready")
        post(service, accepted, 20, 202)
        disk.fill()
        until(lambda: posted(service, accepted, "full") == 503, "refused")
        assert service.get("/v1/users/u1/titles/t1/artwork").status_code == 200
        disk.clear()
        until(lambda: start_store(root).pid > 0 and posted(service, accepted, "again") == 202, "taken again")
        post(service, accepted, 20, 202)
    ingest(Workspace(root), start_store(root).url, lambda *_: None)
    assert set(accepted) <= set(event_ids(Workspace(root)))


def post(service: Service, accepted: list[str], count: int, status: int) -> None:
    for _ in range(count):
        assert posted(service, accepted, "e") == status


def posted(service: Service, accepted: list[str], name: str) -> int:
    """Post some events that are large enough to fill what is left of a page; the status."""
    ids = [f"{name}-{len(accepted)}-{number}" for number in range(50)]
    content = body(*(event(event_id=one, user_id=f"u{len(accepted) % 20}") for one in ids))
    status = httpx.post(service.address + "/v1/events", content=content, timeout=30).status_code
    if status == 202:
        accepted.extend(ids)
    return status


WHOLE = range(0, 900, 50)
"""Rows: with some, it is the last bytes of the file that do not fit."""


def test_a_table_that_does_not_fit_is_refused_as_the_disk_wherever_it_ends(tmp_path: Path) -> None:
    with small_disk(4) as disk:
        for rows in WHOLE:
            numbers = pl.Series(range(rows), dtype=pl.Int64)
            frame = pl.DataFrame(
                {f"c{n}": numbers * n for n in range(6)} | {"text": [f"{n:x}" * 3 for n in range(rows)]}
            )
            for room in (0, 4096, 8192):
                disk.fill(room)
                with suppress(SurroundingsError):
                    write_parquet(disk.folder / "table", frame)
                    assert pl.read_parquet(disk.folder / "table").equals(frame)
                disk.clear()
                (disk.folder / "table").unlink(missing_ok=True)
                assert list(disk.folder.iterdir()) == []


LOCKED: dict[str, Callable[[Workspace], object]] = {
    "job": lambda there: enter(only_job(there, "run")),
    "ingest": lambda there: ingest(there, "unix:///nowhere", lambda *_: None),
}


def enter(held: AbstractContextManager[None]) -> None:
    with held:
        pass


@pytest.mark.parametrize("lock", LOCKED)
def test_a_lock_on_a_full_disk_says_that_it_is_the_disk(served: Workspace, lock: str) -> None:
    with small_disk(32) as disk:
        there = Workspace(disk.folder / "w")
        shutil.copytree(served.root, there.root)
        disk.fill()
        with pytest.raises(SurroundingsError, match="No space left on device; check the disk"):
            LOCKED[lock](there)
