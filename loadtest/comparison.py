"""This run against an earlier one: how every figure changed, and whether a latency or the rate is worse by more than a margin."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loadtest.boundary import InputError

MARGIN: Final = 0.2
"""Share by which a figure may be worse: on shared machines, figures of one program drift by tens of percent from day to day."""

SAME: Final = ("figures.driver", "figures.asked_rate", "figures.scenario", "scenario", "page_share", "slo_p99_ms")
"""What both runs must have in common to be compared."""

_LOCUST: Final = {"figures.driver": "locust"}
"""What a report of a run had before there was another driver."""

_LEFT_OUT: Final = frozenset({"checks", "steps", "faults", "slices", "histogram", "service", "run"})
"""Lists whose length differs from run to run, and what is no figure of the run."""

JUDGED: Final = ("figures.scenarios.single.p99_ms", "figures.scenarios.page.p99_ms", "highest.p99_ms", "rate")
"""The figures that decide; the others are shown."""


@dataclass(frozen=True)
class Change:
    """One figure, before and now."""

    name: str
    before: float
    now: float
    worse: bool


@dataclass(frozen=True)
class Comparison:
    """All figures that both runs have."""

    margin: float
    changes: tuple[Change, ...]

    @property
    def passed(self) -> bool:
        """Whether none that decides became worse by more than the margin."""
        return not any(change.worse for change in self.changes)


def read_report(path: Path) -> dict[str, Any]:
    """Read the JSON report of an earlier run.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}; give the JSON report of an earlier run to compare with") from error
    if not isinstance(value, dict) or "rate" not in value:
        raise InputError(f"{path} is no report of a load test: it has no `rate`; give an earlier run's .json")
    return value


def compare(before: Mapping[str, Any], now: Mapping[str, Any], margin: float = MARGIN) -> Comparison:
    """Compare two reports in their JSON form.

    Raises:
        InputError: they did not ask the same.
    """
    old, new = _LOCUST | dict(_figures(before)), _LOCUST | dict(_figures(now))
    if old.keys() & {"slo_p99_ms"} != new.keys() & {"slo_p99_ms"}:
        raise InputError("one report is of --find-max and the other is not; compare runs of one kind")
    for name in SAME:
        if old.get(name) != new.get(name):
            raise InputError(
                f"the earlier run had {name} {old.get(name)}, this one {new.get(name)}; compare like with like"
            )
    shared = [name for name in new if _is_number(new[name]) and _is_number(old.get(name))]
    return Comparison(margin, tuple(_change(name, old[name], new[name], margin) for name in shared))


def as_lines(comparison: Comparison) -> list[str]:
    """Every change for a reader, and the outcome."""
    return [
        f"compared with the earlier run (margin {comparison.margin:.0%}):",
        *(_line(change) for change in comparison.changes),
        "not worse" if comparison.passed else "worse than the earlier run",
    ]


def _line(change: Change) -> str:
    percent = f"{change.now / change.before - 1:+.1%}" if change.before else ""
    return f"  {'WORSE' if change.worse else '     '}  {change.name}: {change.before:g} -> {change.now:g} {percent}".rstrip()


def _change(name: str, before: float, now: float, margin: float) -> Change:
    if name not in JUDGED:
        return Change(name, before, now, worse=False)
    worse = now < before * (1 - margin) if name == "rate" else now > before * (1 + margin)
    return Change(name, before, now, worse)


def _figures(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Figures under dotted names; scenarios by theirs."""
    if isinstance(value, Mapping):
        for key, figure in value.items():
            if key not in _LEFT_OUT:
                yield from _figures(figure, f"{name}.{key}" if name else key)
    elif isinstance(value, list | tuple):
        for scenario in value:
            yield from _figures(scenario, f"{name}.{scenario['name']}")
    else:
        yield name, value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
