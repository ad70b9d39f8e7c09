"""What users of an experiment did, from the impressions of a workspace."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import I64
from bandit.errors import InputError
from bandit.hashing import DealtTitles, hash_ids
from bandit.policies import Uniform
from batch.choosing.variants import explore, variants_of
from batch.config import Variant
from batch.experiments.assignment import NOBODY, assigned, held_back
from batch.experiments.measuring import (
    DAY,
    EXPOSED,
    FALLBACK,
    SHARE,
    SHOWN,
    SPLIT,
    USER_ID,
    VARIANT,
    Facts,
    Seen,
    covariate_frame,
    days_between,
    of_column,
    per_column,
    segment_column,
)
from batch.experiments.plans.plan import IMPRESSION, PICKS, USER, Metric, Plan
from batch.learning.day_rows import rewards_of
from batch.workspace.generations import Manifest, find_manifest
from batch.workspace.impressions import day_files, days, read_day, scan_impressions
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

_PERSONALIZED: Final = "personalized"
_SAME_EVENT: Final = (USER_ID, "title_id", "shown_at")
"""A title is shown once on a page: two impressions that agree in these are one that was posted twice."""


class _Log(NamedTuple):
    """A workspace whose impressions are read for a plan."""

    workspace: Workspace
    plan: Plan
    metrics: tuple[Metric, ...]
    shares: Sequence[Mapping[str, float]]
    digests: frozenset[str]
    n_features: int


class _Day(NamedTuple):
    """A day's sums, and what its quality is judged by."""

    sums: pl.DataFrame
    events: int
    duplicates: int
    mismatched: int
    unregistered: frozenset[int]
    others: int
    generation: int | None


def see_log(
    workspace: Workspace,
    plan: Plan,
    until: date | None = None,
    *,
    shares: Sequence[Mapping[str, float]] = (),
    digests: Sequence[str] = (),
    metrics: tuple[Metric, ...] | None = None,
) -> Seen:
    """What the log says of an experiment.

    An impression exposes its user where its pick could differ between the variants: a pick of a generation of the experiment,
    of a title with several artworks, not of explore data. In other layers every impression does.

    Args:
        workspace: with tables, impressions and manifests.
        plan: of the experiment.
        until: the last day that counts; the end of the plan or of the log, whichever is earlier, by default.
        shares: those of every version.
        digests: of every version, which manifests name.
        metrics: to measure; those of the plan by default.

    Raises:
        InputError: the log has no day of the experiment, or is not as it should be.
    """
    tables = read_tables(workspace)
    log = _Log(workspace, plan, metrics or plan.metrics, shares, frozenset(digests), tables.n_features)
    logged = days(workspace)
    last = min(until or plan.end, plan.end, max(logged, default=plan.start - timedelta(1)))
    inside = [day for day in logged if plan.start <= day <= last]
    if not inside:
        until_when = f"ends with {logged[-1]}" if logged else "is empty"
        raise InputError(
            f"{workspace.impressions} {until_when} and has no day of experiment {plan.name}, which starts on {plan.start};"
            " wait for its first day"
        )
    made = [_day(log, day) for day in inside]
    unregistered = frozenset[int]().union(*(one.unregistered for one in made))
    facts = Facts(
        events=sum(one.events for one in made),
        duplicates=sum(one.duplicates for one in made),
        mismatched=sum(one.mismatched for one in made),
        unregistered=tuple(sorted(unregistered)),
        missing=tuple(sorted(set(days_between(plan.start, last)) - set(inside))),
        notes=_notes(sum(one.others for one in made)),
        has_answers=plan.layer == PICKS,
        generation=max((one.generation for one in made if one.generation is not None), default=None),
    )
    values = (pl.col(name).fill_null("(none)").alias(segment_column(name)) for name in plan.segments)
    segments = tables.users.select(USER_ID, *values)
    return Seen(log.metrics, pl.concat(one.sums for one in made), _before(log, logged), segments, last, facts)


def _notes(others: int) -> tuple[str, ...]:
    if not others:
        return ()
    return (f"{others:,} impressions of generations with other variants, or of explore data, are left out",)


def _day(log: _Log, day: date) -> _Day:
    rows = read_day(log.workspace, day, log.n_features)
    rows = _with_values(log.workspace, day, rows, log.metrics).with_columns(pl.lit(day).alias(DAY))
    placed, unregistered, generation = (
        _placed_by_generations(log, rows) if log.plan.layer == PICKS else (_placed_by_hash(log, rows), [], None)
    )
    own = placed.filter(pl.col(VARIANT) != NOBODY)
    sums = own.group_by(USER_ID, VARIANT, DAY, *([SHARE] if SHARE in own.columns else []), maintain_order=True).agg(
        pl.len().cast(pl.Float64).alias(SHOWN),
        pl.col(EXPOSED).sum().cast(pl.Float64),
        pl.col(FALLBACK).sum().cast(pl.Float64),
        *([pl.col(SPLIT).first()] if log.plan.splits else []),
        *(
            (pl.col(column(place)) * pl.col(EXPOSED)).sum()
            for place in range(len(log.metrics))
            for column in (of_column, per_column)
        ),
    )
    duplicates = rows.height - rows.select(_SAME_EVENT).unique().height
    mismatched = int(own["is_mismatched"].sum())
    return _Day(
        sums, own.height, duplicates, mismatched, frozenset(unregistered), placed.height - own.height, generation
    )


_NO, _YES = pl.lit(value=False), pl.lit(value=True)


def _placed_by_hash(log: _Log, rows: pl.DataFrame) -> pl.DataFrame:
    """Impressions with the variant of their user in a layer that is not that of picks."""
    ids = rows[USER_ID].unique(maintain_order=True)
    places = pl.DataFrame({USER_ID: ids, VARIANT: assigned(log.plan, ids, log.shares)})
    marks = {EXPOSED: _YES, FALLBACK: _NO, "is_mismatched": _NO}
    return rows.join(places, on=USER_ID, how="left", maintain_order="left").with_columns(**marks)


def _placed_by_generations(log: _Log, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[int], int | None]:
    """Impressions with the variant that they were shown under, the generations that do not name the plan, and the newest."""
    parts, unregistered, newest = [], [], None
    for (generation,), own in rows.group_by("generation", maintain_order=True):
        manifest = find_manifest(log.workspace, int(str(generation)))
        if manifest is None or not _is_of(manifest, log.plan):
            parts.append(_outside(own, is_interleaving=bool(log.plan.splits)))
            continue
        if log.digests and manifest.experiments.get(log.plan.name) not in log.digests:
            unregistered.append(manifest.generation)
        newest = max(newest or 0, manifest.generation)
        parts.append(_placed(own, manifest, log.plan))
    return pl.concat(parts), unregistered, newest


def _outside(rows: pl.DataFrame, *, is_interleaving: bool) -> pl.DataFrame:
    nobody = pl.lit(NOBODY, dtype=pl.Int64)
    marks = {VARIANT: nobody, EXPOSED: _NO, FALLBACK: _NO, "is_mismatched": _NO, SHARE: pl.lit(0.0)}
    return rows.with_columns(**marks, **({SPLIT: nobody} if is_interleaving else {}))


def _is_of(manifest: Manifest, plan: Plan) -> bool:
    """Whether a generation has the variants of a plan, whatever their shares."""
    made = {variant.name: _kind(variant) for variant in manifest.config.variants}
    planned = {arm.name: _kind(arm.live) for arm in plan.variants if arm.live}
    return made == planned and (manifest.config.salt, manifest.config.splits) == (plan.key, plan.splits)


def _kind(variant: Variant) -> Variant:
    """What a variant chooses by, whatever its share, and whatever its posterior where it looks at no context."""
    return replace(variant, posterior=variant.model.posterior, share=None)


def _share_of_last(manifest: Manifest, plan: Plan) -> float:
    """Of the plan's last variant in a generation."""
    return next(variant.share or 0.0 for variant in manifest.config.variants if variant.name == plan.names[-1])


def _placed(rows: pl.DataFrame, manifest: Manifest, plan: Plan) -> pl.DataFrame:
    ids = rows[USER_ID].unique(maintain_order=True)
    live = [variant.name for variant in manifest.config.variants]
    places: I64 = np.array([plan.names.index(name) for name in live])
    if plan.splits:
        dealt = _dealt(rows, ids, manifest, places)
    else:
        of_users = places[variants_of(manifest.config, hash_ids(ids))]
        dealt = pl.DataFrame({USER_ID: ids, "own": of_users.astype(np.int64)})
    keys = [name for name in (USER_ID, "title_id") if name in dealt.columns]
    names = pl.DataFrame({"policy": live, "logged": places})
    explorers = ids.filter(pl.Series(explore(manifest.config, manifest.generation, hash_ids(ids))))
    explores = pl.col(USER_ID).is_in(explorers.to_list())  # a variant may have their policy's name
    is_pick = pl.col("source") == _PERSONALIZED
    return (
        rows.join(dealt, on=keys, how="left", maintain_order="left")
        .join(names, on="policy", how="left", maintain_order="left")
        .with_columns(pl.when(~explores).then(pl.col("logged")))
        .with_columns(
            # A pick of no variant is explore data; an answer of the fallback counts for the variant that its user has.
            pl.when(is_pick).then(pl.col("logged").fill_null(NOBODY)).otherwise(pl.col("own")).alias(VARIANT),
            (is_pick & pl.col("logged").is_not_null() & (pl.col("eligible").list.len() > 1)).alias(EXPOSED),
            (~is_pick).alias(FALLBACK),
            pl.lit(_share_of_last(manifest, plan)).alias(SHARE),
            is_mismatched=(is_pick & (pl.col("logged") != pl.col("own"))).fill_null(value=False),
        )
        .drop("own", "logged")
    )


def _dealt(rows: pl.DataFrame, ids: pl.Series, manifest: Manifest, places: I64) -> pl.DataFrame:
    """The variant of each user and title of an interleaving, by the hash that dealt them, and the split of the user."""
    config = manifest.config
    pairs = rows.select(USER_ID, "title_id").unique(maintain_order=True)
    users = pairs.join(ids.to_frame(USER_ID).with_row_index("user"), on=USER_ID, how="left", maintain_order="left")
    titles = pairs["title_id"].unique(maintain_order=True)
    hashed = pairs.join(
        pl.DataFrame({"title_id": titles, "hashed": hash_ids(titles)}),
        on="title_id", how="left", maintain_order="left",
    )["hashed"].to_numpy()  # fmt: skip
    of_ids = DealtTitles.of(config.seed, config.salt, config.splits, hash_ids(ids))
    dealt = DealtTitles(*(values[users["user"].to_numpy()] for values in of_ids))
    own = places[dealt.second_of_pairs(hashed).astype(np.int64)]
    return pairs.with_columns(own=pl.Series(own), **{SPLIT: pl.Series(dealt.splits)})


def _with_values(workspace: Workspace, day: date, rows: pl.DataFrame, metrics: Sequence[Metric]) -> pl.DataFrame:
    """Impressions with the numerators and denominators of each metric, and what places them."""
    words = {word for metric in metrics for word in (metric.of, metric.per)} - {IMPRESSION, USER}
    values = {word: pl.Series(rewards_of(rows, word, workspace, day), dtype=pl.Float64) for word in words}
    ones = pl.repeat(1.0, rows.height, eager=True)
    kept = rows.select("event_id", *_SAME_EVENT, "generation", "policy", "source", "eligible")
    return kept.with_columns(
        series.alias(name)
        for place, metric in enumerate(metrics)
        for name, series in (
            (of_column(place), values.get(metric.of, ones)),
            (per_column(place), values.get(metric.per, ones)),
        )
    )


def see_holdback(workspace: Workspace, plan: Plan, measured: Plan) -> Seen | None:
    """The log since a plan's start, beyond its end too: users who are held back are variant 0, the others of its slice 1.

    Args:
        workspace: with tables and impressions.
        plan: of the experiment, with a holdback.
        measured: the same, of which the metrics are taken.
    """
    log = _Log(workspace, plan, measured.metrics, (), frozenset(), read_tables(workspace).n_features)
    inside = [day for day in days(workspace) if day >= plan.start]
    columns = [column(place) for place in range(len(log.metrics)) for column in (of_column, per_column)]
    parts = []
    for day in inside:
        rows = _with_values(workspace, day, read_day(workspace, day, log.n_features), log.metrics)
        ids = rows[USER_ID].unique(maintain_order=True)
        places = pl.DataFrame({USER_ID: ids, VARIANT: held_back(plan, ids)}).filter(pl.col(VARIANT) != NOBODY)
        own = rows.join(places, on=USER_ID, how="inner", maintain_order="left")
        sums = own.group_by(USER_ID, VARIANT, maintain_order=True).agg(
            pl.len().cast(pl.Float64).alias(EXPOSED), pl.col(columns).sum()
        )
        parts.append(sums.with_columns(pl.lit(day).alias(DAY)))
    if not parts:
        return None
    nobody = pl.DataFrame({USER_ID: []}, schema={USER_ID: pl.String})
    return Seen(log.metrics, pl.concat(parts), nobody, nobody, inside[-1])


def _before(log: _Log, logged: Sequence[date]) -> pl.DataFrame:
    """The covariates per user, from the days before the start."""
    longest = max((metric.covariate for metric in log.metrics if isinstance(metric.covariate, int)), default=0)
    if not longest:
        return pl.DataFrame({USER_ID: []}, schema={USER_ID: pl.String})
    parts = []
    for day in logged:
        age = (log.plan.start - day).days
        if not 0 < age <= longest:
            continue
        rows = _with_values(log.workspace, day, read_day(log.workspace, day, log.n_features), log.metrics)
        sums = [
            (pl.col(column(place)) if age <= metric.covariate else pl.lit(0.0)).sum().alias(column(place))
            for place, metric in enumerate(log.metrics)
            if isinstance(metric.covariate, int)
            for column in (of_column, per_column)
        ]
        parts.append(rows.group_by(USER_ID, maintain_order=True).agg(sums))
    if not parts:
        raise InputError(
            f"the log has none of the {longest} days before {log.plan.start} that CUPED takes its covariate from; leave"
            " covariate out of the metrics"
        )
    return covariate_frame(pl.concat(parts).group_by(USER_ID, maintain_order=True).sum(), log.metrics)


def history_policies(workspace: Workspace, plan: Plan, most_days: int) -> list[str]:
    """The policies that showed what ``history`` sums, in order."""
    before = [day for day in days(workspace) if day < plan.start][-most_days:]
    paths = [path for day in before for path in day_files(workspace, day)]
    frame = scan_impressions(paths).select(pl.col("policy").unique()).collect()
    return sorted(frame["policy"].to_list())


def history(workspace: Workspace, plan: Plan, most_days: int) -> pl.DataFrame:
    """Sums per user and day of what was logged before a plan's start, whatever policy showed it.

    In the layer of picks titles with one artwork do not count, as in the experiment. Once the control's policy has shown picks,
    only picks count: not what is shown for learning, and not the fallback's answers.

    Returns:
        user_id, day, and the numerators and denominators of each metric, of the newest ``most_days`` days.

    Raises:
        InputError: nothing was logged before the start.
    """
    before = [day for day in days(workspace) if day < plan.start][-most_days:]
    if not before:
        raise InputError(
            f"{workspace.impressions} has no day before {plan.start}, expected some to take variances from: plan on a workspace"
            " that has been live"
        )
    n_features = read_tables(workspace).n_features
    columns = [column(place) for place in range(len(plan.metrics)) for column in (of_column, per_column)]
    counts = pl.lit(value=True)
    if plan.layer == PICKS:
        counts = pl.col("eligible").list.len() > 1
        live = plan.variants[0].live
        if live is not None and words_of(live) & set(history_policies(workspace, plan, most_days)):
            is_of_control = pl.col("policy").is_in(sorted(words_of(live)))
            counts &= (pl.col("source") == _PERSONALIZED) & ((pl.col("policy") != Uniform.name) | is_of_control)
    made = pl.concat(
        _with_values(workspace, day, read_day(workspace, day, n_features), plan.metrics)
        .filter(counts)
        .group_by(USER_ID, maintain_order=True)
        .agg(pl.col(name).sum() for name in columns)
        .with_columns(pl.lit(day).alias(DAY))
        for day in before
    )
    if made.is_empty():
        raise InputError(
            f"{workspace.impressions} has no impression before {plan.start} of a title with several artworks, expected some to"
            " take variances from"
        )
    return made


def words_of(live: Variant) -> set[str]:
    """What the log may call the policy of a variant."""
    return {live.name, live.policy, live.policy.partition(":")[0]}
