"""What each reward comes to in clicks, completion and diversity, over seeds: `artwork compare --rewards` that can be stopped.

    python tests/benchmarks/objectives.py --results build/objectives.jsonl --first 301 --count 10

Each seed draws a world of synthetic users and titles, and plays a season in it for uniform choice and every reward, on the same
visits. Each season is a line of ``--results`` once it is over; a run that was stopped, or ended after ``--minutes``, goes on
where it was when it is started again with the same dials. Lines of other dials in the file are left alone. It ends with the
table of ``artwork compare --rewards``.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from artwork.compare.rewards import GRID, ComparedRewards, Figures, parse_rewards, settings_of
from artwork.compare.world import scene_of
from artwork.reports.rewards_page import render
from bandit.policies import Uniform, parse_policy
from bandit.rewards import Reward
from bandit.simulation.seasons.contender import Contender
from bandit.simulation.seasons.objective_run import Reached, reached
from bandit.simulation.seasons.season import Season
from bandit.simulation.seasons.season_run import Run
from bandit.simulation.seasons.visits import PAGE_TITLES, VISITS_A_USER
from batch.datasets import synthetic

UNIFORM = "uniform"


def known(path: Path, dials: dict[str, Any]) -> dict[tuple[int, str], Reached]:
    """The seasons of a file that were played with some dials, by seed and reward; half a line at the end is none."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            told = json.loads(line)
        except json.JSONDecodeError:
            continue
        if told["dials"] == dials:
            found[told["seed"], told["reward"]] = Reached(**told["reached"])
    return found


def seasons(given: argparse.Namespace, rewards: list[tuple[str, Reward]]) -> Iterator[tuple[int, str, Run]]:
    """Every season, seed by seed."""
    season = season_of(given)
    policy = parse_policy(given.policy)
    for seed in range(given.first, given.first + given.count):
        scene = scene_of(synthetic.build(given.users, given.titles, seed))
        yield seed, UNIFORM, Run(scene, season, Contender(Uniform(), UNIFORM), seed)
        for _, reward in rewards:
            yield seed, reward.text, Run(scene, season, Contender(policy, given.policy, given.posterior, reward), seed)


def season_of(given: argparse.Namespace) -> Season:
    """The dials of a season."""
    arrival = given.explore_days + (given.days - given.explore_days) // 3
    return Season(
        days=given.days,
        explore_days=given.explore_days,
        age_hours=(),
        arrival_day=arrival,
        arrival_share=given.arrival_share,
    )


def played(given: argparse.Namespace, rewards: list[tuple[str, Reward]]) -> dict[tuple[int, str], Reached] | None:
    """All seasons, those of the file and those that are left; None where the time was up before."""
    names = "users", "titles", "days", "explore_days", "arrival_share", "policy", "posterior"
    dials = {name: getattr(given, name) for name in names}
    found, until = known(given.results, dials), time.monotonic() + 60 * given.minutes
    for seed, word, run in seasons(given, rewards):
        if (seed, word) in found:
            continue
        if time.monotonic() > until:
            return None
        found[seed, word] = reached(run)
        line = {"dials": dials, "seed": seed, "reward": word, "reached": asdict(found[seed, word])}
        with given.results.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(line)}\n")  # after half a line that a killed run has left
    return found


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("build/objectives.jsonl"), help="where seasons are kept")
    parser.add_argument("--first", type=int, default=301, help="the first seed")
    parser.add_argument("--count", type=int, default=10, help="how many seeds")
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--titles", type=int, default=40)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--explore-days", type=int, default=4)
    parser.add_argument("--arrival-share", type=float, default=0.2)
    parser.add_argument("--policy", default="thompson")
    parser.add_argument("--posterior", default="linear")
    parser.add_argument("--rewards", nargs="+", default=list(GRID))
    parser.add_argument("--minutes", type=float, default=7.0, help="after which it stops, to go on another time")
    given = parser.parse_args()
    given.results.parent.mkdir(parents=True, exist_ok=True)
    rewards, began = parse_rewards(given.rewards), time.monotonic()
    found = played(given, rewards)
    if found is None:
        print(f"the time is up; start it again with --results {given.results}")  # noqa: T201
        return
    seeds = range(given.first, given.first + given.count)
    by_seed = [[found[seed, reward.text] for _, reward in rewards] for seed in seeds]
    made = ComparedRewards(
        world="synthetic",
        users=given.users,
        titles=given.titles,
        artworks=scene_of(synthetic.build(given.users, given.titles, given.first)).n_arms,
        seed=given.first,
        seeds=given.count,
        impressions=given.days * VISITS_A_USER * given.users * min(PAGE_TITLES, given.titles),
        season=season_of(given),
        policy=given.policy,
        posterior=given.posterior,
        level=0.95,
        resamples=2000,
        settings=settings_of(rewards, by_seed, 0.95, 2000, given.first),
        uniform=Figures.of([found[seed, UNIFORM] for seed in seeds]),
        executor="serial",
        seconds=round(time.monotonic() - began, 1),
    )
    print(render(made))  # noqa: T201


if __name__ == "__main__":
    main()
