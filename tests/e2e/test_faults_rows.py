"""Rows that are not what was asked for: their users get popularity, everybody else their own picks."""

import struct
import zlib
from collections.abc import Iterator

import pytest
import redis
from faults import Service, new_store, running_service, until
from visitors import Visitor

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, identity_of, make_current, publish
from bandit.snapshot import HEADER_BYTES, row_key

GROUND = StoreFixture(users=200)
TITLES = [3, 0, 39]
READ_PATIENTLY = {"store_deadline_ms": "2000"}
"""Only rows are wrong here, so nothing may be blamed on a busy machine."""


@pytest.fixture(scope="module")
def store() -> Iterator[BreakableStore]:
    with new_store() as store, store.client() as client:
        publish(client, GROUND, 1, 1)
        yield store


@pytest.fixture
def client(store: BreakableStore) -> Iterator[redis.Redis]:
    with store.client() as client:
        yield client
        publish(client, GROUND, 1, 1)


@pytest.fixture(scope="module")
def service(store: BreakableStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), store.url, **READ_PATIENTLY) as service:
        until(lambda: not service.degraded(), "ready")
        yield service


@pytest.fixture
def visitor(service: Service) -> Iterator[Visitor]:
    visitor = Visitor(service.address, GROUND)
    yield visitor
    visitor.close()


def sources(visitor: Visitor, user: int) -> set[str]:
    """Where a page and a single look-up of a user come from; both have to be right."""
    answers = [visitor.ask(user, TITLES), visitor.ask(user, TITLES[:1])]
    assert [(answer.status, answer.complaint) for answer in answers] == [(200, None)] * 2
    return {source for answer in answers for source in answer.sources}


def refused(service: Service) -> dict[str, float]:
    """How many rows were refused so far, by reason."""
    reasons = ("truncated", "magic", "format", "generation", "checksum", "variant", "arm", "size")
    return {reason: service.total("artwork_row_errors_total", reason=reason) for reason in reasons}


def spoil(client: redis.Redis, rows: dict[int, bytes]) -> None:
    """Replace the rows of some users."""
    client.mset({row_key(1, GROUND.user_id(user)): raw for user, raw in rows.items()})


def sealed(raw: bytes, user: int) -> bytes:
    """A row with the checksum that fits its bytes and its user."""
    header, body = raw[: HEADER_BYTES - 4], raw[HEADER_BYTES:]
    return (
        header
        + struct.pack("<I", zlib.crc32(f"{identity_of(1)}:{GROUND.user_id(user)}:".encode() + header + body))
        + body
    )


def test_users_with_a_row_are_personalized_and_cold_ones_get_popularity(client: redis.Redis, visitor: Visitor) -> None:
    client.delete(row_key(1, GROUND.user_id(9)))
    assert sources(visitor, 9) == {"popularity"}
    assert sources(visitor, 10) == {"personalized"}


def test_a_row_truncated_at_any_length_is_refused(client: redis.Redis, service: Service, visitor: Visitor) -> None:
    lengths = range(len(GROUND.row(1, 0)))
    before = refused(service)["truncated"]
    spoil(client, {user: GROUND.row(1, user)[:length] for user, length in enumerate(lengths)})
    assert {user: sources(visitor, user) for user in lengths} == {user: {"popularity"} for user in lengths}
    assert refused(service)["truncated"] - before == 2 * len(lengths)
    assert sources(visitor, len(lengths)) == {"personalized"}


def test_a_row_with_any_byte_changed_is_refused(client: redis.Redis, visitor: Visitor) -> None:
    places = range(len(GROUND.row(1, 0)))
    spoiled = {user: bytearray(GROUND.row(1, user)) for user in places}
    for place, raw in spoiled.items():
        raw[place] ^= 0x5A
    spoil(client, {user: bytes(raw) for user, raw in spoiled.items()})
    assert {user: sources(visitor, user) for user in places} == {user: {"popularity"} for user in places}
    assert sources(visitor, len(places)) == {"personalized"}


@pytest.mark.parametrize(
    ("reason", "raw"),
    [
        ("checksum", GROUND.row(1, 6)),
        ("generation", GROUND.row(2, 5)),
        ("format", sealed(b"AB\x04" + GROUND.row(1, 5)[3:], 5)),
        ("format", sealed(b"AB\x01" + GROUND.row(1, 5)[3:], 5)),
        ("size", sealed(GROUND.row(1, 5)[:HEADER_BYTES] + b"\0" * 9000, 5)),
        ("variant", sealed(b"AB\x02\x07" + GROUND.row(1, 5)[4:], 5)),
        ("magic", b"[" * len(GROUND.row(1, 5))),
        ("truncated", b""),
    ],
    ids=[
        "another user",
        "another generation",
        "a future format",
        "format 1",
        "too long",
        "unknown variant",
        "foreign",
        "empty",
    ],
)
def test_a_row_of_another_kind_is_refused_with_its_reason(
    client: redis.Redis, service: Service, visitor: Visitor, reason: str, raw: bytes
) -> None:
    before = refused(service)
    spoil(client, {5: raw})
    assert sources(visitor, 5) == {"popularity"}
    assert refused(service) == before | {reason: before[reason] + 2}
    assert sources(visitor, 6) == {"personalized"}


def test_a_row_that_names_an_artwork_beyond_the_title_is_refused(
    client: redis.Redis, service: Service, visitor: Visitor
) -> None:
    before = refused(service)["arm"]
    raw = GROUND.row(1, 5)
    spoil(client, {5: sealed(raw[:HEADER_BYTES] + b"\xfa\x01\x00" * GROUND.titles, 5)})
    assert sources(visitor, 5) == {"popularity"}
    assert refused(service)["arm"] > before


def test_a_key_that_holds_no_string_costs_its_user_the_pick(client: redis.Redis, visitor: Visitor) -> None:
    key = row_key(1, GROUND.user_id(5))
    client.delete(key)
    client.rpush(key, "not a row")
    assert sources(visitor, 5) == {"popularity"}
    assert sources(visitor, 6) == {"personalized"}


def test_a_generation_without_rows_is_served_by_its_popularity(
    client: redis.Redis, service: Service, visitor: Visitor
) -> None:
    client.mset(GROUND.described(2))
    make_current(client, 2, 2)
    until(lambda: visitor.ask(5, TITLES).generation == 2, "generation 2")
    assert sources(visitor, 5) == {"popularity"}
    assert service.degraded() == []
    make_current(client, 1, 3)
    until(lambda: visitor.ask(5, TITLES).generation == 1, "generation 1")
    assert sources(visitor, 5) == {"personalized"}


def test_a_generation_without_meta_is_not_taken(client: redis.Redis, service: Service, visitor: Visitor) -> None:
    before = service.total("artwork_load_errors_total", reason="meta")
    make_current(client, 3, 9)
    until(lambda: service.total("artwork_load_errors_total", reason="meta") > before, "refused")
    assert sources(visitor, 5) == {"personalized"}
