"""The embedded store of a workspace: one process, whoever starts it, that keeps its data and can be stopped."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from shell import artwork, artwork_started, listing, runtime_folder

from bandit.errors import InputError, SurroundingsError
from bandit.urls import read_store_url
from batch.store.client import URL_VARIABLE, connect
from batch.store.embedded import FSYNC_VARIABLE, start_store, stop_store, store_pid, store_url


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A short runtime folder, for sockets that no other test sees."""
    with runtime_folder() as folder:
        monkeypatch.delenv(URL_VARIABLE, raising=False)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield folder


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    stop_store(tmp_path)


def kill(pid: int) -> None:
    """SIGKILL a store that this process started."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def result_of(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    answer: dict[str, object] = json.loads(out)
    return answer


def test_starting_twice_is_one_process(root: Path) -> None:
    first, second = start_store(root), start_store(root)
    assert (first.started, second.started) == (True, False)
    assert first.pid == second.pid == store_pid(root)
    assert first.url == second.url


def test_two_commands_that_start_it_at_once_start_one_process(root: Path) -> None:
    both = [artwork_started("store", "start", "-w", str(root), "--json") for _ in range(2)]
    first, second = (result_of(process) for process in both)
    assert first["pid"] == second["pid"] == store_pid(root)
    assert sorted([bool(first["started"]), bool(second["started"])]) == [False, True]


def test_it_outlives_the_command_that_started_it(root: Path) -> None:
    assert artwork("store", "start", "-w", str(root)).returncode == 0
    with closing(connect(store_url(root, start=False))) as client:
        assert client.ping()


def test_stopping_ends_its_process_and_stopping_again_says_that_none_runs(root: Path) -> None:
    pid = start_store(root).pid
    assert stop_store(root) == pid
    assert store_pid(root) is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    again = artwork("store", "stop", "-w", str(root))
    assert (again.returncode, again.stdout) == (0, "no embedded store runs for this workspace\n")


def test_its_data_survives_a_stop_and_a_start(root: Path) -> None:
    with connect(start_store(root).url) as client:
        client.set("art:test", "kept")
    stop_store(root)
    with connect(start_store(root).url) as client:
        assert client.get("art:test") == b"kept"


def test_what_was_synced_survives_a_kill_and_its_socket_file_is_no_obstacle(root: Path) -> None:
    made = start_store(root)
    with connect(made.url) as client:
        client.set("art:test", "kept")
        client.waitaof(1, 0, 10_000)
    kill(made.pid)
    assert Path(made.url.removeprefix("unix://")).exists()
    again = start_store(root)
    assert again.started
    assert again.pid != made.pid
    with connect(again.url) as client:
        assert client.get("art:test") == b"kept"


def test_stores_of_two_workspaces_are_two(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    try:
        first, second = start_store(root), start_store(other)
        with connect(first.url) as client:
            client.set("art:test", "of the first")
        with connect(second.url) as client:
            assert client.get("art:test") is None
        assert first.pid != second.pid
    finally:
        stop_store(other)


def test_it_never_evicts_and_takes_no_connections_from_the_network(root: Path) -> None:
    with connect(start_store(root).url) as client:
        settings = client.config_get("maxmemory-policy", "port", "appendonly")
    assert settings == {"maxmemory-policy": "noeviction", "port": "0", "appendonly": "yes"}


@pytest.mark.parametrize(("given", "kept"), [(None, "everysec"), ("", "everysec"), ("always", "always")])
def test_its_file_is_synced_each_second_or_before_each_answer(
    root: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, kept: str
) -> None:
    if given is not None:
        monkeypatch.setenv(FSYNC_VARIABLE, given)
    with connect(start_store(root).url) as client:
        assert client.config_get("appendfsync") == {"appendfsync": kept}


def test_a_store_that_is_started_again_syncs_as_it_was_told_last(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def synced() -> str:
        with connect(start_store(root).url) as client:
            return str(client.config_get("appendfsync")["appendfsync"])

    monkeypatch.setenv(FSYNC_VARIABLE, "always")
    os.kill(start_store(root).pid, signal.SIGKILL)
    monkeypatch.delenv(FSYNC_VARIABLE)  # as of a job by the clock that finds the store gone
    assert synced() == "always"
    monkeypatch.setenv(FSYNC_VARIABLE, "everysec")  # said of one that runs
    assert synced() == "everysec"
    stop_store(root)
    monkeypatch.delenv(FSYNC_VARIABLE)
    assert synced() == "everysec"


@pytest.mark.parametrize("content", ['"no"', "", "[", '"\u0000"'])
def test_a_store_that_cannot_know_how_it_was_told_to_sync_is_not_started(root: Path, content: str) -> None:
    start_store(root)
    stop_store(root)
    (root / "store" / "fsync.json").write_text(content)
    with pytest.raises(
        SurroundingsError, match=r"fsync\.json has .*, expected everysec or always; set ARTWORK_STORE_FSYNC"
    ):
        start_store(root)


@pytest.mark.parametrize("given", ["no", "ALWAYS", "1"])
def test_another_word_for_when_its_file_is_synced_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(FSYNC_VARIABLE, given)
    with pytest.raises(InputError, match=r"ARTWORK_STORE_FSYNC is .*expected everysec or always"):
        start_store(root)
    assert store_pid(root) is None


def test_a_store_that_does_not_run_and_may_not_be_started_says_what_to_do(root: Path) -> None:
    with pytest.raises(SurroundingsError, match=rf"does not run; start it with `artwork store start.*{URL_VARIABLE}"):
        store_url(root, start=False)
    assert listing(root) == {}


def test_no_store_is_started_for_a_workspace_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere is not a folder; expected a workspace"):
        store_url(tmp_path / "nowhere")
    assert listing(tmp_path) == {}


def test_a_frozen_store_is_neither_started_twice_nor_waited_for_without_end(root: Path) -> None:
    pid = start_store(root).pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(SurroundingsError, match="failed: Timeout"):
            start_store(root)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert store_pid(root) == pid


def test_a_log_that_cannot_be_written_is_named_before_a_process_is_started(root: Path) -> None:
    log = root / "store" / "valkey.log"
    log.mkdir(parents=True)
    with pytest.raises(SurroundingsError, match=r"valkey\.log cannot be opened: Is a directory; remove it"):
        start_store(root)
    assert store_pid(root) is None


def test_the_variable_goes_before_the_embedded_store(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "redis://elsewhere:6379/2")
    assert store_url(root) == "redis://elsewhere:6379/2"
    assert listing(root) == {}


@pytest.mark.parametrize(
    "url",
    ["http://host:6379", "host:6379", "redis:/host", "redis://host:port", "redis://[::1", "redis://h?socket_timeout=x"],
)
def test_a_url_that_no_client_understands_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=rf"{URL_VARIABLE} is .*, expected a URL"):
        read_store_url(url)
