"""``artwork bench kernels`` as others call it."""

import json
from typing import Any

import pytest
from shell import Called, call

from artwork.bench.rivals import INSTALL, LIBRARIES, find_rivals
from artwork.bench.targets import MISSED


@pytest.fixture(scope="module")
def measured() -> Called:
    """One run with the shortest measurements; every check is as strict as in a long one."""
    return call("bench", "kernels", "--repeats", "1", "--seconds", "0.001", "--json")


@pytest.fixture(scope="module")
def found(measured: Called) -> Any:
    return json.loads(measured.out)


@pytest.mark.faults
def test_every_part_is_in_the_document(found: Any) -> None:
    parts = list(dict.fromkeys(row["part"] for row in found["rows"]))
    assert parts[:4] == ["decisions", "win probabilities", "observe", "scores"]
    assert all(row["ours"]["median"] > 0 for row in found["rows"])


@pytest.mark.faults
def test_the_document_says_what_was_measured_on(found: Any) -> None:
    machine = found["machine"]
    assert machine["processor"]
    assert machine["cores"] >= 1
    assert {"numpy", "numba", *LIBRARIES} <= set(machine["versions"])
    assert found["pace"] == {"repeats": 1, "seconds": 0.001}


@pytest.mark.faults
def test_rivals_that_are_not_installed_say_so_and_the_others_have_ratios(found: Any) -> None:
    rivals = find_rivals()
    for row in found["rows"]:
        if row["rival"] in rivals:
            missing = rivals[row["rival"]] is None
            assert (row["note"] == INSTALL, row["ratio"] is None) == (missing, missing)


@pytest.mark.faults
def test_the_exit_code_is_1_only_if_a_required_ratio_is_missed(measured: Called, found: Any) -> None:
    missed = any(row["verdict"] == MISSED for row in found["rows"])
    assert (measured.code, found["passed"]) == (int(missed), not missed)


def test_no_pairs_of_runs_are_wrong_input() -> None:
    assert call("bench", "kernels", "--repeats", "0").code == 2
