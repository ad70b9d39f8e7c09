"""The command line as others call it: a process with an exit code and two streams."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from artwork.cli import main

HANG_SECONDS = 250.0
"""A command that takes longer hangs, however busy the machine is."""


def environment(**variables: str) -> dict[str, str]:
    """This environment without settings of ours, but for ``variables``."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ARTWORK_")} | variables


def artwork(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``artwork`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "artwork.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
        env=environment(**variables),
    )


def artwork_started(*words: str, **variables: str) -> subprocess.Popen[str]:
    """Start ``artwork`` and let it run."""
    return subprocess.Popen(
        [sys.executable, "-m", "artwork.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    )


@contextmanager
def runtime_folder() -> Iterator[str]:
    """A short folder for ``XDG_RUNTIME_DIR``; a store that was started there, by mistake or not, ends with the block."""
    with TemporaryDirectory() as folder:
        yield folder
        for path in Path(folder).rglob("valkey.sock"):
            once = Retry(NoBackoff(), 0)
            with suppress(redis.ConnectionError), redis.Redis(unix_socket_path=str(path), retry=once) as client:
                client.shutdown()


def listing(root: Path) -> dict[str, int]:
    """Every file and folder below a root with the time of its last change."""
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in sorted(root.rglob("*"))}


@dataclass(frozen=True)
class Called:
    """What a command that ran inside this process left behind."""

    code: int
    out: str
    err: str


def call(*words: str, **variables: str) -> Called:
    """Run ``artwork`` to its end inside this process, which saves the second that a process takes to start."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in set(os.environ) - set(environment()):
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["artwork", *words])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Called(code, out.getvalue(), err.getvalue())


def assert_refused(answer: Called | subprocess.CompletedProcess[str], code: int, *names: str) -> None:
    """Exit code, and one line on standard error that begins with ``error:`` and names what was wrong."""
    found, out, err = (
        (answer.code, answer.out, answer.err)
        if isinstance(answer, Called)
        else (answer.returncode, answer.stdout, answer.stderr)
    )
    assert (found, out) == (code, ""), err
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    for name in names:
        assert name in err
