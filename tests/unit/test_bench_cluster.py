"""What the bench of a cluster makes of its figures."""

import pytest

from artwork.bench.cluster.results import ClusterReport, Looking, Plan, Writing, ratio
from artwork.bench.cluster.run import judge
from artwork.bench.cluster.table import render
from artwork.bench.machine import this_machine
from artwork.bench.targets import MISSED, UNCONFIRMED
from artwork.size.measured import Reading

SOLO = Looking([10_000.0, 9_000.0, 11_000.0], [30.0] * 3, [5.0] * 3, 1.0)


def report(ours: float, rate: float, from_rows: float = 1.0) -> ClusterReport:
    writing = Writing([ours] * 3, [100_000.0] * 3)
    over_nodes = Looking([rate] * 3, [40.0] * 3, [12.0, 13.0, 14.0], from_rows)
    judged = judge(writing, SOLO, over_nodes)
    passed = all(target.is_reached for target in judged)
    return ClusterReport(
        this_machine(["numpy"]), Plan(), [1.0, 2.0], writing, SOLO, over_nodes, over_nodes.store_us, judged, passed
    )


def test_a_cluster_within_its_targets_passes() -> None:
    made = report(50_000.0, 7_100.0)
    assert made.passed
    assert "every target reaches what is required" in render(made)


@pytest.mark.parametrize(
    ("ours", "rate", "missed"),
    [(49_000.0, 9_000.0, "beside a raw writer per node"), (60_000.0, 6_900.0, "beside one store")],
)
def test_what_is_too_slow_fails_by_name(ours: float, rate: float, missed: str) -> None:
    made = report(ours, rate)
    assert not made.passed
    assert [target.verdict for target in made.judged if missed in target.what] == [MISSED]
    assert missed in render(made)


def test_look_ups_that_read_no_rows_confirm_nothing() -> None:
    made = report(60_000.0, 9_900.0, from_rows=0.9)
    assert made.judged[1].verdict == UNCONFIRMED
    assert not made.passed


def test_a_ratio_is_the_middle_one_of_the_rounds_own() -> None:
    assert ratio([10.0, 10.0, 10.0], [5.0, 20.0, 10.0]).median == 1.0


def test_a_plan_of_sizes_reads_what_is_reported() -> None:
    made = report(60_000.0, 9_900.0)
    assert made.node_us_per_row == [12.0, 13.0, 14.0]
    assert set(Reading.model_fields) <= set(vars(made))
