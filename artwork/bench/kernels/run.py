"""All parts of the bandit library, one after the other."""

from collections.abc import Callable, Iterator

from artwork.bench.kernels import decisions, fitting, observing, packing, scoring, winning
from artwork.bench.kernels.results import Report, Row, Setting, report
from artwork.bench.machine import this_machine
from artwork.bench.rivals import LIBRARIES
from artwork.bench.timing import one_core
from bandit.kernels.warm import warm
from batch.executors import Progress

PARTS: tuple[Callable[[Setting], Iterator[Row]], ...] = (
    decisions.measure,
    winning.measure,
    observing.measure,
    scoring.measure,
    winning.measure_weights,
    fitting.measure,
    packing.measure,
)


def run(setting: Setting, progress: Progress) -> Report:
    """Check and time every part on one core, with warm kernels.

    Raises:
        WrongAnswerError: a part of ours computes something else than it should.
    """
    warm()
    rows: list[Row] = []
    with one_core():
        for done, part in enumerate(PARTS):
            progress("parts measured", done, len(PARTS))
            rows += part(setting)
        progress("parts measured", len(PARTS), len(PARTS))
        machine = this_machine(["numpy", "numba", "scipy", *LIBRARIES])
    return report(machine, setting.pace, rows)
