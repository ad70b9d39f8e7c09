"""From impressions to a posterior that is ready to choose: sorted, summed and factored."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from artwork.bench.kernels.checks import check_sums
from artwork.bench.kernels.data import learned, make_log, summed
from artwork.bench.kernels.results import OBSERVE, OBSERVE_TARGETS, Measured, Row, Setting
from artwork.bench.timing import Side


def measure(setting: Setting) -> Iterator[Row]:
    """Impressions per second into a fresh posterior, arms in order of arrival; and into sums alone, as 32-bit floats.

    Raises:
        WrongAnswerError: the sums differ from one matrix product per arm.
    """
    log = make_log(setting.size)
    narrow = replace(log, contexts=log.contexts.astype(np.float32))
    for kind in (log, narrow):
        check_sums(summed(kind), kind)
    about = f"{len(log.arms):,} impressions, d = {setting.size.features}, {log.n_arms} arms"
    ready = Side(lambda: learned(log).scorer(np.arange(log.n_arms)), len(log.arms))
    both = Measured(OBSERVE, "sums and factors, ready to choose", "impressions/s", ready, about)
    able = {name: rival for name, rival in setting.rivals.items() if rival is None or rival.learns_logs}
    yield from both.beside_rivals(
        replace(setting, rivals=able), lambda rival: (partial(rival.learn, log), rival.calls), OBSERVE_TARGETS
    )
    for kind, name in ((log, "float64"), (narrow, "float32")):
        side = Side(partial(summed, kind), len(log.arms))
        yield Measured(OBSERVE, f"sums alone, {name}", "impressions/s", side, about).alone(setting.pace)
