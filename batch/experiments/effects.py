"""What each treatment did to each metric: effects with fixed intervals, sequences and corrections."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from bandit.errors import InputError
from bandit.experiments import (
    Effect,
    bonferroni,
    confidence_sequence,
    holm,
    mean_effect,
    ratio_effect,
    rollout_effect,
    seen_at,
)
from bandit.experiments import Metric as Judgeable
from bandit.experiments.deciding import judge
from bandit.experiments.effects import UNLIKE
from bandit.experiments.looks import AnyError, AnyLook, Look, Looks, look_at, p_value_at
from batch.experiments.measuring import (
    DAY,
    SHARE,
    USER_ID,
    VARIANT,
    Sums,
    Users,
    of_column,
    per_column,
)
from batch.experiments.plans.plan import GUARDRAIL, PRIMARY, PROXY, USER, Metric, Plan


@dataclass(frozen=True)
class MetricEffect:
    """A treatment minus the control in one metric.

    ``effect`` has the fixed interval, as wide as the look asks for, ``sequence`` the interval that holds at every look.
    ``adjusted`` is the p-value of the look among all of its role, times the treatments: Holm for primaries, Bonferroni for
    guardrails, alone for proxies. ``is_better`` and the like are what a decision of such a look would make of it.
    ``plain_error`` is the standard error without the covariate. Where nothing can be said ``effect`` is None and ``problem``
    says why.
    """

    metric: Metric
    treatment: str
    control: str
    values: tuple[float, float]
    users: tuple[int, int]
    effect: Effect | None
    sequence: tuple[float, float] | None = None
    adjusted: float | None = None
    is_better: bool | None = None
    is_worse: bool | None = None
    is_non_inferior: bool | None = None
    is_inferior: bool | None = None
    plain_error: float | None = None
    problem: str = ""


def at_any_time(plan: Plan, users: Users) -> Looks:
    """A look at any time: by users; where shares changed, when users stay and more is known of them, by standard errors."""
    if users.rows is None:
        return AnyLook(plan.users)
    return {metric.name: AnyError(plan.limit(metric)) for metric in users.metrics}


def effects_of(users: Users, plan: Plan, look: Looks, judged_at: Looks | None = None) -> list[MetricEffect]:
    """Every metric of every treatment against the control, in the order of the plan.

    Args:
        users: who was exposed.
        plan: of the experiment.
        look: one look, or the planned look that it is: as wide are the intervals.
        judged_at: the look by which p-values and judgements are; that of the intervals by default.
    """
    decides = judged_at or look
    made = [
        metric_effect(users, plan, place, treatment, look)
        for treatment in range(1, len(plan.names))
        for place in range(len(users.metrics))
    ]
    by_treatment = [[one for one in made if one.treatment == treatment] for treatment in plan.names[1:]]
    return [one for own in by_treatment for one in _judged(own, plan, decides)]


def _judged(effects: Sequence[MetricEffect], plan: Plan, look: Looks) -> list[MetricEffect]:
    """The effects of one treatment with p-values and judgements: each treatment has its part of the level."""
    treatments = len(plan.names) - 1
    judged = {one.name: one for one in judge(_metrics_of(effects), 1 - (1 - plan.level) / treatments, look)}
    adjusted: dict[str, float] = {}
    for role, correction in ((PRIMARY, holm), (GUARDRAIL, bonferroni), (PROXY, np.asarray)):
        own = {one.metric.name: one.effect for one in of_role(effects, role) if one.effect is not None}
        p_values = correction([p_value_at(effect, look_at(look, name)) for name, effect in own.items()])
        adjusted |= {name: min(1.0, treatments * p) for name, p in zip(own, p_values.tolist(), strict=True)}
    made = []
    for one in effects:
        if (seen := judged.get(one.metric.name)) is not None:
            has_margin = one.metric.margin is not None
            one = replace(  # noqa: PLW2901 - the same effect, judged
                one,
                adjusted=adjusted[one.metric.name],
                is_better=seen.is_better,
                is_worse=seen.is_worse,
                is_non_inferior=seen.is_kept if has_margin else None,
                is_inferior=seen.is_worse if has_margin else None,
            )
        made.append(one)
    return made


def _metrics_of(effects: Sequence[MetricEffect]) -> list[Judgeable]:
    return [
        Judgeable(one.metric.name, one.effect, one.metric.role, one.metric.direction, one.metric.margin or 0.0)  # type: ignore[arg-type]
        for one in effects
        if one.effect is not None
    ]


def metric_effect(users: Users, plan: Plan, place: int, treatment: int, looks: Looks) -> MetricEffect:
    """One metric of one treatment against the control, as it is alone: not judged, and without correction for others."""
    metric = users.metrics[place]
    look = look_at(looks, metric.name)
    if users.rows is not None:
        return _rollout(users.rows, plan, metric, place, look)
    sums, variants = users.sums(place), users.variants
    first, second = sums.of(variants == treatment), sums.of(variants == 0)
    counts = len(first.numerators), len(second.numerators)
    values = _value(first), _value(second)
    names = plan.names[treatment], plan.names[0]
    try:
        effect = seen_at(_effect(metric, first, second, plan.level, with_covariate=True), look)
        plain = effect if first.covariate is None else _effect(metric, first, second, plan.level, with_covariate=False)
    except InputError as error:
        return MetricEffect(metric, *names, values, counts, None, problem=str(error))
    effect = _cautioned(effect, metric, first, second)
    ends = confidence_sequence(effect.value, effect.standard_error, sum(counts), tuning=plan.users, level=plan.level)
    sequence = float(ends.lower), float(ends.upper)
    return MetricEffect(
        metric, *names, values, counts, effect, sequence, p_value_at(effect, look), plain_error=plain.standard_error
    )  # fmt: skip


def _rollout(rows: pl.DataFrame, plan: Plan, metric: Metric, place: int, look: Look) -> MetricEffect:
    """The same by days and shares: a mean over all of them would take the days of a large share for its doing."""
    of, per = (rows[column(place)].to_numpy() for column in (of_column, per_column))
    treated = rows[VARIANT].to_numpy() == 1
    names = plan.names[1], plan.names[0]
    counts = tuple(rows.filter(pl.col(VARIANT) == variant)[USER_ID].n_unique() for variant in (1, 0))
    try:
        made = rollout_effect(
            of,
            per,
            rows[USER_ID].rank("dense").to_numpy().astype(np.int64),
            rows.select(pl.struct(DAY, SHARE).rank("dense")).to_series().to_numpy().astype(np.int64),
            treated,
            rows[SHARE].to_numpy(),
            plan.level,
        )
        effect = seen_at(made.effect, look)
    except InputError as error:
        values = _value(Sums(of, per, None).of(treated)), _value(Sums(of, per, None).of(~treated))
        return MetricEffect(metric, *names, values, (counts[0], counts[1]), None, problem=str(error))
    always = seen_at(made.effect, AnyError(plan.limit(metric)))
    return MetricEffect(
        metric, *names, made.values, (counts[0], counts[1]), effect, (always.lower, always.upper), p_value_at(effect, look),
        plain_error=effect.standard_error,
    )  # fmt: skip


def _cautioned(effect: Effect, metric: Metric, first: Sums, second: Sums) -> Effect:
    """The effect with a caution where the treatment moved what the metric is divided by."""
    if metric.per == USER:
        return effect
    try:
        below = mean_effect(first.denominators, second.denominators, least_variance="pooled")
    except InputError:  # the same for every user
        return effect
    if below.p_value >= UNLIKE:
        return effect
    treated, untreated = (float(side.denominators.mean()) for side in (first, second))
    told = (
        f"{metric.per} is {treated:.4g} per user with the treatment and {untreated:.4g} with the control (p ="
        f" {below.p_value:.1g}): a ratio may rise because less is divided by; read {metric.of} per"
        " user beside it"
    )
    return replace(effect, caution="; ".join(filter(None, (effect.caution, told))))


def _effect(metric: Metric, first: Sums, second: Sums, level: float, *, with_covariate: bool) -> Effect:
    covariates = None
    if with_covariate and first.covariate is not None and second.covariate is not None:
        covariates = (first.covariate, second.covariate)
        if np.ptp(np.concatenate(covariates)) == 0:  # nobody was there before
            covariates = None
    if metric.per == USER:
        return mean_effect(
            first.numerators, second.numerators, covariates=covariates, level=level, least_variance="pooled"
        )
    return ratio_effect(
        (first.numerators, first.denominators),
        (second.numerators, second.denominators),
        level=level,
        covariates=covariates,
        least_variance="pooled",
    )


def _value(sums: Sums) -> float:
    below = float(sums.denominators.sum())
    return float(sums.numerators.sum()) / below if below else 0.0


def of_role(effects: Sequence[MetricEffect], role: str) -> list[MetricEffect]:
    """The effects of the metrics of a role."""
    return [one for one in effects if one.metric.role == role]
