"""Intervals hold the truth as often as they say, over 4,000 simulated logs of each kind."""

import numpy as np
import pytest

from bandit.simulation.studies import adaptive_coverage
from bandit.simulation.studies.adaptive_coverage import RATES, AdaptiveReplicates
from bandit.simulation.studies.coverage import (
    LOGS,
    SHOWINGS,
    UNBIASED,
    UNEVEN,
    Coverage,
    Replicates,
    SmallWorld,
    coverage_of,
    replicate,
)

REPLICATES, A_TASK, DECISIONS = 4000, 250, 1000
NOMINAL = 0.93, 0.97


def cover(log: str, showings: int) -> Coverage:
    tasks = [Replicates(log, DECISIONS, showings, first, first + A_TASK) for first in range(0, REPLICATES, A_TASK)]
    return coverage_of([replicate(task) for task in tasks], tasks)


def assert_promises(found: Coverage) -> None:
    low, high = NOMINAL
    assert found.replicates == REPLICATES
    rows = {row.estimator: row for row in found.rows}
    for name in UNBIASED:
        row = rows[name]
        assert low <= row.hall <= high, row
        assert low <= row.normal <= high, row
        assert row.bernstein is not None
        assert row.bernstein >= 0.95, row
        assert abs(row.bias) < 4 * row.error / REPLICATES**0.5, row  # no bias beyond chance
    for name in ("snips", "sndr"):  # biased by 1/m, which is nothing here
        assert low <= rows[name].hall <= high, rows[name]
    for name in ("dm", "ips:clip=2"):  # biased whatever the log's size, and their intervals do not know
        assert rows[name].bias < -0.01
        assert rows[name].normal < 0.93
    if found.sequence is not None and found.lead_sequence is not None:
        assert found.sequence >= 0.95
        assert found.lead_sequence >= 0.95


@pytest.mark.simulations
@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize("showings", SHOWINGS)
def test_intervals_hold_the_truth_on_every_kind_of_log(log: str, showings: int) -> None:
    assert_promises(cover(log, showings))


@pytest.mark.simulations
@pytest.mark.parametrize("rates", RATES)
def test_intervals_by_batches_hold_the_truth_where_the_logging_policy_learns(rates: tuple[float, float]) -> None:
    tasks = [AdaptiveReplicates(rates, 10, 1000, first, first + A_TASK) for first in range(0, REPLICATES, A_TASK)]
    found = adaptive_coverage.coverage_of([adaptive_coverage.replicate(task) for task in tasks], tasks)
    rows = {(row.estimator, row.interval): row for row in found.rows}
    for name in adaptive_coverage.ESTIMATORS:
        assert 0.93 <= rows[name, "batches"].covered <= 0.97, rows[name, "batches"]
        assert rows[name, "batches"].width < rows[name, "normal"].width


def test_the_world_of_the_replicates_is_the_truth_that_a_long_log_tends_to() -> None:
    for log in LOGS:
        world = SmallWorld.drawn(log)
        sample, choices = world.log(400_000, 1, np.random.default_rng(1))
        assert sample.rewards.mean() == pytest.approx(world.logged_truth, abs=0.003)
        assert sample.weighted_rewards.mean() == pytest.approx(world.truth, abs=0.005)
        assert sample.weights.max() <= world.largest_weight * (1 + 1e-12)
        assert (choices == 4).all()


def test_replicates_are_the_same_in_any_order_and_company() -> None:
    whole = replicate(Replicates(UNEVEN, 200, 3, 0, 4))
    last = replicate(Replicates(UNEVEN, 200, 3, 3, 4))
    assert (whole.values[3] == last.values[0]).all()
    assert (whole.covered[3, :, :2] == last.covered[0, :, :2]).all()


def test_an_adaptive_log_learns_what_it_has_seen() -> None:
    task = AdaptiveReplicates((0.1, 0.4), 6, 400, 0, 1)
    sample, batches = adaptive_coverage.draw_log(task, np.random.default_rng(1))
    shown = [sample.target[batches == batch].mean() for batch in range(6)]
    assert shown[0] == pytest.approx(0.5, abs=0.1)
    assert shown[-1] < 0.05
    assert sample.propensities is not None
    assert sample.propensities.min() >= adaptive_coverage.FLOOR - 1e-12
