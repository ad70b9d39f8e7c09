"""The end of the load test's commands: one line on standard error and an exit code."""

import subprocess
import sys


def test_a_fault_is_one_line_with_its_place_in_whatever_folder_of_the_load_test_it_is() -> None:
    program = (
        "from loadtest.boundary import run\n"
        "from loadtest.driver.load import schedule\n"
        "run(lambda: lambda: schedule(0.0, 1.0, 1))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert done.stderr.count("\n") == 1
    assert "this is a fault of ours: ZeroDivisionError: " in done.stderr
    assert " at loadtest/driver/load.py:" in done.stderr
