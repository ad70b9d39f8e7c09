"""The log of an experiment whose users are split again by fresh salts: nobody lived under these variants."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from bandit.experiments import ratio_effect
from batch.experiments.assignment import assigned
from batch.experiments.log_source import history
from batch.experiments.measuring import USER_ID, of_column, per_column
from batch.experiments.plans.file import read_plan
from batch.experiments.plans.plan import USER, Arm
from batch.workspace.workspace import Workspace

MOST_DAYS = 56


def p_values_of_splits(workspace: Workspace, name: str, splits: int) -> dict[str, list[float]]:
    """By metric, of each split in halves: of everything that the workspace has logged until the end of the experiment."""
    plan = read_plan(workspace, name)
    page = replace(plan, layer="page", variants=(Arm("a", 0.5), Arm("b", 0.5)))
    until_the_end = replace(page, start=plan.end + timedelta(days=1))
    sums = history(workspace, until_the_end, MOST_DAYS).drop("day").group_by(USER_ID, maintain_order=True).sum()
    made: dict[str, list[float]] = {metric.name: [] for metric in plan.metrics}
    for number in range(splits):
        places = assigned(replace(page, salt=f"salt{number}"), sums[USER_ID])
        for place, metric in enumerate(plan.metrics):
            of = sums[of_column(place)].to_numpy()
            per = np.ones(len(of)) if metric.per == USER else sums[per_column(place)].to_numpy()
            treated, control = ((of[places == own], per[places == own]) for own in (1, 0))
            made[metric.name].append(ratio_effect(treated, control).p_value)
    return made
