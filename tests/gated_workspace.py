"""A workspace in which a gated experiment runs: nights that pass its gate, and days that are shown what they made."""

from datetime import date, timedelta

from make_impressions import ALL_BLOCKS, silent
from seeded_experiment import LIKE, START, TODAY, Response, live_day, write_plan

from batch.choosing.precompute import precompute
from batch.config import Config
from batch.executors import SerialExecutor
from batch.experiments.gated.gate import Gated, pass_gate
from batch.experiments.gated.standing import Standing
from batch.experiments.reading import Source
from batch.experiments.register import start
from batch.learning.train import train
from batch.workspace.impressions import append_impressions
from batch.workspace.workspace import Workspace

NAME = "bolder"
DAYS = 4
GATED = f"""
hypothesis = "More exploration raises takes."
start = {START}
end = {START + timedelta(days=DAYS - 1)}
smallest_effect = 0.02
users = 600

[[variants]]
name = "control"
policy = "popularity"

[[variants]]
name = "treatment"
policy = "epsilon_greedy:epsilon=0.3"
posterior = "beta"

[[metrics]]
name = "take rate"
role = "primary"
of = "take"

[gate]
shares = [0.1, 0.4, 0.7, 1]
users = 30
"""
BETTER, WORSE = Response(0.75), Response(0.1)


def open_gate(workspace: Workspace, text: str = GATED, name: str = NAME) -> None:
    """Write the plan of a gated experiment and register it."""
    write_plan(workspace, text, name)
    start(workspace, name, late=False, today=TODAY)


def at_night(workspace: Workspace, name: str = NAME, today: date = TODAY) -> Gated:
    """What a night decides."""
    return pass_gate(Source(workspace, None, today), name, Config(seed=3))


def make_generation(workspace: Workspace, gated: Gated) -> int:
    """The generation that a night makes; its number."""
    shards = SerialExecutor()
    made = train(workspace, gated.config, shards, silent, shard_size=ALL_BLOCKS, experiments=gated.experiments)
    precompute(workspace, made.generation, shards, silent, shard_size=ALL_BLOCKS)
    return made.generation


def live_gated(workspace: Workspace, treatment: Response, days: int = DAYS, today: date = TODAY) -> list[Standing]:
    """Nights and days in turn until the gate has ended or ``days`` are over, and the night after them; every standing."""
    standings = []
    for number in range(days):
        gated = at_night(workspace, today=today)
        standings.append(gated.standing)
        if gated.standing.is_over:
            return standings
        generation, day = make_generation(workspace, gated), START + timedelta(days=number)
        shown = live_day(workspace, day, generation, {"control": LIKE, "treatment": treatment}, 3000)
        append_impressions(workspace, day, shown)
    return [*standings, at_night(workspace, today=today).standing]
