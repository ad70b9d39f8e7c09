"""The record of the service of a workspace: written by the one that runs, and trusted only while it does."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from shell import artwork, artwork_started, call

from artwork.bench.testbed.service_process import running_service
from artwork.running_service import find_running, record_path, recorded


class Alive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the base class's
        """Say nothing."""


@pytest.fixture
def url() -> Any:
    """The address of a server in this process."""
    with HTTPServer(("127.0.0.1", 0), Alive) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_service_is_found_while_it_runs_and_no_longer(tmp_path: Path, url: str) -> None:
    assert find_running(tmp_path) is None
    with recorded(tmp_path, url):
        assert find_running(tmp_path) == url
        assert record_path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert find_running(tmp_path) is None
    assert not list(record_path(tmp_path).parent.iterdir())


def test_a_service_that_listens_everywhere_is_reached_on_loopback(tmp_path: Path, url: str) -> None:
    with recorded(tmp_path, url.replace("127.0.0.1", "0.0.0.0")):  # noqa: S104  an address to read, not to listen on
        assert find_running(tmp_path) == url


def test_the_record_of_a_later_service_stays_when_the_earlier_one_ends(tmp_path: Path, url: str) -> None:
    with recorded(tmp_path, "http://127.0.0.1:9"):
        later = json.loads(record_path(tmp_path).read_text()) | {"url": url}
        record_path(tmp_path).write_text(json.dumps(later))
    assert find_running(tmp_path) == url


def ended() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


AWKWARD: dict[str, Callable[[dict[str, Any], Path], object]] = {
    "of a process that ended": lambda record, _: record | {"pid": ended()},
    "of another process of that number": lambda record, _: record | {"started": record["started"] + 1},
    "of a process of root or of another": lambda record, _: record | {"pid": 1},
    "a number that is none": lambda record, _: record | {"pid": "1"},
    "a truth for a number": lambda record, _: record | {"pid": True},
    "of a process of no number": lambda record, _: record | {"pid": -1},
    "no start": lambda record, _: record | {"started": None},
    "elsewhere": lambda record, _: record | {"url": "file:///etc/passwd"},
    "with a user": lambda record, _: record | {"url": record["url"].replace("//", "//me:secret@")},
    "no address": lambda record, _: record | {"url": None},
    "where nothing answers": lambda record, _: record | {"url": "http://127.0.0.1:9"},
    "a list": lambda record, _: [record],
}


@pytest.mark.parametrize("awkward", AWKWARD.values(), ids=AWKWARD)
def test_a_record_that_cannot_be_trusted_is_none(
    awkward: Callable[[dict[str, Any], Path], object], tmp_path: Path, url: str
) -> None:
    with recorded(tmp_path, url):
        path = record_path(tmp_path)
        path.write_text(json.dumps(awkward(json.loads(path.read_text()), tmp_path)))
        assert find_running(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"{}", b"null", b'{"a":' * 2000, b" " * 9999])
def test_a_file_that_is_no_record_is_none(content: bytes, tmp_path: Path) -> None:
    record_path(tmp_path).parent.mkdir()
    record_path(tmp_path).write_bytes(content)
    assert find_running(tmp_path) is None


def test_a_record_that_others_could_write_or_that_is_a_link_or_no_file_is_none(tmp_path: Path, url: str) -> None:
    with recorded(tmp_path, url):
        path = record_path(tmp_path)
        path.chmod(0o622)
        assert find_running(tmp_path) is None
        path.chmod(0o600)
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
        assert find_running(tmp_path) is None
        path.unlink()
        os.mkfifo(path)
        assert find_running(tmp_path) is None
        path.unlink()


def test_a_workspace_that_cannot_be_written_has_no_record_and_the_service_runs_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "service").write_text("a file where the folder should be")
    with recorded(tmp_path, "http://127.0.0.1:9"):
        assert find_running(tmp_path) is None


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A published workspace with a store of its own."""
    root = tmp_path_factory.mktemp("running") / "a workspace"
    assert artwork("data", "synthetic", "--users", "40", "--titles", "10", "--workspace", str(root)).returncode == 0
    ran = artwork("run", "--workspace", str(root))
    assert ran.returncode == 0, ran.stderr
    yield root
    artwork("store", "stop", "--workspace", str(root))


def loadtest(workspace: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    page = workspace / "reports" / "loadtest.html"
    plan = ("--duration", "2s", "--rate", "50", "--open-loop", "--report", str(page))
    return artwork("loadtest", "--workspace", str(workspace), *plan, *flags)


def test_the_load_test_uses_the_service_that_runs_here_and_says_so(workspace: Path) -> None:
    with running_service(workspace) as address:
        done = loadtest(workspace, "--json")
    assert done.returncode == 3, done.stderr  # of a hundred requests there is no verdict
    assert done.stderr == f"the service of {workspace} that runs here is loaded: {address}\n"
    made = json.loads(done.stdout)
    assert made["figures"]["host"] == address
    assert made["run"]["versions"]["service"] == made["run"]["versions"]["artwork-bandit"]
    asked = sum(one["requests"] for one in made["figures"]["scenarios"])
    assert sum(one["requests"] for one in made["service"]["times"]) == asked
    assert "No verdict: " in (workspace / "reports" / "loadtest.html").read_text()


def test_the_load_test_says_that_it_started_a_service_of_its_own(workspace: Path) -> None:
    done = loadtest(workspace)
    assert done.returncode == 3, done.stderr
    assert re.fullmatch(
        r"no service of .* runs here, so one was started for this run: http://127\.0\.0\.1:\d+\n", done.stderr
    )
    assert find_running(workspace) is None


def test_a_service_of_several_workers_is_found_too(workspace: Path) -> None:
    served = artwork_started("serve", "--port", "0", "--workers", "2", "--workspace", str(workspace))
    try:
        assert served.stdout is not None
        said = served.stdout.readline()
        assert find_running(workspace) == said.split()[2]
    finally:
        served.terminate()
        served.communicate(timeout=60)
    assert find_running(workspace) is None


def test_the_help_says_which_service_is_loaded() -> None:
    assert "the service of the workspace is loaded where one runs" in " ".join(call("loadtest", "--help").out.split())
