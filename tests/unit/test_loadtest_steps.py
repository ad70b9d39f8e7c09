"""One step of the search for the highest rate: kept, missed, or blurred by a client that was late itself."""

import numpy as np
import pytest

from loadtest.driver.open_loop import Drive
from loadtest.find_max import judged
from loadtest.report import step_text


def driven(ms: float = 1.0, lag_ms: float = 0.1, status: int = 200, wrong: int = 0, share: float = 1.0) -> Drive:
    """A hundred requests that took so long each."""
    return Drive(
        requests=100,
        seconds=1.0,
        rate=100.0,
        rate_share=share,
        statuses={status: 100},
        marks={},
        wrong=wrong,
        unanswered=0,
        reconnects=0,
        lag_p99_ms=lag_ms,
        cpu_share=0.1,
        intended_seconds=np.linspace(0, 1, 100),
        latencies_ms=np.full(100, ms),
        waited_ms=np.zeros(100),
        status_each=np.full(100, status, np.int16),
        mark_each=np.zeros(100, np.int16),
        wrong_each=np.zeros(100, bool),
        began=0.0,
    )


@pytest.mark.parametrize(
    ("drive", "word"),
    [
        (driven(ms=4.98, lag_ms=2.5), "kept"),
        (driven(ms=5.1, lag_ms=2.5), "MISSED"),
        (driven(ms=4.0, lag_ms=2.6), "LATE CLIENT"),
        (driven(ms=7.5, lag_ms=2.6), "LATE CLIENT"),
        (driven(ms=7.7, lag_ms=2.6), "MISSED"),
        (driven(ms=4.0, lag_ms=2.6, share=0.9), "MISSED"),
        (driven(ms=4.0, lag_ms=2.6, status=500), "MISSED"),
        (driven(ms=4.0, wrong=1), "MISSED"),
        (driven(ms=4.0, status=503), "MISSED"),
    ],
)
def test_a_late_client_blurs_a_step_that_its_lateness_explains_and_no_other(drive: Drive, word: str) -> None:
    step = judged(drive, 100.0, 5.0)
    assert (step.kept, step.blurred) == (word == "kept", word == "LATE CLIENT")
    assert f" per second: {word}, " in step_text(step)


def test_a_step_tells_the_clients_lag() -> None:
    assert "client 2.60 ms late (p99)" in step_text(judged(driven(lag_ms=2.6), 100.0, 5.0))
