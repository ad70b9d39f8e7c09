import json
from pathlib import Path
from typing import Any

import pytest

from loadtest.boundary import InputError
from loadtest.comparison import as_lines, compare, read_report


def report(p99_ms: float = 2.0, rate: float = 500.0, **figures: Any) -> dict[str, Any]:
    single = {"name": "single", "requests": 1000, "p99_ms": p99_ms, "max_ms": None}
    return {
        "passed": True,
        "rate": rate,
        "checks": [{"name": "p99", "measured": p99_ms}],
        "figures": {"asked_rate": 500.0, "scenario": "mixed", "scenarios": [single], "faults": []} | figures,
    }


def found(rate: float, p99_ms: float) -> dict[str, Any]:
    common = {"scenario": "mixed", "page_share": 0.5, "slo_p99_ms": 5.0}
    return common | {"rate": rate, "highest": {"p99_ms": p99_ms}, "steps": [{"rate": 1.0}]}


def test_a_percentile_that_is_worse_by_more_than_the_margin_fails() -> None:
    compared = compare(report(2.0), report(2.41))
    assert [change.name for change in compared.changes if change.worse] == ["figures.scenarios.single.p99_ms"]
    assert not compared.passed


def test_a_percentile_that_is_worse_by_less_than_the_margin_passes() -> None:
    assert compare(report(2.0), report(2.39)).passed


def test_a_highest_rate_that_fell_by_more_than_the_margin_fails() -> None:
    compared = compare(found(10_000, 4.0), found(7_900, 4.0))
    assert [change.name for change in compared.changes if change.worse] == ["rate"]


def test_a_better_run_passes() -> None:
    assert compare(found(10_000, 4.0), found(20_000, 1.0)).passed


def test_every_figure_that_both_have_is_shown_with_its_change() -> None:
    lines = as_lines(compare(report(2.0), report(3.0)))
    assert "  WORSE  figures.scenarios.single.p99_ms: 2 -> 3 +50.0%" in lines
    assert any("rate: 500 -> 500 +0.0%" in line for line in lines)
    assert lines[-1] == "worse than the earlier run"
    assert not any("max_ms" in line or "passed" in line for line in lines)


@pytest.mark.parametrize(
    ("before", "now", "complaint"),
    [
        (report(asked_rate=100.0), report(), "asked_rate 100.0, this one 500.0"),
        (report(scenario="cold"), report(), "scenario cold"),
        (found(1.0, 1.0), report(), "runs of one kind"),
    ],
)
def test_runs_that_asked_for_something_else_are_not_compared(
    before: dict[str, Any], now: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        compare(before, now)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"passed": true}'])
def test_what_is_no_report_is_refused_with_its_name(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "last.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"last\.json"):
        read_report(path)


def test_a_report_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "last.json"
    path.write_text(json.dumps(report()))
    assert read_report(path) == report()
