"""A workspace in which an experiment runs, with users whose clicks and plays depend on their variant as a test wants."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from make_impressions import ALL_BLOCKS, FIRST_DAY, draw_impressions, log_days, picks_of, silent

from batch.choosing.precompute import precompute
from batch.config import Config
from batch.executors import SerialExecutor
from batch.experiments.listing import experiment_config, experiments_of
from batch.experiments.plans.file import plan_path
from batch.experiments.reading import Source
from batch.experiments.register import start
from batch.learning.train import train
from batch.workspace.generations import read_manifest
from batch.workspace.impressions import append_impressions
from batch.workspace.workspace import Workspace

EXPLORE_DAYS, LIVE_DAYS = 3, 4
START = FIRST_DAY + timedelta(days=EXPLORE_DAYS)
END = START + timedelta(days=LIVE_DAYS - 1)
TODAY = END + timedelta(days=30)

PLAN = f"""
hypothesis = "More exploration raises takes."
start = {START}
end = {END}
looks = [{END}]
smallest_effect = 0.02
users = 600
segments = ["device"]

[[variants]]
name = "control"
share = 0.5
policy = "popularity"

[[variants]]
name = "treatment"
share = 0.5
policy = "epsilon_greedy:epsilon=0.3"
posterior = "beta"

[[metrics]]
name = "take rate"
role = "primary"
of = "take"
covariate = {EXPLORE_DAYS}

[[metrics]]
name = "watched"
role = "guardrail"
of = "watched_fraction"
margin = 0.02

[[metrics]]
name = "click rate"
role = "proxy"
of = "click"
"""

INTERLEAVING = f"""
hypothesis = "Users prefer more exploration."
kind = "interleaving"
splits = [0.5, 0.1]
start = {START}
end = {END}
looks = [{END}]
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

[[metrics]]
name = "click rate"
role = "proxy"
of = "click"
"""


@dataclass(frozen=True)
class Response:
    """What users of a variant do: click with a probability, and then watch a share that is drawn up to ``watched``."""

    clicks: float
    watched: float = 1.0
    first_day_clicks: float | None = None


LIKE = Response(0.4)


def write_plan(workspace: Workspace, text: str = PLAN, name: str = "bolder") -> None:
    """Write the file of a plan."""
    path = plan_path(workspace, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def source_of(workspace: Workspace) -> Source:
    """The log of a workspace, long after the experiment."""
    return Source(workspace, None, TODAY)


def begin(workspace: Workspace, text: str = PLAN, name: str = "bolder", *, rows: int = 1500) -> int:
    """Log explore days, register a plan and make a generation of its variants; its number."""
    log_days(workspace, EXPLORE_DAYS, rows)
    write_plan(workspace, text, name)
    start(workspace, name, late=False, today=TODAY)
    return make_generation_of(workspace, name)


def make_generation_of(workspace: Workspace, name: str = "bolder") -> int:
    """A generation of an experiment's variants, as ``artwork run --experiment`` makes it."""
    config = experiment_config(workspace, name, Config(seed=3))
    shards, named = SerialExecutor(), experiments_of(workspace, config)
    made = train(workspace, config, shards, silent, shard_size=ALL_BLOCKS, experiments=named)
    precompute(workspace, made.generation, shards, silent, shard_size=ALL_BLOCKS)
    return made.generation


def live_day(
    workspace: Workspace, day: date, generation: int, responses: dict[str, Response], rows: int = 2000
) -> pl.DataFrame:
    """A day of visits that were shown the picks of a generation, not logged yet."""
    drawn = draw_impressions(workspace, day, 6 * rows)  # of which those are kept that show the pick
    picks = picks_of(workspace, generation).select(
        "user_id", "weight", pl.col("arm").cast(pl.Int64), pl.col("title_id", "policy").cast(pl.String)
    )
    shown = drawn.drop("policy").join(picks, on=["user_id", "title_id", "arm"], maintain_order="left").head(rows)
    total = np.float64(read_manifest(workspace, generation).row_format.total)
    frame = shown.with_columns(generation=pl.lit(generation), propensity=pl.col("weight") / total).drop("weight")
    random = np.random.default_rng((11, day.toordinal()))
    users = frame["user_id"].hash(seed=1).to_numpy() % 1000 / 1000  # some click more than others, always
    own = [responses.get(name, LIKE) for name in frame["policy"]]
    first = day == START
    rates = np.array(
        [one.first_day_clicks if first and one.first_day_clicks is not None else one.clicks for one in own]
    )
    clicked = random.random(frame.height) < np.clip(rates * (0.6 + 0.8 * users), 0, 1)
    watched = np.where(clicked, random.random(frame.height) * np.array([one.watched for one in own]), 0.0)
    return frame.with_columns(clicked=pl.Series(clicked), watch_fraction=pl.Series(watched)).with_columns(
        reward=(pl.col("watch_fraction") >= 0.7).cast(pl.Float64)
    )


def live(
    workspace: Workspace, generation: int, control: Response = LIKE, treatment: Response = LIKE, days: int = LIVE_DAYS
) -> None:
    """Log the days of an experiment from its start on."""
    for number in range(days):
        day = START + timedelta(days=number)
        append_impressions(
            workspace, day, live_day(workspace, day, generation, {"control": control, "treatment": treatment})
        )
