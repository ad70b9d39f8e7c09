"""The process that speaks with Ray and the job's end of its connection, before either has to do with a cluster."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from bandit.errors import SurroundingsError
from batch.executors.on_ray import _driver
from batch.executors.ray_tasks import RemoteTraceback

HANG_SECONDS = 100.0


def test_a_driver_that_ray_ends_is_a_cluster_that_was_lost(capfd: pytest.CaptureFixture[str]) -> None:
    with _driver("auto") as driver:
        assert driver.ask("pid") == driver._process.pid
        driver._process.kill()
        with pytest.raises(SurroundingsError, match=r"^the Ray cluster \(auto\) was lost: .*\(signal 9\)"):
            driver.ask("pid")
    assert capfd.readouterr() == ("", "")


def test_the_last_words_of_a_driver_are_where_a_fault_is_traced(capfd: pytest.CaptureFixture[str]) -> None:
    with _driver("auto") as driver:
        driver._connection.send("no question")
        with pytest.raises(SurroundingsError, match=r"\(exit code 1\)") as caught:
            driver.ask("pid")
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "ValueError" in str(caught.value.__cause__)
    assert capfd.readouterr() == ("", "")


def test_an_answer_that_was_not_waited_for_answers_no_other_question() -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with _driver("auto") as driver:
            os.kill(driver._process.pid, signal.SIGSTOP)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                driver.ask("pid")
            os.kill(driver._process.pid, signal.SIGCONT)
            with pytest.raises(SurroundingsError, match="was lost"):
                driver.ask("pid")
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_driver_ends_with_its_block_and_leaves_no_folder() -> None:
    with _driver("auto") as driver:
        process, folder = driver._process, driver._words.parent
        assert folder.stat().st_mode & 0o77 == 0
    assert process.returncode == 0
    assert not folder.exists()


def test_a_driver_ends_when_its_job_is_killed() -> None:
    job = (
        "import os, signal\nfrom batch.executors.on_ray import _driver\n"
        "with _driver('auto') as driver:\n print(driver.ask('pid'), flush=True)\n os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", job], stdout=-1, text=True, check=False, timeout=HANG_SECONDS)
    assert ended.returncode == -signal.SIGKILL
    deadline = time.monotonic() + HANG_SECONDS
    with suppress(ProcessLookupError):
        while True:
            os.kill(int(ended.stdout), 0)
            assert time.monotonic() < deadline
            time.sleep(0.02)  # between looks at the process
