"""The service asked for twice as much as it can do."""

from typing import Final

from artwork.bench.serving.contenders import Contender
from artwork.bench.serving.driving import asked_by_driver, load_of
from artwork.bench.serving.results import Overload
from loadtest.driver.latency import latency

TIMES: Final = 2.0
CONNECTIONS: Final = 256
"""More than the service takes at a time, so that it is the service that has to refuse."""
OPENING_SECONDS: Final = 1.0
"""Latencies are taken after the first second: in it the connections are opened, and what gathers meanwhile is worked off.
Counts are of the whole time."""


def measure(contender: Contender, highest_rate: float, seconds: float) -> Overload:
    """One run; latencies of what was not refused.

    Raises:
        WrongAnswerError: an answer was not the one to its request.
        SurroundingsError: the driver fails.
    """
    asked_rate = TIMES * highest_rate
    found = asked_by_driver(load_of(contender, asked_rate, seconds, CONNECTIONS), contender.name)
    opened = OPENING_SECONDS if seconds > 2 * OPENING_SECONDS else 0.0
    in_time = found.latencies_ms[(found.intended_seconds >= opened) & (found.status_each == 200)]
    latencies = latency(in_time)
    accepted = found.statuses.get(200, 0)
    refused = found.statuses.get(503, 0)
    return Overload(
        asked_rate=asked_rate,
        accepted_rate=accepted / found.seconds,
        refused_rate=refused / found.seconds,
        wrong_statuses=found.requests - accepted - refused,
        accepted_p50_ms=latencies.p50_ms,
        accepted_p99_ms=latencies.p99_ms,
        share_of_highest=accepted / found.seconds / highest_rate,
    )
