"""What a run measured, in milliseconds with their fractions, and its JSON form."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import ceil, floor, log10
from pathlib import Path
from typing import Any, Final

from loadtest.answers import Checked
from loadtest.boundary import RunError

FINEST_MS: Final = 0.01

MOST_SLICES: Final = 60
"""Of a run's time: a second each, or longer ones of a run that takes longer than a minute."""

Counts = Mapping[float, int]
"""How many response times fell into each bucket, by its milliseconds (``fine_bucket``)."""


@dataclass(frozen=True)
class Slice:
    """A piece of a run's time and the requests in it; where there were none, it has no times."""

    start_seconds: float
    seconds: float
    requests: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class ScenarioFigures:
    """One scenario: counts, and response times of which a scenario without a request has none.

    ``slices`` are the same over time, and ``histogram`` says how many requests took how long: milliseconds, rounded to three
    digits, and their number.
    """

    name: str
    requests: int
    failures: int
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    slices: tuple[Slice, ...] = ()
    histogram: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """One kind of wrong answer, how often it came, and the first address that gave it."""

    scenario: str
    message: str
    count: int
    first_url: str


@dataclass(frozen=True)
class Figures:
    """A whole run, by the driver ``locust`` or ``open loop``. ``client_cpu_share`` is how much of one core the client used."""

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
    driver: str = "locust"

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

    slice_seconds: float = 1.0
    sources: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_urls: dict[tuple[str, str], str] = field(default_factory=dict)
    times: dict[str, dict[int, Counter[float]]] = field(default_factory=dict)

    def note(self, scenario: str, checked: Checked, url: str) -> None:
        """Count one checked answer."""
        self.sources.update(checked.sources)
        if checked.fault is not None:
            key = (scenario, checked.fault)
            self.faults[key] += 1
            self.first_urls.setdefault(key, url)

    def took(self, scenario: str, at_seconds: float, response_ms: float) -> None:
        """Count one response time by when it was measured; what was before the start is of the first slice."""
        place = max(0, int(at_seconds / self.slice_seconds))
        self.times.setdefault(scenario, {}).setdefault(place, Counter())[fine_bucket(response_ms)] += 1

    def listed(self) -> tuple[Fault, ...]:
        """The faults, most frequent first."""
        return tuple(Fault(*key, count, self.first_urls[key]) for key, count in self.faults.most_common())

    def slices(self, scenario: str) -> tuple[Slice, ...]:
        """One scenario's times over the run; those after its end are of the last slice."""
        return make_slices(self.times.get(scenario, {}), self.slice_seconds)


def slice_length(seconds: float) -> float:
    """How long a slice of a run is: whole seconds, so many that there are at most ``MOST_SLICES``.

    >>> slice_length(0.5), slice_length(60), slice_length(61), slice_length(3600)
    (1.0, 1.0, 2.0, 60.0)
    """
    return float(max(1, ceil(seconds / MOST_SLICES)))


def make_slices(times: Mapping[int, Counts], slice_seconds: float) -> tuple[Slice, ...]:
    """Slices of counts by their place; those in between without a request are there too."""
    places = range(max(times) + 1) if times else ()
    return tuple(_slice(place * slice_seconds, slice_seconds, times.get(place, {})) for place in places)


def _slice(start_seconds: float, seconds: float, counts: Counts) -> Slice:
    n = sum(counts.values())
    p50_ms, p99_ms = (percentile(counts, share) if n else None for share in (0.5, 0.99))
    return Slice(start_seconds, seconds, n, p50_ms, p99_ms)


def percentile(counts: Counts, share: float) -> float:
    """The smallest bucket that this share of at least one time does not exceed.

    >>> percentile({1.0: 99, 5.0: 1}, 0.99), percentile({1.0: 98, 5.0: 2}, 0.99)
    (1.0, 5.0)
    """
    rank, below = ceil(share * sum(counts.values()) - 1e-9), 0
    for bucket in sorted(counts):
        below += counts[bucket]
        if below >= rank:
            return bucket
    raise ValueError("there are no percentiles of nothing")


def histogram_of(counts: Counts) -> dict[str, int]:
    """Counts as a report has them, the shortest time first."""
    return {f"{bucket:g}": counts[bucket] for bucket in sorted(counts)}


def fine_bucket(response_ms: float) -> float:
    """Round a response time to three significant digits, and never finer than 0.01 ms.

    Takes the place of locust's own rounding to whole milliseconds, which cannot tell 0.5 from 1.4.

    >>> fine_bucket(0.4567), fine_bucket(7.3456), fine_bucket(12345.6)
    (0.46, 7.35, 12300.0)
    """
    if response_ms < FINEST_MS:
        return FINEST_MS
    return round(float(response_ms), min(2, 2 - floor(log10(response_ms))))


def scenario_figures(name: str, stats: Any, slices: tuple[Slice, ...] = ()) -> ScenarioFigures:
    """One scenario's figures from locust's statistics, whose buckets are ``fine_bucket``'s."""
    if not stats.num_requests:
        return ScenarioFigures(name, 0, 0, None, None, None, None, None)
    within = stats.get_response_time_percentile
    return ScenarioFigures(
        name,
        stats.num_requests,
        stats.num_failures,
        p50_ms=within(0.5),
        p90_ms=within(0.9),
        p99_ms=within(0.99),
        p999_ms=within(0.999),
        max_ms=fine_bucket(stats.max_response_time),
        slices=slices,
        histogram=histogram_of(stats.response_times),
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
    return Figures(
        **value
        | {
            "scenarios": tuple(_scenario_read(scenario) for scenario in value["scenarios"]),
            "faults": tuple(Fault(**fault) for fault in value["faults"]),
        }
    )


def _scenario_read(scenario: dict[str, Any]) -> ScenarioFigures:
    return ScenarioFigures(**scenario | {"slices": tuple(Slice(**one) for one in scenario["slices"])})
