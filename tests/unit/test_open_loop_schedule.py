import numpy as np
import pytest

from loadtest.boundary import InputError
from loadtest.driver.latency import latency
from loadtest.driver.load import Load, schedule


def test_requests_are_due_as_often_as_asked_and_before_the_end() -> None:
    due = schedule(rate=50_000, seconds=2, seed=1)
    assert len(due) == pytest.approx(100_000, rel=0.02)
    assert due[-1] < 2e9
    assert np.all(np.diff(due) >= 0)


def test_gaps_scatter_as_much_as_they_last_on_average_which_is_what_independent_visitors_do() -> None:
    gaps = np.diff(schedule(rate=50_000, seconds=2, seed=1))
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.02)


def test_a_seed_is_a_schedule_and_another_seed_another_one() -> None:
    assert np.array_equal(schedule(100, 5, 7), schedule(100, 5, 7))
    assert not np.array_equal(schedule(100, 5, 7)[:50], schedule(100, 5, 8)[:50])


def test_percentiles_agree_with_numpys_to_three_digits() -> None:
    sample = np.random.default_rng(1).lognormal(0, 1, 20_001)
    found = latency(sample)
    wanted = np.percentile(sample, [50, 90, 99, 99.9, 100], method="inverted_cdf")
    assert [found.p50_ms, found.p90_ms, found.p99_ms, found.p999_ms, found.max_ms] == pytest.approx(wanted, rel=2e-3)


def test_percentiles_of_nothing_are_within_no_budget() -> None:
    assert not latency(np.empty(0)).p99_ms <= 5


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ({"requests": []}, "nothing to ask"),
        ({"requests": [b""]}, "none of them empty"),
        ({"expected": [b"a", b"b"]}, "2 expected texts for 1 requests"),
        ({"rate": 0.0}, "rate is 0"),
        ({"seconds": float("inf")}, "seconds is inf"),
        ({"connections": 0}, "connections is 0"),
    ],
)
def test_a_load_that_cannot_be_driven_is_refused(other: dict[str, object], complaint: str) -> None:
    told: dict[str, object] = {"requests": [b"GET / HTTP/1.1\r\n\r\n"], "rate": 1.0, "seconds": 1.0} | other
    with pytest.raises(InputError, match=complaint):
        Load("127.0.0.1", 1, **told)  # type: ignore[arg-type]  # drawn from a table
