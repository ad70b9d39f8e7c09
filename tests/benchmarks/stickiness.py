"""What keeping artworks costs and gains where a changed image costs takes, over seeds.

    python tests/benchmarks/stickiness.py --first 301 --count 4

Each seed draws a world of synthetic users and titles, and plays a season in it for every stickiness: some days under uniform,
then Thompson sampling whose picks are refreshed daily, given the picks of the day before. Where an artwork is another one than
its user saw of the title last, a click loses ``--cost`` log-odds. Visits and responses are drawn alike for every stickiness of a
seed, so that differences are of pairs. The live days are reported:

- take rate, and its difference from no stickiness with the ends of a 95 % interval over seeds;
- flips: the share of visits on which a user sees another artwork of the title than the last time, of those that saw it before;
- effective sample: (Σ w)² / Σ w² over the decisions as a share of them, w = 1 / (k p) for uniform choice among k artworks, which
  is what judging uniform choice with this log has to work with;
- value per flip: what the artwork is expected to take without its change, less what the one before it would, by the true rates.
"""

import argparse
import json
from dataclasses import asdict, dataclass, replace
from math import sqrt

import numpy as np

from artwork.compare.world import scene_of
from bandit.arrays import F64, I64
from bandit.policies import Stickiness, ThompsonSampling
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.contender import Contender
from bandit.simulation.seasons.season import Season
from bandit.simulation.seasons.simulate import Played, simulate
from batch.datasets import synthetic

Z = 1.959964  # of a 95 % interval


@dataclass(frozen=True)
class Figures:
    """Of the live days of one season."""

    take_rate: float
    flips: float
    effective: float
    value_per_flip: float


@dataclass(frozen=True)
class Row:
    """A stickiness over all seeds; ``gain`` over none, with the ends of its interval."""

    share: float
    margin: float
    cost: float
    take_rate: float
    gain: float
    low: float
    high: float
    flips: float
    effective: float
    value_per_flip: float


def figures_of(played: Played) -> Figures:
    """Measure a season."""
    at, scene = played.live, played.scene
    users, titles = played.visits.users[at], played.visits.titles[at]
    arms, changed = played.shown.arms[at], played.shown.changed[at]
    before = last_arms(played)[at]
    seen = before >= 0
    log = played.log
    assert log.propensities is not None
    assert log.clusters is not None
    first = np.unique(log.clusters, return_index=True)[1]
    sizes = np.diff(scene.starts)[titles[first]]
    weights = 1 / (sizes * log.propensities[first])
    value = scene.taken(users[changed], arms[changed]) - scene.taken(users[changed], before[changed])
    return Figures(
        float(played.shown.rewards[at].mean()),
        float(changed[seen].mean()),
        float(weights.sum() ** 2 / (weights**2).sum() / len(weights)),
        float(value.mean()) if len(value) else 0.0,
    )


def last_arms(played: Played) -> I64:
    """The arm that the user of each visit saw of the title last, (m,), -1 where there was none."""
    keys = played.visits.users * played.scene.n_titles + played.visits.titles
    order = np.argsort(keys, kind="stable")
    again = keys[order][1:] == keys[order][:-1]
    out = np.full(len(keys), -1)
    out[order[1:][again]] = played.shown.arms[order[:-1][again]]
    return out


def season_of(scene: Scene, share: float, margin: float, days: int, seed: int) -> Figures:
    """Play one season."""
    season = Season(
        days=days,
        explore_days=3,
        age_hours=(),
        arrival_day=3,
        arrival_share=0.0,
        stickiness=Stickiness(share, margin),
    )
    return figures_of(simulate(scene, season, Contender(ThompsonSampling(), "thompson", "linear"), seed))


def with_cost(scene: Scene, cost: float) -> Scene:
    """The same where a changed artwork costs so many log-odds of a click."""
    constants = replace(scene.world.constants, click_change=cost)
    return replace(scene, world=replace(scene.world, constants=constants))


def interval(differences: F64) -> tuple[float, float, float]:
    """Mean and ends of a 95 % interval over seeds; of one seed no ends."""
    mean = float(differences.mean())
    reach = Z * float(differences.std(ddof=1)) / sqrt(len(differences)) if len(differences) > 1 else float("nan")
    return mean, mean - reach, mean + reach


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--first", type=int, default=301, help="the first seed")
    parser.add_argument("--count", type=int, default=4, help="how many seeds")
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--titles", type=int, default=60)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--cost", type=float, nargs="+", default=[0.0, 0.3])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.3, 0.6, 0.9])
    parser.add_argument("--margins", type=float, nargs="+", default=[0.3])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.count)
    scenes = [scene_of(synthetic.build(given.users, given.titles, seed)) for seed in seeds]
    rows = []
    for cost in given.cost:
        worlds = [with_cost(scene, cost) for scene in scenes]
        for margin in given.margins:
            plain: F64 | None = None
            for share in given.shares:
                made = [
                    season_of(scene, share, margin, given.days, seed) for scene, seed in zip(worlds, seeds, strict=True)
                ]
                rates = np.array([one.take_rate for one in made])
                plain = rates if plain is None else plain
                flips, effective, value = (
                    float(np.mean([getattr(one, name) for one in made]))
                    for name in ("flips", "effective", "value_per_flip")
                )
                gain = interval(rates - plain)
                rows.append(Row(share, margin, cost, float(rates.mean()), *gain, flips, effective, value))
                print(json.dumps(asdict(rows[-1])) if given.json else line(rows[-1]), flush=True)  # noqa: T201


def line(row: Row) -> str:
    """A row of a table."""
    return (
        f"cost {row.cost:g}  S {row.share:g}  M {row.margin:g}  take rate {row.take_rate:.4f}"
        f"  gain {row.gain:+.4f} [{row.low:+.4f}, {row.high:+.4f}]  flips {row.flips:.3f}  effective {row.effective:.3f}"
        f"  value per flip {row.value_per_flip:+.4f}"
    )


if __name__ == "__main__":
    main()
