"""What is kept of compiled kernels on disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.compiled

PIECES = """
from typing import NamedTuple

from bandit.kernels.jit import part


class {name}(NamedTuple):
    value: float


@part
def increment(pair):
    return pair.value + {added}


def pair(value):
    return {name}(value)
"""
KERNEL = """
from bandit.kernels.jit import uncounted_kernel
from pieces import increment, pair


@uncounted_kernel
def incremented(values):
    return increment(values)
"""
CALL = "import kernel; print(kernel.incremented(kernel.pair(1.0)), sum(kernel.incremented.stats.cache_hits.values()))"


def said(folder: Path) -> list[str]:
    """The result of the kernel, and whether it came from the disk."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), str(folder)])
    done = subprocess.run(
        [sys.executable, "-c", CALL],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_kernel_is_compiled_again_when_a_piece_of_it_in_another_file_has_changed(tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text(KERNEL)
    (tmp_path / "pieces.py").write_text(PIECES.format(name="Pair", added=1.0))
    assert said(tmp_path) == ["2.0", "0"]
    assert said(tmp_path) == ["2.0", "1"]
    (tmp_path / "pieces.py").write_text(PIECES.format(name="Pair", added=2.0))
    assert said(tmp_path) == ["3.0", "0"]
    # A type by another name: what was kept before it cannot be read any more.
    (tmp_path / "pieces.py").write_text(PIECES.format(name="Couple", added=3.0))
    assert said(tmp_path) == ["4.0", "0"]
