"""Runs of the whole job that kill themselves at a given step: before they change a file, or around what they send the store.

As a script, it reads numbers of steps from its input, a line each, and runs the job once for each of them, in a process of its
own that starts with everything imported. It answers each with the code that the job ended with, and the steps that it went.
"""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

from shell import environment

NEVER: Final = 1_000_000_000
_CHANGES: Final = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "shutil.rmtree"}
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Runs:
    """The script, as the tests use it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, step: int = NEVER) -> tuple[int, int]:
        """Run the job until a step; what it ended with, and how many steps there were if it was not killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{step}\n")
        self._process.stdin.flush()
        code, steps = self._process.stdout.readline().split()
        return int(code), int(steps)


@contextmanager
def killed_runs(root: Path, url: str) -> Iterator[Runs]:
    """Runs over a workspace and a store."""
    words = [sys.executable, __file__, str(root), url]
    single = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # a process with threads is not forked
    with subprocess.Popen(words, stdin=-1, stdout=-1, text=True, env=environment(**single)) as process:
        yield Runs(process)
        assert process.stdin is not None
        process.stdin.close()


class _Steps:
    def __init__(self, last: int) -> None:
        self.done = 0
        self._last = last

    def go(self) -> None:
        if self.done == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.done += 1

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        is_written = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if event in _CHANGES or is_written:
            self.go()


def _watch(step: int) -> _Steps:
    from redis import connection  # noqa: PLC0415

    steps, kind = _Steps(step), cast("Any", connection.AbstractConnection)
    send = kind.send_packed_command

    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        steps.go()
        sent = send(self, *arguments, **named)
        steps.go()  # the store has it, and nobody has read what it answers
        return sent

    kind.send_packed_command = counted
    sys.addaudithook(steps.audit)
    return steps


def _one(root: str, url: str, step: int, told: int) -> None:
    from batch.config import Config  # noqa: PLC0415
    from batch.events.arrivals import JoinSettings  # noqa: PLC0415
    from batch.executors import SerialExecutor  # noqa: PLC0415
    from batch.job import run  # noqa: PLC0415
    from batch.workspace.workspace import Workspace  # noqa: PLC0415

    steps = _watch(step)
    settings = JoinSettings(horizon_days=2)
    run(
        Workspace(Path(root)),
        Config(),
        SerialExecutor(),
        url,
        lambda *_: None,
        shard_size=1000,
        joining=settings,
        force=True,
    )
    os.write(told, str(steps.done).encode())


def main() -> None:
    """Run as it is told."""
    import batch.job  # noqa: F401, PLC0415 - before the first fork
    from bandit.errors import SurroundingsError  # noqa: PLC0415

    root, url = sys.argv[1:]
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                _one(root, url, int(line), writing)
            except SurroundingsError:
                os._exit(3)
            except BaseException as error:  # noqa: BLE001 - a fork ends here, whatever it met
                traceback.print_exception(error)
                os._exit(70)
            os._exit(0)
        os.close(writing)
        steps = os.read(reading, 100).decode() or "0"
        os.close(reading)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code} {steps}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
