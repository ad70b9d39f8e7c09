"""The long-term reading of a holdback: everybody else against the users who were kept out of every experiment."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from bandit.errors import InputError
from bandit.experiments import Effect, OneLook, sample_ratio
from bandit.experiments.effects import UNLIKE
from batch.experiments.effects import metric_effect
from batch.experiments.log_source import see_holdback
from batch.experiments.measuring import DAY, EXPOSED, USER_ID, VARIANT, Seen, users_of
from batch.experiments.plans.plan import PRIMARY, USER, Arm, Plan
from batch.experiments.quality import LEAST_USERS
from batch.experiments.table_source import HOLDBACK, table_holdback
from batch.workspace.workspace import Workspace

_ELSE: Final = "everybody else"
_STRETCH: Final = 7


@dataclass(frozen=True)
class Stretch:
    """A week of a holdback's reading: the effect of the users who came in the first of them."""

    first: str
    last: str
    effect: Effect | None


@dataclass(frozen=True)
class Holdback:
    """What everybody else does more than the users who were held back, in the first primary, from the start to the newest data.

    The others had whatever experiments and launches brought: the effect is of all of that together. ``weeks`` are of one cohort,
    the users who came in the first week. ``users`` are everybody else and those held back.
    """

    metric: str
    share: float
    first: str
    last: str
    users: tuple[int, int]
    effect: Effect | None
    weeks: tuple[Stretch, ...] = ()
    caution: str = ""
    problem: str = ""


def long_term(workspace: Workspace, table: Path | None, plan: Plan, today: date) -> Holdback | None:
    """The long-term reading; None for a plan without a holdback.

    Args:
        workspace: whose log is read, where there is no table.
        table: one's own, whose rows of who is held back have the variant ``holdback``.
        plan: of the experiment.
        today: the day of whoever asks.

    Raises:
        InputError: the table or the log is not as it should be.
    """
    if not plan.holdback:
        return None
    primary = next(replace(metric, covariate=None) for metric in plan.metrics if metric.role == PRIMARY)
    arms = Arm(HOLDBACK, plan.holdback), Arm(_ELSE, 1 - plan.holdback)
    own = replace(plan, variants=arms, metrics=(primary,), segments=(), window=0, holdback=0.0, gate=None)
    seen = table_holdback(table, plan, own, today) if table is not None else see_holdback(workspace, plan, own)
    nobody = Holdback(primary.name, plan.holdback, str(plan.start), str(plan.start), (0, 0), None)
    if seen is None:
        return replace(nobody, problem=f"no row has the variant {HOLDBACK}: nobody is seen who was held back")
    users = users_of(seen, own, seen.last)
    control, others = users.counts(2)
    made = replace(nobody, last=str(seen.last), users=(others, control))
    if control < LEAST_USERS or others < LEAST_USERS:
        return replace(made, problem=f"{control:,} users were held back, expected at least {LEAST_USERS}")
    one = metric_effect(users, own, 0, 1, OneLook())
    ratio = sample_ratio([others, control], [1 - plan.holdback, plan.holdback])
    caution = ""
    if ratio.p_value < UNLIKE:
        caution = (
            f"{control / (control + others):.1%} of the users were held back, planned {plan.holdback:.1%} (p ="
            f" {ratio.p_value:.1g}): some of a side left or are missing, and the figure is of those who are there"
        )
    return replace(made, effect=one.effect, weeks=_weeks(seen, own), caution=caution, problem=one.problem)


def _weeks(seen: Seen, plan: Plan) -> tuple[Stretch, ...]:
    """Whole weeks since the start, of users who came in the first; nothing where there is only one."""
    if not seen.facts.has_days:
        return ()
    starts = [
        plan.start + timedelta(days=_STRETCH * week) for week in range((seen.last - plan.start).days // _STRETCH + 1)
    ]
    spans = [(start, start + timedelta(days=_STRETCH - 1)) for start in starts]
    spans = [span for span in spans if span[1] <= seen.last]
    if len(spans) < 2:
        return ()
    exposed = seen.days.filter(pl.col(EXPOSED) > 0)
    cohort = exposed.filter(pl.col(DAY) <= spans[0][1]).group_by(USER_ID).agg(pl.col(VARIANT).first())
    return tuple(Stretch(str(first), str(last), _effect(seen, plan, cohort, first, last)) for first, last in spans)


def _effect(seen: Seen, plan: Plan, cohort: pl.DataFrame, first: date, last: date) -> Effect | None:
    days = seen.days.filter(pl.col(DAY).is_between(first, last))
    users = users_of(replace(seen, days=days), plan, last)
    sums = users.frame.drop(VARIANT)
    frame = cohort.join(sums, on=USER_ID, how="left").sort(USER_ID)
    numbers = [name for name in frame.columns if name.startswith(("of_", "per_"))]
    ones = [pl.lit(1.0).alias(name) for name in numbers if name.startswith("per_") and plan.metrics[0].per == USER]
    filled = frame.with_columns(pl.col(numbers).fill_null(0.0)).with_columns(ones)  # who stayed away did nothing
    try:
        return metric_effect(replace(users, frame=filled), plan, 0, 1, OneLook()).effect
    except InputError:
        return None
