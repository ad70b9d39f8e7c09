"""The open-loop driver: requests leave on a schedule made beforehand, and latency counts from the intended time.

A closed loop asks less while a server stalls, and so hides the stall from its percentiles (coordinated omission; Tene, 2013).
Here a request that is due while every connection waits is late through the server's doing, and its latency says so.

    drive(Load("127.0.0.1", 8000, single_requests(targets, ...), rate=10_000, seconds=10)).latency.p99_ms
"""

import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from threading import Thread
from typing import Final

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

from loadtest.boundary import RunError
from loadtest.driver.latency import Latency, histogram, latency
from loadtest.driver.load import F64, I16, Load
from loadtest.driver.loop_data import (
    ANSWER_BYTES,
    CHUNKED,
    NO_POLL,
    TOO_LONG,
    Run,
    connect_all,
    make_due,
    make_run,
    make_script,
)

__all__ = ["Drive", "Latency", "Load", "drive"]

FAULTS: Final = {
    CHUNKED: "answers come in chunks (Transfer-Encoding), which the driver does not read; ask the service itself",
    TOO_LONG: f"an answer is longer than {ANSWER_BYTES:,} bytes; ask for fewer titles",
    NO_POLL: "epoll is not to be had; raise the limit of open files (ulimit -n)",
}


@dataclass(frozen=True, eq=False)
class Drive:
    """What came of a load. Arrays have one row a request, in the order of intended times.

    Attributes:
        requests: that were due.
        seconds: from the beginning until the last answer, but not less than the load's.
        rate: answers per second.
        rate_share: answers per second, as a share of the requests that were due in one; 1 where the server kept up.
        statuses: how often each HTTP status came; 0 stands for no answer.
        marks: how often each mark came first in a body.
        wrong: successes that lack what was expected, or answers followed by bytes that nobody asked for.
        unanswered: broken off, timed out or never sent; their latency is how long they were waited for.
        reconnects: connections opened anew.
        lag_p99_ms: how late the driver sent what was due although a connection was free: its own fault, and part of ``latency``.
        cpu_share: of one core, used by the driver.
        intended_seconds: since the beginning.
        latencies_ms: since the intended time.
        waited_ms: from the intended time until it was sent, because every connection was busy or the driver late; below 0 of
            what was never sent.
        status_each: HTTP status, or 0.
        mark_each: which of the load's marks came first, -1 for none.
        wrong_each: whether the answer is one of the wrong ones.
        began: when, in seconds of ``time.monotonic``.
    """

    requests: int
    seconds: float
    rate: float
    rate_share: float
    statuses: dict[int, int]
    marks: dict[str, int]
    wrong: int
    unanswered: int
    reconnects: int
    lag_p99_ms: float
    cpu_share: float
    intended_seconds: F64
    latencies_ms: F64
    waited_ms: F64
    status_each: I16
    mark_each: I16
    wrong_each: npt.NDArray[np.bool_]
    began: float

    @cached_property
    def latency(self) -> Latency:
        """Of all requests, the unanswered included."""
        return latency(self.latencies_ms)

    @cached_property
    def accepted(self) -> Latency:
        """Of requests that were answered with a status below 500."""
        return latency(self.latencies_ms[(self.status_each > 0) & (self.status_each < 500)])

    @cached_property
    def histogram(self) -> HdrHistogram:
        """All latencies, in microseconds."""
        return histogram(self.latencies_ms)

    def between(self, start_seconds: float, end_seconds: float) -> Latency:
        """Of the requests that were due in a window."""
        inside = (self.intended_seconds >= start_seconds) & (self.intended_seconds < end_seconds)
        return latency(self.latencies_ms[inside])


def drive(load: Load) -> Drive:
    """Drive a load to its end; Ctrl-C ends it early. Compiling, the first time, stays out of the figures.

    Raises:
        RunError: nothing answers at the address, answers cannot be read, or this is not Linux.
    """
    if sys.platform != "linux":
        raise RunError(f"the open-loop driver needs Linux (epoll), not {sys.platform}; run it in a container")
    from loadtest.driver.loop import run_loop  # noqa: PLC0415  loads the compiler, which a look at --help does not need

    script, kept = make_script(load)
    run_loop(script, make_run(np.empty(0, np.int64), ()))  # compiled, or loaded, by driving nothing
    run = make_run(make_due(load), connect_all(load))
    faults: list[int] = []
    cpu_seconds: list[float] = []

    def loop() -> None:
        began = time.thread_time()
        faults.append(run_loop(script, run))
        cpu_seconds.append(time.thread_time() - began)

    thread = Thread(target=loop, name="open-loop")  # the compiled loop hears no signals, this thread does
    thread.start()
    try:
        thread.join()
    finally:
        run.state["stop"] = 1
        thread.join()
        del kept
    if faults != [0]:
        raise RunError(f"{load.host}:{load.port}: {FAULTS[faults[0]]}" if faults else "the driver's loop failed")
    return _read_back(load, run, cpu_seconds[0])


def _read_back(load: Load, run: Run, cpu_seconds: float) -> Drive:
    state = run.state[0]
    n, began = int(state["next"]), int(state["began"])
    requests = run.requests[:n]
    seconds = max(load.seconds, float(state["ended"] - began) / 1e9)
    unanswered = int(np.count_nonzero(requests["status"] == 0))
    lags = requests["lag"][requests["lag"] >= 0]
    marks = Counter(requests["mark"].tolist())
    return Drive(
        requests=n,
        seconds=seconds,
        rate=(n - unanswered) / seconds,
        rate_share=(n - unanswered) / n * load.seconds / seconds if n else 0.0,
        statuses=dict(sorted(Counter(requests["status"].tolist()).items())),
        marks={mark.decode(): marks[i] for i, mark in enumerate(load.marks)},
        wrong=int(requests["wrong"].sum()),
        unanswered=unanswered,
        reconnects=int(state["n_reopened"]),
        lag_p99_ms=float(np.percentile(lags, 99)) / 1e6 if len(lags) else 0.0,
        cpu_share=cpu_seconds / seconds,
        intended_seconds=(requests["due"] - began) / 1e9,
        latencies_ms=requests["latency"] / 1e6,
        waited_ms=np.where(requests["waited"] < 0, -1.0, requests["waited"] / 1e6),
        status_each=requests["status"].copy(),
        mark_each=requests["mark"].copy(),
        wrong_each=requests["wrong"] != 0,
        began=began / 1e9,
    )
