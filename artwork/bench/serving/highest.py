"""The highest open-loop rate at which a contender still answers in time."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from artwork.bench.serving.contenders import Contender
from artwork.bench.serving.driving import asked_by_driver, from_rows, load_of
from artwork.bench.serving.plan import Plan
from loadtest.driver.open_loop import Drive

P99_MS: Final = 5.0
HELD_SHARE: Final = 0.99
"""Of the requests that were due: answered in the time, and from the user's row where the answer says so."""

_WIDEST: Final = (0.3, 1.1)
"""Of the closed loop's rate: between these the search begins."""
_STEP_DOWN: Final = 0.9


@dataclass(frozen=True)
class Highest:
    """The rate, and whether it held for ``seconds``; ``saturated`` if the driver lacks the headroom to say so."""

    rate: float
    seconds: float
    confirmed: bool
    saturated: bool = False


def holds(contender: Contender, driven: Drive) -> bool:
    """Whether a run was within the bounds that define the highest rate."""
    share = min(driven.rate_share, from_rows(contender, driven))
    return share >= HELD_SHARE and driven.latency.p99_ms < P99_MS


def bisect(held: Callable[[float], bool], low: float, high: float, precision: float) -> float:
    """The highest rate that held between two bounds, to within a ratio; the lower bound where none did.

    A rate that did not hold is tried once more: on a shared machine, one moment of somebody else's ends a short run.
    """
    while high / low > precision:
        middle = math.sqrt(low * high)
        if held(middle) or held(middle):
            low = middle
        else:
            high = middle
    return low


def search(contender: Contender, closed_rate: float, plan: Plan) -> float:
    """The highest rate by short runs around the rate of a closed loop."""

    def held(rate: float) -> bool:
        return holds(contender, asked_by_driver(load_of(contender, rate, plan.search_seconds), contender.name))

    low, high = (share * closed_rate for share in _WIDEST)
    return bisect(held, low, high, plan.precision)


def confirm(contender: Contender, rate: float, plan: Plan) -> Highest:
    """Hold a rate for the whole time, or the next lower one, each 10 % below the one before."""
    for tried in range(plan.tries):
        lower = rate * _STEP_DOWN**tried
        if holds(contender, asked_by_driver(load_of(contender, lower, plan.seconds), contender.name)):
            return Highest(lower, plan.seconds, confirmed=True)
    return Highest(lower, plan.seconds, confirmed=False)
