"""The whole study of alarms: 200 quiet seasons of every world, 200 seasons of every fault; exits with 1 outside of the promises.

How few users may explore until faults are found late, and what moods that last do, is told as well, without a promise.
"""

import sys
from dataclasses import replace

from bandit.simulation.studies.watching import FAULTS, MOODS, WORLDS, WatchRow, fault_row, quiet_row, with_explorers

SEASONS = 200
MOST_ALARMS = 1 / 200
LEAST_FOUND = 0.8


def tell(row: WatchRow) -> None:
    names = ", ".join(f"{name} {count}" for name, count in sorted(row.by.items(), key=lambda item: -item[1]))
    sys.stdout.write(f"{row.world:24}{row.fault or 'quiet':16}{row.share:9.3%}  {names}\n")
    sys.stdout.flush()


def main() -> int:
    usual, missed = WORLDS[0], 0
    for world in WORLDS:
        row = quiet_row(world, SEASONS)
        tell(row)
        missed += row.share > MOST_ALARMS
    for fault in FAULTS:
        row = fault_row(usual, fault, SEASONS)
        tell(row)
        missed += row.share < LEAST_FOUND
    for world in MOODS:
        tell(quiet_row(world, SEASONS))
    for world in (with_explorers(usual, 100), with_explorers(usual, 30), replace(usual, name="rare", level=-4.5)):
        for fault in ("taste", "clickbait"):
            tell(fault_row(world, fault, SEASONS))
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
