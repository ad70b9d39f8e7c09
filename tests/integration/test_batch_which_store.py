"""Which server is the one of a workspace: copies, moves, damaged records, sockets that are gone, awkward paths."""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shell import runtime_folder

from bandit.errors import SurroundingsError
from batch.store.client import URL_VARIABLE, connect
from batch.store.embedded import running_store, start_store, stop_store, store_pid, store_url
from batch.store.server import is_held, socket_of, store_folder
from service.lookup.store import RedisStore
from service.lookup.store_link import StoreLink


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder() as folder:
        monkeypatch.delenv(URL_VARIABLE, raising=False)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "w").mkdir()
    yield tmp_path / "w"
    stop_store(tmp_path / "w")


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of a workspace whose store runs and holds something."""
    with connect(start_store(root).url) as client:
        client.set("art:test", "of the original")
        client.waitaof(1, 0, 10_000)
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    yield copy
    stop_store(copy)


def test_a_copied_workspace_has_a_store_of_its_own(root: Path, copy: Path) -> None:
    original = store_pid(root)
    assert store_pid(copy) is None
    assert stop_store(copy) is None
    made = start_store(copy)
    assert (made.started, made.pid == original) == (True, False)
    with connect(made.url) as client:
        assert client.get("art:test") == b"of the original"
        client.set("art:test", "of the copy")
    with connect(store_url(root, start=False)) as client:
        assert client.get("art:test") == b"of the original"
    assert stop_store(copy) == made.pid
    assert store_pid(root) == original


def test_a_copy_does_not_wait_for_an_original_that_is_frozen(root: Path, copy: Path) -> None:
    original = store_pid(root)
    assert original is not None
    os.kill(original, signal.SIGSTOP)
    try:
        assert start_store(copy).started
    finally:
        os.kill(original, signal.SIGCONT)


def test_a_store_that_is_frozen_is_named_by_its_process_and_neither_started_again_nor_stopped(root: Path) -> None:
    pid = start_store(root).pid
    os.kill(pid, signal.SIGSTOP)
    try:
        for ask in (start_store, stop_store, running_store):
            with pytest.raises(
                SurroundingsError, match=f"failed: Timeout.*process {pid} takes connections.*kill -9 {pid}"
            ):
                ask(root)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert store_pid(root) == pid


def test_a_moved_workspace_keeps_its_store_and_a_new_one_in_its_place_gets_another(root: Path, tmp_path: Path) -> None:
    store = start_store(root)
    moved = root.rename(tmp_path / "moved")
    root.mkdir()
    try:
        assert store_pid(moved) == store.pid
        new = start_store(root)
        assert new.started
        assert new.url != store.url
        assert start_store(moved).pid == store.pid
    finally:
        assert stop_store(moved) == store.pid
    assert store_pid(root) == new.pid


def test_a_workspace_is_the_same_by_a_link_to_it(root: Path, tmp_path: Path) -> None:
    store = start_store(root)
    (tmp_path / "link").symlink_to(root)
    assert start_store(tmp_path / "link") == running_store(root)
    assert stop_store(tmp_path / "link") == store.pid


def test_the_record_names_the_folder_of_the_store(root: Path) -> None:
    store = start_store(root)
    record = json.loads((root / "store" / "server.json").read_text())
    assert record == {"pid": store.pid, "socket": str(socket_of(root / "store")), "folder": str(root / "store")}


RECORDS: dict[str, Callable[[dict[str, object]], str | bytes] | str | bytes] = {
    "empty": "",
    "half of it": lambda record: json.dumps(record)[:20],
    "rubbish": b"\xff\x00",
    "a list": "[]",
    "a text": '"socket"',
    "nested without end": "[" * 60_000,
    "huge": lambda record: json.dumps(record) + " " * 100_000_000,
    "no socket": lambda record: json.dumps({"pid": record["pid"]}),
    "a process by name": lambda record: json.dumps(record | {"pid": "me"}),
    "all processes": lambda record: json.dumps(record | {"pid": -1}),
    "the own group": lambda record: json.dumps(record | {"pid": 0}),
    "process 1": lambda record: json.dumps(record | {"pid": 1}),
    "this process": lambda record: json.dumps(record | {"pid": os.getpid()}),
    "a process that is none": lambda record: json.dumps(record | {"pid": 2**31 - 2}),
    "a number that is no process": lambda record: json.dumps(record | {"pid": 2**70}),
    "true": lambda record: json.dumps(record | {"pid": True}),
    "a fraction": lambda record: json.dumps(record | {"pid": 2.5}),
    "a socket of another type": lambda record: json.dumps(record | {"socket": ["s"]}),
    "a socket with a zero": lambda record: json.dumps(record | {"socket": "/a\0b"}),
    "a relative socket": lambda record: json.dumps(record | {"socket": "valkey.sock"}),
    "a socket that is gone": lambda record: json.dumps(record | {"socket": "/nowhere/valkey.sock"}),
    "a socket without a character": lambda record: json.dumps(
        record | {"socket": str(record["socket"]).replace("valkey", "\ud800")}
    ),
    "a socket in a folder with half a character": lambda record: json.dumps(
        record | {"socket": f"/\ud800/artwork-bandit-{os.getuid()}/n/valkey.sock"}
    ),
    "a socket of ours elsewhere": lambda record: json.dumps(
        record | {"socket": f"/nowhere/artwork-bandit-{os.getuid()}/n/valkey.sock"}
    ),
    "a socket too long": lambda record: json.dumps(record | {"socket": "/" + "s" * 5000}),
}


@pytest.mark.parametrize("damage", RECORDS.values(), ids=RECORDS.keys())
def test_a_damaged_record_loses_no_store_and_ends_no_process(
    damage: Callable[[dict[str, object]], str | bytes] | str | bytes, root: Path
) -> None:
    store = start_store(root)
    path = root / "store" / "server.json"
    text = damage(json.loads(path.read_text())) if callable(damage) else damage
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert store_pid(root) == store.pid
    assert not start_store(root).started
    assert stop_store(root) == store.pid
    assert stop_store(root) is None  # and this process is still there to say so
    assert start_store(root).started


def test_a_recorded_process_that_is_another_by_now_is_neither_believed_nor_ended(root: Path) -> None:
    start_store(root)
    stop_store(root)
    path = root / "store" / "server.json"
    with subprocess.Popen(["sleep", "60"], cwd=root / "store") as other:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": other.pid}))
        assert store_pid(root) is None
        assert stop_store(root) is None
        assert start_store(root).started
        assert other.poll() is None
        other.kill()


def test_a_record_of_another_store_that_runs_is_not_believed(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    try:
        theirs = start_store(other)
        (root / "store").mkdir()
        shutil.copy(other / "store" / "server.json", root / "store" / "server.json")
        assert store_pid(root) is None
        assert stop_store(root) is None
        ours = start_store(root)
        shutil.copy(other / "store" / "server.json", root / "store" / "server.json")
        assert store_pid(root) == ours.pid
        assert stop_store(root) == ours.pid
        assert store_pid(other) == theirs.pid
    finally:
        stop_store(other)


def test_a_store_whose_socket_is_gone_is_not_started_twice_and_can_be_stopped(root: Path, runtime: Path) -> None:
    """As when a session ends and takes /run/user/1000 along."""
    store = start_store(root)
    shutil.rmtree(runtime / f"artwork-bandit-{os.getuid()}")
    with pytest.raises(
        SurroundingsError, match=f"runs as process {store.pid} but does not answer.*`artwork store stop"
    ):
        start_store(root, seconds=0.2)
    assert store_pid(root) is None
    assert stop_store(root) == store.pid
    assert start_store(root).started


def test_a_store_without_lock_and_socket_is_still_known_by_its_process(root: Path, runtime: Path) -> None:
    store = start_store(root)
    (root / "store" / "lock").unlink()
    shutil.rmtree(runtime / f"artwork-bandit-{os.getuid()}")
    with pytest.raises(SurroundingsError, match=f"runs as process {store.pid}"):
        start_store(root, seconds=0.2)
    assert stop_store(root) == store.pid


def test_a_lock_that_something_else_holds_is_told_with_what_names_it(root: Path) -> None:
    (root / "store").mkdir()
    with (root / "store" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SurroundingsError, match=r"another process holds .*lock.* `fuser -v .*lock` names it"):
            start_store(root, seconds=0.2)
        with pytest.raises(SurroundingsError, match="another process holds"):
            stop_store(root)
    assert start_store(root).started


def test_the_lock_is_held_as_long_as_the_server_lives(root: Path) -> None:
    folder = store_folder(root)
    store = start_store(root)
    assert is_held(folder)
    os.kill(store.pid, signal.SIGKILL)
    os.waitpid(store.pid, 0)
    assert not is_held(folder)


def test_a_workspace_that_was_removed_and_made_again_gets_a_new_store(root: Path) -> None:
    old = start_store(root)
    shutil.rmtree(root / "store")
    try:
        assert store_pid(root) is None
        new = start_store(root)
        assert new.started
        assert new.url != old.url
    finally:
        os.kill(old.pid, signal.SIGKILL)
        os.waitpid(old.pid, 0)


def test_a_store_that_still_reads_its_file_is_waited_for_by_every_command(root: Path) -> None:
    with connect(start_store(root).url) as client:
        for part in range(20):
            client.mset({f"art:{part}:{number}": b"x" * 20 for number in range(20_000)})
    stop_store(root)
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "artwork.cli", "store", "start", "-w", str(root), "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    first, second = (json.loads(out) for out, _ in answers)
    assert first["pid"] == second["pid"] == store_pid(root)
    assert sorted([first["started"], second["started"]]) == [False, True]
    with connect(store_url(root, start=False)) as client:
        assert client.dbsize() == 400_000


# --- awkward paths ---------------------------------------------------------------------------------------------------------


async def read_by_service(url: str) -> bytes | None:
    """A value as the poller reads it, once the connection for rows is up as well."""
    up = asyncio.Event()
    link = asyncio.create_task(StoreLink(url, lambda _: up.set(), lambda: None).keep())
    store = RedisStore(url, deadline_ms=5000)
    try:
        await asyncio.wait_for(up.wait(), 10)
        return await store.get("art:test", 1000)
    finally:
        await store.close()
        link.cancel()
        await asyncio.wait([link])


@pytest.mark.parametrize(
    "name",
    ["50%", "%41", "a?b=1", "a#b", "a@b:c", "a b", " a ", "a\nb", "女🎨é", "a&b;c", "--dir", "a'\"\\", "[a]", "é" * 40],
)
def test_awkward_names_of_workspace_and_runtime_folder_are_no_obstacle(
    name: str, tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runtime / name).mkdir(mode=0o700)
    (tmp_path / name).mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / name))
    store = start_store(tmp_path / name)
    try:
        assert "\n" not in store.url
        with connect(store.url) as client:
            client.set("art:test", "x")
        assert asyncio.run(read_by_service(store.url)) == b"x"
        assert store_url(tmp_path / name, start=False) == store.url
        assert store_pid(tmp_path / name) == store.pid
    finally:
        assert stop_store(tmp_path / name) == store.pid


def test_a_socket_of_107_bytes_is_used_and_one_of_108_is_not(
    root: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "store").mkdir()
    below = len(os.fsencode(socket_of(root / "store"))) - len(os.fsencode(runtime))
    for length in (107, 108):
        folder = runtime / ("é" * 3 + "x" * (length - below - len(os.fsencode(runtime)) - 1 - 6))
        folder.mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        monkeypatch.setenv("TMPDIR", str(runtime))
        socket = socket_of(root / "store")
        assert socket.is_relative_to(folder) == (length == 107)
        assert start_store(root).started
        assert socket.is_socket()
        stop_store(root)


def test_a_workspace_whose_path_a_server_cannot_tell_is_refused(tmp_path: Path) -> None:
    deep = tmp_path
    while len(str(deep)) < 1000:
        deep /= "d" * 100
    deep.mkdir(parents=True)
    with pytest.raises(SurroundingsError, match="bytes, and an embedded store takes at most 1000; move the workspace"):
        start_store(deep)
