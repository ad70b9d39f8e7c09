"""A retired artwork leaves the answers of a running service within two polls, under load, and what remains answers truly."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest
import redis
from faults import Service, running_service, until
from make_impressions import make_generation, shorten, silent
from scipy.stats import chisquare
from shell import call

from bandit.snapshot import FALLBACK, OVERLAY_KEY, keyed_hash, remaining_weights
from batch.publishing.publish import publish
from batch.workspace.catalogue import Catalogue
from batch.workspace.catalogue_changes import retire
from batch.workspace.generations import folder_of
from batch.workspace.picks import recorded_pick
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

SEED = 11
TITLE = "t0001"
PATIENT = {"store_deadline_ms": "5000"}


@pytest.fixture
def published(workspace: Workspace, client: redis.Redis, store: str) -> Workspace:
    """A workspace with a published generation."""
    shorten(workspace, n_artwork_features=2)
    make_generation(workspace, seed=SEED)
    publish(workspace, 1, client, store, silent)
    return workspace


@contextmanager
def ready(workspace: Workspace, store: str) -> Iterator[Service]:
    with running_service(workspace.root, store, **PATIENT) as service:
        until(lambda: service.get("/readyz").status_code == 200, "ready")
        yield service


def polls(service: Service) -> float:
    return service.total("artwork_polls_total")


def after_two_polls(service: Service) -> None:
    asked = polls(service)
    until(lambda: polls(service) >= asked + 2, "two polls later")


class Client:
    """Asks again and again on one connection."""

    def __init__(self, service: Service) -> None:
        address = urlsplit(service.address)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)

    def ask(self, path: str) -> Any:
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        return json.loads(body)

    def close(self) -> None:
        self._connection.close()


def pick_path(user_id: str, title_id: str = TITLE) -> str:
    return f"/v1/users/{user_id}/titles/{title_id}/artwork"


class Weights:
    """What remains of the fallback of a title, told from the files of generation 1."""

    def __init__(self, workspace: Workspace, retired: set[str], title_id: str = TITLE) -> None:
        frame = Catalogue.read(folder_of(workspace, 1) / "catalogue.parquet").frame
        own = frame.filter(pl.col("title_id") == title_id)
        self._title_id, self.artworks = title_id, list(own["artwork_id"])
        gone = {arm for arm, artwork_id in enumerate(self.artworks) if artwork_id in retired}
        self.weights, self.total = remaining_weights(list(own["popularity_weight"]), gone)

    def answer(self, user_id: str) -> tuple[str, float]:
        """Artwork and propensity that the pinned hash draws for a user."""
        point = (keyed_hash(FALLBACK, SEED, 1, user_id, self._title_id) * self.total) >> 64
        arm = next(arm for arm in range(len(self.weights)) if sum(self.weights[: arm + 1]) > point)
        return self.artworks[arm], self.weights[arm] / self.total


class Load:
    """Look-ups of all users in turn from a thread of its own, single ones and pages; every answer is kept."""

    def __init__(self, service: Service, users: list[str]) -> None:
        self.answers: list[dict[str, Any]] = []
        self._users, self._client, self._ends = users, Client(service), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        self._client.close()

    def wait_for(self, count: int) -> None:
        """Until there are so many answers, or it failed."""
        until(lambda: len(self.answers) >= count or not self._thread.is_alive(), f"{count} look-ups")

    def _run(self) -> None:
        number = 0
        while not self._ends.is_set():
            user = self._users[number % len(self._users)]
            if number % 3:
                self.answers.append(self._client.ask(pick_path(user)))
            else:
                page = self._client.ask(f"/v1/users/{user}/artwork?title_id=t0002&title_id={TITLE}&title_id=t0002")
                assert len({pick["revision"] for pick in page["picks"]}) == 1
                self.answers.append(page["picks"][1])
            number += 1


def retire_under_load(workspace: Workspace, store: str, count: int) -> None:
    """Retire an artwork that is shown, while look-ups run; of ``count`` look-ups after two polls none shows it."""
    users = read_tables(workspace).users["user_id"].to_list()
    picks = {user: recorded_pick(workspace, 1, user, TITLE) for user in users}
    shown = Counter(pick.artwork_id for pick in picks.values() if pick is not None)
    gone, _ = shown.most_common(1)[0]
    with ready(workspace, store) as service, Load(service, users) as load:
        until(lambda: len(load.answers) > 300, "look-ups before")
        before = list(load.answers)
        answer = call("catalogue", "retire", TITLE, gone, "-w", str(workspace.root), ARTWORK_REDIS_URL=store)
        assert answer.code == 0, answer.err
        after_two_polls(service)
        first = len(load.answers) + 1  # the one in flight was asked before
        for goal in range(first + 1000, first + count + 1000, 1000):
            load.wait_for(goal)
        after = load.answers[first:]
        refused = service.total("artwork_row_errors_total")
    assert gone in {pick["artwork_id"] for pick in before}
    assert len(after) >= count
    assert {pick["revision"] for pick in after} == {1}
    assert gone not in {pick["artwork_id"] for pick in after}
    weights = Weights(workspace, {gone})
    for pick in after:
        recorded = picks[pick["user_id"]]
        assert recorded is not None
        if recorded.artwork_id == gone:
            expected = ("popularity", *weights.answer(pick["user_id"]))
        else:
            expected = ("personalized", recorded.artwork_id, recorded.propensity)
        assert (pick["source"], pick["artwork_id"], pick["propensity"]) == expected
    assert refused == 0


def test_a_retired_artwork_is_not_shown_after_two_polls_under_load(published: Workspace, store: str) -> None:
    retire_under_load(published, store, 3000)


@pytest.mark.faults
def test_a_retired_artwork_is_not_shown_in_a_hundred_thousand_look_ups_under_load(
    published: Workspace, store: str
) -> None:
    retire_under_load(published, store, 100_000)


def test_users_without_a_row_are_drawn_among_the_remaining_by_the_pinned_hash(published: Workspace, store: str) -> None:
    retire(published, TITLE, "a01")
    weights = Weights(published, {"a01"})
    with ready(published, store) as service:
        assert call("publish", "-w", str(published.root), ARTWORK_REDIS_URL=store).code == 0
        after_two_polls(service)
        client, users = Client(service), [f"stranger-{number}" for number in range(3000)]
        answers = {user: client.ask(pick_path(user)) for user in users}
        client.close()
    for user, pick in answers.items():
        assert (pick["artwork_id"], pick["propensity"], pick["source"]) == (*weights.answer(user), "popularity")
    counted = Counter(pick["artwork_id"] for pick in answers.values())
    shares = {
        own: weight / weights.total for own, weight in zip(weights.artworks, weights.weights, strict=True) if weight
    }
    assert chisquare([counted[own] for own in shares], [3000 * share for share in shares.values()]).pvalue > 0.001


def test_an_added_title_is_served_by_its_default_until_the_next_run_has_it(published: Workspace, store: str) -> None:
    def command(*words: str) -> None:
        answer = call(*words, "-w", str(published.root), ARTWORK_REDIS_URL=store)
        assert answer.code == 0, answer.err

    with ready(published, store) as service:
        assert service.get(pick_path("u0001", "fresh")).status_code == 404
        given = ("--features", "1,0", "--features", "0,1")
        command("catalogue", "add", "fresh", "f1", "f2", "--name", "New film", *given)
        after_two_polls(service)
        pick = service.get(pick_path("u0001", "fresh")).json()
        assert (pick["artwork_id"], pick["source"], pick["propensity"]) == ("f1", "default", 1.0)
        assert (pick["generation"], pick["revision"]) == (1, 1)
        command("run", "--policy", "uniform")
        until(lambda: service.get("/readyz").json()["generation"] == 2, "the next generation")
        sources = {service.get(pick_path(f"u{user:04d}", "fresh")).json()["source"] for user in range(1, 20)}
        assert sources == {"personalized"}


def test_a_service_that_starts_without_a_store_does_not_show_what_is_retired(
    published: Workspace, store: str, client: redis.Redis
) -> None:
    with ready(published, store) as service:
        assert call("catalogue", "retire", TITLE, "a02", "-w", str(published.root), ARTWORK_REDIS_URL=store).code == 0
        until(lambda: service.get("/readyz").json()["revision"] == 1, "obeyed")
        after_two_polls(service)  # it is on disk at the end of a poll
    with ready(published, "unix:///tmp/no-store-at-all.sock") as service:
        asking = Client(service)
        picks = [asking.ask(pick_path(f"stranger-{number}")) for number in range(300)]
        asking.close()
    assert {pick["revision"] for pick in picks} == {1}
    assert "a02" not in {pick["artwork_id"] for pick in picks}
    assert client.exists(OVERLAY_KEY)


def test_a_damaged_overlay_is_told_and_the_known_one_stays(
    published: Workspace, store: str, client: redis.Redis
) -> None:
    with ready(published, store) as service:
        assert call("catalogue", "retire", TITLE, "a02", "-w", str(published.root), ARTWORK_REDIS_URL=store).code == 0
        until(lambda: service.get("/readyz").json()["revision"] == 1, "obeyed")
        client.set(OVERLAY_KEY, b"{")
        until(lambda: service.degraded() != [], "told")
        assert service.degraded()[0].startswith("overlay refused, revision 1 is obeyed")
        assert service.total("artwork_load_errors_total", reason="overlay") > 0
        assert service.get(pick_path("u0001")).json()["revision"] == 1
        assert call("publish", "-w", str(published.root), ARTWORK_REDIS_URL=store).code == 0
        until(lambda: service.degraded() == [], "mended")


def test_a_rebuilt_store_has_the_overlay(published: Workspace) -> None:
    root = str(published.root)
    try:
        assert call("publish", "-w", root).code == 0
        assert call("catalogue", "retire", TITLE, "a02", "-w", root).code == 0
        assert call("store", "rebuild", "-w", root).code == 0
        assert json.loads(call("catalogue", "show", "-w", root, "--json").out)["in_store"] == 1
    finally:
        call("store", "stop", "-w", root)
