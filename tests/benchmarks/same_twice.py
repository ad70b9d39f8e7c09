"""Experiments without an effect over the demo's world: p-values are uniform, or the exit code is 1.

    python tests/benchmarks/same_twice.py --seasons 50 --splits 1000 --results build/same_twice.jsonl

Each season is a demo of its own, with users, titles and responses of its seed, whose experiment has the same policy twice; its
p-values are those of ``artwork experiment read``. The log of the first season is split again by fresh salts. A season that is in
the file of results already, with the same size, is not played again: a study that was stopped goes on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scipy.stats import kstest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fresh_salts import p_values_of_splits

from batch.workspace.workspace import Workspace

LEAST = 0.001
"""Of the Kolmogorov-Smirnov test: a sound study fails one time in a thousand per metric."""
ARTWORK = Path(sys.executable).parent / "artwork"


def say(line: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def artwork(*words: str) -> str:
    """What a command says; a demo exits with 1 if its policy did not beat uniform, which is all the same here."""
    run = subprocess.run([ARTWORK, *words], capture_output=True, text=True, check=False)
    if run.returncode not in {0, 1}:
        sys.exit(f"artwork {' '.join(words)}: {run.stderr}")
    return run.stdout


def season(seed: int, size: dict[str, int]) -> dict[str, Any]:
    """A season's p-values by metric, and those of splits of its log where there are any."""
    with tempfile.TemporaryDirectory() as folder:
        where = ("--workspace", folder)
        users, titles = str(size["users"]), str(size["titles"])
        artwork("data", "synthetic", "--users", users, "--titles", titles, "--seed", str(seed), *where)
        artwork(
            "demo",
            "--once",
            "--days",
            str(size["days"]),
            "--seed",
            str(seed),
            "--experiment",
            "same=policy=thompson",
            *where,
        )
        made = json.loads(artwork("experiment", "read", "demo", "--json", *where))
        lived = {one["metric"]["name"]: one["effect"]["p_value"] for one in made["effects"] if one["effect"]}
        splits = p_values_of_splits(Workspace(Path(folder)), "demo", size["splits"]) if size["splits"] else {}
    return {"seed": seed, "size": size, "lived": lived, "splits": splits}


def told(name: str, p_values: list[float]) -> bool:
    """A metric on a line; whether its p-values are uniform."""
    made = kstest(p_values, "uniform")
    below = sum(p_value < 0.05 for p_value in p_values) / len(p_values)
    say(f"{name:<50} {len(p_values):>6} experiments, {below:.1%} below 0.05, Kolmogorov-Smirnov p = {made.pvalue:.3f}")
    return bool(made.pvalue >= LEAST)


def main() -> int:
    """Play what is lacking, and tell all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seasons", type=int, default=50)
    parser.add_argument("--splits", type=int, default=1000, help="of the first season's log")
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--titles", type=int, default=30)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path("build/same_twice.jsonl"))
    given = parser.parse_args()
    given.results.parent.mkdir(parents=True, exist_ok=True)
    lines = given.results.read_text().splitlines() if given.results.exists() else []
    played = [json.loads(line) for line in lines if line.endswith("}")]  # the last one may have been cut off
    seasons = []
    for seed in range(given.first, given.first + given.seasons):
        size = {"users": given.users, "titles": given.titles, "days": given.days}
        size["splits"] = given.splits if seed == given.first else 0
        one = next((one for one in played if (one["seed"], one["size"]) == (seed, size)), None)
        if one is None:
            one = season(seed, size)
            with given.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(one) + "\n")
        seasons.append(one)
        say(f"season {seed}: {', '.join(f'{name} p = {p:.3f}' for name, p in one['lived'].items())}")
    sound = [told(f"{name}, splits of one log", values) for name, values in seasons[0]["splits"].items()]
    sound += [
        told(f"{name}, fresh seasons", [one["lived"][name] for one in seasons if name in one["lived"]])
        for name in seasons[0]["lived"]
    ]
    return int(not all(sound))


if __name__ == "__main__":
    sys.exit(main())
