"""Attacks on the command line: files, URLs, numbers and surroundings of every awkward kind end in one line and a code."""

import asyncio
import base64
import os
import re
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from odd_urls import SECRET
from shell import artwork, artwork_started, assert_refused, call, environment

from batch.workspace.workspace import Workspace
from service.lookup.store import RedisStore, StoreUnavailableError

Change = Callable[[Workspace], object]
ARTWORK = str(Path(sys.executable).parent / "artwork")
CLOSED = "127.0.0.1:1"
"""Nothing listens on port 1."""


def in_a_shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", line, ARTWORK], capture_output=True, text=True, check=False, timeout=120, env=environment(**variables)
    )  # fmt: skip


# --- files ------------------------------------------------------------------------------------------------------------


def with_offset(path: Path, column: str, offset: bytes) -> None:
    """A Parquet file as others write it, with times at a fixed offset, which polars itself never writes."""
    zone = b"Israel"  # as long as an offset
    frame = pl.read_parquet(path).with_columns(pl.col(column).dt.convert_time_zone(zone.decode()))
    frame.write_parquet(path)
    content = path.read_bytes()
    texts = (match[0] for match in re.finditer(rb"/////[A-Za-z0-9+/]{40,}={0,2}", content))
    schema = next(text for text in texts if zone in base64.b64decode(text))
    path.write_bytes(content.replace(schema, base64.b64encode(base64.b64decode(schema).replace(zone, offset))))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path: Path, start: float) -> None:
    content = bytearray(path.read_bytes())
    at = int(len(content) * start)
    content[at : at + 64] = b"\xff" * 64
    path.write_bytes(content)


def as_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


FILES: dict[str, tuple[Change, str]] = {
    "times at a fixed offset": (
        lambda w: with_offset(w.artworks, "added_at", b"-05:30"),
        "write it again, with times in UTC",
    ),
    "cut": (lambda w: cut(w.users), "users.parquet is not a Parquet file"),
    "a damaged footer": (lambda w: overwritten(w.users, 0.98), "users.parquet"),
    "a damaged page": (lambda w: overwritten(w.artworks, 0.3), "artworks.parquet"),
    "a wrong end": (
        lambda w: w.titles.write_bytes(b"PAR1" + b"x" * 99 + b"PAR2"),
        "titles.parquet is not a Parquet file",
    ),
    "a lying length": (
        lambda w: w.titles.write_bytes(w.titles.read_bytes()[:-8] + b"\xff\xff\xff\x7fPAR1"),
        "titles.parquet is not a Parquet file",
    ),
    "a folder": (lambda w: as_folder(w.titles), "titles.parquet is a folder"),
    "a pipe": (lambda w: as_pipe(w.titles), "titles.parquet"),
    "a file for a folder": (lambda w: w.impressions.write_text("x"), "impressions is a file, expected a folder"),
}


@pytest.mark.parametrize(("change", "words"), FILES.values(), ids=FILES.keys())
def test_a_file_that_is_no_table_is_one_line(
    change: Change, words: str, workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    change(workspace)
    answer = call("data", "check", str(workspace.root))
    assert_refused(answer, 2, words)
    assert capfd.readouterr() == ("", "")  # nor did polars write beside it, as it does when it panics


# --- numbers ----------------------------------------------------------------------------------------------------------

NUMBERS = [
    ("compare", "--resamples", "1"),
    ("compare", "--split", "nan"),
    ("compare", "--level", "-inf"),
    ("compare", "--split", "1e400"),
    ("train", "--seed", "-1"),
    ("train", "--seed", "9" * 30),
    ("train", "--retention", "nan"),
    ("train", "--shard-size", "0"),
    ("data", "synthetic", "--users", "1e9"),
    ("data", "synthetic", "--users", "9" * 17),
    ("serve", "--port", "x"),
    ("loadtest", "--rate", "inf"),
    ("loadtest", "--slo-p99-ms", "nan"),
    ("bench", "kernels", "--seconds", "inf"),
    ("bench", "faults", "--rate", "nan"),
    ("demo", "--new-artworks", "nan"),
    ("demo", "--pace", "nan"),
    ("demo", "--pace", "-1"),
    ("demo", "--port", "70000"),
    ("demo", "--service-port", "0"),
    ("run", "--nothing", "1"),
]


@pytest.mark.parametrize("words", NUMBERS, ids=" ".join)
def test_a_number_that_no_command_can_use_is_refused_by_its_option(words: tuple[str, ...]) -> None:
    assert_refused(call(*words), 2, words[-2].removeprefix("--retention").removeprefix("--"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "x"),
        ("PORT", "70000"),
        ("WORKERS", "0"),
        ("POLL_SECONDS", "nan"),
        ("LOG_LEVEL", "x"),
        ("KEYS_FILE", "/"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(name: str, value: str, workspace: Workspace) -> None:
    answer = call("serve", "-w", str(workspace.root), **{f"ARTWORK_{name}": value})
    assert_refused(answer, 2, f"ARTWORK_{name} is ")


@pytest.mark.parametrize("every", ["1e300d", "nand", "400d", "-1s", "1", ""])
def test_a_schedule_that_is_none_is_refused(every: str, workspace: Workspace) -> None:
    assert_refused(call("run", "--every", every, "-w", str(workspace.root)), 2, "is not a duration")


# --- URLs and secrets -------------------------------------------------------------------------------------------------

WRONG_URLS = [
    f"redis://me:{SECRET}@host?timeout=5",
    f"redis://me:{SECRET}@host?decode_responses=true",
    f"redis://me:{SECRET}@host?protocol=9",
    f"redis://me:{SECRET}@host:port",
    f"redis://me:{SECRET}/x@host",
    f"me:{SECRET}@host",
    f"redis+sentinel://:{SECRET}@host",
    f"redis://me:{SECRET}\nx@host",
]


@pytest.mark.parametrize("debug", [(), ("--debug",)], ids=["", "debug"])
@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("publish",), ("generations", "list")], ids=" ".join)
@pytest.mark.parametrize("url", WRONG_URLS)
def test_every_command_refuses_a_wrong_url_without_its_password(
    url: str, words: tuple[str, ...], debug: tuple[str, ...], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTWORK_DEBUG", "")  # what --debug sets is taken back after the test
    (workspace.generations / "000001").mkdir(parents=True)
    (workspace.generations / "000001" / "manifest.json").write_text("{}")
    answer = call(*words, *debug, "-w", str(workspace.root), ARTWORK_REDIS_URL=url)
    assert answer.code == 2, answer.err
    assert SECRET not in answer.out + answer.err
    if words[0] != "publish":
        assert "ARTWORK_REDIS_URL is " in answer.err.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [
        ("loadtest", "--host", f"http://me:{SECRET}@host"),
        ("loadtest", "--host", f"me:{SECRET}@host"),
        ("loadtest", "--host", f"http://host/{SECRET}"),
        ("loadtest", "--key", f"{SECRET}\r\nX: y", "--host", "http://host"),
        ("data", "check", f"redis://me:{SECRET}@host"),
        ("generations", "activate", f"redis://me:{SECRET}@host"),
        ("run", f"redis://me:{SECRET}@host"),
    ],
    ids=range(7),
)
def test_a_password_or_key_in_any_option_is_not_shown(words: tuple[str, ...]) -> None:
    answer = call(*words)
    assert answer.code == 2, answer.err
    assert SECRET not in answer.out + answer.err


def test_no_process_of_a_service_shows_its_stores_password(workspace: Workspace) -> None:
    url = f"redis://me:{SECRET}@{CLOSED}/0"
    words = ("serve", "--port", "0", "--workers", "2", "--json", "-w", str(workspace.root))
    with artwork_started(*words, ARTWORK_REDIS_URL=url, ARTWORK_LOG_LEVEL="debug") as process:
        try:
            assert process.stdout is not None
            out = "".join(iter(process.stdout.readline, "}\n"))
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            assert len(children) == 2
            for pid in (str(process.pid), *children):
                assert SECRET.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        finally:
            process.terminate()
            rest, err = process.communicate(timeout=60)
    assert f"redis://me:***@{CLOSED}/0" in out
    assert SECRET not in out + rest + err


# --- surroundings -----------------------------------------------------------------------------------------------------


def test_a_folder_that_was_deleted_is_told_where_it_is_needed_and_no_matter_where_not(
    workspace: Workspace, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    stand = f"mkdir {gone} && cd {gone} && rmdir {gone} &&"
    assert in_a_shell(f"{stand} $0 data check {workspace.root}").returncode == 0
    done = in_a_shell(f"{stand} $0 data synthetic --users 5 --titles 3")
    assert (done.returncode in (2, 3), done.stderr.count("\n"), "Traceback" in done.stderr) == (True, 1, False), (
        done.stderr
    )


def test_a_user_without_a_home_needs_none(workspace: Workspace) -> None:
    done = in_a_shell(f"unset HOME; $0 data check {workspace.root}")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    # The shell's bound on the size of files: what a write answers there is the same kind of error.
    done = in_a_shell(f"ulimit -f 8; $0 data synthetic --users 2000 --titles 50 -w {tmp_path / 'made'}")
    assert_refused(done, 3, "cannot write")
    assert [path for path in (tmp_path / "made").rglob("*") if path.is_file()] == []


AS_ANYBODY = (
    "setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search"
    if os.getuid() == 0
    else ""
)
"""root may read whatever it likes; without these capabilities it is as others are."""


@pytest.mark.skipif(bool(AS_ANYBODY) and not shutil.which("setpriv"), reason="root may read everything")
def test_a_file_or_folder_that_may_not_be_read_is_one_line(workspace: Workspace) -> None:
    line = f"{AS_ANYBODY} $0 data check {workspace.root}"
    workspace.users.chmod(0o000)
    assert_refused(in_a_shell(line), 3, "users.parquet", "Permission denied")
    workspace.root.chmod(0o000)
    try:
        done = in_a_shell(line)
        assert_refused(done, done.returncode, str(workspace.root), "not readable")
        assert done.returncode in (2, 3)
    finally:
        workspace.root.chmod(0o755)


IN_A_ROOM = ["unshare", "--mount", "sh", "-c"]
"""A namespace of mounts of its own, in which a folder can be made read-only."""


@pytest.mark.skipif(
    not shutil.which("unshare")
    or subprocess.run([*IN_A_ROOM, "true"], capture_output=True, check=False).returncode != 0,
    reason="takes root, to make the package's folder read-only",
)
@pytest.mark.parametrize("spoilt", [False, True], ids=["", "where somebody else was first"])
def test_kernels_are_kept_where_they_may_be_or_compiled_anew_and_one_line_says_so(spoilt: bool, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    if spoilt:
        (tmp_path / f"bandit-kernels-{os.getuid()}").mkdir()
        (tmp_path / f"bandit-kernels-{os.getuid()}").chmod(0o777)
    program = "from bandit.boundary import run\nrun(lambda: __import__('bandit.kernels.hashing') and (lambda: None))"
    line = f'mount --bind {root} {root} && mount -o remount,ro,bind {root} && exec "$0" -P -c "$1"'
    homeless = {"HOME": "/proc/none", "TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [*IN_A_ROOM, line, sys.executable, program], capture_output=True, text=True, check=False, env=homeless
    )
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert done.stderr.startswith(
        "note: no folder can keep" if spoilt else f"note: compiled kernels are kept in {tmp_path}"
    )


@contextmanager
def repeating_server() -> Iterator[int]:
    """The port of a store that knows no command and repeats each, as Redis 5 does with HELLO and the password in it."""

    class Repeats(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while words := self.rfile.readline():
                parts = [self.rfile.readline() and self.rfile.readline().strip() for _ in range(int(words[1:]))]
                self.wfile.write(b"-ERR unknown command, with args: " + b" ".join(parts) + b"\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Repeats) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def test_a_store_that_repeats_the_password_is_told_without_it(workspace: Workspace) -> None:
    with repeating_server() as port:
        url = f"redis://me:{SECRET}@127.0.0.1:{port}"
        answer = call("generations", "list", "-w", str(workspace.root), ARTWORK_REDIS_URL=url)
        with pytest.raises(StoreUnavailableError) as by_service:
            asyncio.run(RedisStore(url, deadline_ms=1000).get("art:current", 1000))
    assert_refused(answer, 3, f"redis://me:***@127.0.0.1:{port} failed: unknown command, with args: ")
    assert SECRET not in answer.err
    assert SECRET not in str(by_service.value)


def test_a_terminal_of_few_letters_gets_the_whole_result(workspace: Workspace) -> None:
    done = artwork("data", "check", str(workspace.root), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "600 users" in done.stdout
