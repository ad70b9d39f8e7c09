"""What timing the library finds: rows, what is required of them, and whether they are good enough."""

from dataclasses import dataclass, replace
from typing import Self

from artwork.bench.machine import Machine
from artwork.bench.targets import MISSED, Target
from artwork.bench.timing import Pace, Spread

DECISIONS, OBSERVE = "decisions", "observe"
JUDGED_RATIO = 5.0
"""Decisions are judged where deviations differ by this factor, and only shown at the others."""

TARGETS = {
    (DECISIONS, "mabwiser"): Target(2, 6),
    (DECISIONS, "bayesianbandits"): Target(1, 3),
    (OBSERVE, "mabwiser"): Target(3, 6),
}
"""By part and rival; the others are shown without a target."""


@dataclass(frozen=True)
class Row:
    """One measurement: units per second of ours, and of a rival's on the same data.

    ``ratio`` is how many times ours is as fast, from pair to pair of runs. ``about`` says what the case is like, ``note`` what
    to know of the rival: that it is not installed, or how its answers differ.
    """

    part: str
    case: str
    unit: str
    ours: Spread
    rival: str | None = None
    theirs: Spread | None = None
    ratio: Spread | None = None
    at_least: float | None = None
    aim: float | None = None
    verdict: str = ""
    about: str = ""
    note: str = ""

    def judged(self, target: Target | None) -> Self:
        """The row with its target, if there is one, and whether the median ratio reaches it."""
        if target is None or self.ratio is None:
            return self
        verdict = target.verdict(self.ratio.median)
        return replace(self, at_least=target.at_least, aim=target.aim, verdict=verdict)


@dataclass(frozen=True)
class Report:
    """All rows of a run; ``passed`` unless a required ratio was missed."""

    machine: Machine
    pace: Pace
    rows: list[Row]
    passed: bool


def report(machine: Machine, pace: Pace, rows: list[Row]) -> Report:
    """Judge the rows together."""
    return Report(machine, pace, rows, passed=all(row.verdict != MISSED for row in rows))
