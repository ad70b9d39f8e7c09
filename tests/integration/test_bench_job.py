"""The parts of the bench of the job, on real stores; how fast they are is not looked at."""

from make_impressions import make_generation, silent

from artwork.bench.job.results import Plan
from artwork.bench.job.weighing import weigh
from artwork.bench.job.writing import measure_writing
from batch.workspace.workspace import Workspace


def test_both_writers_write_the_rows_of_the_first_shards(workspace: Workspace) -> None:
    make_generation(workspace)
    found = measure_writing(workspace, Plan(rows=100, rounds=2), silent)
    assert found.rows == 600
    assert len(found.ours) == len(found.raw) == 2
    assert min(found.ours + found.raw) > 0


def test_picks_of_two_bytes_take_less_of_every_store_than_those_of_three() -> None:
    weighed = weigh(Plan(sized=2_000), silent)
    for server in {one.server for one in weighed}:
        for kind in {one.kind for one in weighed}:
            sizes = {one.format: one for one in weighed if (one.server, one.kind) == (server, kind)}
            assert len(sizes) == 3
            assert all(one.bytes_per_pick > one.bare for one in sizes.values())
            assert sizes["3, up to 16 artworks"].bytes_per_pick < sizes["2"].bytes_per_pick - 0.5
