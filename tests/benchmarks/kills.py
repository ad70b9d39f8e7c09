"""Everything is killed while clients post events: rounds of faults, at full size.

    python tests/benchmarks/kills.py --first 1 --count 10 --results build/kills.jsonl

Each round has a workspace of its own with service, embedded store, ingests and jobs, and a seed that draws what clients post and
what is killed when. Rounds with an odd seed sync the store always, those with an even one each second. A round that is in the
file of results already, with the same size, is not played again: a study that was stopped goes on.
"""

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fault_rounds import play_round


def finished(results: Path) -> dict[tuple[int, int, int], dict[str, Any]]:
    """Rounds that were played, by seed, events and kills."""
    lines = results.read_text().splitlines() if results.exists() else []
    rounds = [json.loads(line) for line in lines if line.endswith("}")]  # the last one may have been cut off
    return {(one["seed"], one["asked"], one["moments"]): one for one in rounds}


def told(one: dict[str, Any]) -> str:
    """A round on a line, and what was wrong below it."""
    kills = ", ".join(f"{name} {count}" for name, count in sorted(one["kills"].items()))
    line = (
        f"{one['seed']:>5} {one['fsync']:<8} {one['events']:>7} events, {one['retries']:>4} retries, {one['rows']:>6} rows,"
        f" {one['set_aside']:>5} set aside, {one['generations']:>2} generations;"
        f" {one['lost']} lost, the oldest {one['loss_seconds']:.2f} s before a kill; killed: {kills};"
        f" {one['seconds']:.0f} s"
    )
    return "\n".join([line, *(f"      WRONG: {complaint}" for complaint in one["complaints"])])


def main() -> None:
    """Play what is lacking, and print all; exit code 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=10, help="rounds")
    parser.add_argument("--events", type=int, default=20_000, help="a round")
    parser.add_argument("--kills", type=int, default=10, help="random moments a round")
    parser.add_argument("--results", type=Path, default=Path("build/kills.jsonl"))
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # which stops what was started
    given.results.parent.mkdir(parents=True, exist_ok=True)
    played = finished(given.results)
    rounds = []
    for seed in range(given.first, given.first + given.count):
        one = played.get((seed, given.events, given.kills))
        if one is None:
            made = play_round(seed, "always" if seed % 2 else "everysec", given.events, given.kills)
            one = asdict(made) | {"asked": given.events, "moments": given.kills}
            with given.results.open("a", encoding="utf-8") as file:
                file.write("\n" * _is_cut(given.results) + json.dumps(one) + "\n")
        rounds.append(one)
        sys.stdout.write(told(one) + "\n")
        sys.stdout.flush()
    wrong = sum(bool(one["complaints"]) for one in rounds)
    events, kills = sum(one["events"] for one in rounds), sum(sum(one["kills"].values()) for one in rounds)
    sys.stdout.write(f"{events:,} events and {kills} kills in {len(rounds)} rounds; {wrong} rounds were wrong\n")
    sys.exit(1 if wrong else 0)


def _is_cut(results: Path) -> bool:
    raw = results.read_bytes()
    return bool(raw) and not raw.endswith(b"\n")


if __name__ == "__main__":
    main()
