"""A damaged append-only file: refused by name, put aside whole, and the store published again from the workspace."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from make_impressions import make_generation, silent, stored_rows
from shell import artwork, assert_refused, call, runtime_folder

from bandit.errors import SurroundingsError
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.publishing.flips import activate, read_current, read_meta
from batch.publishing.publish import publish
from batch.publishing.rebuild import rebuild_store
from batch.store.append_only import NAME, last_current
from batch.store.client import URL_VARIABLE, connect
from batch.store.embedded import start_store, stop_store, store_pid
from batch.workspace.generations import folder_of
from batch.workspace.workspace import Workspace

Damage = Callable[[Path], object]


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with runtime_folder() as folder:
        monkeypatch.delenv(URL_VARIABLE, raising=False)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield folder


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, made: Workspace) -> Path:
    """A workspace with two generations, the older one served again, and an append-only file of base and commands."""
    root = tmp_path_factory.mktemp("published") / "w"
    shutil.copytree(made.root, root)
    with runtime_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        patch.delenv(URL_VARIABLE, raising=False)
        url = start_store(root).url
        with connect(url) as client:
            publish(Workspace(root), 1, client, url, silent)
            client.bgrewriteaof()
            wait_until_rewritten(client)
            publish(Workspace(root), 2, client, url, silent)
            activate(client, 1)
        stop_store(root)
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("made"))
    write(made, synthetic.build(n_users=300, n_titles=12, seed=3))
    assert [make_generation(made) for _ in range(2)] == [1, 2]
    return made


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "w"
    shutil.copytree(published, root)
    yield root
    stop_store(root)


def wait_until_rewritten(client: redis.Redis) -> None:
    while client.info("persistence")["aof_rewrite_in_progress"] or client.info("persistence")["aof_rewrite_scheduled"]:
        pass


def the(root: Path, pattern: str) -> Path:
    (path,) = (root / "store" / NAME).glob(pattern)
    return path


def overwrite_middle(path: Path, by: bytes) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(by)] = by
    path.write_bytes(content)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def append(path: Path, what: bytes) -> None:
    path.write_bytes(path.read_bytes() + what)


def put_a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.touch()


DAMAGES: dict[str, Damage] = {
    "zeros after a crash": lambda root: append(the(root, "*.incr.aof"), bytes(4096)),
    "a command that is none": lambda root: append(the(root, "*.incr.aof"), b"*1\r\n$3\r\nrot\r\n"),
    "rubbish in the middle of the commands": lambda root: overwrite_middle(the(root, "*.incr.aof"), b"\0" * 2048),
    "rubbish in the middle of the base": lambda root: overwrite_middle(the(root, "*.base.rdb"), b"\xff" * 40),
    "half a base": lambda root: cut(the(root, "*.base.rdb")),
    "an empty base": lambda root: the(root, "*.base.rdb").write_bytes(b""),
    "no base": lambda root: the(root, "*.base.rdb").unlink(),
    "no commands": lambda root: the(root, "*.incr.aof").unlink(),
    "no manifest": lambda root: the(root, "*.manifest").unlink(),
    "an empty manifest": lambda root: the(root, "*.manifest").write_bytes(b""),
    "half a manifest": lambda root: cut(the(root, "*.manifest")),
    "a manifest that is rubbish": lambda root: the(root, "*.manifest").write_bytes(b"\xffrubbish\n"),
    "a manifest of files elsewhere": lambda root: the(root, "*.manifest").write_text("file ../x.aof seq 1 type i\n"),
    "a file in place of the folder": lambda root: put_a_file(root / "store" / NAME),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_refused_by_name_and_rebuilt_with_what_was_served(damage: Damage, root: Path) -> None:
    damage(root)
    before = {path.name: path.read_bytes() for path in (root / "store" / NAME).glob("*")}
    with pytest.raises(SurroundingsError, match=rf"{NAME} is damaged: .*`artwork store rebuild --workspace {root}`"):
        start_store(root)
    assert store_pid(root) is None
    rebuilt = rebuild_store(Workspace(root), silent)
    assert rebuilt.put_aside is not None
    assert {path.name: path.read_bytes() for path in rebuilt.put_aside.glob("*")} == before
    assert rebuilt.published is not None
    with connect(rebuilt.url) as client:
        current = read_current(client)
        assert current is not None
        assert current.generation == rebuilt.published.generation
        assert rebuilt.served in {None, 1, 2}  # what the file still tells
        assert rebuilt.published.generation == (rebuilt.served or 2)
        assert len(stored_rows(client, Workspace(root), current.generation)) == rebuilt.published.rows == 300


def test_what_was_served_is_read_from_a_file_that_cannot_be_loaded(root: Path) -> None:
    append(the(root, "*.incr.aof"), bytes(4096))
    current = last_current(root / "store")
    assert current is not None
    assert (current.generation, current.previous) == (1, 2)


def test_a_rebuilt_generation_is_the_same_as_before(root: Path) -> None:
    with connect(start_store(root).url) as client:
        meta, rows = read_meta(client, 1), stored_rows(client, Workspace(root), 1)
    rebuilt = rebuild_store(Workspace(root), silent)
    with connect(rebuilt.url) as client:
        assert read_meta(client, 1) == meta
        assert stored_rows(client, Workspace(root), 1) == rows
        assert read_meta(client, 2) is None


def test_a_running_store_whose_file_was_taken_away_is_rebuilt_with_what_it_serves(root: Path) -> None:
    store = start_store(root)
    with connect(store.url) as client:
        activate(client, 2)
    shutil.rmtree(root / "store" / NAME)
    rebuilt = rebuild_store(Workspace(root), silent)
    assert (rebuilt.stopped, rebuilt.served, rebuilt.put_aside) == (store.pid, 2, None)
    assert rebuilt.published is not None
    assert rebuilt.published.generation == 2
    assert rebuilt.pid == store_pid(root) != store.pid


def test_every_command_that_starts_the_store_names_what_mends_it(root: Path) -> None:
    the(root, "*.base.rdb").unlink()
    for words in (("publish",), ("generations", "list"), ("store", "start"), ("serve", "--port", "0")):
        assert_refused(
            call(*words, "-w", str(root)), 3, "base.rdb is missing", f"artwork store rebuild --workspace {root}"
        )


def test_a_generation_whose_files_have_changed_gives_way_to_the_newest_that_is_whole(root: Path) -> None:
    append(folder_of(Workspace(root), 1) / "catalogue.parquet", b"x")
    the(root, "*.base.rdb").unlink()
    answer = artwork("store", "rebuild", "-w", str(root))
    assert answer.returncode == 0, answer.stderr
    assert (
        "generation 2 is current (the newest one that is whole; 1 was served, and the workspace does not"
        in answer.stdout
    )


def test_a_workspace_without_generations_gets_an_empty_store(root: Path) -> None:
    shutil.rmtree(root / "generations")
    answer = call("store", "rebuild", "-w", str(root))
    assert answer.code == 0, answer.err
    assert "put aside as" in answer.out
    assert "no generation to publish; `artwork run`" in answer.out


def test_rebuilding_twice_keeps_both_files_aside(root: Path) -> None:
    first, second = (json.loads(call("store", "rebuild", "-w", str(root), "--json").out) for _ in range(2))
    assert first["put_aside"] != second["put_aside"]
    assert Path(first["put_aside"]).is_dir()
    assert Path(second["put_aside"]).is_dir()
    assert second["stopped"] == first["pid"]


def test_a_file_that_ends_in_the_middle_of_a_command_is_taken_up_to_it(root: Path) -> None:
    """What a crash leaves: everything before is whole, and a publisher that died at any step is no trouble."""
    append(the(root, "*.incr.aof"), b"*3\r\n$3\r\nSET\r\n$11\r\nart:cur")
    store = start_store(root)
    assert "ended in the middle of a command and was cut there (Truncating the AOF appendonly.aof" in store.note
    with connect(store.url) as client:
        current = read_current(client)
    assert current is not None
    assert current.generation == 1


def test_a_file_that_was_cut_in_half_is_told_when_the_store_starts_and_mended_by_a_rebuild(root: Path) -> None:
    cut(the(root, "*.incr.aof"))
    answer = call("store", "start", "-w", str(root))
    assert answer.code == 0
    assert "if more is missing than the last second, `artwork store rebuild" in answer.out
    assert call("store", "start", "-w", str(root)).out.count("\n") == 1  # it runs already, and there is nothing to tell
    rebuilt = rebuild_store(Workspace(root), silent)
    assert rebuilt.published is not None
    assert rebuilt.published.rows == 300


def test_what_a_rewrite_left_that_was_killed_is_no_damage(root: Path) -> None:
    shutil.copy(the(root, "*.base.rdb"), root / "store" / NAME / "appendonly.aof.9.base.rdb")
    (root / "store" / NAME / "appendonly.aof.9.incr.aof").touch()
    (root / "store" / "temp-rewriteaof-bg-1.aof").write_bytes(b"half")
    assert start_store(root).started


def test_the_status_tells_whether_it_runs_and_what_it_serves(root: Path) -> None:
    assert "the store does not run" in call("store", "status", "-w", str(root)).out
    store = start_store(root)
    status = json.loads(call("store", "status", "-w", str(root), "--json").out)
    assert (status["running"], status["pid"], status["url"], status["generation"]) == (True, store.pid, store.url, 1)
    assert "it serves generation 1 and uses" in call("store", "status", "-w", str(root)).out


def test_the_status_of_a_store_with_foreign_values_says_so(root: Path) -> None:
    with connect(start_store(root).url) as client:
        client.set("art:current", "rubbish")
    answer = call("store", "status", "-w", str(root))
    assert answer.code == 0
    assert "holds what no publisher wrote" in answer.out
