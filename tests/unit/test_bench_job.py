"""What the bench of the job makes of its figures."""

import math
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from artwork.bench.job.data import ARTWORKS, DAYS, FEATURES, TITLES, make
from artwork.bench.job.html import rendered, repeat
from artwork.bench.job.results import JobReport, Plan, Sized, Stage, Weighed, Writing
from artwork.bench.job.run import fit, judge_bytes, judge_job, judge_writing
from artwork.bench.job.table import render
from artwork.bench.job.weighing import SMALLEST
from artwork.bench.machine import this_machine
from artwork.bench.targets import MISSED, UNCONFIRMED
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace


def sized(users: int, seconds: float, gigabytes: float = 0.5, others: float = 0.0) -> Sized:
    stages = [Stage(name, seconds / 2, seconds, gigabytes, 0.1, others) for name in ("precompute", "publish")]
    return Sized(users, users * TITLES, stages)


def job(seconds: float, gigabytes: float = 0.5, others: float = 0.0) -> list[Sized]:
    return [sized(10_000, 1.0), sized(100_000, 7.0), sized(1_000_000, seconds, gigabytes, others)]


WRITING = Writing(200_000, [210_000.0, 190_000.0, 200_000.0], [200_000.0, 200_000.0, 100_000.0])
WEIGHED = [
    Weighed("Valkey 9", form, kind, size, size - 1)
    for form, sizes in (("2", (3.9, 6.0)), (SMALLEST, (2.7, 4.0)))
    for kind, size in zip(("all of 100 titles", "100 of 15,000 titles"), sizes, strict=True)
]


def report(made: list[Sized]) -> JobReport:
    judged = [*judge_job(made), judge_writing(WRITING, made), *judge_bytes(WEIGHED)]
    passed = all(target.is_reached for target in judged)
    return JobReport(this_machine(["numpy"]), Plan(), [0.1, 0.2], made, fit(made), WRITING, WEIGHED, judged, passed)


def test_a_job_within_its_targets_passes() -> None:
    made = report(job(60.0))
    assert made.passed
    assert {target.verdict for target in made.judged} == {"met", "aim reached"}
    assert "every target that is judged reaches what is required" in render(made)


@pytest.mark.parametrize(
    ("made", "missed"),
    [
        (job(75.0), "job of 1,000,000 users"),
        (job(60.0, 2.1), "job of 1,000,000 users, memory"),
        (job(60.0, 0.61), "memory, beside that of 100,000 users"),
    ],
)
def test_a_job_that_is_too_slow_or_too_large_fails_by_name(made: list[Sized], missed: str) -> None:
    judged = {target.what: target.verdict for target in judge_job(made)}
    assert judged[missed] == MISSED
    assert f"{missed} (missed)" in render(report(made))


def test_seconds_that_miss_on_a_busy_machine_are_not_confirmed() -> None:
    verdicts = [target.verdict for target in judge_job(job(100.0, 2.5, others=0.5))]
    assert verdicts == [UNCONFIRMED, MISSED, MISSED]
    assert judge_job(job(40.0, others=0.5))[0].verdict == "aim reached"


def test_a_job_of_fewer_users_is_shown_and_not_judged() -> None:
    assert judge_job(job(60.0)[:2]) == []


def test_the_ratio_of_writers_is_the_middle_one_of_the_rounds() -> None:
    assert WRITING.ratio == 1.05
    assert judge_writing(replace(WRITING, ours=[100.0] * 3, raw=[200.0] * 3), job(60.0)).verdict == MISSED


def test_bytes_are_those_of_the_smallest_format_where_they_are_most() -> None:
    heavier = [*WEIGHED, replace(WEIGHED[2], server="Redis 7", bytes_per_pick=2.9)]
    assert [(target.found, target.verdict) for target in judge_bytes(heavier)] == [(2.9, MISSED), (4.0, "met")]


def test_a_straight_line_is_found_and_its_power_is_one() -> None:
    made = fit([sized(users, 60 * users / 1e6) for users in (10_000, 100_000, 1_000_000)])
    assert (made.base, made.per_million, made.exponent) == pytest.approx((0, 60, 1), abs=1e-9)
    assert math.isnan(fit([sized(100, 3.0)]).exponent)


def test_sizes_are_a_hundredth_a_tenth_and_all() -> None:
    assert Plan().sizes == [10_000, 100_000, 1_000_000]
    assert Plan(users=5).sizes == [1, 5]


def test_the_page_shows_every_figure_and_how_to_repeat_it() -> None:
    page = rendered(report(job(60.0)))
    for words in (
        "Seconds by users",
        "Memory at most, GiB",
        "Bytes of the store per pick",
        "raw SET, made before",
        "precompute",
    ):
        assert words in page
    assert repeat(Plan()) in page
    assert repeat(Plan.quick()) == "artwork bench job --quick"


def test_the_data_are_of_the_shape_that_is_told_and_the_same_each_time(tmp_path: Path) -> None:
    frames = []
    for name in ("one", "two"):
        workspace = Workspace(tmp_path / name)
        make(workspace, 50, lambda *_: None, impressions=20)
        tables = read_tables(workspace)
        assert (tables.users.height, tables.titles.height, tables.artworks.height) == (50, TITLES, TITLES * ARTWORKS)
        assert tables.n_features == FEATURES
        paths = sorted(workspace.impressions.rglob("*.parquet"))
        assert len(paths) == DAYS
        frames.append(pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in paths]))
    assert frames[0].height == DAYS * 20
    assert frames[0].equals(frames[1])
    assert 0 < frames[0]["clicked"].sum() < frames[0].height
