"""Seasons under a gate: what is equal is seldom shipped or rolled back, what is better or worse costs less than an A/B test."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from full_size import FULL_SIZE
from gated_seasons import Ended, Season, Service, ab_tested, gated, tally

pytestmark = pytest.mark.simulations

ERROR = 0.025
"""Of one side of intervals of 95 %."""
SEASONS = 600 if FULL_SIZE else 120
SERVICES = {
    "alike": Service(),
    "heavy tastes": Service(spread=5.0),
    "many small steps": Service(shares=(0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 1.0)),
    "rare rewards": Service(days=14, rate=0.03, matters=0.005),
}


def at_most(rate: float, seasons: int) -> float:
    """What a rate may come to by chance: 3 standard errors above it."""
    return rate + 3 * sqrt(rate * (1 - rate) / seasons)


def seasons(service: Service, count: int = SEASONS) -> list[Season]:
    return [Season(service, seed) for seed in range(count)]


def cost(ended: list[Ended]) -> float:
    return float(np.mean([one.cost for one in ended]))


@pytest.mark.parametrize("name", SERVICES)
def test_a_policy_that_is_no_other_is_seldom_shipped_or_rolled_back(name: str) -> None:
    ended = [gated(season) for season in seasons(SERVICES[name])]
    endings = tally(ended)
    assert np.mean([one.widest == 0.5 for one in ended]) > 0.5  # no gate that stays at its first share
    for wrong in ("SHIP", "ROLL BACK"):
        assert endings[wrong] / SEASONS <= at_most(ERROR, SEASONS), endings


@pytest.mark.parametrize("lift", [0.4, -0.4])
def test_a_policy_that_differs_ends_right_and_costs_less_than_the_test(lift: float) -> None:
    right, wrong = ("SHIP", "ROLL BACK") if lift > 0 else ("ROLL BACK", "SHIP")
    played = seasons(replace(SERVICES["alike"], lift=lift), SEASONS // 2)
    under_gate, tested = [gated(season) for season in played], [ab_tested(season) for season in played]
    endings = tally(under_gate)
    assert endings[wrong] / len(played) <= at_most(ERROR, len(played)), endings
    if lift > 0:
        assert endings[right] > 0.7 * len(played), endings
    assert cost(under_gate) < cost(tested)
