"""The circuit breaker, with a clock of the test's own."""

from service.lookup.breaker import FAILURES_TO_OPEN, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Breaker
from service.lookup.row_reads import MAX_IN_FLIGHT


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(at)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(0.0)
    assert breaker.allows(0.0)
    breaker.failed(0.0)
    assert breaker.is_open
    assert not breaker.allows(0.0)


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(0.0)
    breaker.succeeded()
    breaker.failed(0.0)
    assert not breaker.is_open


def test_one_stall_of_the_process_cannot_open_it() -> None:
    assert FAILURES_TO_OPEN > MAX_IN_FLIGHT + 1  # everything in flight, and what gathers


def test_after_the_pause_one_is_let_through_and_no_second() -> None:
    breaker = opened()
    assert not breaker.allows(FIRST_PAUSE_SECONDS * 0.99)
    assert breaker.allows(FIRST_PAUSE_SECONDS)
    assert not breaker.allows(FIRST_PAUSE_SECONDS * 1.01)


def test_the_one_that_succeeds_closes_it() -> None:
    breaker = opened()
    assert breaker.allows(FIRST_PAUSE_SECONDS)
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.allows(FIRST_PAUSE_SECONDS)


def test_every_one_that_fails_doubles_the_pause_up_to_the_longest() -> None:
    breaker, now, pauses = opened(), 0.0, []
    for _ in range(8):
        pause = next(step / 1000 for step in range(1, 5000) if breaker.allows(now + step / 1000))
        pauses.append(pause)
        now += pause
        breaker.failed(now)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0]
    assert max(pauses) == LONGEST_PAUSE_SECONDS
