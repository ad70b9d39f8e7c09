"""``artwork ingest`` and ``artwork events dead`` as commands: output, exit codes, signals, and which store they ask."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import redis
from faults import new_store, until
from shell import HANG_SECONDS, artwork, artwork_started, call
from streamed_events import add, event_ids, fields, stored

from bandit.snapshot import DEAD_EVENTS_KEY, event_stream_key
from batch.events import ingest as module
from batch.workspace.workspace import Workspace

NOWHERE = "redis://127.0.0.1:1/0"


def test_ingest_tells_what_it_took(tmp_path: Path, store: str, client: redis.Redis) -> None:
    add(client, "e1", "e2")
    client.xadd(event_stream_key(0), {"what": "ever"})
    told = call("ingest", "-w", str(tmp_path), "--json", ARTWORK_REDIS_URL=store)
    assert (told.code, told.err) == (0, "")
    assert json.loads(told.out) == {"entries": 1, "events": 2, "dead": 1, "segments": 1, "again": 0, "gone": 0}


def test_ingest_points_to_what_it_put_aside(tmp_path: Path, store: str, client: redis.Redis) -> None:
    client.xadd(event_stream_key(0), {"what": "ever"})
    assert "`artwork events dead`" in call("ingest", "-w", str(tmp_path), ARTWORK_REDIS_URL=store).out


def test_ingest_asks_the_store_of_events_where_one_is_named(tmp_path: Path, store: str, client: redis.Redis) -> None:
    add(client, "e1")
    told = call("ingest", "-w", str(tmp_path), ARTWORK_REDIS_URL=NOWHERE, ARTWORK_EVENTS_URL=store)
    assert told.code == 0
    assert event_ids(Workspace(tmp_path)) == ["e1"]


def test_a_wrong_url_of_the_store_of_events_is_refused_without_its_password(tmp_path: Path) -> None:
    told = call("ingest", "-w", str(tmp_path), ARTWORK_EVENTS_URL="postgres://me:hunter22@host/0")
    assert told.code == 2
    assert "ARTWORK_EVENTS_URL" in told.err
    assert "hunter22" not in told.err


def test_without_a_store_one_shot_ends_with_3(tmp_path: Path) -> None:
    told = call("ingest", "-w", str(tmp_path), ARTWORK_REDIS_URL=NOWHERE)
    assert (told.code, "failed" in told.err) == (3, True)


def test_without_a_workspace_it_is_refused(tmp_path: Path, store: str) -> None:
    assert call("ingest", "-w", str(tmp_path / "none"), ARTWORK_REDIS_URL=store).code == 2


def test_beside_another_ingest_it_ends_with_3_and_names_the_process(tmp_path: Path, store: str) -> None:
    with module._alone(Workspace(tmp_path)):
        told = call("ingest", "-w", str(tmp_path), ARTWORK_REDIS_URL=store)
    assert told.code == 3
    assert "ingests into" in told.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_that_follows_takes_what_comes_and_ends_at_a_signal_with_everything_acknowledged_or_left(
    tmp_path: Path, store: str, client: redis.Redis, number: signal.Signals
) -> None:
    add(client, "e0")
    workspace = Workspace(tmp_path)
    process = artwork_started("ingest", "--follow", "--every", "0.1", "-w", str(tmp_path), ARTWORK_REDIS_URL=store)
    try:
        until(lambda: event_ids(workspace) == ["e0"], "taken")
        for n in range(1, 200):
            add(client, f"e{n}")
        process.send_signal(number)
        _, said = process.communicate(timeout=HANG_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert "Traceback" not in said
    call("ingest", "-w", str(tmp_path), ARTWORK_REDIS_URL=store)
    assert event_ids(workspace) == sorted(f"e{n}" for n in range(200))


def test_one_that_follows_waits_for_a_store_that_went_away(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with new_store() as store:
        words = ["ingest", "--follow", "--every", "0.1", "-w", str(tmp_path)]
        process = artwork_started(*words, ARTWORK_REDIS_URL=store.url)
        try:
            with store.client() as client:
                add(client, "e1")
            until(lambda: event_ids(workspace) == ["e1"], "taken")
            store.kill()
            assert process.stderr is not None
            line = process.stderr.readline()
            assert "trying again in" in line
            store.start()
            with store.client() as client:
                add(client, "e2")
            until(lambda: event_ids(workspace) == ["e1", "e2"], "taken again")
        finally:
            process.terminate()
            process.communicate(timeout=HANG_SECONDS)


def test_dead_letters_are_shown_with_reason_and_place(tmp_path: Path, store: str, client: redis.Redis) -> None:
    add(client, "e1")
    poison: Any = client.xadd(event_stream_key(3), {"v": "9", "later": b"\xff\x1b[31m" + b"x" * 5000})
    call("ingest", "-w", str(tmp_path), ARTWORK_REDIS_URL=store)
    told = call("events", "dead", "-w", str(tmp_path), "--json", ARTWORK_REDIS_URL=store)
    [letter] = json.loads(told.out)["letters"]
    assert (letter["stream"], letter["stream_id"]) == (event_stream_key(3), poison.decode())
    assert letter["reason"].startswith("version")
    text = call("events", "dead", "-w", str(tmp_path), ARTWORK_REDIS_URL=store).out
    assert "version" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) < 300


def test_dead_letters_go_back_one_by_one_or_all(tmp_path: Path, store: str, client: redis.Redis) -> None:
    ids = []
    for n in range(3):
        own = {f"entry:{name}": value for name, value in fields(stored(f"e{n}")).items()}
        letter: Any = {"reason": "version", "stream": event_stream_key(0), "id": "1-0"} | own
        raw: Any = client.xadd(DEAD_EVENTS_KEY, letter)
        ids.append(raw.decode())
    words = ["events", "dead", "-w", str(tmp_path), "--json"]
    one = call(*words, "--requeue", ids[1], ARTWORK_REDIS_URL=store)
    assert json.loads(one.out) == {"requeued": 1, "left": 2}
    everything = call(*words, "--all", ARTWORK_REDIS_URL=store)
    assert json.loads(everything.out) == {"requeued": 2, "left": 0}
    assert call(*words, "--requeue", ids[1], ARTWORK_REDIS_URL=store).code == 2
    assert call(*words, "--requeue", ids[1], "--all", ARTWORK_REDIS_URL=store).code == 2
    call("ingest", "-w", str(tmp_path), ARTWORK_REDIS_URL=store)
    assert event_ids(Workspace(tmp_path)) == ["e0", "e1", "e2"]


def test_there_may_be_no_dead_letters(tmp_path: Path, store: str) -> None:
    told = artwork("events", "dead", "-w", str(tmp_path), ARTWORK_REDIS_URL=store)
    assert (told.returncode, told.stdout.strip()) == (0, "there are no dead letters")
