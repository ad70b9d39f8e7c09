"""What a run of a closed loop finds: every connection asks again as soon as it is answered."""

from dataclasses import dataclass
from typing import Final

CONNECTIONS: Final = 32


@dataclass(frozen=True)
class ClosedRun:
    """Answers a second, answers that failed, and latencies in milliseconds from request to answer."""

    rate: float
    failed: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p99_9_ms: float
    max_ms: float
