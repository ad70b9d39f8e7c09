"""What single figures of a day say, each with its error: propensities, contexts, the model, artworks and classes of users."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
import scipy
from scipy.special import gammainc, gammaincc, ndtr, stdtr

from bandit.arrays import F64
from bandit.experiments.corrections import benjamini_hochberg
from bandit.monitoring.detector import LEAST_PAST
from bandit.monitoring.signals import Night
from batch.monitoring.days import DayFacts

LEVEL: Final = 0.001
"""Share of false ones among those that are named, on average, at most (Benjamini and Hochberg 1995). Where nothing is wrong it is
the share of the reports that name one: three lines do this every day, and at 5 % one report in eight would need somebody."""

RECENT_NIGHTS: Final = 7

_LEAST_SHOWN: Final = 8.0
_LEAST_PROMISED: Final = 25.0
_LEAST_CLICKS: Final = 20
_BAIT_CLICKS: Final = 1.25
_BAIT_WATCHED: Final = 0.6
_STARVED: Final = 0.25
_LEAST_USERS: Final = 30
_LEAST_EXPECTED: Final = 5.0
_REACH: Final = 1.959964
_BINS: Final = 5


@dataclass(frozen=True)
class Ratio:
    """Something seen beside what was expected of it: ``adjusted`` is its p-value among all that were looked at."""

    name: str
    ratio: float
    lower: float
    upper: float
    adjusted: float

    @property
    def is_off(self) -> bool:
        """Whether it is one of those to name."""
        return self.adjusted <= LEVEL


@dataclass(frozen=True)
class Moved:
    """A number of the contexts: its mean tonight minus that of the nights before, in standard deviations of a user."""

    name: str
    by: float
    adjusted: float

    @property
    def is_off(self) -> bool:
        """Whether it is one of those to name."""
        return self.adjusted <= LEVEL


@dataclass(frozen=True)
class Artwork:
    """An artwork that is to be looked at: its figures beside those of its title; ``lost`` are takes a day."""

    name: str
    shown: int
    expected: float
    click_rate: float
    title_click_rate: float
    watched: float
    title_watched: float
    lost: float
    title_id: str = ""
    artwork_id: str = ""


@dataclass(frozen=True)
class UserClass:
    """Users of a class under the policy, beside those of the same class who explore: rates, and the difference's error."""

    name: str
    rate: float
    uniform: float
    error: float
    impressions: int
    adjusted: float

    @property
    def is_below(self) -> bool:
        """Whether the policy does worse than chance there, and that is no chance."""
        return self.rate < self.uniform and self.adjusted <= LEVEL

    @property
    def lost(self) -> float:
        """Rewards of the day that uniform picks would have had more."""
        return max(self.uniform - self.rate, 0.0) * self.impressions


@dataclass(frozen=True)
class Bin:
    """Decisions of about the same prediction: its mean, the mean reward, and the error of that."""

    predicted: float
    seen: float
    error: float
    decisions: int


def propensity_ratios(nights: Sequence[Night]) -> list[Ratio]:
    """E[w] = 1 by place and by artwork over the newest nights, the most doubtful first.

    The weights of an arm that is shown add up to about what was expected, with at most that as variance, as of a Poisson number;
    p-values are by the tails of its law, which a normal one makes ten times too small where few are expected.
    """
    shown: dict[str, float] = {}
    expected: dict[str, float] = {}
    for night in nights[-RECENT_NIGHTS:]:
        for name, bets in night.bets.items():
            shown[name] = shown.get(name, 0.0) + bets.shown
            expected[name] = expected.get(name, 0.0) + bets.expected
    names = [name for name, value in expected.items() if value >= _LEAST_SHOWN]
    if not names:
        return []
    seen, hoped = (np.array([values[name] for name in names]) for values in (shown, expected))
    adjusted = _adjusted(2 * np.minimum(gammainc(np.maximum(seen, 1e-9), hoped), gammaincc(seen + 1, hoped)))
    reach = _REACH / np.sqrt(hoped)
    rows = zip(names, seen / hoped, reach, adjusted, strict=True)
    made = [Ratio(name, float(at), float(max(at - end, 0.0)), float(at + end), float(p)) for name, at, end, p in rows]
    return sorted(made, key=lambda ratio: (ratio.adjusted, -abs(ratio.ratio - 1)))


def moved_contexts(nights: Sequence[Night]) -> list[Moved]:
    """Means of the newest night's contexts beside those of the nights before, the most doubtful first; empty where these are few.

    The error is that of means of nights, whatever makes nights differ.
    """
    there = [night for night in nights if night.users]
    if len(there) <= LEAST_PAST:
        return []
    names = sorted(set.intersection(*(set(night.features) for night in there)))
    means = np.array([[night.features[name].mean for name in names] for night in there])  # (n, d)
    spread = np.sqrt([np.median([night.features[name].variance for night in there]) for name in names])
    own = spread > 0
    past, tonight = means[:-1, own], means[-1, own]
    error = past.std(axis=0, ddof=1) * np.sqrt(1 + 1 / len(past))
    by = (tonight - past.mean(axis=0)) / spread[own]
    floor = spread[own] / np.sqrt(min(night.users for night in there))  # of nights with the same users there is none
    values = np.abs(by) * spread[own] / np.maximum(error, floor)
    adjusted = _adjusted(2 * stdtr(len(past) - 1, -values))
    kept = [name for name, varies in zip(names, own, strict=True) if varies]
    made = [Moved(name, float(at), float(p)) for name, at, p in zip(kept, by, adjusted, strict=True)]
    return sorted(made, key=lambda moved: (moved.adjusted, -abs(moved.by)))


def clickbait(day: DayFacts) -> list[Artwork]:
    """Artworks that are opened more often than others of their title and watched far less, by takes lost a day."""
    frame = _beside_titles(day).filter(
        pl.col("clicked") >= _LEAST_CLICKS,
        pl.col("click_rate") > _BAIT_CLICKS * pl.col("title_click_rate"),
        pl.col("watched_each") < _BAIT_WATCHED * pl.col("title_watched"),
    )
    return sorted(map(_artwork, frame.to_dicts()), key=lambda artwork: -artwork.lost)


def starved(day: DayFacts, catalogue: pl.DataFrame, floor: float) -> list[Artwork]:
    """Artworks that were shown far less than the floor promises, by what they lack.

    Args:
        day: of the log.
        catalogue: title_id and artwork_id of those that could be shown.
        floor: shared by the artworks of a title.
    """
    seen = day.artworks.select("title_id", "artwork_id", "shown")
    titles = day.artworks.group_by("title_id").agg(total=pl.col("shown").sum())
    frame = (
        catalogue.with_columns(size=pl.len().over("title_id"))
        .join(titles, on="title_id", how="inner")
        .join(seen, on=["title_id", "artwork_id"], how="left")
        .with_columns(pl.col("shown").fill_null(0.0), expected=floor * pl.col("total") / pl.col("size"))
        .filter(
            pl.col("size") > 1, pl.col("expected") >= _LEAST_PROMISED, pl.col("shown") < _STARVED * pl.col("expected")
        )
        .sort("expected", descending=True)
    )
    return [
        Artwork(f"{row['title_id']}/{row['artwork_id']}", int(row["shown"]), row["expected"], 0.0, 0.0, 0.0, 0.0, 0.0)
        for row in frame.to_dicts()
    ]


def class_rates(day: DayFacts, classes: pl.DataFrame) -> list[UserClass]:
    """Classes of users under the policy and under uniform, the worst first; of classes with enough users of both."""
    known = day.by_user.join(classes, on="user_id", how="inner")
    made = []
    for name in known["class"].unique().sort().to_list():
        own = known.filter(pl.col("class") == name)
        policy, uniform = own.filter(~pl.col("explores")), own.filter("explores")
        if min(policy.height, uniform.height) >= _LEAST_USERS:
            (rate, error), (other, other_error) = _rate(policy), _rate(uniform)
            both = float(np.hypot(error, other_error))
            made.append((name, rate, other, both, int(policy["shown"].sum())))
    if not made:
        return []
    z = np.array([(rate - other) / error if error > 0 else 0.0 for _, rate, other, error, _ in made])
    rows = [UserClass(*row, float(p)) for row, p in zip(made, _adjusted(ndtr(z)), strict=True)]
    return sorted(rows, key=lambda row: row.rate - row.uniform)


def one_sided(day: DayFacts, classes: pl.DataFrame) -> list[tuple[str, float, float]]:
    """Classes of users with their share among users who explore and among others, the furthest first.

    Who explores is drawn, so that both are alike; empty where chance explains the difference, or nobody is there.
    """
    known = day.by_user.join(classes, on="user_id", how="left").with_columns(pl.col("class").fill_null("all others"))
    counts = (
        known.group_by("class").agg(explore=pl.col("explores").sum(), others=(~pl.col("explores")).sum()).sort("class")
    )
    explore, others = (counts[name].to_numpy().astype(np.float64) for name in ("explore", "others"))
    if not explore.sum() or not others.sum():
        return []
    large = (explore + others) * explore.sum() / (explore + others).sum() >= _LEAST_EXPECTED
    table = np.stack([explore, others])[:, large & (others > 0)]
    if table.shape[1] < 2 or not table.sum(axis=1).all() or scipy.stats.chi2_contingency(table).pvalue > LEVEL:
        return []
    shares = table / table.sum(axis=1, keepdims=True)
    names = [name for name, kept in zip(counts["class"].to_list(), large & (others > 0), strict=True) if kept]
    rows = [(name, float(a), float(b)) for name, a, b in zip(names, *shares, strict=True)]
    return sorted(rows, key=lambda row: -abs(row[1] - row[2]))


def calibration(predicted: F64, rewards: F64) -> list[Bin]:
    """Decisions by fifths of what was predicted of them."""
    order = np.argsort(predicted, kind="stable")
    return [
        Bin(
            float(predicted[part].mean()),
            float(rewards[part].mean()),
            float(rewards[part].std() / np.sqrt(len(part))),
            len(part),
        )
        for part in np.array_split(order, _BINS)
        if len(part) > 1
    ]


def _rate(users: pl.DataFrame) -> tuple[float, float]:
    shown, taken = users["shown"].to_numpy(), users["taken"].to_numpy()
    rate = float(taken.sum() / shown.sum())
    off = taken - rate * shown
    return rate, float(np.sqrt(off @ off) / shown.sum())


def _beside_titles(day: DayFacts) -> pl.DataFrame:
    """Each artwork with the rates of the other artworks of its title."""
    totals = {
        name: pl.col(name).sum().over("title_id") - pl.col(name) for name in ("shown", "clicked", "taken", "watched")
    }
    others = {f"others_{name}": total for name, total in totals.items()}
    return (
        day.artworks.with_columns(**others)
        .filter(pl.col("others_shown") > 0, pl.col("others_clicked") > 0)
        .with_columns(
            click_rate=pl.col("clicked") / pl.col("shown"),
            title_click_rate=pl.col("others_clicked") / pl.col("others_shown"),
            watched_each=pl.col("watched") / pl.col("clicked"),
            title_watched=pl.col("others_watched") / pl.col("others_clicked"),
            lost=pl.col("shown")
            * (pl.col("others_taken") / pl.col("others_shown") - pl.col("taken") / pl.col("shown")),
        )
    )


def _artwork(row: dict[str, float | str]) -> Artwork:
    clicks, others, watched, others_watched = (
        float(row[name]) for name in ("click_rate", "title_click_rate", "watched_each", "title_watched")
    )
    shown, lost = float(row["shown"]), max(float(row["lost"]), 0.0)
    name = f"{row['title_id']}/{row['artwork_id']}"
    ids = str(row["title_id"]), str(row["artwork_id"])
    return Artwork(name, int(shown), shown, clicks, others, watched, others_watched, lost, *ids)


def _adjusted(values: F64) -> F64:
    return benjamini_hochberg(np.clip(values, 0.0, 1.0))
