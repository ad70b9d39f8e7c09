"""``artwork bench events``: short runs of every part, for real, and that wrong answers end it before a figure is told."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from learned_workspace import silent
from null_events import listening
from shell import call

from artwork.bench.events.drawing import draw_log
from artwork.bench.events.joining import measure_joins
from artwork.bench.events.posting import EVENTS_A_REQUEST, make_requests, post
from artwork.bench.events.results import JoinSize, Plan
from artwork.bench.events.watching import run_job
from artwork.bench.targets import WrongAnswerError
from artwork.bench.testbed.store_fixture import StoreFixture
from bandit.errors import SurroundingsError
from batch.events.segments import scan_segments, segment_files
from batch.workspace.workspace import Workspace

SMALL = Plan(rounds=1, impressions=3000, users=300, titles=20)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, JoinSize]:
    workspace = Workspace(tmp_path_factory.mktemp("drawn"))
    return workspace, draw_log(workspace, SMALL.users, SMALL.titles, SMALL.impressions, silent)


@pytest.fixture(scope="module")
def posted() -> Any:
    called = call("bench", "events", "--quick", "--part", "post", "--json")
    assert called.out, called.err
    return json.loads(called.out)


@pytest.mark.faults
def test_every_event_that_was_accepted_is_in_a_segment(posted: Any) -> None:
    taken = posted["taken"]
    assert taken["events_per_ingest"] == [1000]
    assert taken["segments"] > 0
    assert len(taken["digest"]) == 32


@pytest.mark.faults
def test_events_and_look_ups_of_a_round_are_shown_with_what_the_machine_did_beside(posted: Any) -> None:
    for beside in (*posted["taken"]["rounds"], posted["taken"]["fastest"]):
        assert beside["accepted"] > 0
        assert beside["look_ups"] > 0
        assert beside["look_up_p50_ms"] <= beside["look_up_p99_ms"]
        assert beside["service_cpu"] > 0
        assert beside["others_cpu"] >= 0
    [job] = posted["taken"]["ingests"]
    assert job["peak_gigabytes"] > 0
    assert job["cpu_seconds"] > 0


def test_a_drawn_log_is_what_it_says(drawn: tuple[Workspace, JoinSize]) -> None:
    workspace, size = drawn
    events = scan_segments(workspace).collect()
    shown = events.filter(pl.col("type") == "impression")
    assert shown.height == size.impressions + size.duplicates
    assert shown["event_id"].n_unique() == size.impressions
    assert events.height - shown.height == size.plays
    assert shown.unique("event_id").filter(pl.col("source") == "popularity").height == size.fallbacks > 0
    assert events.filter(pl.col("at") > pl.col("received_at")).is_empty()
    assert len(segment_files(workspace)) >= 7


def test_a_join_finds_exactly_what_was_drawn() -> None:
    joins = measure_joins(SMALL, silent)
    assert joins.size.impressions == SMALL.impressions
    assert [job.peak_gigabytes > 0 for job in joins.jobs] == [True]


@pytest.mark.parametrize(
    ("status", "answer"),
    [(202, b'{"accepted":99}'), (202, b'{"accepted":1000}'), (200, b'{"accepted":100}'), (422, b"{}")],
)
def test_an_answer_that_does_not_accept_every_event_ends_the_bench(status: int, answer: bytes) -> None:
    with listening(status, answer) as port, pytest.raises(WrongAnswerError, match="not accepted"):
        post(port, make_requests(StoreFixture(10, 5), 1, port, 0, 2), None)


def test_refused_requests_do_not_count_as_accepted() -> None:
    with listening(503, b'{"detail":"full"}') as port:
        posted = post(port, make_requests(StoreFixture(10, 5), 1, port, 0, 20), 20_000)
    assert (posted.accepted, sorted(posted.refused), posted.rate) == ([], list(range(20)), 0)


def test_events_are_posted_at_even_times_and_no_faster() -> None:
    with listening(202, b'{"accepted":100}') as port:
        posted = post(port, make_requests(StoreFixture(10, 5), 1, port, 0, 20), 10_000)
    assert sorted(posted.accepted) == list(range(20))
    # To a nanosecond: the times are readings of a clock that has counted since the machine started, with a float's steps.
    assert posted.ended - posted.began >= 20 * EVENTS_A_REQUEST / 10_000 - 1e-9
    assert posted.rate <= 10_000 * (1 + 1e-8)


def test_every_event_has_an_id_of_its_own() -> None:
    requests = [*make_requests(StoreFixture(10, 5), 1, 80, 0, 3), *make_requests(StoreFixture(10, 5), 1, 80, 3, 2)]
    ids = [event_id for request in requests for event_id in request.ids]
    assert len(set(ids)) == len(ids) == 5 * EVENTS_A_REQUEST


def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(SurroundingsError, match=r"artwork join failed: .*nowhere"):
        run_job(("join", "-w", str(tmp_path / "nowhere")), {})


def test_an_unknown_part_is_wrong_input() -> None:
    called = call("bench", "events", "--part", "everything")
    assert (called.code, "choose one of post, join" in called.err) == (2, True)
