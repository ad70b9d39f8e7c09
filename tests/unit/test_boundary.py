"""The boundary of a command: one line and an exit code, whatever goes wrong and wherever output goes."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bandit.boundary import describe, one_line, place, take_debug
from bandit.errors import InputError, RowError, SurroundingsError
from bandit.posterior import LinearPosterior

SECRET = "hunter2"  # noqa: S105 - a word to look for
HANG_SECONDS = 60.0


def program(body: str, before: str = "") -> list[str]:
    """A command whose work is ``body`` and whose modules are loaded by ``before``."""
    lines = [
        "from bandit.boundary import run, write_out",
        "def load():",
        *(f"    {line}" for line in (before or "pass").splitlines()),
        "    def command():",
        *(f"        {line}" for line in body.splitlines()),
        "    return command",
        "run(load)",
    ]
    return [sys.executable, "-P", "-c", "\n".join(lines)]


def ended(body: str, redirected: str = "", before: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, through a shell that redirects its streams."""
    return subprocess.run(
        ["/bin/bash", "-c", f'"$@" {redirected}', "bash", *program(body, before)],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | variables,
    )


ERRORS: dict[str, tuple[BaseException, int, str]] = {
    "wrong input": (InputError("epsilon is 2"), 2, "epsilon is 2"),
    "surroundings": (SurroundingsError("port 80"), 3, "port 80"),
    "a row": (RowError("crc", "a row is damaged"), 3, "a row is damaged"),
    "no file": (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.csv"), 2, "a.csv: No such file"),
    "a folder": (IsADirectoryError(errno.EISDIR, "Is a directory", "a"), 2, "a: Is a directory"),
    "a file": (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), 2, "a/b: Not a directory"),
    "a long name": (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300), 2, "File name too long"),
    "no permission": (PermissionError(errno.EACCES, "Permission denied", "a"), 3, "a: Permission denied"),
    "read-only": (OSError(errno.EROFS, "Read-only file system", "a"), 3, "a: Read-only file system"),
    "a full disk": (OSError(errno.ENOSPC, "No space left on device"), 3, "No space left on device"),
    "a descriptor of ours": (OSError(errno.EBADF, "Bad file descriptor"), 70, "this is a fault of ours: OSError"),
    "no temporary folder": (FileNotFoundError(errno.ENOENT, "No usable temporary directory"), 3, "No usable temporary"),
    "memory": (MemoryError(), 3, "memory does not suffice"),
    "a fault": (ZeroDivisionError("division by zero"), 70, "this is a fault of ours: ZeroDivisionError: division by"),
    "a long fault": (ValueError("x" * 9999), 70, "..."),
}


@pytest.mark.parametrize(("error", "code", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_every_error_is_told_in_words_and_has_an_exit_code(error: BaseException, code: int, words: str) -> None:
    message, found = describe(error)
    assert (found, words in message) == (code, True), message
    assert len(message) < 1000


def test_a_fault_is_told_with_the_line_of_our_own_that_it_passed_last() -> None:
    with pytest.raises(InputError) as raised:
        LinearPosterior(n_arms=1, n_features=1).observe([[1.0]], [5], [1.0])
    assert place(raised.value).startswith("bandit/")


def test_a_fault_of_a_worker_process_is_told_with_its_place_there() -> None:
    error = ZeroDivisionError("division by zero")
    remote = type("_RemoteTraceback", (Exception,), {})
    root = Path(__file__).resolve().parents[2]
    error.__cause__ = remote(
        f'  File "{root}/batch/choosing/chooser.py", line 7, in choose\n  File "/usr/lib/x.py", line 1, in x'
    )
    assert place(error) == "batch/choosing/chooser.py:7"


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--debug", "run"], ["run"]),
        (["run", "--debug"], ["run"]),
        (["run", "--", "--debug"], ["run", "--", "--debug"]),
        (["run"], ["run"]),
    ],
)
def test_debug_may_stand_anywhere(words: list[str], left: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTWORK_DEBUG", "0")  # what it sets is taken back after the test
    assert take_debug(words) == left
    assert os.environ["ARTWORK_DEBUG"] == ("0" if left == words else "1")


def test_a_line_is_one_line_and_no_command_for_a_terminal() -> None:
    assert one_line("a\n b\x1b[31m\udcff\t c") == "a b\\x1b[31m\\udcff c"


def test_a_fault_is_one_line_with_its_place_and_no_traceback() -> None:
    done = ended("from bandit.snapshot import decode_current\ndecode_current(5)")
    assert done.returncode == 70
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: this is a fault of ours: ")
    assert " at bandit/snapshot" in done.stderr


def test_a_traceback_is_shown_under_debug_without_secrets() -> None:
    done = ended(
        f"raise KeyError('redis://me:{SECRET}@host Bearer {SECRET}') from ValueError('{SECRET}')",
        ARTWORK_DEBUG="1",
        ARTWORK_REDIS_URL=f"redis://me:{SECRET}@host",
    )
    assert done.returncode == 70
    assert "Traceback" in done.stderr
    assert SECRET not in done.stderr


def test_what_python_does_not_call_an_exception_ends_at_the_boundary_too() -> None:
    done = ended("class Panic(BaseException): pass\nraise Panic('unwrap on None')")
    assert (done.returncode, done.stderr.count("\n")) == (70, 1)
    assert "Panic: unwrap on None" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_output_fails_on_no_letter_that_its_encoding_lacks(encoding: str) -> None:
    done = subprocess.run(
        program("write_out('✓ \\udcff ± →\\n')"),
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"\n")


STREAMS = {
    "a full disk": (">/dev/full", 3, "cannot write to standard output: No space left on device"),
    "closed": (">&-", 3, "cannot write to standard output: it is closed"),
    "all closed": (">&- 2>&- <&-", 3, ""),
    "no reader": ("| true; exit ${PIPESTATUS[0]}", 128 + signal.SIGPIPE, ""),
    "errors to a full disk": ("2>/dev/full", 0, ""),
    "errors closed": ("2>&-", 0, ""),
}


@pytest.mark.parametrize(("redirected", "code", "words"), STREAMS.values(), ids=STREAMS.keys())
def test_a_result_that_cannot_be_written_is_told_by_the_exit_code(redirected: str, code: int, words: str) -> None:
    done = ended("write_out('result\\n' * 100_000)", redirected)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stderr.count("\n") == bool(words)


def test_an_error_that_nobody_can_read_keeps_its_exit_code() -> None:
    assert ended("from bandit.errors import InputError\nraise InputError('wrong')", "2>/dev/full").returncode == 2
    assert ended("from bandit.errors import InputError\nraise InputError('wrong')", "2>&-").returncode == 2


def test_a_file_that_is_opened_does_not_take_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    path = tmp_path / "file"
    done = ended(f"with open({str(path)!r}, 'w') as file:\n    print(file.fileno(), file=file)", ">&- 2>&- <&-")
    assert done.returncode == 0
    assert int(path.read_text()) > 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("body", "before"),
    [
        ("import time\nprint('here', flush=True)\ntime.sleep(60)", ""),
        ("pass", "import time\nprint('here', flush=True)\ntime.sleep(60)"),
        # As numpy and others do while they are imported.
        (
            "import time\ntry:\n    print('here', flush=True)\n    time.sleep(60)\nexcept BaseException:\n    raise ImportError",
            "",
        ),
        (
            "import time\ntry:\n    print('here', flush=True)\n    time.sleep(60)\nfinally:\n    print('cleaned', flush=True)",
            "",
        ),
    ],
    ids=["at work", "while it loads", "turned into another", "with something to clean up"],
)
def test_a_signal_ends_a_command_quietly_with_its_code(number: signal.Signals, body: str, before: str) -> None:
    with subprocess.Popen(program(body, before), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, err) == (128 + number, "")
    assert out == ("cleaned\n" if "cleaned" in body else "")


def test_a_hang_up_is_ignored_under_nohup() -> None:
    body = "import os, signal\nos.kill(os.getpid(), signal.SIGHUP)\nwrite_out('lives\\n')"
    done = subprocess.run(
        ["nohup", *program(body)],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout) == (0, "lives\n")


def test_a_warning_is_one_line() -> None:
    done = ended("import warnings\nwarnings.warn('no place\\nfor it')")
    assert (done.returncode, done.stderr) == (0, "note: no place for it\n")


def test_the_code_of_a_command_is_that_of_the_process() -> None:
    assert [ended(f"return {value}").returncode for value in ("None", "0", "1")] == [0, 0, 1]
