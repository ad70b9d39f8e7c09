"""What the requests of one run say about one fault."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from bandit.arrays import F64, I16

P99_LIMIT_MS: Final = 5.0
IN_A_ROW: Final = 100
"""Personalized answers that tell of a store that is used again; a single one may be missed on any day."""
SOURCES: Final = ("personalized", "popularity", "default")


@dataclass(frozen=True)
class Asked:
    """All requests of a run, an entry each.

    ``due`` is when it was to be sent, in seconds since the run began; ``latency_ms`` counts from then to the last byte of the
    answer; ``status`` is 0 where none came; ``source`` is a place in ``SOURCES``, or -1. ``wrong`` counts other users' answers.
    """

    due: F64
    latency_ms: F64
    status: I16
    source: I16
    wrong: int


@dataclass(frozen=True)
class Window:
    """When a fault was there, in seconds since the run began."""

    start: float
    end: float


@dataclass(frozen=True)
class Outcome:
    """Counts and latencies of the requests that were due while a fault was there.

    ``recovered_seconds`` is how long after its end the first of 100 requests was due that were all answered personalized; None
    where there were none to the end of the run.
    """

    fault: str
    about: str
    requests: int
    personalized: int
    popularity: int
    default: int
    refused: int
    unanswered: int
    wrong: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    worst_ms: float
    recovered_seconds: float | None

    @property
    def shortcomings(self) -> list[str]:
        """What was promised and not kept; empty if nothing."""
        late = f"p99 {self.p99_ms:.2f} ms, expected under {P99_LIMIT_MS:g}"
        return [*self.lost, *([late] if self.p99_ms >= P99_LIMIT_MS else [])]

    @property
    def lost(self) -> list[str]:
        """The same without times, which a busy machine may be to blame for."""
        short_of = {
            f"{self.refused} answers of 5xx": self.refused,
            f"{self.unanswered} requests without an answer": self.unanswered,
            f"{self.wrong} answers for another user": self.wrong,
            "picks did not come back": self.recovered_seconds is None,
        }
        return [text for text, is_short in short_of.items() if is_short]


def judge(fault: str, about: str, asked: Asked, window: Window) -> Outcome:
    """Judge a run by what was due within a window; wrong answers count whenever they came."""
    inside = (asked.due >= window.start) & (asked.due < window.end)
    latency, status = asked.latency_ms[inside], asked.status[inside]
    counts = {name: int(np.count_nonzero(asked.source[inside] == place)) for place, name in enumerate(SOURCES)}
    p50, p99, p999 = np.percentile(latency, (50, 99, 99.9), method="higher").tolist()
    return Outcome(
        fault,
        about,
        int(inside.sum()),
        personalized=counts["personalized"],
        popularity=counts["popularity"],
        default=counts["default"],
        refused=int(np.count_nonzero(status >= 500)),
        unanswered=int(np.count_nonzero(status == 0)),
        wrong=asked.wrong,
        p50_ms=p50,
        p99_ms=p99,
        p999_ms=p999,
        worst_ms=float(latency.max()),
        recovered_seconds=_recovered_seconds(asked, window.end),
    )


def _recovered_seconds(asked: Asked, end: float) -> float | None:
    after = np.flatnonzero(asked.due >= end)
    after = after[np.argsort(asked.due[after], kind="stable")]
    others = np.cumsum(asked.source[after] != SOURCES.index("personalized"))
    whole = np.flatnonzero(others[IN_A_ROW:] == others[:-IN_A_ROW])  # no other among the next ones
    if not len(whole):
        return None
    # others[i] counts up to and with i, so the run begins with the one after it.
    first = 0 if others[IN_A_ROW - 1] == 0 else int(whole[0]) + 1
    return float(asked.due[after[first]] - end)
