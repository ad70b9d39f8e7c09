"""How long the service itself says that look-ups took: the difference of its ``/metrics`` before and after a run.

A histogram of Prometheus has buckets, so a percentile is known as lying between two bounds and no closer.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from math import ceil, inf, isfinite
from typing import Final
from urllib.request import ProxyHandler, build_opener

ROUTES: Final = {
    "single": "/v1/users/{user_id}/titles/{title_id}/artwork",
    "page": "/v1/users/{user_id}/artwork",
}
_BUCKET: Final = "artwork_request_seconds_bucket"
_LINE: Final = re.compile(r'(\w+)\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\} (\S+)(?: \S+)?')
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_MOST_BYTES: Final = 4_000_000
_PATIENCE_SECONDS: Final = 10

Buckets = Mapping[float, float]
"""Requests up to each bound in seconds, the last of which is infinite."""


@dataclass(frozen=True)
class Between:
    """Where a percentile lies: above one bound and at most the next; above the last bound there is no other."""

    above_ms: float
    at_most_ms: float | None


@dataclass(frozen=True)
class RouteTimes:
    """What the service counted of one scenario, whoever asked."""

    name: str
    requests: int
    p50: Between
    p99: Between


@dataclass(frozen=True)
class ServiceTimes:
    """Times of each scenario that was asked for, or why there are none."""

    times: tuple[RouteTimes, ...]
    missing: str | None


@dataclass(frozen=True)
class Snapshot:
    """The histograms of a service at one moment, by route, or why they are not known."""

    routes: Mapping[str, Buckets]
    missing: str | None = None


def take_snapshot(host: str) -> Snapshot:
    """Ask a service for its histograms. One that has none is no reason not to load it."""
    try:
        text = _read(f"{host}/metrics").decode()
    except (OSError, HTTPException, ValueError) as error:
        return Snapshot({}, f"{host}/metrics cannot be read ({error})")
    return Snapshot(read_buckets(text))


def read_version(host: str) -> str | None:
    """The version of the service, as its OpenAPI document has it."""
    try:
        version = json.loads(_read(f"{host}/openapi.json"))["info"]["version"]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None
    return version[:100] if isinstance(version, str) else None


def read_buckets(text: str) -> dict[str, Buckets]:
    """The cumulated counts of each route's histogram in Prometheus' text format; lines that are none are left out."""
    routes: dict[str, dict[float, float]] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip()) if line.startswith(_BUCKET) else None
        if match is None or match[1] != _BUCKET:
            continue
        labels = dict(_LABEL.findall(match[2]))
        try:
            bound, count = float(labels["le"]), float(match[3])
        except (KeyError, ValueError):
            continue
        if bound > 0 and isfinite(count) and count >= 0:
            routes.setdefault(labels.get("route", ""), {})[bound] = count
    return {route: buckets for route, buckets in routes.items() if inf in buckets}


def between(before: Snapshot, after: Snapshot) -> ServiceTimes:
    """What came between two snapshots."""
    if missing := before.missing or after.missing:
        return ServiceTimes((), missing)
    times = []
    for name, route in ROUTES.items():
        older, newer = before.routes.get(route, {}), after.routes.get(route, {})
        counts = {bound: newer[bound] - older.get(bound, 0.0) for bound in sorted(newer)}
        if not _is_cumulated(list(counts.values())) or not older.keys() <= newer.keys():
            return ServiceTimes(
                (), "its counters went back: it was started anew meanwhile, or several services answer at this address"
            )
        if counts and counts[inf] >= 1:
            times.append(RouteTimes(name, int(counts[inf]), quantile(counts, 0.5), quantile(counts, 0.99)))
    return ServiceTimes(tuple(times), None if times else f"its /metrics counted no look-up in {_BUCKET}")


def _is_cumulated(counts: list[float]) -> bool:
    return counts == sorted(counts) and all(count >= 0 for count in counts)


def quantile(cumulated: Buckets, share: float) -> Between:
    """Between which bounds a quantile lies. Only that is known: within a bucket, times could be anywhere.

    >>> quantile({0.001: 98, 0.002: 99, inf: 100}, 0.99)
    Between(above_ms=1.0, at_most_ms=2.0)
    """
    rank, below = ceil(share * cumulated[inf] - 1e-9), 0.0
    for bound in sorted(cumulated):
        if cumulated[bound] >= rank:
            return Between(_ms(below), None if bound == inf else _ms(bound))
        below = bound
    raise ValueError("counts that are cumulated reach their last")


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 6)


def _read(url: str) -> bytes:
    directly = build_opener(ProxyHandler({}))  # as the load is sent: a proxy of the environment is not in the way
    with directly.open(url, timeout=_PATIENCE_SECONDS) as answer:
        body: bytes = answer.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES:
        raise ValueError(f"it is longer than {_MOST_BYTES:,} bytes")
    return body
