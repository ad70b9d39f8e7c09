"""Interleaving beside the A/B test in the demo's world: signs, standard errors, and how many times fewer users.

    PYTHONPATH=tests python tests/benchmarks/interleaving.py --seeds 5

A seed draws users, titles, artworks and the world anew. After explore days two generations are made of the same log: one splits
users, one splits titles. The same visits are then shown the picks of each. As the demo has it, users respond to each title of a
page by itself. With ``--world one-play`` a visit has time for one title, of those that would be clicked one by chance: what one
title wins, the others lose. There, the treatment learns from clicks, and so likes clickbait.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import polars as pl
from make_impressions import make_generation
from simulated_days import SimulatedWorkspace

from bandit.arrays import F64, I64
from bandit.experiments import Effect, Interleaved, interleaved_effect, paired_effect, ratio_effect
from bandit.hashing import DealtTitles, hash_ids
from bandit.rewards import EngagedTake
from bandit.simulation.seasons.visits import VISITS_A_USER, draw_titles
from bandit.simulation.world import World
from batch.choosing.variants import variants_of
from batch.config import Config, Variant
from batch.datasets import synthetic
from batch.workspace.catalogue import Catalogue
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.picks import RecordedPicks
from batch.workspace.workspace import Workspace

EXPLORE_DAYS, SALT = 2, "mix"
WORLDS = ("demo", "one-play")


@dataclass(frozen=True)
class Compared:
    """What a season says: of users who are split, with and without CUPED, and of titles that are split."""

    ab: Effect
    cuped: Effect
    mix: Interleaved

    def times_fewer(self, ab: Effect) -> float:
        """How many times the users of an interleaving the A/B test needs for the same standard error."""
        return (
            (ab.standard_error / self.mix.preference.standard_error) ** 2 * self.mix.preference.users[0] / sum(ab.users)
        )


def visits_of(world: World, days: int, seed: int) -> tuple[I64, I64, I64]:
    """Users, titles and visits of every place of every page, (m,) each."""
    random = np.random.default_rng([seed, 17])
    n_users = len(world.tastes)
    visitors = random.integers(n_users, size=days * VISITS_A_USER * n_users)
    pages = draw_titles(world.title_appeal, len(visitors), random)
    size = pages.shape[1]
    return np.repeat(visitors, size), pages.ravel(), np.repeat(np.arange(len(visitors)), size)


def takes_of(world: World, users: I64, artworks: I64, visits: I64, seed: int, *, one_play: bool) -> F64:
    """Whether each shown artwork was taken, (m,); ``one_play``: only the first click of a visit is played, in a drawn order."""
    random = np.random.default_rng([seed, 18])
    uniforms = random.uniform(np.finfo(np.float64).tiny, 1.0, size=(len(users), 2))
    clicked, watched = world.respond(users, artworks, uniforms)
    taken = EngagedTake().rewards(clicked, watched)
    if not one_play:
        return taken
    order = np.lexsort(
        (random.random(len(users)), ~clicked, visits)
    )  # of each visit the clicked ones first, in any order
    is_first = np.diff(visits[order], prepend=-1) != 0
    played = np.zeros(len(users), dtype=np.bool_)
    played[order[is_first]] = True
    return np.where(played & clicked, taken, 0.0)


def sums(users: I64, values: F64, mask: np.ndarray, n_users: int) -> tuple[F64, F64]:
    """Takes and impressions of each user, (n,), of some impressions."""
    return (
        np.bincount(users[mask], weights=values[mask], minlength=n_users).astype(np.float64),
        np.bincount(users[mask], minlength=n_users).astype(np.float64),
    )


def season(given: argparse.Namespace, seed: int) -> Compared:
    """Play one seed."""
    n_users, shares = given.users, tuple(given.splits)
    one_play = given.world == "one-play"
    control = Variant("control", given.control)
    treatment = Variant("treatment", given.treatment, reward="click" if one_play else "take")
    with tempfile.TemporaryDirectory() as folder:
        config = Config(seed=seed)
        data = synthetic.build(n_users=n_users, n_titles=given.titles, seed=seed)
        here = SimulatedWorkspace.build(Path(folder), data, config)
        for day in range(EXPLORE_DAYS):
            here.explore(day)
        of_users, of_titles = (
            Config((control, treatment), seed=seed, salt=SALT, splits=splits) for splits in ((), shares)
        )
        generations = [make_generation(here.workspace, config=own) for own in (of_users, of_titles)]
        users, titles, visits = visits_of(here.world, given.days, seed)
        before = pl.read_parquet(f"{folder}/impressions/**/*.parquet").group_by("user_id").agg(pl.col("reward").sum())
        ids = RecordedIds(here.workspace, generations[0])
        takes = []
        for generation in generations:
            arms = ids.arms(generation)[users, titles]
            artworks = ids.starts[titles] + arms
            takes.append(takes_of(here.world, users, artworks, visits, seed, one_play=one_play))
    hashed = hash_ids(ids.users)
    covariate = pl.DataFrame({"user_id": ids.users}).join(before, on="user_id", how="left", maintain_order="left")
    own = covariate["reward"].fill_null(0.0).to_numpy()
    own = own - own.mean()
    treated = variants_of(of_users, hashed) == 1
    everything = np.ones(len(users), dtype=np.bool_)
    of, per = sums(users, takes[0], everything, n_users)
    there = per > 0
    first, second = ((of[mask & there], per[mask & there]) for mask in (treated, ~treated))
    ab = ratio_effect(first, second)
    cuped = ratio_effect(first, second, covariates=(own[treated & there], own[~treated & there]))
    dealt = DealtTitles.of(seed, SALT, shares, hashed)
    by_title = np.column_stack([dealt.second(title) for title in hash_ids(ids.titles)])  # (n, t)
    is_second = by_title[users, titles]
    two = [sums(users, takes[1], mask, n_users) for mask in (is_second, ~is_second)]
    effects = []
    for split in range(len(shares)):
        group = (dealt.splits == split) & there
        one, other = ((of[group], per[group]) for of, per in two)
        effects.append(paired_effect(one, other))
    return Compared(ab, cuped, interleaved_effect(effects, shares))


class RecordedIds:
    """The users, titles and picks of generations of one catalogue."""

    def __init__(self, workspace: Workspace, generation: int) -> None:
        self._workspace = workspace
        catalogue = Catalogue.read(folder_of(workspace, generation) / "catalogue.parquet")
        self.titles, self.starts = catalogue.title_ids, catalogue.starts
        self.users = pl.read_parquet(workspace.users)["user_id"].to_list()

    def arms(self, generation: int) -> I64:
        """The picked arm of each user and title, (n, t)."""
        frame = RecordedPicks(self._workspace, read_manifest(self._workspace, generation)).frame()
        return frame["arm"].to_numpy().astype(np.int64).reshape(len(self.users), len(self.titles))


def told(effect: Effect) -> str:
    """A difference of take rates and its interval, in points of percent."""
    return f"{100 * effect.value:+.3f} [{100 * effect.lower:+.3f}, {100 * effect.upper:+.3f}]"


def main() -> int:
    """Play the seeds and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=WORLDS, default=WORLDS[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--titles", type=int, default=200)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--control", default="epsilon_greedy:epsilon=0.6")
    parser.add_argument("--treatment", default="thompson")
    parser.add_argument("--splits", type=float, nargs="+", default=[0.5, 0.1])
    given = parser.parse_args()
    made: list[Compared] = []
    sys.stdout.write(
        f"{'seed':>4}  {'A/B, points':28}{'interleaved, points':28}{'carry-over p':>13}{'times fewer':>13}{'than CUPED':>12}\n"
    )
    for seed in range(1, given.seeds + 1):
        one = season(given, seed)
        made.append(one)
        p_value = one.mix.carry_over.p_value if one.mix.carry_over else 1.0
        sys.stdout.write(
            f"{seed:>4}  {told(one.ab):28}{told(one.mix.preference):28}{p_value:>13.3f}{one.times_fewer(one.ab):>13.1f}"
            f"{one.times_fewer(one.cuped):>12.1f}\n"
        )
        sys.stdout.flush()
    agree = sum(one.ab.value * one.mix.preference.value > 0 for one in made)
    ab, mix = (
        fmean(values) for values in zip(*((one.ab.value, one.mix.preference.value) for one in made), strict=True)
    )
    sys.stdout.write(
        f"signs agree in {agree} of {len(made)}; means over seeds {100 * ab:+.3f} and {100 * mix:+.3f} points;"
        f" times fewer users for the same error: {fmean(one.times_fewer(one.ab) for one in made):.1f}, than with CUPED"
        f" {fmean(one.times_fewer(one.cuped) for one in made):.1f}; for the same power, times the square of the effects' ratio,"
        f" {(mix / ab) ** 2:.2f}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
