"""All parts of the bandit library, one after the other."""

from collections.abc import Callable, Iterator

from artwork.bench.kernels import decisions, fitting, observing, packing, scoring, weighing, winning
from artwork.bench.kernels.setting import Setting
from artwork.bench.results import Report, Row, report, this_machine
from artwork.bench.rivals import LIBRARIES
from artwork.bench.timing import one_core
from bandit.kernels.warm import warm

PARTS: tuple[Callable[[Setting], Iterator[Row]], ...] = (
    decisions.measure,
    winning.measure,
    observing.measure,
    scoring.measure,
    weighing.measure,
    fitting.measure,
    packing.measure,
)


def run(setting: Setting, progress: Callable[[str, int, int], None]) -> Report:
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
