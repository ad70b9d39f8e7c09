"""The service asked for twice as much as it can do."""

from typing import Final

from artwork.bench.serving.contenders import Contender
from artwork.bench.serving.driving import asked_by_driver, load_of
from artwork.bench.serving.results import Overload

TIMES: Final = 2.0
CONNECTIONS: Final = 256
"""More than the service takes at a time, so that it is the service that has to refuse."""


def measure(contender: Contender, highest_rate: float, seconds: float) -> Overload:
    """One run; latencies of what was not refused.

    Raises:
        WrongAnswerError: an answer was not the one to its request.
        SurroundingsError: the driver fails.
    """
    asked_rate = TIMES * highest_rate
    found = asked_by_driver(load_of(contender, asked_rate, seconds, CONNECTIONS), contender.name)
    accepted = found.statuses.get(200, 0)
    refused = found.statuses.get(503, 0)
    return Overload(
        asked_rate=asked_rate,
        accepted_rate=accepted / found.seconds,
        refused_rate=refused / found.seconds,
        wrong_statuses=found.requests - accepted - refused,
        accepted_p50_ms=found.accepted.p50_ms,
        accepted_p99_ms=found.accepted.p99_ms,
        share_of_highest=accepted / found.seconds / highest_rate,
    )
