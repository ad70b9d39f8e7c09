"""Everything is killed: what was accepted counts once, what is served is whole, what is learned is the same."""

import os
import random
import signal

import polars as pl
import pytest
import redis
from fault_rounds import differences, play_round
from killed_runs import killed_runs
from streamed_logs import append, assert_whole, draw_entries, ids_of

from bandit.snapshot import event_stream_key
from batch.config import Config
from batch.events.arrivals import JoinSettings
from batch.events.segments import scan_segments
from batch.workspace.workspace import Workspace

pytestmark = pytest.mark.faults

SETTINGS = JoinSettings(horizon_days=2)
MOMENTS = int(os.environ.get("FAULTS_STEPS", "10"))
"""Steps at which a run dies, drawn from all of them; 0 is every one, as in ``make studies``."""
EVENTS = 1000
KILLS = 4


def test_a_run_that_dies_at_any_step_is_made_good_by_the_next_one(
    served: Workspace, store: str, client: redis.Redis
) -> None:
    entries = draw_entries(served, 400, 5)
    first, waiting = [entry for entry in entries if entry[0] == 0], [entry for entry in entries if entry[0] != 0]
    with killed_runs(served.root, store) as runs:
        for part in (first[: len(first) // 2], first[len(first) // 2 :]):  # the first run has steps of its own
            append(client, part)
            code, steps = runs.run()
            assert code == 0
        moments = range(steps) if MOMENTS == 0 else sorted(random.Random(5).sample(range(steps), MOMENTS))
        share = -(-len(waiting) // len(moments))
        codes = []
        for number, step in enumerate(moments):
            append(client, waiting[number * share : (number + 1) * share])
            codes.append(runs.run(step)[0])
            assert_whole(served, client)
        assert set(codes) <= {0, -signal.SIGKILL}
        assert codes.count(-signal.SIGKILL) > 0.8 * len(codes)  # without new events the last steps are not reached
        assert runs.run()[0] == 0
    assert_whole(served, client)
    stored = scan_segments(served).collect()
    assert sorted(stored["event_id"]) == ids_of(entries)
    assert not stored.select("stream_id", "place", "received_at", "event_id").is_duplicated().any()
    assert [client.xlen(event_stream_key(partition)) for partition in range(3)] == [0, 0, 0]
    assert differences(served, Config(), SETTINGS) == []
    assert pl.read_json(served.events / "join.json")["total"][0]["rows"] > 100


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_what_clients_were_told_holds_though_service_store_and_jobs_are_killed_all_the_time(fsync: str) -> None:
    made = play_round(7, fsync, EVENTS, KILLS, pause=1.0, two_runs=False)
    assert made.complaints == []
    assert made.events >= EVENTS * 0.9
    assert min(made.kills.values()) >= 1
    # Whether a post falls into the second that a killed service is away is chance; the study has thousands of retries.
    assert (made.rows > 500, made.set_aside > 10, made.generations >= 2) == (True, True, True)
    # Of a store that syncs each second, writes wait for a slow disk for two seconds at most.
    assert made.lost == 0 or (fsync == "everysec" and made.loss_seconds < 3.0)
