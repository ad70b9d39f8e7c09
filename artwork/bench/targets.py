"""What a benchmark requires: right answers, and values that reach their targets."""

from dataclasses import dataclass
from typing import Final, Self

from artwork.bench.timing import Spread
from bandit.errors import BanditError

MISSED: Final = "missed"
SATURATED: Final = "client saturated"
UNCONFIRMED: Final = "not confirmed"


class WrongAnswerError(BanditError):
    """A part computes something else than it should, so its speed is not measured."""


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


@dataclass(frozen=True)
class Limit:
    """What a value must stay below, and what it is worked towards."""

    at_most: float
    aim: float

    def verdict(self, value: float) -> str:
        """``missed``, ``met`` or ``aim reached``; of NaN, ``missed``."""
        if not value < self.at_most:
            return MISSED
        return "aim reached" if value < self.aim else "met"


@dataclass(frozen=True)
class Judged:
    """A value beside its target; ``required`` is a lower bound for ratios and an upper one for milliseconds, seconds and MB.

    ``spread`` is of the rounds whose median is judged, None of a value that was measured once.
    """

    what: str
    found: float
    unit: str
    required: str
    aim: str
    verdict: str
    spread: Spread | None = None

    @classmethod
    def of(cls, what: str, found: float | Spread, unit: str, target: Target | Limit, hindrance: str = "") -> Self:
        """Judge a value, or the median of its rounds, unless something stands in the way of judging it."""
        spread = found if isinstance(found, Spread) else None
        value = found.median if isinstance(found, Spread) else found
        verdict = hindrance or target.verdict(value)
        if isinstance(target, Target):
            return cls(what, value, unit, f"≥ {target.at_least:g}", f"≥ {target.aim:g}", verdict, spread)
        return cls(what, value, unit, f"< {target.at_most:g}", f"< {target.aim:g}", verdict, spread)

    @property
    def is_reached(self) -> bool:
        """Whether what is required was reached, and could be judged."""
        return self.verdict not in {MISSED, SATURATED, UNCONFIRMED}
