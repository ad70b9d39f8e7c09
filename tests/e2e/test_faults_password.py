"""A store that does not let the service in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from faults import new_store, running_service, until
from load import visited

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, publish

pytestmark = pytest.mark.exclusive  # every answer is timed

GROUND = StoreFixture(users=200)
USER, RIGHT, WRONG = "service", "a-right-password", "a-wrong-password"


@pytest.fixture
def store() -> Iterator[BreakableStore]:
    with new_store() as store, store.client() as client:
        publish(client, GROUND, 1, 1)
        allow(client, RIGHT)
        yield store


def allow(client: redis.Redis, password: str) -> None:
    """Give the service's user a password, and hang up on who came with another."""
    client.acl_setuser(
        USER,
        enabled=True,
        reset=True,
        passwords=[f"+{password}"],
        keys=["art:*"],
        categories=["+@read", "+@connection"],
    )
    client.execute_command("CLIENT", "KILL", "USER", USER)  # type: ignore[no-untyped-call]


def test_with_a_wrong_password_and_nothing_kept_look_ups_are_503(store: BreakableStore, tmp_path: Path) -> None:
    with running_service(tmp_path, store.tcp_url(USER, WRONG)) as service:
        with visited(service.address, GROUND) as load:
            until(lambda: len(load.answers) > 100, "a hundred answers")
        load.assert_promises({503})
        assert WRONG not in service.log.read_text()


def test_a_changed_password_costs_picks_until_it_is_changed_back(store: BreakableStore, tmp_path: Path) -> None:
    with running_service(tmp_path, store.tcp_url(USER, RIGHT)) as service, store.client() as client:
        with visited(service.address, GROUND) as load:
            load.until_all("personalized")
            allow(client, WRONG)
            load.until_all("popularity")
            allow(client, RIGHT)
            load.until_all("personalized")
        load.assert_promises()
        assert RIGHT not in service.log.read_text()
