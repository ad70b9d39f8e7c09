"""The delay experiment of Chapelle and Li on the command line: regret by delay, beside published figures."""

import time
from dataclasses import dataclass

import numpy as np

from artwork.compare.tasks import repeat
from bandit.errors import InputError
from bandit.simulation.studies.chapelle_li import Repetition, delays_of, regrets_of
from bandit.simulation.studies.delay_table import FULL_STEPS, Comparison, Figure, Row, compare
from batch.executors import Progress

_SERIAL_STEPS = 20_000_000  # under this many simulated steps, starting processes takes longer than they save
_HEADER = (
    "                     UCB                               Thompson sampling                 UCB / Thompson\n"
    "     δ  reading      regret       published      off   regret       published      off   ratio          published"
)


@dataclass(frozen=True)
class ComparedDelays:
    """A comparison and the seconds that it took."""

    comparison: Comparison
    seconds: float


def compare_delays(steps: int, repetitions: int, delays: str, seed: int, report: Progress) -> ComparedDelays:
    """Run the experiment.

    Raises:
        InputError: delays are not whole numbers from 1 to the number of steps.
        SurroundingsError: a worker process died.
    """
    started = time.monotonic()
    wanted = delays_of(parse_delays(delays, steps))
    tasks = [Repetition(seed, number, steps, wanted) for number in range(repetitions)]
    small = steps * repetitions * len(wanted) < _SERIAL_STEPS
    regrets = repeat("serial" if small else "processes", regrets_of, tasks, report)
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


def render_compared(made: ComparedDelays) -> str:
    """The table and the verdict, as text."""
    table = made.comparison
    return "\n".join(
        (
            _title(made),
            _HEADER,
            *(_line(row) for row in table.rows),
            *_verdict(table),
        )
    )


def _title(made: ComparedDelays) -> str:
    table = made.comparison
    return (
        f"{table.world}: mean regret ± standard error of {table.repetitions} repetitions of {table.steps:,} steps,"
        f" seed {table.seed}, {made.seconds:.0f} s"
    )


def _line(row: Row) -> str:
    ratio = f"{row.ratio.mean:.2f} ± {row.ratio.error:.2f}"
    known = "-" if row.ratio.published is None else f"{row.ratio.published:.2f}"
    return f"{row.delay:6,}  {row.reading:8}  {_cells(row.ucb)}   {_cells(row.thompson)}   {ratio:13}  {known:>9}"


def _cells(figure: Figure) -> str:
    regret = f"{figure.mean:,.0f} ± {figure.error:,.0f}"
    if figure.published is None or figure.deviation is None:
        return f"{regret:>16} {'-':>8} {'-':>7}"
    return f"{regret:>16} {figure.published:>8,.0f} {figure.deviation:>+7.1%}"


def _verdict(table: Comparison) -> tuple[str, ...]:
    if not table.judged:
        return (f"not judged: the published figures are of {FULL_STEPS:,} steps, with δ = 1 and longer delays",)
    if table.wanting:
        return tuple(f"found wanting: {sentence}" for sentence in table.wanting)
    return ("as published: Thompson sampling at δ = 1 within 10 %; regrets and their ratio rise with δ",)
