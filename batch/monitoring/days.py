"""What a day of the log came to: counts of everything that a report tells, in the memory of a few columns."""

from dataclasses import dataclass
from datetime import date
from math import exp, sqrt
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.policies import Uniform
from batch.learning.day_rows import rewards_of
from batch.learning.pages import more_columns
from batch.workspace.files import reading
from batch.workspace.impressions import day_files, day_folder, scan_impressions
from batch.workspace.workspace import Workspace

_ROWS: Final = 250_000
_COLUMNS: Final = (
    "user_id",
    "title_id",
    "artwork_id",
    "policy",
    "source",
    "propensity",
    "choices",
    "clicked",
    "watch_fraction",
    "reward",
)


_SHARES: Final = {"propensity": "in (0, 1]", "watch_fraction": "in [0, 1]", "reward": "in [0, 1]"}
_IDS: Final = ("user_id", "title_id", "artwork_id", "clicked", "arm", "eligible")


def refuse_odd_values(workspace: Workspace, day: date) -> None:
    """Refuse a day with numbers that no sum survives: files that others wrote are checked where they are learned from, or here.

    Raises:
        InputError: names the day, the column and how many impressions are wrong.
    """
    log = scan_impressions(day_files(workspace, day))
    shares = {name: pl.col(name).cast(pl.Float64).is_between(0.0, 1.0) for name in _SHARES}
    shares["propensity"] &= pl.col("propensity") > 0
    context = pl.col("context")
    is_finite = context.list.sum().is_finite() & (context.list.drop_nulls().list.len() == context.list.len())
    sound = shares | {name: pl.col(name).is_not_null() for name in _IDS} | {"context": is_finite}
    expected = _SHARES | dict.fromkeys(_IDS, "not null") | {"context": "of finite numbers"}
    with reading(day_folder(workspace, day)):
        bad = log.select(~own.fill_null(value=False).alias(name) for name, own in sound.items()).sum().collect()
    for name, count in bad.row(0, named=True).items():
        if count:
            raise InputError(
                f"{day_folder(workspace, day)}: {name} is odd in {count:,} impressions, expected {expected[name]};"
                " `artwork data check` names the first of them"
            )


@dataclass(frozen=True)
class DayFacts:
    """A day: totals, ``rate`` of reward per impression with its standard error by users, and shares of impressions.

    ``effective`` is the effective sample for judging the uniform policy, as a share of the impressions that had a choice.
    ``sources`` and ``policies`` count impressions. ``by_user`` has user_id, explores, shown, clicked and taken; ``artworks`` has
    title_id, artwork_id, shown, chosen_among (impressions of the title), clicked, taken and watched.
    """

    day: str
    impressions: int
    users: int
    clicks: int
    rewards: float
    rate: float
    rate_error: float
    effective: float | None
    sources: dict[str, int]
    policies: dict[str, int]
    by_user: pl.DataFrame
    artworks: pl.DataFrame

    @property
    def explored(self) -> int:
        """Impressions under the uniform policy."""
        return self.policies.get(Uniform.name, 0)

    @property
    def fallback(self) -> int:
        """Impressions that no pick of the user was shown in."""
        return self.impressions - self.sources.get("personalized", 0)


def read_facts(workspace: Workspace, day: date, reward: str) -> DayFacts:
    """Count a day.

    Raises:
        InputError: a file of the day cannot be read.
    """
    files = day_files(workspace, day)
    refuse_odd_values(workspace, day)
    parts = []
    with reading(day_folder(workspace, day)):
        for file in files:
            log = pl.scan_parquet(file, hive_partitioning=False).with_columns(choices=pl.col("eligible").list.len())
            rows = int(log.select(pl.len()).collect().item())
            cuts = range(0, max(rows, 1), _ROWS)  # of a file without rows there is one part, which is empty
            for first in cuts:
                part = log.slice(first, _ROWS).select(*_COLUMNS, *more_columns(reward)).collect()
                parts.append(_counted(part, rewards_of(part, reward, workspace, day)))
    by_policy = _added([part[0] for part in parts], "user_id", "explores")
    users = by_policy.group_by("user_id").agg(pl.exclude("user_id", "explores").sum()).sort("user_id")
    artworks = _added([part[1] for part in parts], "title_id", "artwork_id")
    named = _added([part[2] for part in parts], "source", "policy")
    shown, rewards = users["shown"].to_numpy(), users["taken"].to_numpy()
    count = int(shown.sum())
    rate = float(rewards.sum()) / count if count else 0.0
    off = rewards - rate * shown
    weights, squares, choices = (float(users[name].sum()) for name in ("weights", "squares", "choices"))
    return DayFacts(
        day=day.isoformat(),
        impressions=count,
        users=users.height,
        clicks=int(users["clicked"].sum()),
        rewards=float(rewards.sum()),
        rate=rate,
        rate_error=sqrt(float(off @ off)) / count if count else 0.0,
        effective=weights**2 / squares / choices if choices and squares else None,
        sources=_counts(named, "source"),
        policies=_counts(named, "policy"),
        by_user=by_policy,
        artworks=artworks.with_columns(chosen_among=pl.col("shown").sum().over("title_id")),
    )


def effective_number(counts: np.ndarray) -> float:
    """How many equal shares would have the entropy of these counts.

    >>> effective_number(np.array([10, 10, 0]))
    2.0
    """
    shares = counts[counts > 0] / counts.sum()
    return round(exp(-float((shares * np.log(shares)).sum())), 12)


def read_pairs(workspace: Workspace, day: date, most: int) -> pl.DataFrame:
    """user_id, title_id and artwork_id of the picks that a day showed, of about ``most`` impressions' users."""
    files: list[Path] = day_files(workspace, day)
    log = scan_impressions(files)
    with reading(day_folder(workspace, day)):
        every = -(-int(log.select(pl.len()).collect().item()) // most)
        own = log if every <= 1 else log.filter(pl.col("user_id").hash(seed=0) % every == 0)
        return (
            own.filter(pl.col("source") == "personalized")
            .select("user_id", "title_id", "artwork_id", "event_id")
            .collect()
            .sort("event_id")
            .unique(["user_id", "title_id"], keep="last", maintain_order=True)
            .drop("event_id")
        )


def _counted(rows: pl.DataFrame, rewards: F64) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Sums by user, by artwork, and by source and policy."""
    had_choice = pl.col("choices") > 1
    weight = 1 / (pl.col("propensity").cast(pl.Float64) * pl.col("choices"))
    rows = rows.with_columns(
        taken=pl.Series(rewards, dtype=pl.Float64),
        weight=pl.when(had_choice).then(weight).otherwise(0.0),
        watched=pl.when("clicked").then(pl.col("watch_fraction").cast(pl.Float64)).otherwise(0.0),
        had_choice=had_choice,
    )
    sums = {"shown": pl.len(), "clicked": pl.col("clicked").sum(), "taken": pl.col("taken").sum()}
    weights = {
        "weights": pl.col("weight").sum(),
        "squares": (pl.col("weight") ** 2).sum(),
        "choices": pl.col("had_choice").sum(),
    }
    return (
        rows.group_by("user_id", explores=pl.col("policy") == Uniform.name).agg(**sums, **weights),
        rows.group_by("title_id", "artwork_id").agg(**sums, watched=pl.col("watched").sum()),
        rows.group_by("source", "policy").agg(**sums),
    )


def _added(parts: list[pl.DataFrame], *keys: str) -> pl.DataFrame:
    return pl.concat(parts).group_by(*keys).agg(pl.exclude(*keys).cast(pl.Float64).sum()).sort(*keys)


def _counts(named: pl.DataFrame, key: str) -> dict[str, int]:
    rows = named.group_by(key).agg(pl.col("shown").sum()).sort("shown", key, descending=[True, False]).rows()
    return {name: int(count) for name, count in rows}
