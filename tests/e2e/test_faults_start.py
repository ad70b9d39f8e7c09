"""A service that starts while its store is absent."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import Service, running_service, short_folder, until
from load import visited

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, publish

pytestmark = pytest.mark.exclusive  # every answer is timed

GROUND = StoreFixture(users=200)


@pytest.fixture
def absent() -> Iterator[BreakableStore]:
    """A store that has not been started yet."""
    with short_folder() as folder:
        store = BreakableStore(folder)
        yield store
        store.kill()


def arrive(store: BreakableStore) -> None:
    """The store comes up, with a generation."""
    store.start()
    with store.client() as client:
        publish(client, GROUND, 1, 1)


def readiness(service: Service) -> tuple[int, str | None]:
    """Status of ``/readyz``, and what it calls itself."""
    answer = service.get("/readyz")
    return answer.status_code, answer.json().get("status") if answer.is_success else None


def test_without_a_store_or_a_kept_catalogue_look_ups_are_503_until_the_store_comes(
    absent: BreakableStore, tmp_path: Path
) -> None:
    with running_service(tmp_path, absent.url) as service:
        assert service.get("/readyz").status_code == 503
        with visited(service.address, GROUND) as load:
            until(lambda: len(load.answers) > 100, "a hundred answers")
            assert {answer.status for answer in load.answers} == {503}
            arrive(absent)
            load.until_all("personalized")
        assert service.get("/livez").status_code == 200
    load.assert_promises({200, 503})


def test_without_a_store_a_kept_catalogue_answers_with_popularity_until_the_store_comes(
    absent: BreakableStore, tmp_path: Path
) -> None:
    arrive(absent)
    with running_service(tmp_path, absent.url) as service:
        until(lambda: service.get("/readyz").status_code == 200, "ready")
    absent.kill()
    with running_service(tmp_path, absent.url) as service:
        assert readiness(service) == (200, "degraded")
        with visited(service.address, GROUND) as load:
            load.until_all("popularity")
            absent.start()
            load.until_all("personalized")
        until(lambda: readiness(service) == (200, "ready"), "ready")
    load.assert_promises()
