"""A file system of its own, small enough to be filled."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


class SmallDisk:
    """A mounted folder, and a file in it that takes up what is to be taken up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, room: int = 0) -> None:
        """Leave so many bytes free, and none where it is 0."""
        self.clear()
        free = os.statvfs(self.folder)
        with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            left = free.f_bavail * free.f_frsize - room
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 20)))

    def clear(self) -> None:
        """Free what was filled."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """A file system in memory, which is unmounted in the end; the test is skipped where none can be mounted."""
    with tempfile.TemporaryDirectory(prefix="disk-") as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", folder]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            pytest.skip(f"no file system can be mounted here, which needs root: {made.stderr.strip()}")
        try:
            yield SmallDisk(Path(folder))
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
