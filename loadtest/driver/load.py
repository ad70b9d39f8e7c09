"""What the driver is asked to do: a load, and the times at which its requests are due."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loadtest.boundary import InputError

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

MARKS: Final = (b'"source":"personalized"', b'"source":"segment"', b'"source":"popularity"', b'"source":"default"')


@dataclass(frozen=True)
class Load:
    """What to ask of whom, and how often.

    Args:
        host: an address or a name.
        port: where it listens, without TLS.
        requests: whole requests, sent in order, again from the first after the last.
        rate: requests per second, at random times (Poisson). None is a closed loop: every connection asks again at once.
        seconds: how long requests are due. Answers may take ``timeout_seconds`` longer.
        expected: text that the answer to request i must contain when it is a success (2xx).
        connections: each carries one request at a time.
        seed: of the schedule.
        marks: which of these comes first in a body is counted.
        timeout_seconds: a request without an answer for so long is unanswered, and its connection opened anew.
    """

    host: str
    port: int
    requests: Sequence[bytes]
    rate: float | None
    seconds: float
    expected: Sequence[bytes] | None = None
    connections: int = 64
    seed: int = 0
    marks: Sequence[bytes] = MARKS
    timeout_seconds: float = 5.0

    def __post_init__(self) -> None:
        """Raises ``InputError`` for a load that cannot be driven."""
        if not self.requests or not all(self.requests):
            raise InputError("there is nothing to ask: give at least one request, none of them empty")
        if self.expected is not None and len(self.expected) != len(self.requests):
            raise InputError(
                f"{len(self.expected)} expected texts for {len(self.requests)} requests; give one for each"
            )
        numbers = {"rate": self.rate, "seconds": self.seconds, "timeout_seconds": self.timeout_seconds}
        for name, value in {**numbers, "connections": self.connections}.items():
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} is {value}; it must be above 0")


def schedule(rate: float, seconds: float, seed: int) -> I64:
    """Intended times of a Poisson process, in nanoseconds, ascending and before the end."""
    rng = np.random.default_rng(seed)
    n = int(rate * seconds + 6 * (rate * seconds) ** 0.5 + 10)  # six deviations above the mean number
    times = np.cumsum(rng.exponential(1e9 / rate, n)).astype(np.int64)
    return times[times < seconds * 1e9]
