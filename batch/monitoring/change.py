"""The change of the take rate since the day before, in what the policy did, who came for what, and how the world answered.

The policy of the day before is judged on today's log. With π₀ that policy, m its own model of rewards, p the logged propensities
and E₀, E₁ means over the decisions of both days,

    policy = E₁[r] - V,    V = E₁[m(π₀) + (π₀/p) (r - m)],
    mix    = E₁[m(π₀)] - E₀[m(π₀)],
    world  = E₁[(π₀/p) (r - m)] - E₀[r - m(π₀)],

which add up to E₁[r] - E₀[r] whatever m is. V is doubly robust: right where propensities are (Dudík, Langford and Li 2011).
"""

from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, I64
from batch.choosing.chooser import Chooser
from batch.learning.day_rows import rewards_of
from batch.logs.cells import numbered
from batch.monitoring.decisions import probabilities_of, read_decisions, sampled_titles, sampled_users
from batch.monitoring.nights import open_chooser, usual_generation
from batch.workspace.files import reading
from batch.workspace.impressions import day_files, day_folder
from batch.workspace.workspace import Workspace

LEAST_DECISIONS = 100
_COLUMNS = ("artwork_id", "shown_at", "propensity", "clicked", "watch_fraction", "reward")


@dataclass(frozen=True)
class Part:
    """A part of a change, with its standard error by users, in rewards per decision."""

    name: str
    value: float
    error: float


@dataclass(frozen=True)
class Change:
    """From ``before`` to ``after``, rates of the decisions that are looked at; ``parts`` add up to ``total``.

    ``why`` says why it cannot be told, if it cannot; then nothing else counts.
    """

    day: str
    day_before: str
    decisions: int
    decisions_before: int
    before: float
    after: float
    total: Part
    parts: tuple[Part, ...]
    why: str = ""


class Terms(NamedTuple):
    """Of each decision of a day: its user, reward, m(π₀), and (π₀/p) (r - m), (n,) each."""

    users: I64
    rewards: F64
    expected: F64
    corrected: F64


def split_change(today: Terms, before: Terms) -> tuple[Part, tuple[Part, ...]]:
    """The whole change and its parts; errors count users who came on both days once."""

    def part(name: str, now: F64, then: F64 | None) -> Part:
        users = np.concatenate((today.users, before.users))
        held = np.zeros(len(before.users)) if then is None else then
        pull = np.concatenate(((now - now.mean()) / len(now), -(held - held.mean()) / len(held)))
        sums = np.bincount(users, weights=pull)
        return Part(name, float(now.mean() - held.mean()), sqrt(float(sums @ sums)))

    whole = part("change", today.rewards, before.rewards)
    judged = today.expected + today.corrected
    return whole, (
        part("policy", today.rewards - judged, None),
        part("mix", today.expected, before.expected),
        part("world", today.corrected, before.rewards - before.expected),
    )


def change_since(workspace: Workspace, day: date, day_before: date, reward: str) -> Change:
    """The change of the reward rate between two days of a workspace.

    Raises:
        InputError: a file cannot be read.
    """

    def unknown(why: str) -> Change:
        nothing = Part("change", 0.0, 0.0)
        return Change(day.isoformat(), day_before.isoformat(), 0, 0, 0.0, 0.0, nothing, (), why)

    with reading(day_folder(workspace, day_before)):
        generation = usual_generation(day_files(workspace, day_before))
    chooser = None if generation is None else open_chooser(workspace, generation)
    if chooser is None:
        return unknown(f"the generation that chose on {day_before} is not in the workspace, or not as it was made")
    terms = [_terms(workspace, chooser, at, reward) for at in (day, day_before)]
    frames = pl.concat([users for users, _ in terms])
    codes = numbered(frames)
    count = terms[0][0].len()
    today, before = terms[0][1]._replace(users=codes[:count]), terms[1][1]._replace(users=codes[count:])
    if min(len(today.users), len(before.users)) < LEAST_DECISIONS:
        few = min(len(today.users), len(before.users))
        return unknown(f"a day has {few} decisions of users and titles that are looked at, expected {LEAST_DECISIONS}")
    total, parts = split_change(today, before)
    return Change(
        day.isoformat(),
        day_before.isoformat(),
        len(today.users),
        len(before.users),
        float(before.rewards.mean()),
        float(today.rewards.mean()),
        total,
        parts,
    )


def _terms(workspace: Workspace, chooser: Chooser, day: date, reward: str) -> tuple[pl.Series, Terms]:
    users, _ = sampled_users(chooser, chooser.config.seed)
    with reading(day_folder(workspace, day)):
        rows = read_decisions(day_files(workspace, day), users, sampled_titles(chooser), _COLUMNS)
    decided = probabilities_of(chooser, rows, users)
    rows = rows[decided.rows]
    keys = chooser.catalogue.keys().select("title_id", "artwork_id", "arm")
    arms = rows.join(keys, on=["title_id", "artwork_id"], how="left", maintain_order="left")["arm"]
    is_known = arms.is_not_null().to_numpy()
    own, at = np.arange(rows.height), arms.cast(pl.Int64).fill_null(0).to_numpy()
    rewards = rewards_of(rows, reward, workspace, day)
    weights = np.where(is_known, decided.probabilities[own, at], 0.0) / rows["propensity"].to_numpy()
    expected = (decided.probabilities * decided.expected).sum(axis=1)
    corrected = weights * (rewards - decided.expected[own, at])
    return rows["user_id"], Terms(own, rewards, expected, corrected)
