"""What users of each variant did, as sums per user: the one form that a log and a table are both brought to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, Bool
from bandit.experiments.spending import least_shared
from batch.experiments.plans.plan import USER, Metric, Plan

USER_ID: Final = "user_id"
VARIANT: Final = "variant"
DAY: Final = "day"
SHOWN: Final = "shown"
EXPOSED: Final = "exposed"
FALLBACK: Final = "fallback"
SPLIT: Final = "split"
"""Of an interleaving: which share of the user's titles is whose."""
SHARE: Final = "share"
"""That the last variant had of the users, in the generation that answered; only a log of picks has it."""


def of_column(place: int) -> str:
    """The column of a metric's numerators."""
    return f"of_{place}"


def per_column(place: int) -> str:
    """The column of a metric's denominators."""
    return f"per_{place}"


def exposed_column(variant: int) -> str:
    """The column of a variant's exposures, where users have both."""
    return f"exposed_{variant}"


def covariate_column(place: int) -> str:
    """The column of a metric's covariate."""
    return f"before_{place}"


def segment_column(name: str) -> str:
    """The column of a segment, which no metric has."""
    return f"segment {name}"


@dataclass(frozen=True)
class Facts:
    """What quality is judged by besides the sums.

    ``missing`` lists days without data, ``notes`` what was left out and why; ``generation`` is the newest that counted.
    """

    events: int = 0
    duplicates: int = 0
    mismatched: int = 0
    unregistered: tuple[int, ...] = ()
    missing: tuple[date, ...] = ()
    notes: tuple[str, ...] = ()
    has_days: bool = True
    has_answers: bool = True
    generation: int | None = None


@dataclass(frozen=True)
class Seen:
    """What was seen of an experiment by ``last``.

    ``days`` has a row per user, variant (its place), day and share: impressions shown, those that expose, those answered by
    the fallback, and the sums of each metric. ``before`` has the covariates per user, ``segments`` the segments.
    """

    metrics: tuple[Metric, ...]
    days: pl.DataFrame
    before: pl.DataFrame
    segments: pl.DataFrame
    last: date
    facts: Facts = field(default_factory=Facts)


class Sums(NamedTuple):
    """A metric per user, (n,) each; ``covariate`` is None without one."""

    numerators: F64
    denominators: F64
    covariate: F64 | None

    def of(self, mask: Bool) -> "Sums":
        """Those of some users."""
        covariate = None if self.covariate is None else self.covariate[mask]
        return Sums(self.numerators[mask], self.denominators[mask], covariate)


@dataclass(frozen=True)
class Users:
    """The exposed users until a day, sorted by id: ``frame`` has a row each.

    Where the share of the treatment changed, what they did is compared day by day: ``rows`` has it, a row per user, day and
    share, and a user's variant is the last one. Else it is None.
    """

    metrics: tuple[Metric, ...]
    frame: pl.DataFrame
    until: date
    rows: pl.DataFrame | None = None

    @property
    def variants(self) -> F64:
        """The place of each user's variant, (n,)."""
        return self.frame[VARIANT].to_numpy()

    def counts(self, variants: int) -> tuple[int, ...]:
        """How many users each variant has."""
        return tuple(np.bincount(self.frame[VARIANT].to_numpy(), minlength=variants).tolist())

    def sums(self, place: int) -> Sums:
        """A metric's sums."""
        name = covariate_column(place)
        covariate = self.frame[name].to_numpy() if name in self.frame.columns else None
        denominators = self.frame[per_column(place)].to_numpy()
        return Sums(self.frame[of_column(place)].to_numpy(), denominators, covariate)

    @property
    def digest(self) -> str:
        """BLAKE2b-128 of all sums, by user."""
        digest = blake2b(digest_size=16)
        for frame in (self.frame, self.rows):
            if frame is None:
                continue
            digest.update("\n".join(frame[USER_ID].to_list()).encode())
            for name in frame.columns:
                if frame[name].dtype.is_numeric():
                    digest.update(
                        name.encode() + np.ascontiguousarray(frame[name].to_numpy(), dtype=np.float64).tobytes()
                    )
        return digest.hexdigest()

    def where(self, condition: pl.Expr) -> "Users":
        """Some of them."""
        frame = self.frame.filter(condition)
        return replace(
            self, frame=frame, rows=None if self.rows is None else self.rows.join(frame, on=USER_ID, how="semi")
        )


def gathered_by(seen: Seen, plan: Plan, looks: Sequence[date]) -> tuple[float, ...]:
    """How much of what is known at the last of some looks was known at each; empty where rows have no days.

    Two looks share the least of what days, users who count, their exposures and effects say. Of effects it is the squared
    correlation of each metric and treatment, from what each user adds to it at both looks: late users who weigh more than others,
    or a day on which everybody does more, make looks less alike than any count. Where it is too little, bounds are a little
    wider than they need be.
    """
    if not seen.facts.has_days:
        return ()
    numbered, count = _numbered(seen)
    known = [users_of(numbered, plan, day) for day in looks]
    amounts = np.array(
        [
            (plan.information(day), users.frame.height, users.frame[EXPOSED].sum())
            for day, users in zip(looks, known, strict=True)
        ]
    )
    by_amount = np.minimum(amounts.T[:, :, np.newaxis] / np.maximum(amounts.T[:, np.newaxis, :], 1e-300), 1.0)
    return tuple(least_shared(np.concatenate([by_amount, *_by_effects(known, count, len(plan.names))])).tolist())


def _numbered(seen: Seen) -> tuple[Seen, int]:
    """The same with numbers from 0 on for users, and how many there are: looks are joined by them several times as fast."""
    numbers = seen.days.select(pl.col(USER_ID).unique(maintain_order=True)).with_row_index("number")

    def told(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.join(numbers, on=USER_ID, maintain_order="left").drop(USER_ID).rename({"number": USER_ID})

    nothing = numbers.select(pl.col("number").alias(USER_ID))
    return replace(seen, days=told(seen.days), before=told(seen.before), segments=nothing), numbers.height


def _by_effects(known: Sequence[Users], count: int, variants: int) -> list[F64]:
    """Squared correlations of effects at different looks, of every metric and treatment that varies, (1, looks, looks) each."""
    places = [users.frame[USER_ID].to_numpy() for users in known]
    made = []
    for metric in range(len(known[-1].metrics)):
        for treatment in range(1, variants):
            parts = np.zeros((len(known), count))
            for look, (users, at) in enumerate(zip(known, places, strict=True)):
                for variant in (0, treatment):
                    own = users.variants == variant
                    parts[look, at[own]] = _parts_of(users.sums(metric).of(own)) * (1 if variant else -1)
            products = parts @ parts.T
            errors = np.sqrt(np.diag(products))
            if errors[-1] > 0:
                correlations = products / np.maximum(np.outer(errors, errors), 1e-300)
                made.append(np.clip(correlations, 0.0, 1.0)[np.newaxis] ** 2)
    return made


def _parts_of(sums: Sums) -> F64:
    """What each user of a variant adds to the error of its mean or ratio, without what the covariate tells, (n,)."""
    below = float(sums.denominators.sum())
    if not below:
        return np.zeros(len(sums.numerators))
    parts: F64 = (sums.numerators - sums.numerators.sum() / below * sums.denominators) / below
    if sums.covariate is None:
        return parts
    before = sums.covariate - sums.covariate.mean()
    parts -= before * (float(before @ parts) / max(float(before @ before), 1e-300))
    return parts


def users_of(seen: Seen, plan: Plan, until: date) -> Users:
    """The users who were exposed by a day, with what they did from their first exposure on.

    Whoever met several variants counts for the first, and where shares changed for the last. With a window, users whose window is
    not over yet do not count.
    """
    exposed = seen.days.filter(pl.col(EXPOSED) > 0, pl.col(DAY) <= until).with_columns(
        first=pl.col(DAY).min().over(USER_ID)
    )
    if plan.window:
        length = timedelta(days=plan.window)
        exposed = exposed.filter(
            pl.col(DAY) < pl.col("first") + length, pl.col("first") + length <= until + timedelta(1)
        )
    sums = [pl.col(column(place)).sum() for place in range(len(seen.metrics)) for column in (of_column, per_column)]
    is_rollout = widens(seen, plan, until)
    at_once = [USER_ID, SHARE] if is_rollout else [USER_ID]  # whom a share that grew has moved met both, as planned
    exposed = exposed.with_columns(met=pl.col(VARIANT).n_unique().over(at_once))
    frame = (
        exposed.sort(USER_ID, DAY, VARIANT)
        .group_by(USER_ID, maintain_order=True)
        .agg(
            pl.col(VARIANT).last() if is_rollout else pl.col(VARIANT).first(),
            pl.col("first").first(),
            pl.col("met").max().alias("variants"),
            pl.col(EXPOSED).sum(),
            *sums,
        )
        .join(seen.before, on=USER_ID, how="left", maintain_order="left")
        .join(seen.segments, on=USER_ID, how="left", maintain_order="left")
        .with_columns(pl.col(name).fill_null(0.0) for name in seen.before.columns if name != USER_ID)
        .with_columns(
            pl.lit(1.0).alias(per_column(place)) for place, metric in enumerate(seen.metrics) if metric.per == USER
        )
    )
    rows = exposed.sort(USER_ID, DAY, SHARE, VARIANT) if is_rollout else None
    return Users(seen.metrics, frame, until, rows)


def widens(seen: Seen, plan: Plan, until: date) -> bool:
    """Whether days with several shares of two variants have to be compared one by one: of a gate always."""
    if SHARE not in seen.days.columns or len(plan.names) != 2:
        return False
    return plan.gate is not None or seen.days.filter(pl.col(DAY) <= until)[SHARE].n_unique() > 1


def days_since(seen: Seen, until: date, first: int, last: int) -> Seen:
    """What users did from their ``first`` to their ``last`` day since exposure, counted from 0.

    Only of users who were exposed so early that all of these days are over by ``until``: the same users on every day.
    """
    exposed = seen.days.filter(pl.col(EXPOSED) > 0, pl.col(DAY) <= until).with_columns(
        age=(pl.col(DAY) - pl.col(DAY).min().over(USER_ID)).dt.total_days()
    )
    days = exposed.filter(pl.col("age").is_between(first, last)).drop("age")
    return replace(seen, days=days, last=until)


def days_between(first: date, last: date) -> list[date]:
    """Every day from the first to the last."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def covariate_frame(sums: pl.DataFrame, metrics: Sequence[Metric]) -> pl.DataFrame:
    """The covariates of CUPED from sums before the start: linearised where the metric is a ratio, 0 for who was not there.

    Args:
        sums: user_id, and the numerators and denominators of each metric that has a covariate.
        metrics: of the plan.
    """
    made = [pl.col(USER_ID)]
    for place, metric in enumerate(metrics):
        if metric.covariate is None:
            continue
        of, per = pl.col(of_column(place)), pl.col(per_column(place))
        ratio = of.sum() / pl.when(per.sum() > 0).then(per.sum()).otherwise(1.0)
        made.append((of if metric.per == USER else of - ratio * per).alias(covariate_column(place)))
    return sums.select(made)
