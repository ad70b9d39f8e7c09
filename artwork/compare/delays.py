"""The delay experiment of Chapelle and Li: regret by delay, beside published figures."""

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from artwork.compare.tasks import repeat
from bandit.errors import InputError
from bandit.simulation.studies.chapelle_li import Repetition, delays_of, regrets_of
from bandit.simulation.studies.delay_table import Comparison, compare
from batch.executors import Progress

REPETITIONS: Final = 100
DELAYS: Final = "1,10,100,1000"

_SERIAL_STEPS = 20_000_000  # under this many simulated steps, starting processes takes longer than they save


@dataclass(frozen=True)
class ComparedDelays:
    """A comparison and the seconds that it took."""

    comparison: Comparison
    seconds: float


def compare_delays(steps: int, repetitions: int, delays: str, seed: int, progress: Progress) -> ComparedDelays:
    """Run the experiment.

    Raises:
        InputError: delays are not whole numbers from 1 to the number of steps.
        SurroundingsError: a worker process died.
    """
    started = time.monotonic()
    wanted = delays_of(parse_delays(delays, steps))
    tasks = [Repetition(seed, number, steps, wanted) for number in range(repetitions)]
    small = steps * repetitions * len(wanted) < _SERIAL_STEPS
    regrets = repeat("serial" if small else "processes", regrets_of, tasks, progress)
    return ComparedDelays(compare(np.stack(regrets), wanted, steps, seed), time.monotonic() - started)


def parse_delays(text: str, steps: int) -> tuple[int, ...]:
    """Delays from their text on the command line, ``1,10,100``.

    Raises:
        InputError: one is not a whole number from 1 to the number of steps.
    """
    words = text.split(",")
    for word in words:
        if not word.strip().isdecimal() or not 1 <= int(word) <= steps:
            raise InputError(
                f"--delays has {word.strip()!r}, expected whole numbers from 1 to the {steps:,} steps, as in 1,10,100"
            )
    return tuple(int(word) for word in words)
