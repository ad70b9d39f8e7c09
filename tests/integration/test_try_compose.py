"""The script that starts docker-compose.yml for real, where it cannot; ``make compose`` is its own test where it can."""

import subprocess
import sys
from pathlib import Path

import pytest
from require_all import VARIABLE

SCRIPT = Path(__file__).parents[1] / "containers" / "try_compose.py"


@pytest.mark.parametrize(("required", "code", "word"), [("", 0, "skipped"), ("1", 3, "error")])
def test_where_no_engine_can_be_had_it_says_so_and_that_is_an_error_only_where_all_is_required(
    required: str, code: int, word: str
) -> None:
    env = {"PATH": "/nowhere", VARIABLE: required}  # neither apt-get nor anything else
    done = subprocess.run([sys.executable, SCRIPT], env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"{word}: containers are not started here: ")
    assert done.stderr.count("\n") == 1
