"""What the service has to reach beside the others, and what is worked towards."""

from dataclasses import dataclass
from typing import Final, Self

from artwork.bench.targets import MISSED, Target

SATURATED: Final = "client saturated"
UNCONFIRMED: Final = "not confirmed"


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


NAIVE: Final = Target(4, 5.5)
MODEL: Final = Target(2.5, 3.5)
WEBDIS: Final = Target(0.35, 0.48)
PAGE_PICKS: Final = Target(8, 20)
ACCEPTED: Final = Target(0.8, 1.0)
SINGLE_P99_MS: Final = Limit(5, 2)
PAGE_P99_MS: Final = Limit(5, 3)
OVERLOAD_P99_MS: Final = Limit(5, 5)
READY_SECONDS: Final = Limit(1.5, 0.8)
RESIDENT_MEGABYTES: Final = Limit(150, 100)


@dataclass(frozen=True)
class Judged:
    """A value beside its target; ``required`` is a lower bound for ratios and an upper one for milliseconds, seconds and MB."""

    what: str
    found: float
    unit: str
    required: str
    aim: str
    verdict: str

    @classmethod
    def of(cls, what: str, found: float, unit: str, target: Target | Limit, hindrance: str = "") -> Self:
        """Judge a value, unless something stands in the way of judging it."""
        verdict = hindrance or target.verdict(found)
        if isinstance(target, Target):
            return cls(what, found, unit, f"≥ {target.at_least:g}", f"≥ {target.aim:g}", verdict)
        return cls(what, found, unit, f"< {target.at_most:g}", f"< {target.aim:g}", verdict)

    @property
    def is_reached(self) -> bool:
        """Whether what is required was reached, and could be judged."""
        return self.verdict not in {MISSED, SATURATED, UNCONFIRMED}
