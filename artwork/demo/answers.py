"""Which artwork each visit was shown: asked of the running service, or read from a generation's picks."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import numpy as np
import polars as pl
from hdrh.histogram import HdrHistogram

from artwork.demo.visits import Visits
from bandit.arrays import F64, I64
from bandit.errors import SurroundingsError
from bandit.snapshot import TOTAL_WEIGHT
from batch.executors import Progress
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import read_parquet
from batch.workspace.generations import picks_files, read_manifest
from batch.workspace.workspace import Workspace

_LONGEST_US = 60_000_000


@dataclass(frozen=True)
class Answers:
    """What was shown on every place of every page of a day, m places.

    ``arms``, ``propensities`` and ``generations`` are (m,), as are ``policies`` and ``sources``. ``latencies`` holds microseconds
    per page look-up at the client.
    """

    arms: I64
    propensities: F64
    generations: I64
    policies: list[str]
    sources: list[str]
    latencies: HdrHistogram


class ServiceClient:
    """Asks the look-up service for pages over one connection that stays open."""

    def __init__(self, address: str, user_ids: list[str], catalogue: Catalogue) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        self._user_ids, self._title_ids = user_ids, catalogue.title_ids
        ids = zip(catalogue.frame["title_id"], catalogue.frame["artwork_id"], strict=True)
        first = catalogue.starts[catalogue.titles]
        self._arms = {key: row - int(first[row]) for row, key in enumerate(ids)}

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def wait_for(self, generation: int, seconds: float = 30.0) -> None:
        """Return once the service answers from a generation.

        Raises:
            SurroundingsError: it does not in time.
        """
        end = time.monotonic() + seconds
        self._connection.close()  # the service has closed it if the night was long; the next request opens another
        while self._get("/readyz")["generation"] != generation:
            if time.monotonic() > end:
                raise SurroundingsError(f"the service did not take up generation {generation} within {seconds:g} s")
            time.sleep(0.05)

    def ask(self, visits: Visits, progress: Progress) -> Answers:
        """Look every page up, one request per page.

        Raises:
            SurroundingsError: a request fails, or is answered with an error.
        """
        latencies = HdrHistogram(1, _LONGEST_US, 3)
        picks: list[dict[str, Any]] = []
        for place, (user, titles) in enumerate(zip(visits.users.tolist(), visits.titles.tolist(), strict=True)):
            query = urlencode([("title_id", self._title_ids[title]) for title in titles])
            began = time.perf_counter_ns()
            page = self._get(f"/v1/users/{self._user_ids[user]}/artwork?{query}")
            latencies.record_value((time.perf_counter_ns() - began) // 1000)
            picks.extend(page["picks"])
            if place % 100 == 0:
                progress("asking the service", place, len(visits.users))
        return Answers(
            np.array([self._arms[str(p["title_id"]), str(p["artwork_id"])] for p in picks], dtype=np.int64),
            np.array([p["propensity"] for p in picks], dtype=np.float64),
            np.array([p["generation"] for p in picks], dtype=np.int64),
            [str(p["policy"]) for p in picks],
            [str(p["source"]) for p in picks],
            latencies,
        )

    def _get(self, path: str) -> dict[str, Any]:
        try:
            self._connection.request("GET", path)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise SurroundingsError(f"the service failed at {path}: {error}") from error
        if response.status != http.client.OK:
            raise SurroundingsError(
                f"the service answered {response.status} to {path}: {body[:200].decode(errors='replace')}"
            )
        answer: dict[str, Any] = json.loads(body)
        return answer


def read_picks(workspace: Workspace, generation: int, visits: Visits) -> Answers:
    """The picks of a generation on disk, as a service would have answered them; nothing is timed."""
    manifest = read_manifest(workspace, generation)
    frame = read_parquet(picks_files(workspace, manifest)).with_columns(pl.col("policy").cast(pl.String))
    shape = manifest.counts["users"], manifest.counts["titles"]
    arms, weights, policies = (frame[name].to_numpy().reshape(shape) for name in ("arm", "weight", "policy"))
    at = visits.flat_users, visits.flat_titles
    count = len(visits.flat_users)
    return Answers(
        arms[at].astype(np.int64),
        weights[at] / np.float64(TOTAL_WEIGHT),
        np.full(count, generation, dtype=np.int64),
        policies[at].tolist(),
        ["personalized"] * count,
        HdrHistogram(1, _LONGEST_US, 3),
    )
