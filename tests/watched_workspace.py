"""A workspace of two weeks that is watched: a model frozen on the first day, users who explore, and what may go wrong with it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
from make_impressions import make_generation
from simulated_days import FIRST_DAY, SimulatedWorkspace

from batch.config import Config
from batch.datasets import synthetic
from batch.workspace.impressions import day_files
from batch.workspace.workspace import Workspace

DAYS = 14
AT = 9
"""The day on which something goes wrong."""

Damage = Callable[[pl.DataFrame], pl.DataFrame]


def build_watched(root: Path) -> SimulatedWorkspace:
    """Day 0 under uniform, then picks of one generation, a third of the users exploring; from ``AT`` on one for every night."""
    loop = SimulatedWorkspace.build(root, synthetic.build(300, 12, seed=5), Config(seed=5, explore_share=0.3))
    loop.explore(0)
    generation = make_generation(loop.workspace, config=loop.config)
    for day in range(1, DAYS):
        if day >= AT:
            generation = make_generation(loop.workspace, config=loop.config)
        loop.play(day, generation)
    return loop


def damage_days(workspace: Workspace, damage: Damage, first: int = AT, last: int = DAYS - 1) -> None:
    """Change the log of some days."""
    for day in range(first, last + 1):
        for path in day_files(workspace, FIRST_DAY + timedelta(days=day)):
            damage(pl.read_parquet(path)).write_parquet(path)
