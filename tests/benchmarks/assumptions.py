"""How often a figure without randomisation is clear though there is no effect, and what its assumptions say then.

    python tests/benchmarks/assumptions.py [TABLES]

Tables of each world have seeds from 0 on. Told is a table of which an assumption fails, or is not passed because of the data;
an assumption that no table can tell does not count. One world, `an effect`, has one: there it is right to be clear.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from batch.experiments.designs.assumptions import Assumption
from batch.experiments.designs.cutoff import read_cutoff
from batch.experiments.designs.panel import read_panel

NEVER_TOLD = (
    "nothing else happened to treated units at that time",
    "untreated units do not feel the treatment",
    "units are what was decided about",
    "what was fixed before does not jump",
    "the rule was kept",
    "nothing else starts at this cutoff",
    "it is asked about those near the cutoff alone",
)


def panel(
    seed: int,
    *,
    units: int = 40,
    treated: int = 15,
    starts: tuple[int, ...] = (6,),
    effect: float = 0.0,
    growth: float = 0.0,
    trend: float = 0.0,
    memory: float = 0.0,
    loud: float = 1.0,
    gap: int = 0,
    season: float = 0.0,
) -> pl.DataFrame:
    """12 times; noise of variance 1 that remembers, of the last treated unit ``loud`` times as much.

    ``gap`` is how many times are left out in the middle; ``season`` the share by which all units change then, of which those
    that are treated have 30 and the others 15.
    """
    random, times = np.random.default_rng(seed), 12
    unit, time = np.repeat(np.arange(units), times), np.tile(np.arange(times), units)
    first = np.where(np.arange(units) < treated, np.array(starts)[np.arange(units) % len(starts)], times)
    since = time - first[unit]
    noise = random.normal(0, 1, (units, times))
    for place in range(1, times):
        noise[:, place] = memory * noise[:, place - 1] + np.sqrt(1 - memory**2) * noise[:, place]
    noise[treated - 1] *= loud
    own, clock = unit < treated, time + gap * (time >= times // 2)
    outcome = random.normal(0, 2, units)[unit] + 0.3 * time + noise[unit, time] + trend * own * clock
    if season:
        outcome += (15 + 15 * own) * (1 + season * (time >= times // 2))
    return pl.DataFrame(
        {
            "unit": unit,
            "time": clock,
            "treated": (since >= 0).astype(int),
            "outcome": outcome + (since >= 0) * (effect + growth * since),
        }
    )


def scores(
    seed: int,
    *,
    rows: int = 4000,
    effect: float = 0.0,
    bend: float = 0.0,
    rounded: float = 0.0,
    others: float = 0.0,
    moved: float = 0.0,
    step: int = 0,
    each: int = 1,
) -> pl.DataFrame:
    """Scores from 0 to 100, of which 50 is the cutoff; some are rounded to tens by ``others``, or moved to it from below.

    ``each`` is how many rows people have, which have one score and are alike.
    """
    random = np.random.default_rng(seed)
    score = np.repeat(random.uniform(0, 100, rows // each), each)
    outcome = 0.05 * score + bend * ((score - 50) / 25) ** 3 + random.normal(0, 2, rows)
    if each > 1:
        outcome += np.repeat(random.normal(0, 4, rows // each), each)
    rounds = random.random(rows) < rounded
    score = np.where(rounds, score.round(-1), score)
    pushed = (score > 46) & (score < 50) & (random.random(rows) < moved)
    score = np.where(pushed, 50 + random.uniform(0, 4, rows), score)
    score = np.floor(score / step) * step if step else score
    return pl.DataFrame({"score": score, "outcome": outcome + others * rounds + 2 * pushed + effect * (score >= 50)})


PANELS: dict[str, Callable[[int], pl.DataFrame]] = {
    "nothing happens": panel,
    "an effect of 1": lambda seed: panel(seed, effect=1.0),
    "noise that remembers (0.9)": lambda seed: panel(seed, memory=0.9),
    "a trend of 0.1, hidden by noise": lambda seed: panel(seed, trend=0.1),
    "the same with two times before": lambda seed: panel(seed, trend=0.1, starts=(2,)),
    "a trend of 0.01 through a gap of 94": lambda seed: panel(seed, trend=0.01, gap=94),
    "all units gain 20 %, some are twice as large": lambda seed: panel(seed, season=0.2),
    "a unit 20 times as noisy": lambda seed: panel(seed, loud=20.0),
    "3 of 40 units treated": lambda seed: panel(seed, treated=3),
    "6 of 12 units treated": lambda seed: panel(seed, units=12, treated=6),
    "10 of 20 units treated": lambda seed: panel(seed, units=20, treated=10),
    "three starts, effects that grow": lambda seed: panel(seed, treated=30, starts=(3, 6, 9), growth=0.5),
}
CUTOFFS: dict[str, Callable[[int], pl.DataFrame]] = {
    "nothing happens": scores,
    "a jump of 1": lambda seed: scores(seed, effect=1.0),
    "400 rows": lambda seed: scores(seed, rows=400),
    "30 % rounded by the same people": lambda seed: scores(seed, rounded=0.3),
    "8 % rounded by other people": lambda seed: scores(seed, rounded=0.08, others=3.0),
    "30 % just below moved": lambda seed: scores(seed, moved=0.3),
    "10 rows of each of 400 people": lambda seed: scores(seed, each=10),
    "20 different scores": lambda seed: scores(seed, step=5),
    "an outcome that bends": lambda seed: scores(seed, bend=8.0),
}


def is_told(assumptions: tuple[Assumption, ...]) -> tuple[bool, bool]:
    """Whether one fails, and whether one fails or is not passed because of the data."""
    own = [one.holds for one in assumptions if one.name not in NEVER_TOLD]
    return False in own, False in own or None in own


def main() -> None:
    """Print a line for each world."""
    tables = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    sys.stdout.write(f"of {tables} tables: p below 0.05, and of these: one assumption fails; fails or is not passed\n")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        for kind, worlds in (("panel", PANELS), ("cutoff", CUTOFFS)):
            for name, make in worlds.items():
                told = []
                for seed in range(tables):
                    make(seed).write_parquet(path)
                    if kind == "panel":
                        of_units = read_panel(path)
                        p_value, assumptions = of_units.p_value, of_units.assumptions
                    else:
                        of_scores = read_cutoff(path, 50.0, 20.0)
                        p_value, assumptions = of_scores.found.p_value, of_scores.assumptions
                    if p_value < 0.05:
                        told.append(is_told(assumptions))
                fails, open_ones = (sum(one) for one in zip(*told, strict=True)) if told else (0, 0)
                sys.stdout.write(f"{kind:7} {name:44} {len(told):4} {fails:4} {open_ones:4}\n")


if __name__ == "__main__":
    main()
