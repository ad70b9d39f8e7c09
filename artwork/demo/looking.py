"""What the service answers at the moment, asked by the demo itself, so that the effect of a press can be told at once."""

import http.client
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode, urlsplit

import numpy as np

from bandit.errors import SurroundingsError
from loadtest.boundary import RunError
from loadtest.driver.open_loop import Drive, drive
from loadtest.look_ups import LookUps, make_load
from loadtest.targets import Targets

PAGES: Final = 60
TITLES: Final = 20
_TIMEOUT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 2.0
_SLICE_SECONDS: Final = 1.0
"""A burst is driven in slices, between which it can be ended."""


@dataclass(frozen=True)
class Seen:
    """Some pages in a row: the picks by their source, the milliseconds that each page took, and how many were refused."""

    sources: Counter[str] = field(default_factory=Counter)
    milliseconds: tuple[float, ...] = ()
    refused: int = 0

    @property
    def share(self) -> float:
        """Share of the picks that were made for their user."""
        return self.sources["personalized"] / self.sources.total() if self.sources else 0.0

    @property
    def words(self) -> str:
        """The same for people."""
        if not self.sources:
            return f"all {self.refused} pages were refused"
        mix = ", ".join(f"{count / self.sources.total():.0%} {source}" for source, count in self.sources.most_common())
        refused = f", {self.refused} of {self.refused + len(self.milliseconds)} pages refused" if self.refused else ""
        p50, p99 = np.percentile(self.milliseconds, [50, 99])
        return f"picks are {mix}; pages of {TITLES} take {p50:.1f} ms, p99 {p99:.1f} ms{refused}"


def look(address: str, user_ids: Sequence[str], title_ids: Sequence[str], pages: int = PAGES) -> Seen:
    """Ask the service for some pages, one after the other.

    Raises:
        SurroundingsError: it does not answer at all.
    """
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=_TIMEOUT_SECONDS)
    sources: Counter[str] = Counter()
    times, refused = [], 0
    query = urlencode([("title_id", title_id) for title_id in title_ids[:TITLES]])
    try:
        for place in range(pages):
            began = time.perf_counter()
            connection.request("GET", f"/v1/users/{user_ids[place % len(user_ids)]}/artwork?{query}")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != HTTPStatus.OK:
                refused += 1
                continue
            times.append((time.perf_counter() - began) * 1000)
            sources.update(pick["source"] for pick in json.loads(body)["picks"])
    except (OSError, http.client.HTTPException) as error:
        raise SurroundingsError(f"the service does not answer: {error}") from error
    finally:
        connection.close()
    return Seen(sources, tuple(times), refused)


@dataclass(frozen=True)
class Burst:
    """What a burst of look-ups came to."""

    due: int
    answered: int
    refused: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def words(self) -> str:
        """The same for people."""
        rest = self.due - self.answered - self.refused
        lost = f", {rest:,} without an answer" if rest else ""
        rate = self.answered / self.seconds if self.seconds else 0.0
        return (
            f"{self.answered:,} of {self.due:,} look-ups answered, {rate:,.0f} per second for {self.seconds:.1f} s:"
            f" p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms, {self.refused:,} refused (503){lost}"
        )


class LoadBurst:
    """Look-ups in an open loop for some seconds, which can be ended."""

    def __init__(self, address: str, targets: Targets, per_second: float, seconds: float) -> None:
        self._address, self._targets = address, targets
        self._per_second, self._seconds = per_second, seconds
        self._is_ended = False

    def end(self) -> None:
        """Let it end with the slice that is driven."""
        self._is_ended = True

    def run(self) -> Burst:
        """Drive it.

        Raises:
            SurroundingsError: the service cannot be asked.
        """
        drives: list[Drive] = []
        left = self._seconds
        while left > 0 and not self._is_ended:
            slice_seconds = min(left, _SLICE_SECONDS)
            asked = LookUps(seed=len(drives))
            load = make_load(self._address, self._targets, asked, self._per_second, slice_seconds)
            try:
                drives.append(drive(replace(load, timeout_seconds=_ANSWER_SECONDS)))
            except RunError as error:
                raise SurroundingsError(f"the load cannot be driven: {error}") from error
            left -= slice_seconds
        return _together(drives)


def _together(drives: Sequence[Drive]) -> Burst:
    statuses: Counter[int] = Counter()
    for driven in drives:
        statuses.update(driven.statuses)
    times = np.concatenate([driven.latencies_ms for driven in drives] or [np.zeros(1)])
    p50, p99 = np.percentile(times, [50, 99])
    return Burst(
        due=sum(driven.requests for driven in drives),
        answered=statuses[HTTPStatus.OK],
        refused=statuses[HTTPStatus.SERVICE_UNAVAILABLE],
        seconds=sum(driven.seconds for driven in drives),
        p50_ms=float(p50),
        p99_ms=float(p99),
    )
