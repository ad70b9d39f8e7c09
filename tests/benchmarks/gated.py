"""Seasons of the demo's world under a gate, and under an A/B test: how each ends, and the takes that it costs.

    nice -n 10 python tests/benchmarks/gated.py --seasons 10 --results build/gated.jsonl

A season has users, titles and responses of its seed, some days of explore data, and then nights that learn and days that are
played from the picks on disk, as jobs make them. The new policy is truly better, equal or worse: thompson against a policy that
explores half of the time, against itself, and the other way round. The A/B test gives half of the users the new policy for some
days, decides once, and serves what it says until the season ends. What both cost is the takes that they are short of a season
in which everybody had the better policy from the first day on, with the same visits. A season that is in the file of results
already, with the same size, is not played again.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from make_impressions import ALL_BLOCKS, silent
from simulated_days import FIRST_DAY, SimulatedWorkspace

from batch.choosing.precompute import precompute
from batch.config import Config, Variant
from batch.datasets import synthetic
from batch.executors import SerialExecutor
from batch.experiments.deciding import decide_now
from batch.experiments.gated.gate import pass_gate
from batch.experiments.listing import experiment_config, experiments_of
from batch.experiments.plans.file import write_new
from batch.experiments.reading import Source
from batch.experiments.register import start
from batch.learning.train import train

NAME: Final = "new"
GOOD: Final[dict[str, Any]] = {"policy": "thompson", "posterior": "linear"}
POOR: Final[dict[str, Any]] = {"policy": "epsilon_greedy:epsilon=0.5", "posterior": "linear"}
TRUTHS: Final = {"better": (POOR, GOOD), "equal": (GOOD, GOOD), "worse": (GOOD, POOR)}
SHARES: Final = [0.1, 0.25, 0.5, 1]
RIGHT: Final = {
    "better": {"SHIP"},
    "equal": {"END", "STAY", "NEUTRAL", "HOLD"},
    "worse": {"ROLL BACK", "END", "NEUTRAL", "HOLD"},
}
"""Endings that leave users with what is best; of the equal ones none that says that they differ."""
MATTERS: Final = 0.004
TODAY: Final = date(2027, 1, 1)


def say(line: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Season:
    """A workspace of a seed, with its explore days."""

    def __init__(self, root: Path, size: dict[str, int], seed: int) -> None:
        self.size, self.seed = size, seed
        data = synthetic.build(n_users=size["users"], n_titles=size["titles"], seed=seed)
        self.simulated = SimulatedWorkspace.build(root, data, Config(seed=seed))
        self.workspace = self.simulated.workspace
        for day in range(size["explore"]):
            self.simulated.explore(day)

    @property
    def start(self) -> date:
        """The first live day."""
        return FIRST_DAY + timedelta(days=self.size["explore"])

    def plan(self, truth: str, days: int, gate: dict[str, Any] | None) -> None:
        """Register an experiment of so many days."""
        control, treatment = TRUTHS[truth]
        share = {} if gate else {"share": 0.5}
        end = self.start + timedelta(days=days - 1)
        content = {
            "hypothesis": f"the new policy is {truth}",
            "start": self.start,
            "end": end,
            "smallest_effect": MATTERS,
            "users": max(60, self.size["users"]),
            "variants": [{"name": "old", **share, **control}, {"name": "new", **share, **treatment}],
            "metrics": [{"name": "take rate", "role": "primary", "of": "take"}],
            **({} if gate is None else {"gate": gate}),
        }
        write_new(self.workspace, NAME, content, {})
        start(self.workspace, NAME, late=False, today=TODAY)

    def live(self, choose: Callable[[int], tuple[Config, dict[str, str]]]) -> float:
        """The mean take rate of all live days, each after a night that chose."""
        shards, rates = SerialExecutor(), []
        for number in range(self.size["days"]):
            config, experiments = choose(number)
            made = train(self.workspace, config, shards, silent, shard_size=ALL_BLOCKS, experiments=experiments)
            precompute(self.workspace, made.generation, shards, silent, shard_size=ALL_BLOCKS)
            rates.append(self.simulated.play(self.size["explore"] + number, made.generation).take_rate)
        return sum(rates) / len(rates)


def better(root: Path, size: dict[str, int], seed: int) -> dict[str, Any]:
    """Everybody has the better policy."""
    season = Season(root, size, seed)
    return {"rate": season.live(lambda _: (Config((Variant(**GOOD),), seed=seed), {}))}


def gated(root: Path, size: dict[str, int], seed: int, truth: str) -> dict[str, Any]:
    """A season whose nights pass the gate."""
    season, stood = Season(root, size, seed), []
    season.plan(truth, size["days"], {"shares": SHARES, "users": 30})

    def choose(_: int) -> tuple[Config, dict[str, str]]:
        made = pass_gate(Source(season.workspace, None, TODAY), NAME, Config(seed=seed))
        stood.append(made.standing)
        return made.config, made.experiments

    rate = season.live(choose)
    last = pass_gate(Source(season.workspace, None, TODAY), NAME, Config(seed=seed)).standing
    nights = next((at for at, one in enumerate(stood) if one.is_over), len(stood))
    return {"rate": rate, "ending": last.action, "nights": nights, "shares": [one.share for one in stood]}


def ab_tested(root: Path, size: dict[str, int], seed: int, truth: str) -> dict[str, Any]:
    """A season that begins with an A/B test."""
    season, verdicts = Season(root, size, seed), list[str]()
    season.plan(truth, size["test"], None)
    control, treatment = TRUTHS[truth]

    def choose(number: int) -> tuple[Config, dict[str, str]]:
        if number < size["test"]:
            config = experiment_config(season.workspace, NAME, Config(seed=seed))
            return config, experiments_of(season.workspace, config)
        if not verdicts:
            verdicts.append(decide_now(Source(season.workspace, None, TODAY), NAME).verdicts[0].verdict)
        return Config((Variant(**(treatment if verdicts[0] == "SHIP" else control)),), seed=seed), {}

    rate = season.live(choose)
    return {"rate": rate, "ending": verdicts[0], "nights": size["test"]}


def play(seed: int, size: dict[str, int], kind: str, truth: str) -> dict[str, Any]:
    """A season of a kind, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if kind == "better":
            return better(root, size, seed)
        return (gated if kind == "gate" else ab_tested)(root, size, seed, truth)


def table(played: dict[tuple[int, str, str], dict[str, Any]], seeds: list[int]) -> None:
    """How seasons ended, and what they cost."""
    for truth in TRUTHS:
        for kind in ("gate", "A/B"):
            own = [played[seed, kind, truth] for seed in seeds]
            best = [played[seed, "better", ""]["rate"] for seed in seeds]
            lost = [1 - one["rate"] / rate for one, rate in zip(own, best, strict=True)]
            endings = Counter(one["ending"] for one in own)
            right = sum(count for ending, count in endings.items() if ending in RIGHT[truth])
            nights = sum(one["nights"] for one in own) / len(own)
            say(
                f"{truth:<7} {kind:<5} ends right {right} of {len(own)} ({', '.join(f'{n} {e}' for e, n in endings.items())}),"
                f" {nights:.1f} nights, takes lost {sum(lost) / len(lost):+.2%} (from {min(lost):+.2%} to {max(lost):+.2%})"
            )


def main() -> None:
    """Play what is lacking, and tell all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seasons", type=int, default=10)
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--titles", type=int, default=30)
    parser.add_argument("--explore", type=int, default=3, help="days under uniform before the first live one")
    parser.add_argument("--days", type=int, default=12, help="live ones")
    parser.add_argument("--test", type=int, default=7, help="days of the A/B test")
    parser.add_argument("--results", type=Path, default=Path("build/gated.jsonl"))
    given = parser.parse_args()
    size = {name: getattr(given, name) for name in ("users", "titles", "explore", "days", "test")}
    given.results.parent.mkdir(parents=True, exist_ok=True)
    lines = given.results.read_text().splitlines() if given.results.exists() else []
    kept = [json.loads(line) for line in lines if line.endswith("}")]  # the last one may have been cut off
    played = {(one["seed"], one["kind"], one["truth"]): one["made"] for one in kept if one["size"] == size}
    seeds = list(range(given.first, given.first + given.seasons))
    for seed in seeds:
        for kind, truth in [("better", ""), *((kind, truth) for truth in TRUTHS for kind in ("gate", "A/B"))]:
            if (seed, kind, truth) in played:
                continue
            made = played[seed, kind, truth] = play(seed, size, kind, truth)
            with given.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"seed": seed, "size": size, "kind": kind, "truth": truth, "made": made}) + "\n")
            say(f"season {seed}, {truth or 'the better alone'} {kind}: {made}")
    table(played, seeds)


if __name__ == "__main__":
    main()
