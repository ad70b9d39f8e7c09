"""What processes use, read from the system's own files: CPU time and memory of all processes of a job, CPU time of the others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from artwork.bench.events.results import Job
from artwork.bench.testbed.cores import on_core
from bandit.errors import SurroundingsError

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_LOOK_SECONDS: Final = 0.05
_SHOWN: Final = 2000


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process has used, with those of its children that have ended; 0 for one that is gone."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / _TICKS if fields else 0.0


def cpu_seconds_of_all(pid: int) -> float:
    """CPU seconds that a process and all that it started, and that run, have used; 0 where the system does not say."""
    return sum(_look(pid)[1].values())


class Busy:
    """CPU seconds of the whole machine, from the moment that this is made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy = _busy_seconds()

    def others(self, own_seconds: float) -> float:
        """How many cores were used by processes beside those that used some CPU seconds."""
        return max(0.0, _busy_seconds() - self._busy - own_seconds) / max(time.monotonic() - self._began, 1e-9)


def run_job(words: Sequence[str], environment: Mapping[str, str], core: int | None = None) -> tuple[Job, bytes]:
    """Run a command of this package to its end; what it took, and what it wrote to standard output.

    Args:
        words: after ``artwork``.
        environment: of the process.
        core: to run on; None for any.

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
                resident, now = _look(process.pid)
                peak = max(peak, resident)
                used |= now
                time.sleep(_LOOK_SECONDS)
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


def _look(first: int) -> tuple[int, dict[int, float]]:
    """Resident bytes of a process and of all that it started, and the CPU seconds of each.

    What processes share counts for each of them.
    """
    resident = 0
    used: dict[int, float] = {}
    pids = [first]
    for pid in pids:  # which grows meanwhile
        if fields := _stat(pid):
            resident += int(fields[21]) * _PAGE
            # Without its children, which are looked at for themselves.
            used[pid] = sum(map(int, fields[11:13])) / _TICKS
        pids += _children(pid)
    return resident, used


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
