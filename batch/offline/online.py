"""What policies that were live side by side came to: the take rate of each, and their difference, by users."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, numbered
from bandit.errors import InputError
from bandit.evaluation import Sample, Settings
from bandit.evaluation.estimators import Terms
from bandit.evaluation.intervals.bootstrap import percentile_interval, resample
from bandit.policies import Uniform
from batch.learning.day_rows import rewards_of
from batch.workspace.generations import read_manifest
from batch.workspace.impressions import days, read_day
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

LEAST_USERS: Final = 30
"""A side with fewer gets no interval: of 5 to 30 clusters bootstraps are too narrow (Cameron, Gelbach and Miller 2008)."""

_PERSONALIZED = "personalized"


@dataclass(frozen=True)
class OnlineRate:
    """What a policy came to: ``rate`` is the reward an impression, the ends are None where it had too few users."""

    policy: str
    users: int
    impressions: int
    rate: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class OnlinePair:
    """Two policies that were live side by side, for some users each, and ``difference``: ``policy`` less ``against``.

    ``days`` between ``first_day`` and ``last_day`` (as YYYY-MM-DD) have impressions of ``generations`` that drew picks under
    both. Only these count, and each counts for both policies alike, whatever its users' shares: else a share that was
    raised while both got better would make a lead of its own.
    """

    policy: OnlineRate
    against: OnlineRate
    difference: float
    lower: float | None
    upper: float | None
    level: float
    resamples: int
    generations: int
    days: int
    first_day: str
    last_day: str


class _Live(NamedTuple):
    """A policy of a generation: its word, and the name that impressions are logged with."""

    word: str
    name: str


def online_pairs(workspace: Workspace, reward: str, settings: Settings) -> list[OnlinePair]:
    """Every two policies that were live in the same generations; answers of the fallback and explore data are left out.

    Intervals are percentiles of a bootstrap over users, with all that they saw (Field and Welsh 2007): a user's impressions hang
    together, and whoever was on both sides, at some time or other, is drawn for both.

    Args:
        workspace: with tables, impressions and the manifests of its generations.
        reward: what counts, as for ``artwork train``.
        settings: level, resamples and seed.

    Raises:
        InputError: the impressions are not as they should be.
    """
    found: dict[tuple[str, str], list[pl.DataFrame]] = {}
    n_features = read_tables(workspace).n_features
    for day in days(workspace):
        shown = _shown(workspace, day, n_features, reward)
        for generation, names in shown.group_by("generation").agg(pl.col("policy").unique()).sort("generation").rows():
            for one, other in combinations(_live_in(workspace, generation, names), 2):
                turned = (other.word, one.word) in found  # they have changed places since
                first, second = (other, one) if turned else (one, other)
                rows = _rows(shown, generation, first, second)
                found.setdefault((first.word, second.word), []).append(rows)
    return [_pair(words, pl.concat(frames), settings) for words, frames in found.items()]


def _shown(workspace: Workspace, day: date, n_features: int, reward: str) -> pl.DataFrame:
    """The impressions of picks on a day."""
    logged = read_day(workspace, day, n_features)
    rewards = pl.Series(rewards_of(logged, reward))
    kept = logged.select("user_id", "generation", "policy", "source", day=pl.lit(day), reward=rewards)
    return kept.filter(pl.col("source") == _PERSONALIZED)


def _live_in(workspace: Workspace, generation: int, names: Iterable[str]) -> list[_Live]:
    """The policies of a generation that impressions name; explore data are none of them."""
    logged = set(names)
    try:
        config = read_manifest(workspace, generation).config
    except InputError:  # made elsewhere: all that its impressions tell are names
        return [_Live(name, name) for name in sorted(logged - {Uniform.name})]
    live = map(_Live, config.live_policies, config.policies)
    return [each for each in live if each.name in logged]


def _rows(shown: pl.DataFrame, generation: int, one: _Live, other: _Live) -> pl.DataFrame:
    own = shown.filter(pl.col("generation") == generation, pl.col("policy").is_in([one.name, other.name]))
    return own.select("user_id", "generation", "day", "reward", is_first=pl.col("policy") == one.name)


def _pair(words: tuple[str, str], frame: pl.DataFrame, settings: Settings) -> OnlinePair:
    rows = frame.with_columns(
        weight=pl.len().over("generation") / pl.len().over("generation", "is_first")
    )  # a generation's impressions count as many for one policy as for the other
    weights, is_first = rows["weight"].to_numpy(), rows["is_first"].to_numpy()
    rewards = rows["reward"].to_numpy()
    users = numbered(rows["user_id"].cast(pl.Categorical).to_physical().to_numpy())
    nothing = np.zeros(len(rewards))
    sample = Sample(rewards, nothing, nothing, None, clusters=users)
    sides = [is_first, ~is_first]
    terms = [Terms(numerator=weights * rewards * side, denominator=weights * side) for side in sides]
    drawn = resample(sample, terms, settings.resamples, settings.seed)  # (B, 2)
    counts = [len(np.unique(users[side])) for side in sides]
    level = settings.level if min(counts) >= LEAST_USERS else None
    first, second = (
        OnlineRate(word, count, int(side.sum()), own.value, *_ends(draws, level))
        for word, count, side, own, draws in zip(words, counts, sides, terms, drawn.T, strict=True)
    )
    return OnlinePair(
        first,
        second,
        first.rate - second.rate,
        *_ends(drawn[:, 0] - drawn[:, 1], level),
        level=settings.level,
        resamples=settings.resamples,
        generations=rows["generation"].n_unique(),
        days=rows["day"].n_unique(),
        first_day=str(rows["day"].min()),
        last_day=str(rows["day"].max()),
    )


def _ends(drawn: F64, level: float | None) -> tuple[float | None, float | None]:
    if level is None:
        return None, None
    lower, upper = percentile_interval(drawn, level)
    return lower, upper
