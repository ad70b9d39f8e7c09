"""What a run measured, in milliseconds with their fractions, and its JSON form."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from math import floor, log10
from pathlib import Path
from typing import Any, Final

from loadtest.answers import Checked
from loadtest.boundary import RunError

FINEST_MS: Final = 0.01


@dataclass(frozen=True)
class ScenarioFigures:
    """One scenario: counts, and response times of which a scenario without a request has none."""

    name: str
    requests: int
    failures: int
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None


@dataclass(frozen=True)
class Fault:
    """One kind of wrong answer, how often it came, and the first address that gave it."""

    scenario: str
    message: str
    count: int
    first_url: str


@dataclass(frozen=True)
class Figures:
    """A whole run. ``client_cpu_share`` is how much of one core the client itself used."""

    host: str
    users: int
    asked_rate: float
    scenario: str
    seconds: float
    client_cpu_share: float
    client_lag_p99_ms: float
    scenarios: tuple[ScenarioFigures, ...]
    sources: dict[str, int]
    faults: tuple[Fault, ...]

    @property
    def requests(self) -> int:
        """Requests of all scenarios."""
        return sum(scenario.requests for scenario in self.scenarios)

    @property
    def failures(self) -> int:
        """Failures of all scenarios."""
        return sum(scenario.failures for scenario in self.scenarios)

    @property
    def rate(self) -> float:
        """Requests per second that were reached."""
        return self.requests / self.seconds if self.seconds else 0.0


@dataclass
class Tally:
    """Counts of a run in progress."""

    sources: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_urls: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, scenario: str, checked: Checked, url: str) -> None:
        """Count one checked answer."""
        self.sources.update(checked.sources)
        if checked.fault is not None:
            key = (scenario, checked.fault)
            self.faults[key] += 1
            self.first_urls.setdefault(key, url)

    def listed(self) -> tuple[Fault, ...]:
        """The faults, most frequent first."""
        return tuple(Fault(*key, count, self.first_urls[key]) for key, count in self.faults.most_common())


def fine_bucket(response_ms: float) -> float:
    """Round a response time to three significant digits, and never finer than 0.01 ms.

    Takes the place of locust's own rounding to whole milliseconds, which cannot tell 0.5 from 1.4.

    >>> fine_bucket(0.4567), fine_bucket(7.3456), fine_bucket(12345.6)
    (0.46, 7.35, 12300.0)
    """
    if response_ms < FINEST_MS:
        return FINEST_MS
    return round(float(response_ms), min(2, 2 - floor(log10(response_ms))))


def scenario_figures(name: str, stats: Any) -> ScenarioFigures:
    """One scenario's figures from locust's statistics, whose buckets are ``fine_bucket``'s."""
    if not stats.num_requests:
        return ScenarioFigures(name, 0, 0, None, None, None, None, None)
    within = stats.get_response_time_percentile
    slowest = fine_bucket(stats.max_response_time)
    return ScenarioFigures(
        name, stats.num_requests, stats.num_failures, within(0.5), within(0.9), within(0.99), within(0.999), slowest
    )


def write_figures(path: Path, figures: Figures) -> None:
    """Write figures as JSON."""
    path.write_text(json.dumps(asdict(figures)), encoding="utf-8")


def read_figures(path: Path) -> Figures:
    """Read what ``write_figures`` wrote.

    Raises:
        RunError: locust ended without writing its figures.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(f"locust ended without figures ({error}); run it with the same flags to see why") from error
    scenarios = tuple(ScenarioFigures(**scenario) for scenario in value["scenarios"])
    return Figures(**value | {"scenarios": scenarios, "faults": tuple(Fault(**fault) for fault in value["faults"])})
