"""What variants that were live side by side came to: the take rate of each, and their difference, by users."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from typing import NamedTuple

import polars as pl

from bandit.arrays import numbered
from bandit.evaluation import Settings
from bandit.evaluation.live import RateDifference, compare_rates
from bandit.policies import Uniform
from batch.learning.day_rows import rewards_of
from batch.workspace.generations import find_manifest
from batch.workspace.impressions import days, read_day
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

_PERSONALIZED = "personalized"


@dataclass(frozen=True)
class OnlinePair(RateDifference):
    """Two variants that were live side by side, for some users each, by their labels.

    ``days`` between ``first_day`` and ``last_day`` (as YYYY-MM-DD) have impressions of ``generations`` that drew picks under
    both. Only these count, and each counts for both variants alike. ``words`` are those of the variants' policies.
    """

    words: tuple[str, str]
    generations: int
    days: int
    first_day: str
    last_day: str


class _Variant(NamedTuple):
    """A variant by the word of its policy and its label, which are the same in every generation that counts for it."""

    policy: str
    label: str


class _Live(NamedTuple):
    """A variant of a generation, and the name that impressions are logged with."""

    variant: _Variant
    name: str


def online_pairs(workspace: Workspace, reward: str, settings: Settings) -> list[OnlinePair]:
    """Every two variants that were live in the same generations; answers of the fallback and explore data are left out.

    Args:
        workspace: with tables, impressions and the manifests of its generations.
        reward: what counts, as for ``artwork train``.
        settings: level, resamples and seed.

    Raises:
        InputError: the impressions are not as they should be.
    """
    shown_under: dict[tuple[_Variant, _Variant], list[pl.DataFrame]] = {}
    n_features = read_tables(workspace).n_features
    for day in days(workspace):
        shown = _shown(workspace, day, n_features, reward)
        for generation, names in shown.group_by("generation").agg(pl.col("policy").unique()).sort("generation").rows():
            for one, other in combinations(_live_in(workspace, generation, names), 2):
                is_swapped = (other.variant, one.variant) in shown_under  # they have changed places since
                first, second = (other, one) if is_swapped else (one, other)
                rows = _rows(shown, generation, first, second)
                shown_under.setdefault((first.variant, second.variant), []).append(rows)
    return [_pair(variants, pl.concat(frames), settings) for variants, frames in shown_under.items()]


def _shown(workspace: Workspace, day: date, n_features: int, reward: str) -> pl.DataFrame:
    """The impressions of picks on a day."""
    logged = read_day(workspace, day, n_features)
    rewards = pl.Series(rewards_of(logged, reward, workspace, day))
    kept = logged.select("user_id", "generation", "policy", "source", day=pl.lit(day), reward=rewards)
    return kept.filter(pl.col("source") == _PERSONALIZED)


def _live_in(workspace: Workspace, generation: int, names: Iterable[str]) -> list[_Live]:
    """The variants of a generation that impressions name; explore data are none of them."""
    logged = set(names)
    manifest = find_manifest(workspace, generation)
    if manifest is None:  # made elsewhere: all that its impressions tell are names
        return [_Live(_Variant(name, name), name) for name in sorted(logged - {Uniform.name})]
    if manifest.config.splits:  # of an interleaving: rates of titles that compete are not what a variant alone comes to
        return []
    return [
        _Live(_Variant(live.policy, live.label), live.name) for live in manifest.config.variants if live.name in logged
    ]


def _rows(shown: pl.DataFrame, generation: int, one: _Live, other: _Live) -> pl.DataFrame:
    own = shown.filter(pl.col("generation") == generation, pl.col("policy").is_in([one.name, other.name]))
    return own.select("user_id", "generation", "day", "reward", is_first=pl.col("policy") == one.name)


def _pair(variants: tuple[_Variant, _Variant], rows: pl.DataFrame, settings: Settings) -> OnlinePair:
    one, other = variants
    difference = compare_rates(
        (one.label, other.label),
        rows["reward"].to_numpy(),
        numbered(rows["user_id"].cast(pl.Categorical).to_physical().to_numpy()),
        rows["is_first"].to_numpy(),
        numbered(rows["generation"].to_numpy()),
        settings,
    )
    return OnlinePair(
        **vars(difference),
        words=(one.policy, other.policy),
        generations=rows["generation"].n_unique(),
        days=rows["day"].n_unique(),
        first_day=str(rows["day"].min()),
        last_day=str(rows["day"].max()),
    )
