"""The picks lie in a cluster whose nodes die, freeze, and hand their slots on under a service that is asked all the time."""

import time
from collections.abc import Iterator

import httpx
import pytest
from broken_cluster import BrokenCluster, new_cluster
from faults import Service, running_service, until
from load import Load, visited
from redis.crc import key_slot
from visitors import Visitor

from artwork.bench.testbed.store_fixture import StoreFixture, identity_of, make_current, publish
from bandit.errors import SurroundingsError
from batch.publishing.flips import flip
from batch.store.client import connect

pytestmark = [pytest.mark.faults, pytest.mark.exclusive]

GROUND = StoreFixture(users=300, titles=12)
DEADLINE_MS = "100"
"""A late row is a fallback, and these tests ask whose rows fall back: long enough for a busy machine."""


@pytest.fixture
def cluster() -> Iterator[BrokenCluster]:
    with new_cluster() as cluster, connect(cluster.url) as client:
        publish(client, GROUND, 1, 1)
        yield cluster


@pytest.fixture
def service(cluster: BrokenCluster, tmp_path: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path, cluster.url, store_deadline_ms=DEADLINE_MS) as service:  # type: ignore[arg-type]
        until(lambda: not service.degraded(), "all well")
        yield service


def test_slots_move_under_load_and_every_answer_stays_right(cluster: BrokenCluster, service: Service) -> None:
    homes = {GROUND.user_id(user): cluster.home(GROUND.user_id(user)) for user in range(GROUND.users)}
    slots = {key_slot(user_id.encode()): (home, 1) for user_id, home in homes.items() if home == 0}
    with visited(service.address, GROUND) as load:
        load.until_all("personalized")
        began = time.monotonic()
        moved = _move(cluster, load, dict(list(slots.items())[:40]))
        ended = time.monotonic()
    load.assert_promises()
    assert moved >= 40
    assert load.sources(began, ended) == {"personalized"}


def test_slots_that_primaries_hand_round_at_once_cost_no_wrong_answer(cluster: BrokenCluster, service: Service) -> None:
    """Their epochs collide: for a moment two of them say of a slot that it is the other's, and its rows fall back."""
    homes = {key_slot(GROUND.user_id(user).encode()): cluster.home(GROUND.user_id(user)) for user in range(40)}
    with visited(service.address, GROUND) as load:
        load.until_all("personalized")
        began = time.monotonic()
        moved = _move(cluster, load, {slot: (home, (home + 1) % 3) for slot, home in homes.items()})
        ended = time.monotonic()
        load.until_all("personalized")
    load.assert_promises()
    assert moved >= 40
    assert load.sources(began, ended) <= {"personalized", "popularity"}


def _move(cluster: BrokenCluster, load: Load, slots: dict[int, tuple[int, int]]) -> int:
    """Move slots from one primary to another, with answers in between; how many keys moved."""
    for slot, (source, target) in slots.items():
        cluster.begin_move(slot, source, target)
    _more_answers(load)
    moved = sum(cluster.move_keys(slot, source, target) for slot, (source, target) in slots.items())
    _more_answers(load)
    for slot, (_, target) in slots.items():
        cluster.end_move(slot, target)
    _more_answers(load)
    return moved


def test_a_killed_primary_costs_its_own_users_their_picks_until_its_replica_serves_them(
    cluster: BrokenCluster, service: Service
) -> None:
    with visited(service.address, GROUND) as load:
        load.until_all("personalized")
        cluster.kill(0)
        lost = _users_without_picks(service)
        until(lambda: cluster.role(3) == "master", "the replica has taken over")
        replaced = time.monotonic()
        back = load.until_all("personalized")
    load.assert_promises()
    assert lost == [user for user in range(GROUND.users) if cluster.home(GROUND.user_id(user)) == 0]
    print(f"personalized again {back - replaced:.1f} s after the replica took over")  # noqa: T201
    until(lambda: not service.degraded(), "all well again")


def test_a_frozen_primary_costs_its_own_users_their_picks_and_nobody_waits_for_it(
    cluster: BrokenCluster, service: Service
) -> None:
    with visited(service.address, GROUND) as load:
        load.until_all("personalized")
        with cluster.frozen(1):
            lost = _users_without_picks(service)
            until(lambda: cluster.role(4) == "master", "the replica has taken over")
            load.until_all("personalized")
        load.until_all("personalized")  # the old primary is there again, and has to follow
    load.assert_promises()
    assert lost == [user for user in range(GROUND.users) if cluster.home(GROUND.user_id(user)) == 1]


def test_a_service_starts_while_the_node_that_its_url_names_first_is_away(
    cluster: BrokenCluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cluster.kill(0)
    until(lambda: cluster.role(3) == "master", "the replica has taken over")
    with (
        running_service(tmp_path_factory.mktemp("late"), cluster.url, store_deadline_ms=DEADLINE_MS) as service,
        visited(service.address, GROUND) as load,
    ):
        load.until_all("personalized")
    load.assert_promises()


def test_a_flip_reaches_a_service_though_a_primary_was_replaced(cluster: BrokenCluster, service: Service) -> None:
    with visited(service.address, GROUND) as load:
        load.until_all("personalized")
        cluster.kill(key_home(cluster, "art:current"))
        until(lambda: cluster.role(key_home(cluster, "art:current") + 3) == "master", "the replica has taken over")
        with connect(cluster.url) as client:
            publish(client, GROUND, 2, 2)
        until(lambda: service.get("/readyz").json()["generation"] == 2, "the new generation is served")
        load.until_all("personalized")
    load.assert_promises()
    assert {answer.generation for answer in load.answers[-50:]} == {2}


def test_events_are_taken_while_their_stream_moves_and_after_its_node_died(
    cluster: BrokenCluster, service: Service
) -> None:
    slots = {key_slot(f"art:events:{partition}".encode()) for partition in range(8)}
    assert _post(service, "before", range(40)) == 40
    for slot in slots:
        source = next(shard for shard in range(3) if slot < 16384 * (shard + 1) // 3)
        cluster.begin_move(slot, source, (source + 1) % 3)
        cluster.move_keys(slot, source, (source + 1) % 3)
    assert _post(service, "moving", range(40)) == 40
    for slot in slots:
        source = next(shard for shard in range(3) if slot < 16384 * (shard + 1) // 3)
        cluster.end_move(slot, (source + 1) % 3)
    assert _post(service, "moved", range(40)) == 40
    cluster.kill(2)
    until(lambda: cluster.role(5) == "master", "the replica has taken over")
    until(lambda: _post(service, "again", range(40)) == 40, "all are taken again")
    with connect(cluster.url) as client:
        stored = sum(client.xlen(f"art:events:{partition}") for partition in range(8))
    assert stored >= 160


def test_a_rollback_is_one_flip_in_a_cluster_too(cluster: BrokenCluster, service: Service) -> None:
    with connect(cluster.url) as client:
        publish(client, GROUND, 2, 2)
        until(lambda: service.get("/readyz").json()["generation"] == 2, "the new generation is served")
        make_current(client, 1, 3)
    until(lambda: service.get("/readyz").json()["generation"] == 1, "the old generation is served")


def test_a_flip_that_no_replica_has_is_told_of(cluster: BrokenCluster) -> None:
    with connect(cluster.url) as client:
        with (
            cluster.frozen(key_home(cluster, "art:current") + 3),
            pytest.raises(SurroundingsError, match="generation 1 is served, but no replica of the node"),
        ):
            flip(client, 1, identity_of(1), forward_only=False)
        assert flip(client, 1, identity_of(1), forward_only=False).generation == 1


def key_home(cluster: BrokenCluster, key: str) -> int:
    """The place of the node that began with a key."""
    return cluster.home(key)


def _more_answers(load: Load, count: int = 400) -> None:
    wanted = len(load.answers) + count
    until(lambda: len(load.answers) >= wanted, "more answers")


def _users_without_picks(service: Service) -> list[int]:
    """Users who get no pick of theirs, once each of a few rounds says the same."""
    visitor = Visitor(service.address, GROUND)
    try:
        rounds = [
            [user for user in range(GROUND.users) if visitor.ask(user, [0]).sources != {"personalized"}]
            for _ in range(2)
        ]
    finally:
        visitor.close()
    return sorted(set(rounds[0]) & set(rounds[1]))


def _post(service: Service, name: str, users: range) -> int:
    """How many users' events were taken."""
    taken = 0
    with httpx.Client(base_url=service.address, timeout=30.0) as client:
        for user in users:
            event = {
                "event_id": f"{name}-{user}-{time.monotonic_ns()}",
                "type": "impression",
                "user_id": GROUND.user_id(user),
                "title_id": GROUND.title_id(0),
                "artwork_id": GROUND.artwork_ids(1, GROUND.title_id(0))[0],
                "generation": 1,
                "source": "personalized",
                "occurred_at": "2026-01-01T00:00:00Z",
            }
            taken += client.post("/v1/events", json=[event]).status_code == 202
    return taken
