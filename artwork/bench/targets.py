"""What a ratio has to reach."""

from dataclasses import dataclass

DECISIONS, OBSERVE = "decisions", "observe"
JUDGED_RATIO = 5.0
"""Decisions are judged where deviations differ by this factor, and only shown at the others."""


@dataclass(frozen=True)
class Target:
    """The ratio that is required, and the one that is worked towards."""

    at_least: float
    aim: float

    def verdict(self, ratio: float) -> str:
        """``missed``, ``met`` or ``aim reached``."""
        if ratio < self.at_least:
            return MISSED
        return "aim reached" if ratio >= self.aim else "met"


MISSED = "missed"

TARGETS = {
    (DECISIONS, "mabwiser"): Target(2, 6),
    (DECISIONS, "bayesianbandits"): Target(1, 3),
    (OBSERVE, "mabwiser"): Target(3, 6),
}
"""By part and rival; the others are shown without a target."""
