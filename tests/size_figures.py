"""Figures of the benches as tests of `artwork size` give them: round numbers that can be worked out by hand."""

import json
from pathlib import Path
from typing import Any

MACHINE = {"processor": "a processor", "cores": 2}


def stage(name: str, seconds: float, cpu_seconds: float) -> dict[str, Any]:
    return {"name": name, "seconds": seconds, "cpu_seconds": cpu_seconds}


def sized(users: int, *seconds: float) -> dict[str, Any]:
    names = ("train", "precompute", "publish")
    stages = [stage(name, own, 2 * own) for name, own in zip(names, seconds, strict=True)]
    return {"users": users, "picks": users * 100, "stages": stages}


def job(*runs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A job of 100 titles of 10 artworks, 7 days of 300,000 impressions; a row takes 90 bytes beside its own."""
    weighed = [
        {"server": "Valkey 9", "format": "3", "kind": "all of 100 titles", "bytes_per_pick": 3.06, "bare": 2.16},
        {"server": "Valkey 9", "format": "3", "kind": "100 of 15,000 titles", "bytes_per_pick": 4.16, "bare": 3.36},
    ]
    return {
        "machine": MACHINE,
        "plan": {"impressions": 300_000},
        "sized": list(runs or RECORDED),
        "writing": {"ours": [1_000_000.0, 865_000.0, 1_238_000.0]},
        "weighed": weighed,
    } | more


RECORDED = (
    sized(10_000, 9.4, 4.6, 3.6),
    sized(100_000, 7.5, 9.0, 3.4),
    sized(1_000_000, 9.5, 52.7, 5.9),
)
"""Seconds of docs/performance.md, one run on a machine without other work."""


def case(name: str, picks: int, rate: float, cpu_us: float, highest: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "row_picks": 100,
        "picks": picks,
        "closed": {
            "rate": {"median": rate, "lowest": 0.9 * rate, "highest": 1.1 * rate},
            "cpu_us": {"median": cpu_us, "lowest": 0.9 * cpu_us, "highest": 1.1 * cpu_us},
        },
        "highest": None if highest is None else {"rate": highest, "confirmed": True, "saturated": False},
    }


def serving(highest: float | None = 10_000.0) -> dict[str, Any]:
    """A worker holds 10,000 single look-ups per second, and 5,000 pages of 40."""
    page = None if highest is None else highest / 2
    cases = [case("ours, single", 1, 30_000.0, 30.0, highest), case("ours, page of 40", 40, 15_000.0, 60.0, page)]
    return {"machine": MACHINE, "cases": cases}


READING: dict[str, Any] = {
    "machine": MACHINE,
    "node_us_per_row": [4.0, 5.0, 6.0],
    "writing": {"ours": [200_000.0, 250_000.0, 300_000.0]},
}


def written(folder: Path, **documents: Any) -> list[Path]:
    """The documents as files, by name."""
    paths = []
    for name, document in documents.items():
        path = folder / f"{name}.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        paths.append(path)
    return paths
