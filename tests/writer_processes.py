"""The processes that write rows for ``artwork publish``, as tests find, freeze and kill them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

HANG_SECONDS: Final = 100.0


def wait_until(reached: Callable[[], bool]) -> None:
    """Look again and again until it is so."""
    end = time.monotonic() + HANG_SECONDS
    while not reached():
        assert time.monotonic() < end, "what the test waits for did not come about"
        time.sleep(0.01)  # between looks


def writers_of(job: int) -> list[int]:
    """The processes that work for a job: those that its fork server has started."""
    return [own for child in _children_of(job) for own in _children_of(child)]


def _children_of(process: int) -> list[int]:
    children = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        if parent == process:
            children.append(int(folder.name))
    return children


def is_there(process: int) -> bool:
    """Whether a process has not ended; a frozen one has not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
