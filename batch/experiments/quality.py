"""Whether an experiment can be read at all: checks of its data, before anybody sees an effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from bandit.errors import InputError
from bandit.experiments import mean_effect, ratio_effect, rollout_effect, sample_ratio, sample_ratio_sequence
from batch.experiments.dilution import Apart
from batch.experiments.measuring import DAY, EXPOSED, FALLBACK, SHARE, SHOWN, USER_ID, VARIANT, Seen, Users, widens
from batch.experiments.plans.plan import Plan

LEAST_USERS: Final = 30
"""In a variant; of fewer, intervals of means are not to be believed."""
ALARM: Final = 0.001
"""p-values below it fail a check: one healthy experiment in a thousand is stopped."""
MOST_CROSSOVER: Final = 0.005
"""Share of users who met several variants: they dilute every effect."""
MOST_FALLBACK: Final = 0.2
"""Share of impressions that the fallback answered: its answers are no variant's."""
LEAST_EXPOSED: Final = 0.5
"""Share of impressions whose pick could differ: the rest dilutes whatever is measured per impression."""
MOST_DUPLICATES: Final = 0.001
MANY_EXPECTED: Final = 15.0
"""Users of a variant on a day; where so many are expected nobody is there by chance less than once in a million days."""


@dataclass(frozen=True)
class QualityCheck:
    """One check: ``passed`` is None where it could not be judged; ``figures`` are what it saw, ``remedy`` what to do."""

    name: str
    passed: bool | None
    text: str
    figures: dict[str, float]
    remedy: str = ""


def check_quality(seen: Seen, plan: Plan, users: Users, apart: Apart | None = None) -> list[QualityCheck]:
    """All checks, in the order in which one would look for a fault.

    Args:
        seen: of the experiment.
        plan: of the experiment.
        users: those exposed by the day of the reading.
        apart: how far apart the variants choose, where it was looked at.
    """
    return [
        _enough_users(plan, users),
        _sample_ratio(plan, users),
        _sample_ratio_over_time(seen, plan, users.until),
        _crossover(seen, users),
        exposure(seen, users.until, apart),
        _fallback(seen, plan, users.until),
        _covariates(plan, users),
        missing_days(seen, plan, users.until),
        duplicates(seen),
        generations(seen),
    ]


def failed(checks: Sequence[QualityCheck]) -> list[QualityCheck]:
    """The checks that stop a reading."""
    return [check for check in checks if check.passed is False]


def _enough_users(plan: Plan, users: Users) -> QualityCheck:
    counts = dict(zip(plan.names, users.counts(len(plan.names)), strict=True))
    text = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return QualityCheck(
        "users",
        min(counts.values()) >= LEAST_USERS,
        f"{text}; at least {LEAST_USERS} in each variant",
        {name: float(count) for name, count in counts.items()},
        "wait for more users, or give the variant a larger share in the next experiment",
    )


def _sample_ratio(plan: Plan, users: Users) -> QualityCheck:
    counts = users.counts(len(plan.names))
    if not any(counts):
        return QualityCheck("sample ratio", None, "nobody was exposed", {})
    if users.rows is not None:
        return _sample_ratio_by_share(users.rows, over_time=False)
    made = sample_ratio(counts, list(plan.shares.values()))
    seen = " : ".join(f"{count / sum(counts):.4f}" for count in counts)
    planned = " : ".join(f"{share:.4g}" for share in plan.shares.values())
    return QualityCheck(
        "sample ratio",
        made.p_value >= ALARM,
        f"users {seen}, planned {planned} (p = {made.p_value:.3g}, alarm below {ALARM:g})",
        {"p_value": made.p_value, "statistic": made.statistic},
        "find what loses or adds users of one variant (a crash, a filter, a join, a redirect), and start anew",
    )


def _sample_ratio_by_share(rows: pl.DataFrame, *, over_time: bool) -> QualityCheck:
    """The same within each share, by the first day on which a user met it; over time it holds however often one looks."""
    made = []
    for (share,), own in rows.sort(SHARE, DAY).group_by(SHARE, maintain_order=True):
        so_far = _first_days(own, 2)[1].cumsum(axis=0)
        planned = [1 - float(share), float(share)]
        p_value = (
            sample_ratio_sequence(so_far, planned).p_value if over_time else sample_ratio(so_far[-1], planned).p_value
        )
        made.append((planned[1], p_value, so_far[-1]))
    p_value, alarm = min(one[1] for one in made), ALARM / len(made)
    told = ", ".join(f"{seen[1] / seen.sum():.4f} of users, planned {share:.4g}" for share, _, seen in made)
    often = "however often one looked: " if over_time else ""
    return QualityCheck(
        "sample ratio over time" if over_time else "sample ratio",
        p_value >= alarm,
        f"the treatment had {told} ({often}p = {p_value:.3g}, alarm below {alarm:.2g})",
        {"p_value": p_value, "shares": float(len(made))},
        "find what loses or adds users of one variant (a crash, a filter, a join, a redirect), and start anew",
    )


def _first_days(exposed: pl.DataFrame, variants: int) -> tuple[np.ndarray, np.ndarray]:
    """The days on which users came first, (d,), and how many of each variant did, (d, variants)."""
    first = (
        exposed.sort(USER_ID, DAY, VARIANT)
        .group_by(USER_ID, maintain_order=True)
        .agg(pl.col(DAY).first(), pl.col(VARIANT).first())
    )
    days, places = np.unique(first[DAY].to_numpy(), return_inverse=True)
    table = np.zeros((len(days), variants), dtype=np.int64)
    np.add.at(table, (places, first[VARIANT].to_numpy()), 1)
    return days, table


def _sample_ratio_over_time(seen: Seen, plan: Plan, until: date) -> QualityCheck:
    """The same as it would have been seen day after day: users so far by their first day."""
    name = "sample ratio over time"
    if not seen.facts.has_days:
        return QualityCheck(name, None, "the table has no column day", {})
    exposed = seen.days.filter(pl.col(EXPOSED) > 0, pl.col(DAY) <= until)
    if exposed.is_empty():
        return QualityCheck(name, None, "nobody was exposed", {})
    if widens(seen, plan, until):
        return _sample_ratio_by_share(exposed, over_time=True)
    days, table = _first_days(exposed, len(plan.names))
    made = sample_ratio_sequence(table.cumsum(axis=0), list(plan.shares.values()))
    p_value = float(made.p_values[-1])
    return QualityCheck(
        name,
        p_value >= ALARM,
        f"over {len(days)} days, however often one looked: p = {p_value:.3g}, alarm below {ALARM:g}",
        {"p_value": p_value, "days": float(len(days))},
        "look for the day from which users of one variant are missing",
    )


def _crossover(seen: Seen, users: Users) -> QualityCheck:
    crossed = int((users.frame["variants"] > 1).sum())
    share = crossed / max(users.frame.height, 1)
    mismatched = seen.facts.mismatched
    at_once = "" if users.rows is None else " under one share"
    text = (
        f"{crossed:,} of {users.frame.height:,} users met several variants{at_once} ({share:.2%}, at most"
        f" {MOST_CROSSOVER:.1%})"
    )
    if mismatched:
        text += f"; {mismatched:,} impressions have another variant than their user is assigned"
    is_wrong = share > MOST_CROSSOVER or mismatched > MOST_CROSSOVER * seen.facts.events
    return QualityCheck(
        "crossover",
        not is_wrong,
        text,
        {"users": float(crossed), "share": share, "impressions": float(mismatched)},
        "keep the salt and the seed of the generations as they are, and who is a user; start anew",
    )


def exposure(seen: Seen, until: date, apart: Apart | None) -> QualityCheck:
    """Whether enough of the picks could differ between variants."""
    if not seen.facts.has_answers:
        return QualityCheck("exposure", None, "every row counts as exposed: only a log of picks tells", {})
    shown, exposed, fallback = totals(seen, until)
    picks = max(shown - fallback, 1.0)
    share = exposed / picks
    text = f"{share:.1%} of {picks:,.0f} picks could differ between variants, at least {LEAST_EXPOSED:.0%}"
    figures = {"share": share, "exposed": exposed}
    remedy = "most titles have one artwork, so that variants cannot differ: measure where they can"
    if apart is not None:
        text += f"; weights do for {apart.differ:.1%} of {apart.pairs:,} sampled ones,"
        text += f" by which {apart.variation:.1%} of picks are others"
        figures |= {"differ": apart.differ, "variation": apart.variation}
    if apart is not None and apart.variation == 0 and share >= LEAST_EXPOSED:
        return QualityCheck(
            "exposure", None, text, figures, "the variants choose alike: this is a test of the test (A/A)"
        )
    return QualityCheck("exposure", share >= LEAST_EXPOSED, text, figures, remedy)


def _fallback(seen: Seen, plan: Plan, until: date) -> QualityCheck:
    if not seen.facts.has_answers:
        return QualityCheck("fallback", None, "only a log of picks tells which answers are the fallback's", {})
    by_user = (
        seen.days.filter(pl.col("day") <= until)
        .group_by(USER_ID, VARIANT)
        .agg(pl.col(SHOWN).sum(), pl.col(FALLBACK).sum(), pl.col(EXPOSED).sum())
        .filter(pl.col(EXPOSED).sum().over(USER_ID) > 0)  # whom no row has reached yet is in no reading
        .sort(USER_ID, VARIANT)
    )
    share = float(by_user[FALLBACK].sum()) / max(float(by_user[SHOWN].sum()), 1.0)
    figures, p_value, is_rollout = {"share": share}, 1.0, widens(seen, plan, until)
    control = by_user.filter(pl.col(VARIANT) == 0)
    for place, name in enumerate(plan.names):
        own = by_user.filter(pl.col(VARIANT) == place)
        figures[f"share of {name}"] = float(own[FALLBACK].sum()) / max(float(own[SHOWN].sum()), 1.0)
        if place and min(own.height, control.height) >= LEAST_USERS:
            p_value = min(p_value, _differs_by_day(seen, until) if is_rollout else _differs(own, control))
    per_variant = ", ".join(f"{name} {figures[f'share of {name}']:.2%}" for name in plan.names)
    alarm = ALARM / max(len(plan.names) - 1, 1)
    return QualityCheck(
        "fallback",
        share <= MOST_FALLBACK and p_value >= alarm,
        f"the fallback answered {share:.2%} of impressions (at most {MOST_FALLBACK:.0%}): {per_variant}; they differ at"
        f" p = {p_value:.3g}, alarm below {alarm:.2g}",
        figures | {"p_value": p_value},
        "see why the store was late or lacked rows: its answers are no variant's, and dilute the difference",
    )


def _differs(own: pl.DataFrame, control: pl.DataFrame) -> float:
    treatment, before = ((side[FALLBACK].to_numpy(), side[SHOWN].to_numpy()) for side in (own, control))
    try:
        return ratio_effect(treatment, before).p_value
    except InputError:  # nothing varies: all or none of the answers
        return 1.0


def _differs_by_day(seen: Seen, until: date) -> float:
    """The same where the share changed: a store that was away for a day met whom it met."""
    own = seen.days.filter(pl.col(DAY) <= until, pl.col(EXPOSED).sum().over(USER_ID) > 0).sort(
        USER_ID, DAY, SHARE, VARIANT
    )
    strata = own.select(pl.struct(DAY, SHARE).rank("dense")).to_series().to_numpy().astype(np.int64)
    users = own[USER_ID].rank("dense").to_numpy().astype(np.int64)
    try:
        return rollout_effect(
            own[FALLBACK].to_numpy(),
            own[SHOWN].to_numpy(),
            users,
            strata,
            own[VARIANT].to_numpy() == 1,
            own[SHARE].to_numpy(),
        ).effect.p_value
    except InputError:
        return 1.0


def _covariates(plan: Plan, users: Users) -> QualityCheck:
    """What users did before, which no variant can have changed."""
    p_values: dict[str, float] = {}
    for place, metric in enumerate(users.metrics):
        sums = users.sums(place)
        for treatment, name in enumerate(plan.names[1:], start=1):
            own, control = (sums.of(users.variants == variant).covariate for variant in (treatment, 0))
            if own is None or control is None or min(len(own), len(control)) < LEAST_USERS:
                continue
            try:
                p_value = mean_effect(own, control, least_variance="pooled").p_value
            except InputError:  # nobody did anything before
                continue
            p_values[f"{metric.name}, {name}"] = p_value
    if not p_values:
        return QualityCheck("covariates", None, "no metric has a covariate that varies", {})
    least = min(p_values, key=lambda name: p_values[name])
    alarm = ALARM / len(p_values)
    return QualityCheck(
        "covariates",
        p_values[least] >= alarm,
        f"variants differ most in that of {least}: p = {p_values[least]:.3g}, alarm below {alarm:.2g}",
        {"p_value": p_values[least]},
        "a covariate has to be from before the start, so that no variant can have changed it; leave it out, or find out what"
        " made the users of the variants unlike before",
    )


def missing_days(seen: Seen, plan: Plan, until: date) -> QualityCheck:
    """Whether every day has data of every variant."""
    if not seen.facts.has_days:
        return QualityCheck("missing days", None, "the table has no column day", {})
    missing = [day for day in seen.facts.missing if day <= until]
    planned = (until - plan.start).days + 1
    text = f"{len(missing)} of {planned} days have no data" + _listed(missing)
    one_sided = _without_variant(seen, plan, until)
    for name, days in one_sided.items():
        text += f"; {len(days)} have none of {name}{_listed(days)}"
    return QualityCheck(
        "missing days",
        not missing and not one_sided,
        text,
        {
            "missing": float(len(missing)),
            "days": float(planned),
            "of a variant": float(sum(map(len, one_sided.values()))),
        },
        "join the events of these days, or find out why there are none",
    )


def _listed(days: Sequence[date]) -> str:
    return f": {', '.join(map(str, days[:5]))}{', ...' if len(days) > 5 else ''}" if days else ""


def _without_variant(seen: Seen, plan: Plan, until: date) -> dict[str, list[date]]:
    """The days on which nobody of a variant was there though many of the others were."""
    counts = (
        seen.days.filter(pl.col("day") <= until).group_by("day", VARIANT).agg(pl.col(USER_ID).n_unique().alias("n"))
    )
    made: dict[str, list[date]] = {}
    for (day,), own in counts.sort("day").group_by("day", maintain_order=True):
        there, total = set(own[VARIANT].to_list()), float(own["n"].sum())
        present = sum(arm.share for place, arm in enumerate(plan.variants) if place in there)
        for place, arm in enumerate(plan.variants):
            if place not in there and total * arm.share / present >= MANY_EXPECTED:
                made.setdefault(arm.name, []).append(day)
    return made


def duplicates(seen: Seen) -> QualityCheck:
    """Whether events were logged twice."""
    facts = seen.facts
    share = facts.duplicates / max(facts.events, 1)
    return QualityCheck(
        "duplicated events",
        share <= MOST_DUPLICATES,
        f"{facts.duplicates:,} of {facts.events:,} rows are there twice ({share:.3%}, at most {MOST_DUPLICATES:.1%})",
        {"duplicates": float(facts.duplicates), "share": share},
        "remove the copies: what one client posts twice must have one event_id",
    )


def generations(seen: Seen) -> QualityCheck:
    """Whether the generations that count name the plan."""
    if not seen.facts.has_answers:
        return QualityCheck("registered generations", None, "only a log of picks has generations", {})
    unregistered = seen.facts.unregistered
    numbers = ", ".join(map(str, unregistered[:5])) + (", ..." if len(unregistered) > 5 else "")
    return QualityCheck(
        "registered generations",
        None if unregistered else True,
        f"generations {numbers} have these variants, and their manifest does not name the plan"
        if unregistered
        else "every generation that counts names the registered plan",
        {"unregistered": float(len(unregistered))},
        "make generations with `artwork run --experiment`",
    )


def totals(seen: Seen, until: date) -> tuple[float, float, float]:
    """Impressions until a day: all, those that expose, those that the fallback answered."""
    own = seen.days.filter(pl.col("day") <= until)
    return tuple(float(own[name].sum()) for name in (SHOWN, EXPOSED, FALLBACK))  # type: ignore[return-value]
