from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from loadtest.answers import Checked
from loadtest.boundary import RunError
from loadtest.figures import (
    Fault,
    Figures,
    ScenarioFigures,
    Slice,
    Tally,
    fine_bucket,
    percentile,
    read_figures,
    scenario_figures,
    write_figures,
)

SLICES = (Slice(0.0, 1.0, 5, 0.45, 4.57), Slice(1.0, 1.0, 0, None, None))


class FiveRequests:
    response_times: ClassVar[dict[float, int]] = {4.57: 1, 0.45: 4}
    num_requests = 5
    num_failures = 1
    max_response_time = 4.5678

    def get_response_time_percentile(self, percent: float, /) -> float:
        return {0.5: 0.45, 0.9: 0.9, 0.99: 4.57, 0.999: 4.57}[percent]


class NoRequest(FiveRequests):
    num_requests = 0


@pytest.mark.parametrize(
    ("response_ms", "bucket"),
    [
        (0.4567, 0.46),
        (0.004, 0.01),
        (0.0, 0.01),
        (1.2345, 1.23),
        (9.999, 10.0),
        (12.345, 12.3),
        (123.45, 123.0),
        (5432, 5430),
    ],
)
def test_response_times_keep_three_digits_down_to_ten_microseconds(response_ms: float, bucket: float) -> None:
    assert fine_bucket(response_ms) == bucket


def test_there_are_few_enough_buckets_to_keep_all_of_a_minute() -> None:
    assert len({fine_bucket(microseconds / 1000) for microseconds in range(1, 1_000_000, 7)}) < 3000


def test_percentiles_below_a_millisecond_are_kept() -> None:
    assert scenario_figures("page", FiveRequests(), SLICES) == ScenarioFigures(
        "page", 5, 1, 0.45, 0.9, 4.57, 4.57, 4.57, SLICES, {"0.45": 4, "4.57": 1}
    )


def test_a_scenario_without_a_request_has_no_percentiles() -> None:
    figures = scenario_figures("single", NoRequest())
    assert (figures.requests, figures.p50_ms, figures.max_ms) == (0, None, None)


def test_figures_read_back_are_the_figures_written(tmp_path: Path) -> None:
    figures = Figures(
        host="http://127.0.0.1:8000",
        users=16,
        asked_rate=500.0,
        scenario="mixed",
        seconds=30.0,
        client_cpu_share=0.25,
        client_lag_p99_ms=1.5,
        scenarios=(scenario_figures("page", FiveRequests(), SLICES), scenario_figures("single", NoRequest())),
        sources={"personalized": 190, "popularity": 10},
        faults=(Fault("page", "status 500, expected 200", 1, "/v1/users/u1/artwork"),),
    )
    write_figures(tmp_path / "figures.json", figures)
    assert read_figures(tmp_path / "figures.json") == figures


@pytest.mark.parametrize("content", [None, "", '{"host'])
def test_a_run_that_left_no_whole_figures_has_failed(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "figures.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RunError, match="without figures"):
        read_figures(path)


def test_a_tally_lists_the_most_frequent_fault_first_with_its_first_address() -> None:
    tally = Tally()
    tally.note("single", Checked("status 503"), "/rare")
    for url in ("/first", "/second"):
        tally.note("page", Checked("title_ids"), url)
    assert tally.listed() == (Fault("page", "title_ids", 2, "/first"), Fault("single", "status 503", 1, "/rare"))


def test_a_tally_counts_the_sources_of_picks() -> None:
    tally = Tally()
    tally.note("page", Checked(None, ("personalized", "popularity")), "/a")
    tally.note("single", Checked(None, ("popularity",)), "/b")
    assert tally.sources == {"personalized": 1, "popularity": 2}


def test_a_tally_keeps_times_by_slice_and_scenario_with_the_slices_in_between() -> None:
    tally = Tally(slice_seconds=2.0)
    for at, time in ((-0.1, 1.0), (1.9, 3.0), (2.0, 5.0), (6.5, 7.0)):
        tally.took("page", at, time)
    tally.took("single", 0.0, 9.0)
    found = [(one.start_seconds, one.requests, one.p50_ms, one.p99_ms) for one in tally.slices("page")]
    assert found == [(0.0, 2, 1.0, 3.0), (2.0, 1, 5.0, 5.0), (4.0, 0, None, None), (6.0, 1, 7.0, 7.0)]
    assert [one.p99_ms for one in tally.slices("single")] == [9.0]
    assert tally.slices("nobody") == ()


def test_a_percentile_of_counts_is_that_of_the_times_that_were_counted() -> None:
    rng = np.random.default_rng(3)
    sample = [fine_bucket(time) for time in rng.lognormal(0, 1, 5003).tolist()]
    for share in (0.5, 0.9, 0.99, 0.999, 1.0):
        wanted = np.percentile(sample, share * 100, method="inverted_cdf")
        assert percentile(Counter(sample), share) == pytest.approx(wanted, rel=1e-9)
