"""What a benchmark finds: rows, the machine that they were measured on, and whether they are good enough."""

import os
import platform
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

from threadpoolctl import threadpool_info

from artwork.bench.targets import MISSED, Target
from artwork.bench.timing import Pace, Spread


@dataclass(frozen=True)
class Row:
    """One measurement: units a second of ours, and of a rival's on the same data.

    ``ratio`` is how many times ours is as fast, from pair to pair of runs. ``about`` says what the case is like, ``note`` what
    to know of the rival: that it is not installed, or how its answers differ.
    """

    part: str
    case: str
    unit: str
    ours: Spread
    rival: str | None = None
    theirs: Spread | None = None
    ratio: Spread | None = None
    at_least: float | None = None
    aim: float | None = None
    verdict: str = ""
    about: str = ""
    note: str = ""

    def judged(self, target: Target | None) -> Self:
        """The row with its target, if there is one, and whether the median ratio reaches it."""
        if target is None or self.ratio is None:
            return self
        verdict = target.verdict(self.ratio.median)
        return replace(self, at_least=target.at_least, aim=target.aim, verdict=verdict)


@dataclass(frozen=True)
class Machine:
    """What the figures depend on; ``versions`` has None for what is not installed."""

    processor: str
    cores: int
    system: str
    python: str
    blas: str
    versions: dict[str, str | None]


@dataclass(frozen=True)
class Report:
    """All rows of a run; ``passed`` unless a required ratio was missed."""

    machine: Machine
    pace: Pace
    rows: list[Row]
    passed: bool


def report(machine: Machine, pace: Pace, rows: list[Row]) -> Report:
    """Judge the rows together."""
    return Report(machine, pace, rows, passed=all(row.verdict != MISSED for row in rows))


def this_machine(libraries: list[str]) -> Machine:
    """The machine that this process runs on, with the versions of some installed libraries."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        system=platform.platform(),
        python=platform.python_version(),
        blas=_blas(),
        versions={name: _version(name) for name in libraries},
    )


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _blas() -> str:
    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    named = (f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip() for pool in found)
    return ", ".join(dict.fromkeys(named))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
