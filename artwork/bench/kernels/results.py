"""What every part is given, how it compares itself with the rivals, and what comes of it: rows, and whether they will do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Self

from artwork.bench.kernels.data import Size
from artwork.bench.machine import Machine
from artwork.bench.rivals import INSTALL, Rivals
from artwork.bench.rivals.base import Rival
from artwork.bench.targets import MISSED, Target
from artwork.bench.timing import Pace, Side, Spread, Work, alone, compare

DECISIONS, OBSERVE = "decisions", "observe"
JUDGED_RATIO = 5.0
"""Decisions are judged where deviations differ by this factor, and only shown at the others."""

CLOSE_TARGETS = {
    (DECISIONS, "mabwiser"): Target(3.5, 4.5),
    (DECISIONS, "bayesianbandits"): Target(1.5, 2),
}
APART_TARGETS = {
    (DECISIONS, "mabwiser"): Target(4.5, 6),
    (DECISIONS, "bayesianbandits"): Target(1.8, 3),
}
OBSERVE_TARGETS = {(OBSERVE, "mabwiser"): Target(3, 6)}
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
class Setting:
    """How long is measured, how much data there is, and the rivals by name (None: not installed)."""

    pace: Pace = field(default_factory=Pace)
    size: Size = field(default_factory=Size)
    rivals: Rivals = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What a row is about, and our side of it."""

    part: str
    case: str
    unit: str
    ours: Side
    about: str = ""

    def alone(self, pace: Pace) -> Row:
        """A row that nobody is compared with."""
        return Row(self.part, self.case, self.unit, alone(self.ours, pace), about=self.about)

    def beside(self, name: str, theirs: Side, pace: Pace) -> Row:
        """A row with another side, timed in turn with ours."""
        compared = compare(self.ours, theirs, pace)
        return Row(
            self.part, self.case, self.unit, compared.ours, name, compared.theirs, compared.ratio, about=self.about
        )

    def beside_rivals(
        self,
        setting: Setting,
        theirs: Callable[[type[Rival]], tuple[Work, str]],
        targets: dict[tuple[str, str], Target],
    ) -> Iterator[Row]:
        """A row for each rival; ``theirs`` makes the work of one, and says what to know of it."""
        if not all(setting.rivals.values()):
            mine = self.alone(setting.pace)
            yield from (
                replace(mine, rival=name, note=INSTALL) for name, rival in setting.rivals.items() if rival is None
            )
        for name, rival in setting.rivals.items():
            if rival is not None:
                work, note = theirs(rival)
                row = self.beside(name, Side(work, self.ours.units), setting.pace)
                yield replace(row.judged(targets.get((self.part, name))), note=note)


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
