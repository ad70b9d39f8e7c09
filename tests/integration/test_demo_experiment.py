"""An experiment that the demo runs live: registered after explore days, named by its nights, decided at the end."""

from dataclasses import dataclass
from datetime import date
from typing import cast

import polars as pl
import pytest
from learned_workspace import silent
from on_disk import OnDisk, explore
from shell import assert_refused, call

from artwork.demo.answers import ServiceClient
from artwork.demo.experiment import NAME, decide_experiment, experiment_of, lines_of, register_experiment
from artwork.demo.loop import Loop
from batch.choosing.precompute import precompute
from batch.config import Variant
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.executors import SerialExecutor
from batch.experiments.deciding import Decided, replay
from batch.experiments.listing import experiments_of
from batch.experiments.register import registered
from batch.learning.train import train
from batch.workspace.generations import read_manifest
from batch.workspace.impressions import day_files
from batch.workspace.workspace import Workspace

CONFIG = experiment_of(Variant(), Variant(policy="greedy"), seed=3)


@dataclass(frozen=True)
class Played:
    workspace: Workspace
    generation: int
    decided: Decided


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Two explore days and a live one."""
    workspace = Workspace(tmp_path_factory.mktemp("experiment"))
    write(workspace, synthetic.build(n_users=300, n_titles=10, seed=3))
    loop = Loop.of(workspace, CONFIG)
    for number in range(2):
        explore(loop, number)
    register_experiment(workspace, CONFIG, days=1)
    shards = SerialExecutor()
    made = train(workspace, CONFIG, shards, silent, shard_size=4, experiments=experiments_of(workspace, CONFIG))
    precompute(workspace, made.generation, shards, silent, shard_size=4)
    loop.live(2, cast("ServiceClient", OnDisk(workspace, made.generation)), silent)
    return Played(workspace, made.generation, decide_experiment(workspace))


def test_the_nights_of_a_demo_name_the_registered_plan(played: Played) -> None:
    digest = registered(played.workspace, NAME).version.digest
    assert read_manifest(played.workspace, played.generation).experiments == {NAME: digest}
    assert registered(played.workspace, NAME).plan.names == ("control", "treatment")


def test_the_decision_is_of_the_live_days_and_can_be_replayed(played: Played) -> None:
    reading = played.decided.reading
    came = pl.read_parquet(day_files(played.workspace, date(2026, 1, 3)), hive_partitioning=False)["user_id"].n_unique()
    assert (reading.day, sum(reading.users.values())) == ("2026-01-03", came)
    assert replay(played.decided.record).same
    told = lines_of(played.decided, played.workspace.root)
    assert f"decision: {played.decided.verdicts[0].verdict}" in told
    assert "experiment explain demo" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--experiment", "policy=magic"), "magic"),
        (("--experiment", "bold"), "expected [NAME=]field=value"),
        (("--experiment", "policy=greedy", "--against", "greedy"), "leave one out"),
        (("--experiment", "control=policy=greedy"), "two variants have the name control"),
    ],
)
def test_a_treatment_that_cannot_be_is_refused(words: tuple[str, ...], said: str) -> None:
    assert_refused(call("demo", "--once", *words), 2, said)
