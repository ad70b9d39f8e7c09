"""Whether an interleaving can be read at all: checks of its data, before anybody sees a preference."""

from datetime import date

import numpy as np
import polars as pl

from bandit.experiments import sample_ratio
from bandit.experiments.effects import two_sided
from batch.experiments.dilution import Apart
from batch.experiments.measuring import SPLIT, Seen, exposed_column
from batch.experiments.plans.plan import Plan
from batch.experiments.quality import (
    ALARM,
    LEAST_USERS,
    MOST_CROSSOVER,
    MOST_FALLBACK,
    QualityCheck,
    duplicates,
    exposure,
    generations,
    missing_days,
    totals,
)


def check_interleaving(
    seen: Seen, plan: Plan, until: date, frame: pl.DataFrame, apart: Apart | None
) -> list[QualityCheck]:
    """All checks of an interleaving, whose users have both variants.

    Args:
        seen: of the experiment.
        plan: of the experiment.
        until: the day of the reading.
        frame: a row per exposed user: ``SPLIT``, how many ``splits`` they were in, and the exposures of each variant.
        apart: how far apart the variants choose, where it was looked at.
    """
    return [
        _enough_in_splits(plan, frame),
        _split_ratio(plan, frame),
        _title_ratio(plan, frame),
        _dealt_as_planned(seen, frame),
        exposure(seen, until, apart),
        _fallback_share(seen, until),
        missing_days(seen, plan, until),
        duplicates(seen),
        generations(seen),
    ]


def _enough_in_splits(plan: Plan, frame: pl.DataFrame) -> QualityCheck:
    counts = _of_splits(plan, frame)
    listed = ", ".join(f"{count:,} at {share:.0%}" for count, share in zip(counts, plan.splits, strict=True))
    return QualityCheck(
        "users",
        min(counts) >= LEAST_USERS,
        f"{listed} of their titles by {plan.names[1]}; at least {LEAST_USERS} each",
        {f"at {share:g}": float(count) for count, share in zip(counts, plan.splits, strict=True)},
        "wait for more users",
    )


def _split_ratio(plan: Plan, frame: pl.DataFrame) -> QualityCheck:
    counts = _of_splits(plan, frame)
    if len(counts) < 2 or not any(counts):
        return QualityCheck("ratio of splits", None, "all users are of one split, or nobody was exposed", {})
    made = sample_ratio(counts, [1 / len(counts)] * len(counts))
    return QualityCheck(
        "ratio of splits",
        made.p_value >= ALARM,
        f"users {' : '.join(f'{count:,}' for count in counts)}, planned alike (p = {made.p_value:.3g}, alarm below {ALARM:g})",
        {"p_value": made.p_value, "statistic": made.statistic},
        "find what loses users of one split, and start anew",
    )


def _title_ratio(plan: Plan, frame: pl.DataFrame) -> QualityCheck:
    """Whether each variant has its share of what users were shown: by user, who sees a title again and again."""
    first, second = (frame[exposed_column(place)].to_numpy() for place in range(2))
    shares = np.array(plan.splits)[frame[SPLIT].to_numpy()]
    beyond = second - shares * (
        first + second
    )  # 0 on average whatever users are shown, because titles are dealt by a hash
    seen = float(second.sum() / max(float((first + second).sum()), 1.0))
    planned = float((shares * (first + second)).sum() / max(float((first + second).sum()), 1.0))
    if len(beyond) < LEAST_USERS or not beyond.any():
        return QualityCheck("ratio of titles", None, "too few users, or nothing varies", {})
    statistic = float(beyond.mean() / (beyond.std(ddof=1) / np.sqrt(len(beyond))))
    p_value = two_sided(statistic, len(beyond) - 1)
    return QualityCheck(
        "ratio of titles",
        p_value >= ALARM,
        f"{plan.names[1]} has {seen:.2%} of exposed impressions, planned {planned:.2%} (p = {p_value:.3g}, alarm"
        f" below {ALARM:g})",
        {"p_value": p_value, "share": seen, "planned": planned},
        "find what loses picks of one variant (titles that are left out, rows that are cut short), and start anew",
    )


def _dealt_as_planned(seen: Seen, frame: pl.DataFrame) -> QualityCheck:
    mismatched, moved = seen.facts.mismatched, int((frame["splits"] > 1).sum())
    text = f"{mismatched:,} of {seen.facts.events:,} impressions have another variant than their title was dealt to"
    text += f"; {moved:,} users were in several splits (at most {MOST_CROSSOVER:.1%} of each)"
    return QualityCheck(
        "crossover",
        mismatched <= MOST_CROSSOVER * seen.facts.events and moved <= MOST_CROSSOVER * frame.height,
        text,
        {"impressions": float(mismatched), "users": float(moved)},
        "keep the salt and the seed of the generations as they are; start anew",
    )


def _fallback_share(seen: Seen, until: date) -> QualityCheck:
    shown, _, fallback = totals(seen, until)
    share = fallback / max(shown, 1.0)
    return QualityCheck(
        "fallback",
        share <= MOST_FALLBACK,
        f"the fallback answered {share:.2%} of impressions (at most {MOST_FALLBACK:.0%})",
        {"share": share},
        "see why the store was late or lacked rows: its answers are no variant's",
    )


def _of_splits(plan: Plan, frame: pl.DataFrame) -> list[int]:
    counts: list[int] = np.bincount(frame[SPLIT].to_numpy(), minlength=len(plan.splits)).tolist()
    return counts
