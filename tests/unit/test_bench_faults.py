import numpy as np
import pytest

from artwork.bench.faults.outcomes import Asked, Outcome, Window, judge

RATE = 1000
FAULT = Window(2.0, 4.0)


def run(seconds: float = 8.0) -> Asked:
    """A run at 1,000 a second in which all is well."""
    due = np.arange(0, seconds, 1 / RATE)
    size = len(due)
    return Asked(due, np.full(size, 1.0), np.full(size, 200, np.int16), np.zeros(size, np.int16), wrong=0)


def judged(asked: Asked) -> Outcome:
    return judge("killed", "", asked, FAULT)


def between(asked: Asked, start: float, end: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return (asked.due >= start) & (asked.due < end)


def test_a_run_in_which_all_is_well_has_no_shortcomings() -> None:
    found = judged(run())
    assert (found.requests, found.personalized, found.refused, found.unanswered) == (2000, 2000, 0, 0)
    assert (found.p50_ms, found.worst_ms, found.recovered_seconds) == (1.0, 1.0, 0.0)
    assert found.shortcomings == []


def test_only_what_was_due_while_the_fault_was_there_is_counted() -> None:
    asked = run()
    asked.latency_ms[~between(asked, 2.0, 4.0)] = 900.0
    asked.status[between(asked, 0.0, 1.0)] = 500
    assert judged(asked).shortcomings == []


def test_popularity_is_counted_and_no_shortcoming() -> None:
    asked = run()
    asked.source[between(asked, 2.5, 4.0)] = 1
    found = judged(asked)
    assert (found.personalized, found.popularity, found.shortcomings) == (500, 1500, [])


def test_seconds_until_personalized_are_those_to_the_first_of_a_hundred_in_a_row() -> None:
    asked = run()
    asked.source[between(asked, 2.0, 4.5)] = 1
    assert judged(asked).recovered_seconds == pytest.approx(0.5)


def test_a_single_pick_that_is_missed_later_does_not_put_off_the_recovery() -> None:
    asked = run()
    asked.source[between(asked, 2.0, 4.5)] = 1
    asked.source[5000] = 1
    assert judged(asked).recovered_seconds == pytest.approx(0.5)


def test_picks_that_never_come_back_are_a_shortcoming() -> None:
    asked = run()
    asked.source[between(asked, 2.0, 9.0)] = 1
    found = judged(asked)
    assert found.recovered_seconds is None
    assert found.shortcomings == ["picks did not come back"]


@pytest.mark.parametrize(
    ("status", "latency_ms", "shortcoming"),
    [
        (503, 1.0, "21 answers of 5xx"),
        (0, 1.0, "21 requests without an answer"),
        (200, 7.0, "p99 7.00 ms, expected under 5"),
    ],
)
def test_refusals_losses_and_lateness_are_shortcomings(status: int, latency_ms: float, shortcoming: str) -> None:
    asked = run()
    asked.status[2000:2021] = status
    asked.latency_ms[2000:2021] = latency_ms
    assert judged(asked).shortcomings == [shortcoming]


def test_an_answer_for_another_user_is_a_shortcoming_whenever_it_came() -> None:
    asked = run()
    wrong = Asked(asked.due, asked.latency_ms, asked.status, asked.source, wrong=1)
    assert judged(wrong).shortcomings == ["1 answers for another user"]
