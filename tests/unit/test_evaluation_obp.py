"""Every estimator against the Open Bandit Pipeline, from the arrays and values that `tests/fixtures/make_obp_values.py` wrote."""

import json
from pathlib import Path
from typing import Any

import pytest

from bandit.evaluation import ESTIMATORS, estimate

CASES: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "obp_values.json").read_text(encoding="utf-8")
)["cases"]
ARRAYS = ("rewards", "arms", "propensities", "target_probabilities", "reward_estimates")


def listed(kind: str) -> list[Any]:
    """Every entry of a kind, with the name of its log."""
    return [
        pytest.param(
            log, entry, id=f"{log}: {', '.join(str(each) for each in entry.values() if each != entry['value'])}"
        )
        for log, case in CASES.items()
        for entry in case[kind]
    ]


def ours(log: str, name: str, tuning: dict[str, Any]) -> float:
    """Our estimate, also where these few impressions are too few to be believed."""
    given: dict[str, Any] = {array: CASES[log][array] for array in ARRAYS}
    found = estimate(name, **given, **tuning, interval="normal")
    value = found.value if found.value is not None else found.unreliable_value
    assert value is not None
    return value


def close(value: float) -> Any:
    """Within 1e-9, and within 1e-9 of itself."""
    return pytest.approx(value, rel=1e-9 * min(1.0, 1 / abs(value)), abs=0.0)


@pytest.mark.parametrize(("log", "theirs"), listed("values"))
def test_an_estimate_is_that_of_the_open_bandit_pipeline(log: str, theirs: dict[str, Any]) -> None:
    tuning = {name: float(setting) for name, setting in theirs.items() if name not in {"estimator", "value"}}
    assert ours(log, theirs["estimator"], tuning) == close(theirs["value"])


@pytest.mark.parametrize(("log", "theirs"), listed("composed"))
def test_a_clipped_ratio_is_that_of_the_pipelines_clipped_sums(log: str, theirs: dict[str, Any]) -> None:
    assert ours(log, theirs["estimator"], {"clip": theirs["clip"]}) == close(theirs["value"])


@pytest.mark.parametrize(("log", "theirs"), listed("slope"))
def test_slope_chooses_as_the_pipeline_does_at_the_same_width_of_an_estimate(
    log: str, theirs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandit.evaluation.tuning._WIDTHS", theirs["standard_errors"])
    tuned = ESTIMATORS[theirs["estimator"]].tuned
    assert tuned is not None
    assert ours(log, theirs["estimator"], {tuned: None}) == close(theirs["value"])


def test_every_estimator_is_compared() -> None:
    assert {entry["estimator"] for case in CASES.values() for entry in case["values"]} == set(ESTIMATORS)
