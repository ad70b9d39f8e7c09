"""One simulated day: what its visitors do, and what it came to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from artwork.demo.answers import Answers
from artwork.demo.newcomers import NewcomerResult
from artwork.demo.visits import Visits
from bandit.arrays import F64, Bool
from bandit.evaluation.estimate import LEVEL
from bandit.evaluation.live import Lead, lead_over_known
from bandit.rewards import EngagedTake
from bandit.simulation.world import Responses, World
from batch.workspace.catalogue import Catalogue

FIRST_DAY = date(2026, 1, 1)
"""Simulated days are dated from here."""


@dataclass(frozen=True)
class DayResult:
    """What a day came to; rates are per impression.

    ``uniform`` and ``best`` are the world's expected take rates, on the same visits, of uniform choice and of the artwork that
    is truly best for each user. ``lead`` is the sum of take minus expected take under uniform of each user, (n,), and
    ``shown`` the impressions of each user, (n,). ``rates`` are take rates of picks by policy. ``newcomers`` is of the titles
    that new artworks have joined.
    """

    day: int
    generation: int
    impressions: int
    take_rate: float
    click_through_rate: float
    uniform: float
    best: float
    clickbait: float
    clickbait_uniform: float
    sources: Counter[str]
    p50_ms: float
    p99_ms: float
    lead: F64
    shown: F64
    rates: dict[str, float]
    newcomers: NewcomerResult | None = None

    @property
    def closed(self) -> float:
        """Share of the way from uniform to the true best that the take rate has come."""
        return (self.take_rate - self.uniform) / (self.best - self.uniform)


def respond(
    world: World, catalogue: Catalogue, visits: Visits, answers: Answers, random: np.random.Generator
) -> Responses:
    """What the users of the world do with what they were shown."""
    artworks = catalogue.starts[visits.flat_titles] + answers.arms
    uniforms = random.uniform(np.finfo(np.float64).tiny, 1.0, size=(len(artworks), 2))
    return world.respond(visits.flat_users, artworks, uniforms)


def judge(
    day: int, world: World, catalogue: Catalogue, visits: Visits, answers: Answers, responses: Responses
) -> DayResult:
    """Compare a day with what the world expects of uniform choice and of the true best."""
    users, titles = visits.flat_users, visits.flat_titles
    takes = EngagedTake().rewards(responses.clicked, responses.watch_fraction)
    uniform, best = world.uniform_and_best(users, titles)
    artworks = catalogue.starts[titles] + answers.arms
    n_users = len(world.tastes)
    return DayResult(
        day=day,
        generation=int(answers.generations.max()),
        impressions=len(users),
        take_rate=float(takes.mean()),
        click_through_rate=float(responses.clicked.mean()),
        uniform=float(uniform.mean()),
        best=float(best.mean()),
        clickbait=float(world.artwork_clickbait[artworks].mean()),
        clickbait_uniform=float(_clickbait_share(world)[titles].mean()),
        sources=Counter(answers.sources),
        p50_ms=answers.latencies.get_value_at_percentile(50) / 1000,
        p99_ms=answers.latencies.get_value_at_percentile(99) / 1000,
        lead=np.asarray(np.bincount(users, weights=takes - uniform, minlength=n_users), dtype=np.float64),
        shown=np.bincount(users, minlength=n_users).astype(np.float64),
        rates=_rates(answers, takes),
    )


def judge_policy(days: Sequence[DayResult], own: Bool, seed: int) -> Lead:
    """How far the policy was ahead of uniform over all days, for its ``own`` users (n,)."""
    lead = own * np.sum([day.lead for day in days], axis=0)
    shown = own * np.sum([day.shown for day in days], axis=0)
    return lead_over_known(lead, shown, LEVEL, seed)


def _rates(answers: Answers, takes: F64) -> dict[str, float]:
    """The take rate of each policy's picks; answers of the fallback are none."""
    frame = pl.DataFrame({"policy": answers.policies, "source": answers.sources, "take": takes})
    picks = frame.filter(pl.col("source") == "personalized")
    return dict(picks.group_by("policy").agg(pl.col("take").mean()).sort("policy").rows())


def _clickbait_share(world: World) -> F64:
    """Share of clickbait among each title's artworks, (t,)."""
    n_titles = len(world.title_appeal)
    bait = np.bincount(world.artwork_title, weights=world.artwork_clickbait, minlength=n_titles)
    return np.asarray(bait / np.bincount(world.artwork_title, minlength=n_titles))
