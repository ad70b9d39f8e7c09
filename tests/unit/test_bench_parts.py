"""Each part yields its rows, beside the rivals that are there and those that are not."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samplers import Sampler

from artwork.bench.kernels import decisions, fitting, observing, packing, scoring, winning
from artwork.bench.kernels.data import Size
from artwork.bench.kernels.results import Row, Setting, report
from artwork.bench.kernels.run import PARTS
from artwork.bench.machine import this_machine
from artwork.bench.rivals import INSTALL, RIVALS, find_rivals
from artwork.bench.timing import Pace
from bandit.arrays import F64, I64
from bandit.errors import SurroundingsError

SIZE = Size(users=64, impressions=500, features=3, arms=4, catalogue=20, catalogue_features=2, artwork_features=2)
SETTING = Setting(Pace(2, 1e-9), SIZE, {"mabwiser": Sampler, "bayesianbandits": None, "numpy": Sampler})


@pytest.fixture(scope="module")
def decided() -> list[Row]:
    return list(decisions.measure(SETTING))


def test_decisions_are_timed_at_four_ratios_and_with_arms_apart_beside_every_rival(decided: list[Row]) -> None:
    cases = [f"deviations differ by {ratio} x" for ratio in (1, 5, 25, 100)]
    assert [row.case for row in decided[::3]] == [*cases, "deviations differ by 5 x, arms apart"]
    assert len(decided) == 5 * 3


def test_a_rival_that_is_there_has_rates_and_a_ratio(decided: list[Row]) -> None:
    for row in decided:
        if row.rival == "numpy":
            assert row.theirs is not None
            assert row.ratio is not None
            assert (row.note, row.verdict) == ("gives no propensity", "")


def test_a_rival_that_is_missing_has_a_row_that_says_how_to_install_it(decided: list[Row]) -> None:
    missing = [row for row in decided if row.rival == "bayesianbandits"]
    assert len(missing) == 5
    assert all((row.theirs, row.ratio, row.note, row.verdict) == (None, None, INSTALL, "") for row in missing)


def test_decisions_are_judged_where_deviations_differ_five_times_and_the_rival_has_a_target(decided: list[Row]) -> None:
    judged = [(row.rival, row.case, row.at_least, row.aim) for row in decided if row.verdict]
    assert judged == [
        ("mabwiser", "deviations differ by 5 x", 3.5, 4.5),
        ("mabwiser", "deviations differ by 5 x, arms apart", 4.5, 6),
    ]


class Recorder(Sampler):
    """A rival that tells its propensities, has no posterior, and learns from its own decisions alone."""

    gives_propensity = True
    has_posterior = False
    learns_logs = False

    def draws(self, contexts: F64, count: int) -> F64:
        raise NotImplementedError

    def choose(self, contexts: F64) -> I64:
        return np.zeros(len(contexts), dtype=np.int64)


def test_a_rival_without_a_posterior_is_timed_and_its_propensities_are_noted() -> None:
    row = next(decisions.measure(replace(SETTING, rivals={"recorder": Recorder})))
    assert row.theirs is not None
    assert row.note == "gives the propensity"


def test_a_rival_that_takes_no_logs_is_left_out_of_observing() -> None:
    rows = list(observing.measure(replace(SETTING, rivals={"recorder": Recorder, "numpy": Sampler})))
    assert [row.rival for row in rows] == ["numpy", None, None]


def test_observing_is_judged_beside_its_rival_and_shown_alone() -> None:
    rows = list(observing.measure(SETTING))
    assert [(row.rival, row.at_least) for row in rows if row.verdict] == [("mabwiser", 3)]
    assert [row.case for row in rows if row.rival is None] == ["sums alone, float64", "sums alone, float32"]


def test_scoring_is_compared_with_two_matrix_products() -> None:
    rows = list(scoring.measure(SETTING))
    assert [(row.unit, row.rival) for row in rows] == [
        ("scores/s", None),
        ("GFLOP/s", "float64 matrix product"),
        ("GFLOP/s", "float32 matrix product"),
    ]


def test_win_probabilities_state_the_largest_error_of_each_case() -> None:
    rows = list(winning.measure(replace(SETTING, size=replace(SIZE, users=2))))
    assert all(row.about.startswith("largest error ") for row in rows[: len(winning.CASES)])
    assert {(10, 1.0), (10, 5.0), (10, 25.0), (10, 100.0), (3, 5.0), (100, 5.0)} <= set(winning.CASES)


def test_the_other_parts_are_shown_alone() -> None:
    for measure, count in ((winning.measure_weights, 2), (fitting.measure, 3), (packing.measure, 4)):
        rows = list(measure(SETTING))
        assert len(rows) == count
        assert all(row.rival is None and row.ours.lowest > 0 for row in rows)


def test_every_part_is_run() -> None:
    modules = (decisions, winning, observing, scoring, fitting, packing)
    assert set(PARTS) == {*(module.measure for module in modules), winning.measure_weights}


def test_every_rival_is_looked_for() -> None:
    assert list(find_rivals()) == list(RIVALS)


def test_a_library_that_is_installed_and_broken_is_not_told_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mabwiser.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("mabwiser", "mabwiser.mab", "artwork.bench.rivals.mabwiser"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(SurroundingsError, match=r"mabwiser is installed and does not import .*no_such_dependency"):
        find_rivals()


def test_a_report_passes_unless_a_required_ratio_is_missed(decided: list[Row]) -> None:
    machine = this_machine(["numpy", "no-such-library"])
    assert machine.versions["no-such-library"] is None
    unjudged = [row for row in decided if not row.verdict]
    judged = next(row for row in decided if row.verdict)
    for verdict, passed in (("missed", False), ("met", True), ("aim reached", True)):
        rows = [*unjudged, replace(judged, verdict=verdict)]
        assert report(machine, Pace(), rows).passed is passed
