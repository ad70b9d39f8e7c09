"""Latencies as an HDR histogram (Tene): three significant digits from a microsecond to minutes."""

from dataclasses import dataclass
from math import nan

import numpy as np
from hdrh.histogram import HdrHistogram

from loadtest.driver.load import F64


@dataclass(frozen=True)
class Latency:
    """Percentiles in milliseconds; of nothing, they are NaN, which is within no budget."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


def histogram(latencies_ms: F64) -> HdrHistogram:
    """A histogram of microseconds."""
    micros, counts = np.unique(np.maximum(latencies_ms * 1000, 1).astype(np.int64), return_counts=True)
    filled = HdrHistogram(1, max(2, int(micros[-1]) if len(micros) else 2), 3)
    for value, count in zip(micros.tolist(), counts.tolist(), strict=True):
        filled.record_value(value, count)
    return filled


def latency(latencies_ms: F64) -> Latency:
    """Percentiles of latencies."""
    if not len(latencies_ms):
        return Latency(0, nan, nan, nan, nan, nan)
    filled = histogram(latencies_ms)
    at = [filled.get_value_at_percentile(percent) / 1000 for percent in (50, 90, 99, 99.9, 100)]
    return Latency(len(latencies_ms), *at)
