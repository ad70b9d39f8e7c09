"""A plan's power is the share of experiments that show the effect, as they are read: users of one log, split again and again."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from bandit.arrays import F64
from batch.experiments.effects import metric_effect
from batch.experiments.measuring import USER_ID, VARIANT, Users, covariate_column, of_column, per_column
from batch.experiments.plan import GUARDRAIL, Plan
from batch.experiments.plan_file import plan_path, read_plan
from batch.experiments.planning import Planned, plan_power
from batch.experiments.reading import look_at
from batch.workspace.workspace import Workspace

START = date(2026, 3, 2)
SPLITS = 1500
POINTS = 0.03


class Log(NamedTuple):
    """What users did on each day: ``of`` and ``per`` are (users, days), ``before`` is one number per user."""

    of: F64
    per: F64
    before: F64


def visits(random: np.random.Generator, users: int, days: int) -> F64:
    """Users who come back or not: most hardly ever, some every day and often."""
    often = np.minimum(random.pareto(1.3, users), 30.0) / 4
    return random.poisson(often[:, np.newaxis], (users, days)).astype(np.float64)


def takes(random: np.random.Generator, users: int, days: int, rate: float = 0.1) -> Log:
    """Takes of visits: skewed activity, and a taste of each user's own."""
    per = visits(random, users, days)
    tastes = random.beta(8 * rate, 8 * (1 - rate), users)
    of = random.binomial(per.astype(np.int64), tastes[:, np.newaxis]).astype(np.float64)
    return Log(of, per, random.binomial(20, tastes).astype(np.float64))


def minutes(random: np.random.Generator, users: int, days: int) -> Log:
    """Amounts that hang together with what was there before."""
    base = random.gamma(1.0, 2.0, users)
    of = random.gamma(2.0, base[:, np.newaxis] / 2, (users, days))
    return Log(of, np.ones((users, days)), base + random.normal(0, 1.0, users))


def converted(random: np.random.Generator, users: int, days: int) -> Log:
    """One of fifty does, once."""
    of = np.zeros((users, days))
    of[np.arange(users), random.integers(0, days, users)] = random.random(users) < 0.02
    return Log(of, np.ones((users, days)), random.normal(size=users))


class Case(NamedTuple):
    """A log, and a plan for it."""

    draw: Callable[[np.random.Generator, int, int], Log]
    users: int
    effect: float
    per: str = "user"
    share: float = 0.5
    covariate: bool = False
    looks: tuple[int, ...] = (7,)
    spending: str = "obrien_fleming"
    role: str = "primary"
    window: int = 0

    def plan(self) -> str:
        """The file."""
        role = 'role = "primary"' if self.role == "primary" else f'role = "guardrail"\nmargin = {self.effect}'
        looks = ", ".join(str(START + timedelta(days=day - 1)) for day in self.looks)
        covariate = '\ncovariate = "before"' if self.covariate else ""
        other = "" if self.role == "primary" else '[[metrics]]\nname = "p"\nrole = "primary"\nof = "of"\n'
        return f"""
hypothesis = "b is better"
source = "table"
start = {START}
end = {START + timedelta(days=self.looks[-1] - 1)}
looks = [{looks}]
spending = "{self.spending}"
smallest_effect = {self.effect}
window = {self.window}
[[variants]]
name = "a"
share = {1 - self.share}
[[variants]]
name = "b"
share = {self.share}
[[metrics]]
name = "m"
{role}
of = "of"
per = "{self.per}"{covariate}
{other}"""


def planned(root: Path, case: Case, log: Log) -> tuple[Plan, Planned]:
    """What ``artwork experiment plan`` says of a table; users are in it on days on which they came."""
    workspace = Workspace(root)
    plan_path(workspace, "x").parent.mkdir(exist_ok=True)
    plan_path(workspace, "x").write_text(case.plan())
    users, days = np.nonzero(log.per)
    frame = pl.DataFrame(
        {
            "user": [f"u{user}" for user in users],
            "day": [START - timedelta(days=30 - day) for day in days.tolist()],
            "of": log.of[users, days],
            "per": log.per[users, days],
            "before": log.before[users],
        }
    )
    frame.write_parquet(root / "table.parquet")
    return read_plan(workspace, "x"), plan_power(workspace, "x", root / "table.parquet")


def treated_log(random: np.random.Generator, log: Log, treated: np.ndarray, case: Case) -> Log:
    """The effect added to the users of the treatment: more events of those that could be, or as much more for everybody."""
    if case.role == GUARDRAIL:
        return log
    if case.draw is minutes:
        more = case.effect / case.looks[-1] * treated[:, np.newaxis] * log.per
        return log._replace(of=log.of + more)
    if case.draw is converted:
        gain = treated & (log.of.sum(axis=1) == 0)
        gain &= random.random(len(treated)) < case.effect / (1 - log.of.sum() / len(treated))
        of = log.of.copy()
        of[gain, random.integers(0, log.of.shape[1], int(gain.sum()))] = 1
        return log._replace(of=of)
    rate = log.of.sum() / log.per.sum()
    left = np.where(treated[:, np.newaxis], log.per - log.of, 0).astype(np.int64)
    return log._replace(of=log.of + random.binomial(left, case.effect / (1 - rate)))


def is_shown(plan: Plan, log: Log, treated: np.ndarray, case: Case) -> bool:
    """Whether the effect is shown at a look, or the guardrail kept at the last one."""
    for at, day in enumerate(case.looks):
        of, per = log.of[:, :day].sum(axis=1), log.per[:, :day].sum(axis=1)
        came = per > 0
        frame = pl.DataFrame(
            {
                USER_ID: np.flatnonzero(came).astype(str),
                VARIANT: treated[came].astype(np.int64),
                of_column(0): of[came],
                per_column(0): per[came] if case.per != "user" else np.ones(int(came.sum())),
                **({covariate_column(0): log.before[came]} if case.covariate else {}),
            }
        )
        effect = metric_effect(Users(plan.metrics[:1], frame, plan.end), plan, 0, 1, look_at(plan, at)).effect
        assert effect is not None
        if case.role == GUARDRAIL:
            if at == len(case.looks) - 1:
                return effect.lower > -case.effect
        elif effect.lower > 0:
            return True
    return False


CASES = {
    "amounts": Case(minutes, 800, 2.9),
    "amounts, 90:10": Case(minutes, 2000, 3.0, share=0.1),
    "amounts with CUPED": Case(minutes, 800, 1.6, covariate=True),
    "yes or no": Case(converted, 3000, 0.016),
    "yes or no, 90:10": Case(converted, 6000, 0.022, share=0.1),
    "ratio of skewed activity": Case(takes, 3000, 0.028, per="per"),
    "ratio of skewed activity, 90:10": Case(takes, 6000, 0.032, per="per", share=0.1),
    "ratio with CUPED": Case(takes, 3000, 0.02, per="per", covariate=True),
    "four looks": Case(minutes, 800, 2.9, looks=(1, 3, 5, 7), spending="pocock"),
    "a ratio at four looks": Case(takes, 3000, 0.028, per="per", looks=(2, 3, 5, 7), spending="power:3"),
    "a guardrail": Case(takes, 3000, 0.028, per="per", role="guardrail"),
    "a guardrail at two looks, 90:10": Case(
        minutes, 2000, 3.0, share=0.1, role="guardrail", looks=(3, 7), spending="pocock"
    ),
}


@pytest.mark.simulations
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_plan_has_the_power_that_it_says(tmp_path: Path, case: Case) -> None:
    random = np.random.default_rng(7)
    log = case.draw(random, case.users, 7)
    plan, made = planned(tmp_path, case, log)
    metric = next(one for one in made.metrics if one.metric.name == "m")
    says = (metric.with_covariate if case.covariate else metric.plain).at_end  # type: ignore[union-attr]
    shown = 0
    for _ in range(SPLITS):
        treated = random.random(case.users) < case.share
        shown += is_shown(plan, treated_log(random, log, treated, case), treated, case)
    print(f"says {says:.3f} shown {shown / SPLITS:.3f}")
    assert 0.3 < says < 0.97
    assert abs(shown / SPLITS - says) < POINTS
