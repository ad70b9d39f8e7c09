"""Warming, which calls every kernel with arrays of a few numbers."""

import os
import subprocess
import sys


def test_warming_has_no_kernel_read_or_write_outside_of_its_arrays() -> None:
    # Compiled, a kernel does so without a word, and what it has written over may end the process much later.
    done = subprocess.run(
        [sys.executable, "-m", "bandit.kernels.warm"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "error:" not in done.stderr
