"""Strong offline, neutral online: why, as an ordered list of checks."""

from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.errors import InputError
from bandit.evaluation import Difference, Evaluation, PolicyResult, Settings
from bandit.experiments import detectable_effect
from batch.executors import Progress
from batch.experiments.effects import MetricEffect
from batch.experiments.explaining import (
    NEUTRAL,
    Case,
    Explained,
    Step,
    case_of,
    effects_by_age,
    figures_of,
    is_fading,
    is_reward_of,
    no_log,
    primary_of,
    quality_step,
    told,
)
from batch.experiments.plans.plan import PICKS, PRIMARY
from batch.experiments.reading import Source
from batch.offline.compare import Request, compare
from batch.workspace.impressions import day_files, days
from batch.workspace.workspace import Workspace

_OFF: Final = 0.02
"""By which the mean of 1 / (propensity x artworks) may miss 1."""
_ERRORS: Final = 3.3
_MOST_FALLBACK: Final = 0.05
_MOST_AGE_DAYS: Final = 1.5
_PERSONALIZED: Final = "personalized"


@dataclass(frozen=True)
class Offline:
    """What a log said beforehand: the lead of the treatment, or why it said nothing."""

    lead: float | None
    lower: float | None = None
    upper: float | None = None
    problem: str = ""
    overlap: str = ""
    is_overlap_poor: bool | None = None


def explain_neutral(source: Source, name: str, report: Progress, lead: float | None = None) -> Explained:
    """Why a lead that was strong offline does not show online.

    Args:
        source: of the data.
        name: of the experiment.
        report: told of the comparison on the log.
        lead: what was said offline, in units of the primary; by default the log before the start is asked.

    Raises:
        InputError: the experiment has not started, was changed, or has no data.
    """
    case = case_of(source, name)
    one = primary_of(case)
    offline = Offline(lead) if lead is not None else _asked(case, report)
    steps = (
        quality_step(case, "sample ratio"),
        _power(case, one),
        _lead(one, offline),
        _calibration(case),
        _overlap(offline),
        _same_metric(case),
        _fallback(case),
        _shared_data(case),
        _age(case),
        _novelty(case),
    )
    return Explained(name, NEUTRAL, case.plan.names[1], str(case.seen.last), steps, _conclusion(one, steps))


def _asked(case: Case, report: Progress) -> Offline:
    """The lead of the treatment's policy over the control's on the log before the start."""
    plan = case.plan
    if not case.is_log or plan.layer != PICKS:
        return Offline(None, problem="only a workspace's log before the start can be asked; or give --offline-lead")
    control, treatment = plan.variants[0].live, plan.variants[1].live
    if control is None or treatment is None or control.policy == treatment.policy:
        return Offline(None, problem="the variants have one policy: a log judges policies, not posteriors or rewards")
    if control.stickiness or treatment.stickiness:
        return Offline(None, problem="a variant keeps what was shown before: a log judges policies without stickiness")
    request = Request(
        workspace=case.source.workspace.root,
        policies=f"{control.policy},{treatment.policy}",
        posterior=treatment.posterior,
        reward=treatment.reward,
        settings=Settings(estimators=("dr",), level=plan.level),
        until=plan.start - timedelta(1),
    )
    try:
        evaluation = compare(request, report).evaluation
    except InputError as error:
        return Offline(None, problem=f"the log before the start cannot be asked: {error}")
    return _offline(evaluation, treatment.policy, control.policy)


def _offline(evaluation: Evaluation, treatment: str, control: str) -> Offline:
    lead, sign = _difference(evaluation, treatment, control)
    results = [result for result in evaluation.results if result.policy in {treatment, control}]
    overlap = "; ".join(f"{result.policy}: {result.verdict}{_size(result)}" for result in results)
    poor = any(not result.is_reliable for result in results)
    if lead is None or lead.value is None or lead.lower is None or lead.upper is None:
        return Offline(None, problem="the log withholds its answer", overlap=overlap, is_overlap_poor=poor)
    ends = sorted((sign * lead.lower, sign * lead.upper))
    return Offline(sign * lead.value, ends[0], ends[1], overlap=overlap, is_overlap_poor=poor)


def _difference(evaluation: Evaluation, treatment: str, control: str) -> tuple[Difference | None, int]:
    for one in evaluation.differences:
        if (one.policy, one.against) == (treatment, control):
            return one, 1
        if (one.policy, one.against) == (control, treatment):
            return one, -1
    return None, 1


def _size(result: PolicyResult) -> str:
    return "" if result.overlap is None else f" (effective sample size {result.overlap.effective_sample_size:,.0f})"


def _power(case: Case, one: MetricEffect) -> Step:
    check = "power"
    if one.effect is None:
        return Step(check, None, one.problem)
    users, share = sum(one.users), one.users[0] / sum(one.users)
    variance = one.effect.standard_error**2 * users * share * (1 - share)
    shown = detectable_effect(variance, users, 1 - case.plan.level, case.plan.power, share)
    is_weak = shown > case.plan.smallest_effect
    text = (
        f"{users:,} users show an effect of {shown:.4g} with power {case.plan.power:.0%}; the smallest that matters is"
        f" {case.plan.smallest_effect:g}"
    )
    return Step(
        check, is_weak, text, {"detectable": shown, "smallest_effect": case.plan.smallest_effect, "users": float(users)}
    )


def _lead(one: MetricEffect, offline: Offline) -> Step:
    check = "offline lead against the online interval"
    if offline.lead is None:
        return Step(check, None, offline.problem)
    ends = "" if offline.lower is None else f" ({offline.lower:+.4g} to {offline.upper:+.4g})"
    if one.effect is None:
        return Step(check, None, f"offline {offline.lead:+.4g}{ends}; online: {one.problem}")
    inside = one.effect.lower <= offline.lead <= one.effect.upper
    said = (
        "which the interval does not exclude: both may be right"
        if inside
        else "which the interval excludes: offline was off"
    )
    text = f"offline {offline.lead:+.4g}{ends}, online {told(one)}, {said}"
    return Step(check, not inside, text, {"offline": offline.lead} | figures_of(one, "online "))


class _Decisions(NamedTuple):
    mean: float
    error: float
    decisions: int


def _calibration(case: Case) -> Step:
    check = "propensity calibration"
    if not case.is_log or case.plan.layer != PICKS:
        return no_log(check)
    workspace = case.source.workspace
    judged = _mean_weight(workspace, [day for day in days(workspace) if day <= case.seen.last])
    if judged is None:
        return Step(check, None, "too few decisions in the log")
    is_off = abs(judged.mean - 1) > max(_OFF, _ERRORS * judged.error)
    text = (
        f"the mean of 1 / (propensity x artworks) over {judged.decisions:,} decisions is {judged.mean:.4f} ±"
        f" {1.96 * judged.error:.4f},"
        f" expected 1: {'the stated propensities are not those of the draws' if is_off else 'propensities are as stated'}"
    )
    return Step(
        check, is_off, text, {"mean": judged.mean, "standard_error": judged.error, "decisions": float(judged.decisions)}
    )


def _mean_weight(workspace: Workspace, logged: list[date]) -> _Decisions | None:
    """Over decisions, each once however often it was shown, with an error that is clustered by user."""
    parts = []
    for day in logged:
        frame = pl.read_parquet(day_files(workspace, day), hive_partitioning=False)
        own = frame.filter((pl.col("source") == _PERSONALIZED) & (pl.col("eligible").list.len() > 1))
        weight = 1 / (pl.col("propensity").cast(pl.Float64) * pl.col("eligible").list.len())
        parts.append(own.select("user_id", "title_id", "generation", weight=weight))
    decisions = pl.concat(parts).unique(["user_id", "title_id", "generation"], keep="first", maintain_order=True)
    by_user = decisions.group_by("user_id", maintain_order=True).agg(pl.col("weight").sum(), pl.len().alias("count"))
    if by_user.height < 2:
        return None
    sums, counts = by_user["weight"].to_numpy(), by_user["count"].to_numpy().astype(np.float64)
    mean = float(sums.sum() / counts.sum())
    numbers = (sums - mean * counts) / counts.mean()
    return _Decisions(mean, float(numbers.std(ddof=1) / sqrt(len(numbers))), decisions.height)


def _overlap(offline: Offline) -> Step:
    if offline.is_overlap_poor is None:
        return Step("overlap", None, offline.problem or "the lead was given; what it was made of is not known here")
    return Step("overlap", offline.is_overlap_poor, offline.overlap)


def _same_metric(case: Case) -> Step:
    check = "is the offline reward the online metric"
    live = case.plan.variants[1].live
    metric = next(metric for metric in case.plan.metrics if metric.role == PRIMARY)
    if live is None:
        return Step(check, None, f"online is {metric.of} per {metric.per}; compare with what was judged offline")
    same = is_reward_of(metric, live.reward)
    said = "the same" if same else "not the same: what leads in one need not lead in the other"
    return Step(check, not same, f"offline {live.reward} per impression, online {metric.of} per {metric.per}: {said}")


def _fallback(case: Case) -> Step:
    one = quality_step(case, "fallback")
    if one.is_reason is None:
        return one
    share = one.figures["share"]
    text = f"{one.text}; an effect of picks shows as {1 - share:.1%} of itself over all impressions"
    return Step(one.check, share > _MOST_FALLBACK, text, one.figures)


def _shared_data(case: Case) -> Step:
    check = "both variants learn from shared data"
    if case.plan.layer != PICKS or not case.is_log:
        return Step(check, None, "only variants of picks learn; ask whoever runs the others")
    live = [arm.live for arm in case.plan.variants if arm.live]
    others = 1 - case.plan.variants[1].share
    models = {variant.model for variant in live}
    same = "from one model" if len(models) == 1 else f"from {len(models)} models"
    text = (
        f"all variants choose {same}, fitted to everybody's impressions: {others:.0%} of what the treatment learns from was"
        " chosen by others, and what it finds out helps the control too. Online differs from offline by that; the effect is"
        " that of choosing, not of what is learned"
    )
    return Step(
        check, is_reason=True, text=text, figures={"models": float(len(models)), "share learned from others": others}
    )


def _age(case: Case) -> Step:
    check = "age of picks"
    if not case.is_log or case.plan.layer != PICKS:
        return no_log(check)
    parts = []
    for day in days(case.source.workspace):
        if case.plan.start <= day <= case.seen.last:
            frame = pl.read_parquet(day_files(case.source.workspace, day), hive_partitioning=False)
            own = frame.filter(pl.col("source") == _PERSONALIZED).group_by("generation").agg(pl.len().alias("count"))
            parts.append(own.with_columns(pl.lit(day).alias("day")))
    shown = pl.concat(parts).with_columns(first=pl.col("day").min().over("generation"))
    ages = (shown["day"] - shown["first"]).dt.total_days().to_numpy()
    counts = shown["count"].to_numpy()
    mean = float((ages * counts).sum() / counts.sum()) if counts.sum() else 0.0
    text = (
        f"picks were served {mean:.2f} days after their generation first was, on average, the oldest {int(ages.max())} days;"
        " offline they are as new as the log"
    )
    return Step(check, mean > _MOST_AGE_DAYS, text, {"mean_days": mean, "oldest_days": float(ages.max())})


def _novelty(case: Case) -> Step:
    check = "novelty"
    place = next(at for at, metric in enumerate(case.seen.metrics) if metric.role == PRIMARY)
    ages = effects_by_age(case, place)
    if len(ages) < 2:
        return Step(check, None, "too few days since the first exposures to compare early and later days")
    text = ", ".join(f"{age} {one.effect.value:+.4g}" for age, one in ages if one.effect is not None)
    fades = is_fading(ages)
    figures = {age: one.effect.value for age, one in ages if one.effect is not None}
    return Step(
        check,
        fades,
        f"effect by days since exposure: {text}" + ("; it fades" if fades else "; it does not fade"),
        figures,
    )


def _conclusion(one: MetricEffect, steps: tuple[Step, ...]) -> str:
    reason = next((step for step in steps if step.is_reason), None)
    if one.effect is not None and not one.effect.lower <= 0 <= one.effect.upper:
        return f"online is not neutral: {told(one)}"
    if reason is None:
        return "no check finds a reason; the log was right about another time or other users than these"
    remedies = {
        "sample ratio": "mend who is counted before anything else is believed",
        "power": "wait for more users: neutral only means not seen yet",
        "offline lead against the online interval": "believe the online interval; the checks below say where offline went wrong",
        "propensity calibration": "mend the stated propensities: every offline figure rests on them",
        "overlap": "the log hardly shows what the treatment does: gather explore data",
        "is the offline reward the online metric": "judge offline by the online metric: artwork compare --reward",
        "fallback": "find out why so many answers are the fallback's",
    }
    what = remedies.get(reason.check, "see its figures")
    return f"the first reason in order is {reason.check}: {what}"
