"""How long a run took, what the client itself used, and how late it was: part of every figure that it measures."""

import time
from statistics import quantiles
from typing import Any

import gevent

NAP_SECONDS = 0.01


class Clock:
    """Runs from ``start`` to ``stop``; setting users up and taking them down stay out of it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_share = 0.0
        self._lags_ms: list[float] = []

    def start(self) -> None:
        """Begin, and start to watch how late this process wakes up."""
        self._started, self._cpu_started = time.perf_counter(), time.process_time()
        self._watch: Any = gevent.spawn(self._watch_lag)

    def stop(self) -> None:
        """End."""
        self._watch.kill()
        self.seconds = time.perf_counter() - self._started
        self.cpu_share = (time.process_time() - self._cpu_started) / self.seconds

    @property
    def lag_p99_ms(self) -> float:
        """How late naps ended, 99th percentile: so late may this client be in noticing an answer, too."""
        if len(self._lags_ms) < 2:  # too short a run to know
            return max(self._lags_ms, default=0.0)
        return quantiles(self._lags_ms, n=100, method="inclusive")[-1]

    def _watch_lag(self) -> None:
        while True:
            due = time.perf_counter() + NAP_SECONDS
            gevent.sleep(NAP_SECONDS)
            self._lags_ms.append((time.perf_counter() - due) * 1000)
