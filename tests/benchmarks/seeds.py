"""How far policies come over many seeds: the real demo, once a seed and policy.

    python tests/benchmarks/seeds.py --first 101 --count 10 --policies thompson,epsilon_greedy

Every run is `artwork demo --once --json` in a folder of its own: a seed draws the artworks, the world's artwork qualities,
the visits and the responses anew.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any


def play(policy: str, seed: int, days: int) -> dict[str, Any]:
    """The outcome of one demo.

    Raises:
        RuntimeError: the demo failed, for another reason than a policy that was not shown to be above uniform.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "artwork.cli",
            "demo",
            "--once",
            "--json",
            "--policy",
            policy,
            "--days",
            str(days),
        ]
        command += ["--seed", str(seed), "--workspace", str(Path(folder) / "demo")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"the demo ended with code {done.returncode}: {done.stderr}")
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def table(policy: str, outcomes: dict[int, dict[str, Any]]) -> str:
    """The last day of every seed, and the median."""
    lines = [
        f"{policy:<28} seed   take  uniform   best  closed  clickbait (uniform)  lead over all days, 95 % interval"
    ]
    for seed, outcome in outcomes.items():
        day = outcome["days"][-1]
        lines.append(
            f"{'':<28} {seed:>4} {day['take_rate']:6.2%}   {day['uniform']:6.2%} {day['best']:6.2%}  {day['closed']:6.1%}"
            f"  {day['clickbait']:6.1%} ({day['clickbait_uniform']:.1%})"
            f"       {outcome['difference']:+.2%} [{outcome['lower']:+.2%}, {outcome['upper']:+.2%}]"
        )
    closed = [outcome["days"][-1]["closed"] for outcome in outcomes.values()]
    lines.append(f"{'':<28} closed: median {median(closed):.1%}, worst {min(closed):.1%}, best {max(closed):.1%}")
    return "\n".join(lines)


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--first", type=int, default=101)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--policies", default="thompson,epsilon_greedy")
    told = parser.parse_args()
    for policy in told.policies.split(","):
        seeds = range(told.first, told.first + told.count)
        sys.stdout.write(table(policy, {seed: play(policy, seed, told.days) for seed in seeds}) + "\n\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
