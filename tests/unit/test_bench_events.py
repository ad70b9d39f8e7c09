"""What ``artwork bench events`` makes of its figures."""

from dataclasses import replace

import pytest

from artwork.bench.events.results import Beside, EventsReport, Job, Joins, JoinSize, Plan, Taken
from artwork.bench.events.run import LIBRARIES, chosen_parts, judge_joins, judge_taken
from artwork.bench.events.table import render
from artwork.bench.events.taking import digest_of_ids
from artwork.bench.machine import this_machine
from artwork.bench.targets import MISSED, SATURATED, UNCONFIRMED
from bandit.errors import InputError

GOOD = Beside(22_000, 21_900, 0, 1.0, 3.0, 0.1, 5000, 0.3, 1.5, 0.1, 1.0, 0.6, 0.05, 0.3, 0.0)
SIZE = JoinSize(100_000, 100, 10_000_000, 1_000_000, 500_000, 70_000)
QUIET = Job(45.0, 80.0, 1.3, 0.0)


def taken(*rounds: Beside) -> Taken:
    return Taken(list(rounds), rounds[0], 50.0, 15.0, [QUIET], [110_000], 8, "0" * 32)


def verdicts(*rounds: Beside) -> list[str]:
    return [target.verdict for target in judge_taken(taken(*rounds))]


def test_rounds_that_reach_everything_are_told_so() -> None:
    assert verdicts(GOOD) == ["aim reached"] * 3


def test_the_median_of_the_rounds_is_judged() -> None:
    slow = replace(GOOD, look_up_p99_ms=9.0)
    assert verdicts(GOOD, slow, GOOD)[1] == "aim reached"
    assert verdicts(slow, GOOD, slow)[1] == MISSED


@pytest.mark.parametrize(
    ("beside", "verdict"),
    [
        (GOOD, MISSED),
        (replace(GOOD, others_cpu=0.5), UNCONFIRMED),
        (replace(GOOD, post_lag_p99_ms=4.0), SATURATED),
        (replace(GOOD, look_up_lag_p99_ms=4.0), SATURATED),
    ],
)
def test_a_miss_is_the_services_only_where_nothing_stood_in_the_way(beside: Beside, verdict: str) -> None:
    missed = replace(beside, accepted=15_000, look_up_p99_ms=8.0, from_rows=0.5)
    assert verdicts(missed) == [verdict] * 3


def test_what_is_reached_on_a_busy_machine_is_reached() -> None:
    assert verdicts(replace(GOOD, others_cpu=1.0)) == ["aim reached"] * 3


def test_a_join_of_fewer_impressions_is_not_judged() -> None:
    assert judge_joins(Joins(replace(SIZE, impressions=9_999_999), [QUIET])) == []
    assert [target.verdict for target in judge_joins(Joins(SIZE, [QUIET]))] == ["met", "met"]


def test_memory_that_is_missed_is_missed_however_busy_the_machine_is() -> None:
    busy = Job(80.0, 90.0, 2.5, 1.5)
    assert [target.verdict for target in judge_joins(Joins(SIZE, [busy]))] == [UNCONFIRMED, MISSED]


def test_the_digest_is_of_ids_in_any_order() -> None:
    assert digest_of_ids(["b", "a"]) == digest_of_ids(["a", "b"]) != digest_of_ids(["a", "c"])


def test_parts_are_known_by_their_names() -> None:
    assert chosen_parts(None) == ("post", "join")
    assert chosen_parts(["join"]) == ("join",)
    with pytest.raises(InputError, match="choose one of post, join"):
        chosen_parts(["everything"])


def test_the_text_says_what_failed() -> None:
    slow = taken(replace(GOOD, look_up_p99_ms=9.0))
    judged = [*judge_taken(slow), *judge_joins(Joins(SIZE, [QUIET]))]
    report = EventsReport(this_machine(LIBRARIES), Plan(), [0.5, 1.0], slow, Joins(SIZE, [QUIET]), judged, passed=False)
    said = render(report)
    assert "10,000,000 impressions of 100,000 users" in " ".join(said.split())
    assert said.endswith("failed: p99 of look-ups meanwhile (missed)")
