"""A simulated day's visitors as the service meets them: they ask for pages, and report what was shown and played."""

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import numpy as np
import orjson
from hdrh.histogram import HdrHistogram

from artwork.demo.visits import Visits
from bandit.arrays import F64, I64
from bandit.errors import SurroundingsError
from batch.executors import Progress
from batch.workspace.catalogue import Catalogue

LONGEST_US = 60_000_000
PATIENCE_SECONDS = 30.0
"""How long a batch of events is sent again and again to a service that has no room for it."""

TRIES = 20
"""How often one who waits asks again where no connection to the service comes about."""

PAUSE_SECONDS = 0.5
"""Between two of these."""

Event = dict[str, Any]

Waiting = Callable[[float], None]
"""Called with seconds, and returns when it is time to ask the service again; what it raises gives up."""


@dataclass(frozen=True)
class Answers:
    """What was shown on every place of every page of a day, m places.

    ``arms``, ``propensities``, ``generations`` and ``revisions`` are (m,), as are ``policies``, ``sources`` and ``segments``.
    ``latencies`` holds microseconds per page look-up at the client.
    """

    arms: I64
    propensities: F64
    generations: I64
    revisions: I64
    policies: list[str]
    sources: list[str]
    latencies: HdrHistogram
    segments: list[str | None]

    @classmethod
    def of(cls, parts: Sequence["Answers"]) -> "Answers":
        """Those of the parts of a day, of which there is at least one, together."""
        first, *others = parts
        for part in others:
            first.latencies.add(part.latencies)
        return cls(
            arms=np.concatenate([part.arms for part in parts]),
            propensities=np.concatenate([part.propensities for part in parts]),
            generations=np.concatenate([part.generations for part in parts]),
            revisions=np.concatenate([part.revisions for part in parts]),
            policies=[policy for part in parts for policy in part.policies],
            sources=[source for part in parts for source in part.sources],
            latencies=first.latencies,
            segments=[segment for part in parts for segment in part.segments],
        )


class Client(Protocol):
    """What visitors need of a service."""

    def ask(self, visits: Visits, progress: Progress) -> Answers:
        """Look every page up."""

    def post(self, batches: Sequence[list[Event]], progress: Progress) -> None:
        """Report events, batch by batch."""


class ServiceClient:
    """Asks the look-up service for pages, and posts events to it, over one connection that stays open.

    Whoever is given a way of waiting waits for a service that has no room, does not answer, or cannot store events, and loses
    nothing: what is sent again has the same ids.

    Args:
        address: of the service.
        user_ids: of the visitors, whom visits name by their place.
        catalogue: whose arms answers are told by.
        waiting: how to wait; None gives up.
        signals: what is known of each visitor at sign-up, by name, sent with each look-up; None sends nothing.
    """

    def __init__(
        self,
        address: str,
        user_ids: list[str],
        catalogue: Catalogue,
        waiting: Waiting | None = None,
        signals: Sequence[Mapping[str, str | None]] | None = None,
    ) -> None:
        self._waiting = waiting
        known = signals or [{}] * len(user_ids)
        self._signals = [[(name, value) for name, value in own.items() if value is not None] for own in known]
        self.address = address
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        self._user_ids, self._title_ids = user_ids, catalogue.title_ids
        ids = zip(catalogue.frame["title_id"], catalogue.frame["artwork_id"], strict=True)
        first = catalogue.starts[catalogue.titles]
        self._arms = {key: row - int(first[row]) for row, key in enumerate(ids)}

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def wait_for(self, generation: int, revision: int = 0, seconds: float = 30.0) -> None:
        """Return once the service answers from a generation, and obeys a revision of the catalogue.

        Raises:
            SurroundingsError: it does not in time.
        """
        end = time.monotonic() + seconds
        self._connection.close()  # the service has closed it if the night was long; the next request opens another
        while True:
            if self.ready() == (generation, revision):
                return
            if time.monotonic() > end:
                raise SurroundingsError(
                    f"the service did not take up generation {generation} with revision {revision} of the catalogue within"
                    f" {seconds:g} s"
                )
            time.sleep(0.05)

    def ready(self) -> tuple[int, int]:
        """The generation that the service answers from, and the revision of the catalogue that it obeys."""
        ready = self._get("/readyz")
        return ready["generation"], ready["revision"]

    def ask(self, visits: Visits, progress: Progress) -> Answers:
        """Look every page up, one request per page.

        Raises:
            SurroundingsError: a request fails, or is answered with an error.
        """
        latencies = HdrHistogram(1, LONGEST_US, 3)
        picks: list[dict[str, Any]] = []
        for place, (user, titles) in enumerate(zip(visits.users.tolist(), visits.titles.tolist(), strict=True)):
            query = urlencode([*(("title_id", self._title_ids[title]) for title in titles), *self._signals[user]])
            began = time.perf_counter_ns()
            page = self._get(f"/v1/users/{self._user_ids[user]}/artwork?{query}")
            latencies.record_value((time.perf_counter_ns() - began) // 1000)
            picks.extend(page["picks"])
            if place % 100 == 0:
                progress("asking the service", place, len(visits.users))
        return Answers(
            np.array([self._arm(p) for p in picks], dtype=np.int64),
            np.array([p["propensity"] for p in picks], dtype=np.float64),
            np.array([p["generation"] for p in picks], dtype=np.int64),
            np.array([p["revision"] for p in picks], dtype=np.int64),
            [str(p["policy"]) for p in picks],
            [str(p["source"]) for p in picks],
            latencies,
            [p.get("segment") for p in picks],
        )

    def _arm(self, pick: dict[str, Any]) -> int:
        key = str(pick["title_id"]), str(pick["artwork_id"])
        if key not in self._arms:
            raise SurroundingsError(f"the service showed artwork {key[1]} of title {key[0]}, which is not to be shown")
        return self._arms[key]

    def post(self, batches: Sequence[list[Event]], progress: Progress) -> None:
        """Report events, one request per batch. A batch that the service has no room for is sent again with the same ids.

        Raises:
            SurroundingsError: a request fails, or is refused for good.
        """
        for place, events in enumerate(batches):
            self._post("/v1/events", orjson.dumps(events))
            progress("posting events", place + 1, len(batches))

    def _post(self, path: str, body: bytes) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            status, headers, answer = self._exchange("POST", path, body)
            if status == HTTPStatus.ACCEPTED:
                return
            if status != HTTPStatus.SERVICE_UNAVAILABLE or (self._waiting is None and time.monotonic() > until):
                raise _refused(path, status, answer)
            (self._waiting or time.sleep)(float(headers.get("Retry-After", "1")))

    def _get(self, path: str) -> dict[str, Any]:
        status, headers, body = self._exchange("GET", path)
        while status == HTTPStatus.SERVICE_UNAVAILABLE and self._waiting is not None:
            self._waiting(float(headers.get("Retry-After", "1")))
            status, headers, body = self._exchange("GET", path)
        if status != HTTPStatus.OK:
            raise _refused(path, status, body)
        answer: dict[str, Any] = json.loads(body)
        return answer

    def _exchange(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        failures = 0
        while True:
            try:
                self._connection.request(method, path, body, headers)
                response = self._connection.getresponse()
                return response.status, response.headers, response.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if self._waiting is None or failures == TRIES:
                    raise SurroundingsError(f"the service failed at {path}: {error}") from error
                # The first time it may have closed a connection that lay idle, which is no trouble.
                self._waiting(PAUSE_SECONDS if failures else 0.0)
                failures += 1


def _refused(path: str, status: int, body: bytes) -> SurroundingsError:
    return SurroundingsError(f"the service answered {status} to {path}: {body[:200].decode(errors='replace')}")
