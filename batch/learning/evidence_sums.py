"""All evidence so far: the days one after the other, older ones at a discount."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

from bandit.posterior import BetaEvidence, LinearEvidence
from bandit.posterior.base import Evidence
from bandit.posterior.registry import POSTERIORS
from batch.config import Config
from batch.executors import Executor, Progress
from batch.learning.day_rows import DaySource
from batch.learning.evidence import BETA, LINEAR, ROWS, DayCounts, make_day, rows_path
from batch.learning.evidence_files import Arrays, has_rows
from batch.learning.folds import SEEN, Plan, add_up, held_counts, no_sums, plan
from batch.learning.pages import artworks_digest
from batch.workspace.catalogue import Catalogue
from batch.workspace.workspace import Workspace


class WeightedRows(NamedTuple):
    """A file of a day's rows, and the weight that is left of them."""

    path: Path
    weight: float


class LearnedFrom(NamedTuple):
    """Where impressions lie, the days to learn from with the digest of their files, and what their sums are made for."""

    workspace: Workspace
    days: Mapping[date, str]
    catalogue: Catalogue
    n_features: int


@dataclass(frozen=True)
class Stock:
    """The days that are about to be learned from for one reward: what they are made of, and what was counted in them.

    ``window`` are the days whose rows a posterior is refitted to; empty where none needs rows.
    """

    sources: Sequence[DaySource]
    counts: Sequence[DayCounts]
    plans: dict[str, Plan]
    window: Sequence[DaySource]
    retention: float
    n_artworks: int
    n_features: int


@dataclass(frozen=True)
class Learned:
    """What the log teaches: discounted ``beta`` and ``linear``, and the files of the rows that ``logistic`` is fitted to.

    ``seen`` counts every impression alike: an artwork stays known when what was learned of it has faded.
    """

    beta: BetaEvidence
    seen: BetaEvidence
    linear: LinearEvidence | None
    rows: Sequence[WeightedRows]

    def evidence(self, kind: type[Evidence]) -> Evidence | None:
        """The evidence of a kind; None of the one that is rows on disk."""
        return {BETA: self.beta, LINEAR: self.linear}.get(kind.kind)


def take_stock(
    of: LearnedFrom, reward: str, config: Config, executor: Executor, report: Progress, *, shard_size: int
) -> Stock:
    """Read and check every day that no fold holds, and keep what it teaches: a pure function of its rows.

    Args:
        of: the days, and what their sums are made for.
        reward: that is learned.
        config: how is learned.
        executor: runs the shards of titles.
        report: told of each day.
        shard_size: blocks a shard.

    Raises:
        InputError: the impressions, or what is kept of them, are not as they should be.
        SurroundingsError: a day changed meanwhile, or the disk does not take what is kept.
    """
    kinds = {POSTERIORS[key.posterior].evidence.kind for key in config.models if key.reward == reward} | {BETA}
    nth = config.rewards.index(reward)
    artworks = artworks_digest(of.workspace, reward)
    sources = [
        DaySource(of.workspace, day, of.catalogue, of.n_features, reward, nth, files, artworks)
        for day, files in of.days.items()
    ]
    plans = {kind: plan(kind, sources, config.retention) for kind in sorted(kinds - {ROWS})}
    first = len(sources) if ROWS not in kinds else sum(_age(source, sources) >= config.refit_days for source in sources)
    counts = held_counts(plans[BETA])
    for place, source in enumerate(sources):
        wanted = {kind for kind, planned in plans.items() if place >= planned.held} | (
            {ROWS} if place >= first else set()
        )
        if wanted:
            made = make_day(source, wanted | {BETA}, executor, shard_size)
            counts += [made] if place == len(counts) else []
        report("learning from days", place + 1, len(sources))
    return Stock(sources, counts, plans, sources[first:], config.retention, of.catalogue.n_artworks, of.n_features)


def learn(stock: Stock) -> Learned:
    """Add up what all days teach of a reward: Σ_day retention^age · evidence_day, with ages from the newest day.

    Raises:
        InputError: what is kept of the days is damaged.
        SurroundingsError: a day changed since stock was taken, or the disk does not take it.
    """
    for source in stock.window:
        if not has_rows(rows_path(source), source.digest):
            raise source.changed()
    weights = [weight_of(stock.retention, source.day, stock.sources[-1].day) for source in stock.window]
    rows = [WeightedRows(rows_path(source), weight) for source, weight in zip(stock.window, weights, strict=True)]
    beta = _summed(stock, BETA, stock.counts)
    return Learned(
        BetaEvidence(beta["takes"], beta["impressions"]),
        BetaEvidence(beta[f"{SEEN}takes"], beta[f"{SEEN}impressions"]),
        LinearEvidence(**_summed(stock, LINEAR)) if LINEAR in stock.plans else None,
        [file for file in rows if file.weight > 0],
    )


def weight_of(retention: float, day: date, newest: date) -> float:
    """retention^age: what is left of a day's evidence on the newest day.

    >>> weight_of(0.9, date(2026, 1, 1), date(2026, 1, 3))
    0.81
    """
    return float(retention ** (newest - day).days)


def _summed(stock: Stock, kind: str, counts: Sequence[DayCounts] = ()) -> Arrays:
    return add_up(stock.plans[kind], no_sums(kind, stock.n_artworks, stock.n_features), counts)


def _age(source: DaySource, sources: Sequence[DaySource]) -> int:
    return (sources[-1].day - source.day).days
