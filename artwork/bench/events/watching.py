"""What processes use, read from the system's own files: CPU time and memory of all processes of a job, CPU time of the others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from artwork.bench.events.results import Job
from artwork.bench.testbed.cores import on_core
from bandit.errors import SurroundingsError

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_LOOK_SECONDS: Final = 0.05
_ROLLUP_SECONDS: Final = 0.2  # summing up the pages of a process takes it a millisecond
_SHOWN: Final = 2000


class Memory(Enum):
    """Which memory of a job counts: what each process has, or with its part alone of what several share (PSS)."""

    RESIDENT = "resident"
    PROPORTIONAL = "proportional"


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process has used, with those of its children that have ended; 0 for one that is gone."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / _TICKS if fields else 0.0


def cpu_seconds_of_all(pid: int) -> float:
    """CPU seconds that a process and all that it started, and that run, have used; 0 where the system does not say."""
    return sum(_look(pid, Memory.RESIDENT)[1].values())


class Busy:
    """CPU seconds of the whole machine, from the moment that this is made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy = _busy_seconds()

    def others(self, own_seconds: float) -> float:
        """How many cores were used by processes beside those that used some CPU seconds."""
        return max(0.0, _busy_seconds() - self._busy - own_seconds) / max(time.monotonic() - self._began, 1e-9)


def run_job(
    words: Sequence[str],
    environment: Mapping[str, str],
    core: int | None = None,
    memory: Memory = Memory.RESIDENT,
) -> tuple[Job, bytes]:
    """Run a command of this package to its end; what it took, and what it wrote to standard output.

    Args:
        words: after ``artwork``.
        environment: of the process.
        core: to run on; None for any.
        memory: that counts.

    Raises:
        SurroundingsError: it fails; the message ends with what it wrote.
    """
    busy, own_before = Busy(), time.process_time()
    began = time.perf_counter()
    with TemporaryFile() as out, TemporaryFile() as err, on_core(core):
        # A session of its own: Ctrl-C reaches the bench, which then ends it.
        process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
            [sys.executable, "-P", "-m", "artwork.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=dict(environment),
            start_new_session=True,
        )
        with _ended(process):
            peak = 0
            used: dict[int, float] = {}
            while process.poll() is None:
                taken, now = _look(process.pid, memory)
                peak = max(peak, taken)
                used |= now
                time.sleep(_LOOK_SECONDS if memory is Memory.RESIDENT else _ROLLUP_SECONDS)
        seconds = time.perf_counter() - began
        written = [_written(file) for file in (out, err)]
    if process.returncode:
        raise SurroundingsError(f"artwork {words[0]} failed: {written[1].decode(errors='replace')[-_SHOWN:]}")
    cpu = sum(used.values())
    return Job(seconds, cpu, peak / 2**30, busy.others(cpu + time.process_time() - own_before)), written[0]


@contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # with those that it started
            process.wait()


def _written(file: object) -> bytes:
    file.seek(0)  # type: ignore[attr-defined]
    return bytes(file.read())  # type: ignore[attr-defined]


def _look(first: int, memory: Memory) -> tuple[int, dict[int, float]]:
    """The memory in bytes of a process and of all that it started, and the CPU seconds of each."""
    taken = 0
    used: dict[int, float] = {}
    pids = [first]
    for pid in pids:  # which grows meanwhile
        if fields := _stat(pid):
            taken += int(fields[21]) * _PAGE if memory is Memory.RESIDENT else _proportional(pid)
            # Without its children, which are looked at for themselves.
            used[pid] = sum(map(int, fields[11:13])) / _TICKS
        pids += _children(pid)
    return taken, used


def _proportional(pid: int) -> int:
    """The proportional set size of a process in bytes; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _children(pid: int) -> list[int]:
    try:
        listed = [(thread / "children").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:  # gone
        return []
    return [int(child) for children in listed for child in children.split()]


def _stat(pid: int) -> list[str]:
    """The fields of a process after its name, which may have spaces; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _busy_seconds() -> float:
    user, nice, system, _idle, _waiting, *rest = (
        Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]
    )
    return sum(map(int, (user, nice, system, *rest[:3]))) / _TICKS
