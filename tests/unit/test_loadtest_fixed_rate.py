"""What the open loop measured, as figures: scenarios, slices, histograms and faults."""

import numpy as np
import pytest

from loadtest.driver.load import Load
from loadtest.driver.open_loop import Drive
from loadtest.figures import Fault, Figures, make_slices, slice_length
from loadtest.fixed_rate import NO_ANSWER, WRONG, figures_of, fine_counts

REQUESTS = [
    b"GET /v1/users/u1/titles/m1/artwork HTTP/1.1\r\n\r\n",
    b"GET /v1/users/u2/artwork?title_id=m1 HTTP/1.1\r\nX: ?\r\n\r\n",
]


def figures(statuses: list[int], wrong: list[bool], latencies_ms: list[float], due: list[float]) -> Figures:
    n = len(statuses)
    load = Load("127.0.0.1", 1, REQUESTS, rate=10.0, seconds=3.0, connections=7)
    driven = Drive(
        requests=n,
        seconds=3.0,
        rate=n / 3,
        rate_share=1.0,
        statuses={},
        marks={'"source":"personalized"': 3, '"source":"segment"': 0},
        wrong=sum(wrong),
        unanswered=statuses.count(0),
        reconnects=0,
        lag_p99_ms=0.2,
        cpu_share=0.1,
        intended_seconds=np.array(due),
        latencies_ms=np.array(latencies_ms),
        waited_ms=np.zeros(n),
        status_each=np.array(statuses, np.int16),
        mark_each=np.zeros(n, np.int16),
        wrong_each=np.array(wrong, bool),
        began=0.0,
    )
    return figures_of("http://127.0.0.1:1", "mixed", load, driven)


def test_requests_by_turns_are_counted_for_what_they_asked() -> None:
    single, page = figures([200, 503, 200, 0, 200], [False] * 4 + [True], [1, 2, 3, 4, 5], [0, 0, 0, 0, 2.5]).scenarios
    assert (single.name, single.requests, single.failures, single.max_ms) == ("single", 3, 1, 5.0)
    assert (page.name, page.requests, page.failures, page.p50_ms) == ("page", 2, 2, 2.0)
    assert single.histogram == {"1": 1, "3": 1, "5": 1}


def test_slices_are_by_when_a_request_was_due_and_have_those_without_one() -> None:
    single, page = figures([200] * 4, [False] * 4, [1, 2, 3, 4], [0.1, 0.2, 2.9, 0.3]).scenarios
    assert [(one.start_seconds, one.requests, one.p99_ms) for one in single.slices] == [
        (0, 1, 1),
        (1, 0, None),
        (2, 1, 3),
    ]
    assert [one.requests for one in page.slices] == [2]


def test_faults_are_grouped_by_what_was_wrong_with_their_first_address() -> None:
    found = figures([200, 503, 200, 503, 0], [True, False, False, False, False], [1.0] * 5, [0.0] * 5)
    assert found.faults == (
        Fault("single", WRONG, 1, "/v1/users/u1/titles/m1/artwork"),
        Fault("single", NO_ANSWER, 1, "/v1/users/u1/titles/m1/artwork"),
        Fault("page", "status 503, expected 200", 2, "/v1/users/u2/artwork?title_id=m1"),
    )
    assert (found.driver, found.users, found.sources) == ("open loop", 7, {"personalized": 3})


def test_a_load_without_a_request_has_figures_without_times() -> None:
    empty = figures([], [], [], [])
    assert [(one.requests, one.p99_ms, one.slices) for one in empty.scenarios] == [(0, None, ())] * 2
    assert (empty.requests, empty.rate, empty.faults) == (0, 0.0, ())


def test_times_are_counted_in_the_buckets_that_locusts_are() -> None:
    assert fine_counts(np.array([0.4567, 0.4561, 1.2345, 12345.6])) == {0.46: 2, 1.24: 1, 12300.0: 1}


@pytest.mark.parametrize("seconds", [0.1, 1, 59, 60, 61, 3599, 86_400])
def test_a_run_has_at_most_sixty_slices_of_whole_seconds(seconds: float) -> None:
    length = slice_length(seconds)
    assert length == int(length) >= 1
    assert seconds / length <= 60


def test_nothing_has_no_slices() -> None:
    assert make_slices({}, 1.0) == ()
