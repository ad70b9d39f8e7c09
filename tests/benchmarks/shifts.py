"""How soon the demo's policy is back after tastes shift, with and without forgetting, over seeds.

    nice -n 10 python tests/benchmarks/shifts.py --first 301 --count 10 --results build/shifts.jsonl

Each seed draws synthetic users and titles, and plays the demo's loop from files: explore days, then live days under Thompson
sampling, each after a night that makes contexts anew, learns and draws. On one live day tastes move to other genres, by the same
door as ``artwork demo --shift-on``. A season tells for every day how much of the way from uniform to the true best it closed, and
how many nights after the shift a day closed 90 % of the mean of the 3 days before it. Visits and responses are drawn alike for
every retention of a seed. A season that is in the file of results already, with the same size, is not played again.

The exit code is 1 where fewer than 8 of 10 seasons with forgetting are back within 4 nights, or more than 2 of 10 without.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from make_impressions import ALL_BLOCKS, silent
from on_disk import OnDisk, explore

from artwork.demo.loop import EXPLORE_DAYS, Loop
from artwork.demo.tastes import judge_shift, order_of_genres
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.datasets.refreshing import refresh_contexts
from batch.executors import SerialExecutor
from batch.learning.train import train
from batch.workspace.workspace import Workspace

NIGHTS: Final = 4
"""Within which the policy is to be back."""
MOST: Final = 0.8
"""Of the seasons, which are to be back with forgetting, and not without."""


def closed_by_day(seed: int, retention: float, size: dict[str, int]) -> list[float]:
    """How much of the way from uniform to the best each day closes: explore days, live days, and those after the shift."""
    data = synthetic.build(n_users=size["users"], n_titles=size["titles"], seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        workspace, shards = Workspace(Path(folder)), SerialExecutor()
        write(workspace, data)
        loop = Loop.of(workspace, Config(seed=seed, retention=retention))
        closed = [explore(loop, day).closed for day in range(EXPLORE_DAYS)]
        for number in range(size["before"] + size["after"]):
            if number == size["before"]:
                loop = loop.shifted(order_of_genres(loop.world.tastes.shape[1], seed, 0))
            refresh_contexts(workspace)
            made = train(workspace, loop.config, shards, silent, shard_size=ALL_BLOCKS)
            precompute(workspace, made.generation, shards, silent, shard_size=ALL_BLOCKS)
            day = OnDisk(workspace, made.generation)
            closed.append(loop.live(EXPLORE_DAYS + number, day, silent).closed)
        return closed


def say(line: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def told(nights: int | None) -> str:
    """Of a season's nights until it is back."""
    return "not back" if nights is None else f"back after {nights} night{'' if nights == 1 else 's'}"


def back_in_time(seasons: Sequence[int | None]) -> int:
    """How many seasons are back within ``NIGHTS``."""
    return sum(nights is not None and nights <= NIGHTS for nights in seasons)


def main() -> int:
    """Play what is lacking, and tell all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=301, help="the first seed")
    parser.add_argument("--count", type=int, default=10, help="how many seeds")
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--titles", type=int, default=20)
    parser.add_argument("--before", type=int, default=7, help="live days before tastes shift")
    parser.add_argument("--after", type=int, default=6, help="live days from the shift on")
    parser.add_argument(
        "--retention", type=float, nargs="+", default=[1.0, 0.7], help="the first one is without forgetting"
    )
    parser.add_argument("--results", type=Path, default=Path("build/shifts.jsonl"))
    given = parser.parse_args()
    size = {name: getattr(given, name) for name in ("users", "titles", "before", "after")}
    given.results.parent.mkdir(parents=True, exist_ok=True)
    lines = given.results.read_text().splitlines() if given.results.exists() else []
    whole = [line for line in lines if line.endswith("}")]  # the last one may have been cut off
    kept: list[dict[str, Any]] = [json.loads(line) for line in whole]
    played = {(one["seed"], one["retention"]): one["closed"] for one in kept if one["size"] == size}
    first_shifted = EXPLORE_DAYS + given.before
    seasons: dict[float, list[int | None]] = {retention: [] for retention in given.retention}
    for seed in range(given.first, given.first + given.count):
        for retention, nights in seasons.items():
            if (seed, retention) not in played:
                played[seed, retention] = closed_by_day(seed, retention, size)
                made = {"seed": seed, "retention": retention, "size": size, "closed": played[seed, retention]}
                with given.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(made) + "\n")
            closed = played[seed, retention]
            nights.append(judge_shift(closed, first_shifted, first_shifted).nights_until_back)
            days = " ".join(f"{share:.0%}" for share in closed[first_shifted - 3 :])
            say(
                f"seed {seed}, retention {retention:g}: {told(nights[-1])}; 3 days before the shift, and from it on: {days}"
            )
    for retention, nights in seasons.items():
        say(f"retention {retention:g}: {back_in_time(nights)} of {len(nights)} back within {NIGHTS} nights")
    without, *others = (back_in_time(nights) / given.count for nights in seasons.values())
    return int(without > 1 - MOST or any(share < MOST for share in others))


if __name__ == "__main__":
    sys.exit(main())
