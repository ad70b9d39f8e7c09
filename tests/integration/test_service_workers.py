"""Several workers of one service, as real processes: who gets which connection, what they count, how they end."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from shell import artwork, assert_refused, call
from worker_processes import HANG_SECONDS, Client, WorkerProcesses, serving, until

from bandit.errors import SurroundingsError
from service.listening import bind
from service.settings import load_settings
from service.workers import serve_workers

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel spreads connections over sockets on Linux only"
)

LOOK_UP = "/v1/users/ann/titles/heat/artwork"
ROUTE = "/v1/users/{user_id}/titles/{title_id}/artwork"
ANSWERED = "artwork_request_seconds_count"


@pytest.fixture(scope="module")
def four() -> Iterator[WorkerProcesses]:
    with serving(workers=4) as service:
        yield service


@pytest.fixture
def two() -> Iterator[WorkerProcesses]:
    with serving(workers=2) as service:
        yield service


def test_of_256_connections_the_busiest_worker_has_at_most_half_more_than_the_mean(four: WorkerProcesses) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(Client(four.port)) for _ in range(256)]
        assert all(connection.get("/livez") for connection in connections)
        spread = four.connections()
        assert sum(spread.values()) == 256
        assert max(spread.values()) <= 1.5 * 256 / 4, spread


def test_whichever_worker_is_scraped_the_sum_is_what_was_asked_of_all(four: WorkerProcesses) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(Client(four.port)) for _ in range(40)]
        before = connections[0].total(ANSWERED, route=ROUTE)
        for connection in connections * 3:
            connection.send(LOOK_UP)
        assert all(connection.answer() for connection in connections * 3)
        assert len(+four.connections()) == 4
        # A worker counts an answer after the client may have read it.
        until(lambda: connections[0].total(ANSWERED, route=ROUTE) >= before + 120, "all are counted")
        assert {connection.total(ANSWERED, route=ROUTE) for connection in connections} == {before + 120}


def test_the_counts_of_a_killed_worker_stay_and_its_successor_goes_on(two: WorkerProcesses) -> None:
    with Client(two.port) as connection:
        for _ in range(30):
            assert connection.get(LOOK_UP)
        [busy] = +two.connections()
        os.kill(busy, signal.SIGKILL)
        until(lambda: busy not in two.workers(), "the worker is gone")
    until(lambda: started(two) == 3, "its successor has started")
    with ExitStack() as stack:
        connections = [stack.enter_context(Client(two.port)) for _ in range(20)]
        assert all(connection.get(LOOK_UP) for connection in connections)
        until(lambda: connections[0].total(ANSWERED, route=ROUTE) >= 50, "all are counted")
        assert {connection.total(ANSWERED, route=ROUTE) for connection in connections} == {50}


def started(service: WorkerProcesses) -> float:
    with Client(service.port) as connection:
        return connection.total("artwork_worker_starts_total")


def test_workers_end_with_a_supervisor_that_was_killed(two: WorkerProcesses) -> None:
    workers = two.workers()
    assert len(workers) == 2
    two.process.kill()
    until(lambda: not any(map(is_running, workers)), "no worker is left")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_interrupt_ends_all_workers_and_is_passed_on(two: WorkerProcesses) -> None:
    workers = two.workers()
    two.process.send_signal(signal.SIGINT)
    assert two.process.wait(HANG_SECONDS) == 130
    assert not any(map(is_running, workers))


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("shares", [False, True])
def test_a_port_in_use_ends_the_start_even_if_its_owner_would_share_it(workers: str, shares: bool) -> None:
    with socket.socket() as owner:
        if shares:
            owner.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        port = str(owner.getsockname()[1])
        answer = call("serve", "--port", port, "--workers", workers)
    assert_refused(answer, 3, f"port {port}", "in use", "--port")


def test_a_port_that_several_workers_share_is_in_use_for_everybody_else(four: WorkerProcesses) -> None:
    for workers in (1, 2):
        answer = artwork("serve", "--port", str(four.port), "--workers", str(workers))
        assert_refused(answer, 3, "in use")


def test_a_worker_that_cannot_start_ends_the_start() -> None:
    refused = pytest.raises(SurroundingsError, match=r"worker \d ended with code 3 at its start")
    with bind("127.0.0.1", 0) as taken, refused:  # bound alone, not reserved: no worker can share it
        serve_workers(load_settings(workers=2), taken)


def test_a_number_of_workers_that_makes_no_sense_is_refused() -> None:
    assert_refused(call("serve", "--workers", "0"), 2, "ARTWORK_WORKERS", "0")
