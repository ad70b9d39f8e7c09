"""The embedded store of a demo is stopped, frozen, slowed down and brought back; while all is well nothing lies in between."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from artwork.demo.pressing.store_faults import StoreFaults
from artwork.web.stage import BusyError
from bandit.urls import read_store_url
from batch.store.client import URL_VARIABLE, connect
from batch.store.embedded import running_store, start_store, stop_store

DELAY_MS = 150.0


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace's folder, short because of its socket."""
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    folder = Path(tempfile.mkdtemp(prefix="artwork-"))
    yield folder
    stop_store(folder)
    shutil.rmtree(folder)


@pytest.fixture
def faults(root: Path) -> Iterator[StoreFaults]:
    made = StoreFaults(root, start_store(root).url)
    with made.lent():
        yield made


def link_of(faults: StoreFaults) -> Path:
    return Path(read_store_url(faults.service_url).path)


def service_client(faults: StoreFaults, timeout: float = 5.0) -> redis.Redis:
    """A client like the service's: through the link, and without a name."""
    return redis.Redis(
        unix_socket_path=str(link_of(faults)),
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,
    )


def do(faults: StoreFaults, press: str) -> None:
    if press == "slow":
        faults.slow_down(DELAY_MS)
    elif press == "freeze":
        faults.freeze()
    elif press == "stop":
        faults.stop()
    else:
        faults.bring_back()


def test_while_all_is_well_the_service_is_led_to_the_socket_of_the_store_itself(
    root: Path, faults: StoreFaults
) -> None:
    store = running_store(root)
    assert store is not None
    assert link_of(faults).resolve() == Path(read_store_url(store.url).path).resolve()
    assert (faults.state, faults.answers) == ("up", True)
    with service_client(faults) as client:
        assert client.ping()


def test_a_store_that_is_stopped_is_gone_and_comes_back_with_what_it_held(root: Path, faults: StoreFaults) -> None:
    with service_client(faults) as client:
        client.set("kept", "1")
        faults.stop()
        assert (faults.state, faults.answers) == ("stopped", False)
        assert running_store(root) is None
        with pytest.raises(redis.ConnectionError):
            client.get("kept")
        faults.bring_back()
        assert faults.state == "up"
        assert client.get("kept") == b"1"


def test_a_store_that_is_frozen_takes_requests_and_answers_none_until_it_is_brought_back(faults: StoreFaults) -> None:
    faults.freeze()
    assert (faults.state, faults.answers) == ("frozen", False)
    with service_client(faults, timeout=0.2) as client, pytest.raises(redis.TimeoutError):
        client.ping()
    faults.bring_back()
    with service_client(faults) as client:
        assert client.ping()


def test_a_slow_store_is_slow_for_the_service_alone_which_is_cut_off_and_led_through_the_delay(
    root: Path, faults: StoreFaults
) -> None:
    store = running_store(root)
    assert store is not None
    with service_client(faults) as client, connect(store.url) as job:
        client.ping()
        before = job.client_id()
        faults.slow_down(DELAY_MS)
        assert (faults.state, faults.answers) == ("slow", True)
        began = time.monotonic()
        assert client.ping()  # the connection of before was cut
        assert time.monotonic() - began >= DELAY_MS / 1000
        assert job.client_id() == before  # a job's connection stays


def test_a_store_that_was_slow_is_reached_directly_again(faults: StoreFaults) -> None:
    faults.slow_down(DELAY_MS)
    slow = link_of(faults).resolve()
    faults.slow_down(2 * DELAY_MS)  # another delay takes the place of the first
    faults.bring_back()
    assert faults.state == "up"
    assert not slow.exists()
    with service_client(faults) as client:
        assert client.ping()


@pytest.mark.parametrize("fault", ["freeze", "slow"])
def test_a_store_may_be_stopped_in_any_state(root: Path, faults: StoreFaults, fault: str) -> None:
    do(faults, fault)
    faults.stop()
    assert running_store(root) is None


REFUSED = {
    "back when nothing was done": ((), "back"),
    "stop twice": (("stop",), "stop"),
    "freeze twice": (("freeze",), "freeze"),
    "freeze what is stopped": (("stop",), "freeze"),
    "slow what is stopped": (("stop",), "slow"),
    "slow what is frozen": (("freeze",), "slow"),
}


@pytest.mark.parametrize(("before", "press"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_now_is_refused_with_a_reason(
    faults: StoreFaults, before: tuple[str, ...], press: str
) -> None:
    for earlier in before:
        do(faults, earlier)
    state = faults.state
    with pytest.raises(BusyError, match="store"):
        do(faults, press)
    assert faults.state == state


def test_a_store_that_somebody_else_stopped_is_away_and_can_be_brought_back(root: Path, faults: StoreFaults) -> None:
    stop_store(root)
    assert (faults.state, faults.answers) == ("away", False)
    with pytest.raises(BusyError):
        faults.stop()
    faults.bring_back()
    assert faults.state == "up"


@pytest.mark.parametrize("fault", ["freeze", "slow", "stop"])
def test_at_the_end_the_store_can_be_stopped_as_always_and_nothing_lies_about(root: Path, fault: str) -> None:
    faults = StoreFaults(root, start_store(root).url)
    with faults.lent():
        link = link_of(faults)
        do(faults, fault)
    stop_store(root)
    assert running_store(root) is None
    assert [path for path in link.parent.iterdir() if not path.name.startswith("valkey")] == []
