"""``artwork bench faults`` as others call it."""

import json
from typing import Any

import pytest
from shell import Called, assert_refused, call


@pytest.fixture(scope="module")
def measured() -> Called:
    """One fault, gently and for a moment: what is counted is the same as in a long run."""
    return call("bench", "faults", "--fault", "killed", "--rate", "200", "--seconds", "1", "--json")


@pytest.fixture(scope="module")
def found(measured: Called) -> Any:
    return json.loads(measured.out)


@pytest.mark.faults
@pytest.mark.exclusive
def test_a_killed_store_loses_no_request_and_its_picks_come_back(found: Any) -> None:
    [killed] = found["outcomes"]
    assert killed["fault"] == "killed"
    assert killed["requests"] == killed["personalized"] + killed["popularity"] > 100
    assert killed["popularity"] > 0.9 * killed["requests"]
    assert (killed["refused"], killed["unanswered"], killed["wrong"]) == (0, 0, 0)
    assert killed["recovered_seconds"] is not None


@pytest.mark.faults
@pytest.mark.exclusive
def test_percentiles_are_in_order_and_the_machine_is_named(found: Any) -> None:
    [killed] = found["outcomes"]
    times = [killed[name] for name in ("p50_ms", "p99_ms", "p999_ms", "worst_ms")]
    assert times[0] > 0
    assert times == sorted(times)
    assert found["machine"]["processor"]


@pytest.mark.faults
@pytest.mark.exclusive
def test_the_exit_code_is_1_only_where_a_promise_was_not_kept(measured: Called, found: Any) -> None:
    assert measured.code == (0 if found["passed"] else 1)


def test_a_fault_that_nobody_knows_is_wrong_input() -> None:
    assert_refused(call("bench", "faults", "--fault", "flood"), 2, "flood", "killed")
