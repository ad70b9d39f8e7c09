"""How long and on how much is measured."""

from dataclasses import dataclass
from typing import Final, Self

GENERATION: Final = 1
ARTWORKS: Final = 10
"""Per title."""

JUDGED_PICKS: Final = 100
"""Rows of so many picks are judged, others only shown."""
LARGE_CATALOGUE: Final = 1682
"""Titles of MovieLens 100k: rows of 5 KB."""
START_CATALOGUE: Final = 15_000
"""Titles of one market."""


@dataclass(frozen=True)
class Plan:
    """Rounds of turns, and seconds of each run.

    ``seconds`` is how long a highest rate has to hold, and how long latencies are taken below it, all rounds together.
    """

    rounds: int = 3
    seconds: float = 12.0
    closed_rounds: int = 7
    """More than of the rest: rates drift by a third within a minute, and they are what is compared."""
    closed_seconds: float = 3.0
    warm_seconds: float = 1.0
    """Asked first and thrown away, but for what share was answered from rows."""
    search_seconds: float = 1.5
    fault_seconds: float = 4.0
    """How long the store is broken in each round."""
    starts: int = 3
    users: int = 200_000
    large_users: int = 20_000
    """0 leaves long rows out."""
    start_users: int = 10_000
    precision: float = 1.05
    """How near the search for a highest rate comes to it, as a ratio. Holding the rate afterwards costs more than the search."""
    tries: int = 4
    """Rates, each 10 % below the one before, of which one should hold for the whole time."""

    @classmethod
    def quick(cls) -> Self:
        """Everything once and short: it shows that all parts work, its figures are noise."""
        return cls(
            rounds=1,
            seconds=0.5,
            closed_rounds=1,
            closed_seconds=1.0,
            warm_seconds=0.3,
            search_seconds=0.2,
            fault_seconds=0.5,
            starts=1,
            users=2000,
            large_users=0,
            start_users=500,
            precision=1.3,
            tries=2,
        )
