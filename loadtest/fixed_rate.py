"""Look-ups at a fixed rate by the open-loop driver, with the figures that locust's runs have too.

Requests leave on a schedule made beforehand, whatever the service does, and their times count from when they were due.
"""

from collections import Counter
from http import HTTPStatus
from typing import Final

import numpy as np
import numpy.typing as npt

from loadtest.driver.load import F64, I64, Load
from loadtest.driver.open_loop import Drive, drive
from loadtest.figures import (
    Counts,
    Fault,
    Figures,
    ScenarioFigures,
    fine_bucket,
    histogram_of,
    make_slices,
    percentile,
    slice_length,
)

WRONG: Final = "the answer does not name the user who was asked for"
NO_ANSWER: Final = "no answer"

Flags = npt.NDArray[np.bool_]


def run_at_rate(host: str, scenario: str, load: Load) -> Figures:
    """Drive a load that has a rate, to its end.

    Raises:
        RunError: nothing answers at the address, answers cannot be read, or this is not Linux.
    """
    return figures_of(host, scenario, load, drive(load))


def figures_of(host: str, scenario: str, load: Load, driven: Drive) -> Figures:
    """What came of a load. Of a page, the source of the first pick that has one is counted."""
    asked = np.arange(driven.requests) % len(load.requests)
    pages = np.array([_is_page(request) for request in load.requests])[asked]
    return Figures(
        host=host,
        users=load.connections,
        asked_rate=float(load.rate or 0),
        scenario=scenario,
        seconds=driven.seconds,
        client_cpu_share=driven.cpu_share,
        client_lag_p99_ms=driven.lag_p99_ms,
        scenarios=(_scenario("single", load, driven, ~pages), _scenario("page", load, driven, pages)),
        sources={mark.partition(":")[2].strip('"'): count for mark, count in driven.marks.items() if count},
        faults=(*_faults("single", load, driven, asked, ~pages), *_faults("page", load, driven, asked, pages)),
        driver="open loop",
    )


def fine_counts(latencies_ms: F64) -> Counts:
    """How many times fell into each of ``fine_bucket``'s buckets."""
    counts: Counter[float] = Counter()
    # Whole microseconds first: there are far fewer of them than requests.
    for micros, count in zip(*np.unique(np.ceil(latencies_ms * 1000), return_counts=True), strict=True):
        counts[fine_bucket(float(micros) / 1000)] += int(count)
    return counts


def _is_page(request: bytes) -> bool:
    return b"?" in request.partition(b"\r\n")[0]


def _failed(driven: Drive) -> Flags:
    return np.asarray((driven.status_each != HTTPStatus.OK) | driven.wrong_each, bool)


def _scenario(name: str, load: Load, driven: Drive, chosen: Flags) -> ScenarioFigures:
    n, failures = int(chosen.sum()), int((_failed(driven) & chosen).sum())
    if not n:
        return ScenarioFigures(name, 0, 0, None, None, None, None, None)
    counts, slice_seconds = fine_counts(driven.latencies_ms[chosen]), slice_length(load.seconds)
    places = (driven.intended_seconds / slice_seconds).astype(np.int64)
    times = {
        int(place): fine_counts(driven.latencies_ms[chosen & (places == place)]) for place in np.unique(places[chosen])
    }
    return ScenarioFigures(
        name,
        n,
        failures,
        p50_ms=percentile(counts, 0.5),
        p90_ms=percentile(counts, 0.9),
        p99_ms=percentile(counts, 0.99),
        p999_ms=percentile(counts, 0.999),
        max_ms=max(counts),
        slices=make_slices(times, slice_seconds),
        histogram=histogram_of(counts),
    )


def _faults(name: str, load: Load, driven: Drive, asked: I64, chosen: Flags) -> list[Fault]:
    """What was wrong in a scenario, most frequent first."""
    failed = np.flatnonzero(_failed(driven) & chosen)
    messages = [_message(int(driven.status_each[i])) for i in failed]
    first = dict(zip(messages[::-1], failed[::-1], strict=True))
    return [
        Fault(name, message, count, _path(load.requests[asked[first[message]]]))
        for message, count in Counter(messages).most_common()
    ]


def _message(status: int) -> str:
    return WRONG if status == HTTPStatus.OK else f"status {status}, expected 200" if status else NO_ANSWER


def _path(request: bytes) -> str:
    return request.split(b" ", 2)[1].decode()
