"""``artwork doctor``: every check tells what is wrong and what to do, and none of them breaks the others."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from shell import call, environment, listing, runtime_folder

from artwork.doctor import Finding, checks_of, examine_one
from batch.store.client import URL_VARIABLE
from batch.store.embedded import start_store, stop_store


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with runtime_folder() as folder:
        for name in set(os.environ) - set(environment()):
            monkeypatch.delenv(name)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def ask(check: str, workspace: Path) -> Finding:
    return examine_one(check, checks_of(workspace)[check])


def test_a_fit_machine_is_told_in_ten_lines_and_nothing_is_written(tmp_path: Path, runtime: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    answer = call("doctor", "-w", str(tmp_path), XDG_RUNTIME_DIR=str(runtime), ARTWORK_PORT=port)
    assert (answer.code, answer.err) == (0, ""), answer.out
    lines = answer.out.splitlines()
    assert len(lines) == 10
    assert all(line.startswith("ok ") for line in lines), answer.out
    assert listing(tmp_path) == listing(runtime) == {}


def test_an_unfit_machine_is_exit_1_and_one_json_document(tmp_path: Path, runtime: Path) -> None:
    answer = call("doctor", "-w", str(tmp_path / "w"), "--json", XDG_RUNTIME_DIR=str(runtime), ARTWORK_PORT="many")
    assert answer.code == 1
    examined = json.loads(answer.out)
    assert examined["fit"] is False
    wrong = [finding for finding in examined["findings"] if finding["remedy"]]
    assert wrong == [
        {"check": "port", "found": "ARTWORK_PORT is 'many'", "remedy": "set it to a number from 0 to 65535"}
    ]


def test_a_foreign_package_of_our_name_is_told_even_if_nothing_else_starts(tmp_path: Path) -> None:
    """As the linter called bandit does it, which many environments have."""
    (tmp_path / "bandit").mkdir()
    (tmp_path / "bandit" / "__init__.py").touch()
    (tmp_path / "bandit-1.9.4.dist-info").mkdir()
    (tmp_path / "bandit-1.9.4.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: bandit\nVersion: 1.9.4\n"
    )
    (tmp_path / "bandit-1.9.4.dist-info" / "top_level.txt").write_text("bandit\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "artwork.doctor"],
        capture_output=True, text=True, check=False, env=environment(PYTHONPATH=str(tmp_path)), cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    lines = {line[6:].split("  ")[0]: line for line in done.stdout.splitlines()}
    assert len(lines) == 10
    assert lines["packages"].startswith("WRONG")
    assert "`pip uninstall bandit`" in lines["packages"]
    assert lines["Python"].startswith("ok")


def test_a_file_that_hides_a_package_of_ours_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loadtest.py").write_text("")
    code = (
        "from artwork.doctor import *; from pathlib import Path; print(examine_one('p', checks_of(Path())['packages']))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True, text=True, check=True, env=environment(PYTHONPATH=str(tmp_path)),
    )  # fmt: skip
    assert f"the package loadtest is found in {tmp_path}/loadtest.py, expected in" in done.stdout


@pytest.mark.parametrize(
    ("version", "why"), [("1.22.4", "numpy is 1.22.4, expected <2.6,>=1.26.4"), (None, "numpy cannot be imported")]
)
def test_a_library_of_another_version_or_that_does_not_load_is_named(
    version: str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version is None:
        (tmp_path / "numpy").mkdir()
        (tmp_path / "numpy" / "__init__.py").write_text("import os; os._exit(132)")  # as an illegal instruction does
    else:
        (tmp_path / "numpy-1.dist-info").mkdir()
        (tmp_path / "numpy-1.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: numpy\nVersion: {version}\n"
        )
    code = "from artwork.doctor import *; from pathlib import Path; print(examine_one('l', checks_of(Path())['libraries']))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True, text=True, check=True, env=environment(PYTHONPATH=str(tmp_path)),
    )  # fmt: skip
    assert why in done.stdout
    assert "requirements/runtime.txt" in done.stdout


def test_a_cache_of_numba_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/nowhere")
    finding = ask("numba's cache", tmp_path)
    assert "cannot be written in /proc/nowhere" in finding.found
    assert "set NUMBA_CACHE_DIR" in finding.remedy


def test_a_workspace_that_is_a_file_or_open_to_all_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert ask("workspace", tmp_path / "file").found.endswith("file is not a folder")
    assert ask("workspace", Path("/proc/nowhere")).found == "/proc/nowhere is not there and cannot be made"
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert ask("workspace", tmp_path / "open").remedy == f"run `chmod o-w {tmp_path}/open`"


def test_a_runtime_folder_that_others_could_replace_is_named(tmp_path: Path, runtime: Path) -> None:
    runtime.chmod(0o777)
    finding = ask("runtime folder", tmp_path)
    assert "lets other users replace what is in it" in finding.found
    assert "set XDG_RUNTIME_DIR" in finding.remedy


def test_the_embedded_store_is_told_as_it_is(tmp_path: Path) -> None:
    assert "does not run; the first command that needs it starts it" in ask("store", tmp_path).found
    store = start_store(tmp_path)
    assert ask("store", tmp_path) == Finding("store", f"the embedded one runs as process {store.pid}", "")
    stop_store(tmp_path)
    (tmp_path / "store" / "appendonlydir" / "appendonly.aof.manifest").unlink()
    finding = ask("store", tmp_path)
    assert "appendonly.aof.manifest is missing" in finding.found
    assert "`artwork store rebuild" in finding.remedy
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "store").symlink_to(tmp_path)
    assert "is a link or no folder" in ask("store", tmp_path).found


def test_a_store_of_ones_own_is_asked(
    tmp_path: Path, store: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL_VARIABLE, store)
    assert ask("store", tmp_path) == Finding("store", f"{store} answers", "")
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert ask("store", tmp_path).remedy == "run `CONFIG SET maxmemory-policy noeviction` on it"
    monkeypatch.setenv(URL_VARIABLE, "unix:///nowhere/s")
    assert ask("store", tmp_path).remedy.startswith("check ARTWORK_REDIS_URL")
    monkeypatch.setenv(URL_VARIABLE, "redis://me:secret@host:port")
    finding = ask("store", tmp_path)
    assert "secret" not in finding.found + finding.remedy
    assert finding.remedy


def test_a_port_in_use_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("ARTWORK_PORT", str(taken.getsockname()[1]))
        taken.close()
        assert ask("port", tmp_path).remedy == ""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ARTWORK_PORT", str(taken.getsockname()[1]))
        assert "cannot be listened on: Address already in use" in ask("port", tmp_path).found
    monkeypatch.setenv("ARTWORK_HOST", "192.0.2.1")
    assert "192.0.2.1 port" in ask("port", tmp_path).found
    assert ask("port", tmp_path).remedy == "name another one with --host and --port"


def test_a_check_that_breaks_is_a_finding() -> None:
    def break_down() -> tuple[str, str]:
        raise RuntimeError("two\nlines")

    finding = examine_one("this", break_down)
    assert finding.found == "RuntimeError: two lines"
    assert finding.remedy
