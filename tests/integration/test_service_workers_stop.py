"""How a service parts from its clients: every request that it has accepted is answered."""

import asyncio
import gc
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import pytest
import uvicorn
import uvloop
from asgi import SlowStore
from shell import environment
from worker_processes import HANG_SECONDS, Client, serving, until

from service.app import create_app
from service.http.connection import Connection
from service.listening import bind
from service.server import Server
from service.settings import Settings

LOOK_UP = "/v1/users/ann/titles/heat/artwork"


@dataclass
class Seen:
    """What clients of a service saw until it was gone."""

    answered: int = 0
    farewells: int = 0
    lost: list[str] = field(default_factory=list)


@pytest.mark.parametrize("workers", [1, 2])
def test_under_load_every_request_on_a_connection_not_announced_to_close_is_answered(workers: int) -> None:
    seen = [Seen() for _ in range(16)]
    with serving(workers) as service:
        threads = [threading.Thread(target=ask_until_gone, args=(service.port, one)) for one in seen]
        for thread in threads:
            thread.start()
        until(lambda: min(one.answered for one in seen) > 50, "everybody was answered for a while")
        service.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(HANG_SECONDS)
        assert not any(thread.is_alive() for thread in threads)
        assert service.process.wait(HANG_SECONDS) == 143
    assert [one.lost for one in seen if one.lost] == []
    assert all(one.farewells for one in seen)


def ask_until_gone(port: int, seen: Seen) -> None:
    while True:
        try:
            connection = Client(port)
        except ConnectionRefusedError:
            return
        with connection:
            if not ask_until_farewell(connection, seen):
                return


def ask_until_farewell(connection: Client, seen: Seen) -> bool:
    """Whether the server said goodbye. Not: it has closed a connection that was idle, or was gone before it took this one."""
    for turn in range(1_000_000):
        if connection.closed():
            return False
        try:
            answer = connection.get(LOOK_UP)
        except (BrokenPipeError, ConnectionResetError):
            answer = None
        if answer is None:
            if turn:
                seen.lost.append(f"no answer to request {turn} of its connection")
            return False
        seen.answered += 1
        if answer.closes:
            seen.farewells += 1
            return True
    raise AssertionError("it was never told to stop")


def test_an_idle_connection_does_not_keep_a_service_from_ending() -> None:
    with serving(workers=1) as service, Client(service.port) as idle:
        assert idle.get("/livez")
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(HANG_SECONDS) == 143
        assert idle.closed()


SLOW_PATH = "/v1/%75sers/ann/titles/t0/artwork"
FAST_PATH = "/v1/users/ann/titles/t0/artwork"
both_paths = pytest.mark.parametrize("target", [SLOW_PATH, FAST_PATH], ids=["slow path", "fast path"])


class Stage:
    """A server in this loop, whose rows come when they are let, and which a test stops at the moment that it chooses."""

    def __init__(self, max_waiting: int) -> None:
        self.store, self.listener = SlowStore(), bind("127.0.0.1", 0)
        self.port = int(self.listener.getsockname()[1])
        self.clients = ExitStack()
        app = create_app(Settings(poll_seconds=3600, max_waiting=max_waiting), self.store)
        self.server = Server(uvicorn.Config(app, http=Connection, ws="none", lifespan="on", log_config=None))

    def connect(self) -> Client:
        return self.clients.enter_context(Client(self.port))

    async def begun(self) -> None:
        """Return once a look-up waits for its row."""
        while not self.server.lifespan.state["service"].in_progress:
            await asyncio.sleep(0)

    async def stop(self) -> None:
        await self.server.shutdown([self.listener])


def play(scene: Callable[[Stage], Awaitable[None]], max_waiting: int = 100) -> None:
    async def run() -> None:
        stage = Stage(max_waiting)
        stage.server.config.load()
        stage.server.lifespan = stage.server.config.lifespan_class(stage.server.config)
        await stage.server.startup([stage.listener])
        with stage.clients:
            async with asyncio.timeout(HANG_SECONDS):
                await scene(stage)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    gc.unfreeze()  # a server that is ready freezes all there is, here that of the whole test run


def test_what_the_kernel_has_accepted_for_a_server_that_stops_is_answered() -> None:
    async def scene(stage: Stage) -> None:
        queued = [stage.connect() for _ in range(20)]  # the loop is not run in between, so they wait in the kernel
        for connection in queued:
            connection.send("/livez")
        await stage.stop()
        assert [answer and answer.status for answer in map(Client.answer, queued)] == [200] * 20

    play(scene)


def test_a_request_that_comes_while_the_server_parts_is_answered_with_a_farewell() -> None:
    async def scene(stage: Stage) -> None:
        kept = stage.connect()
        first = await asyncio.to_thread(kept.get, "/livez")
        stopping = asyncio.create_task(stage.stop())
        await asyncio.sleep(0)  # it begins
        last = await asyncio.to_thread(kept.get, "/livez")
        await stopping
        assert first is not None
        assert last is not None
        assert (first.closes, last.closes) == (False, True)
        assert kept.closed()

    play(scene)


@both_paths
def test_a_request_in_progress_is_waited_for_and_answered_with_a_farewell(target: str) -> None:
    async def scene(stage: Stage) -> None:
        client = stage.connect()
        client.send(target)
        await stage.begun()
        stopping = asyncio.create_task(stage.stop())
        await asyncio.sleep(0)
        stage.store.let.set()
        await stopping
        answer = client.answer()
        assert answer is not None
        assert answer.closes

    play(scene)


@both_paths
def test_requests_that_wait_behind_one_in_progress_are_answered_and_the_last_one_says_farewell(target: str) -> None:
    async def scene(stage: Stage) -> None:
        client = stage.connect()
        client.send(target, "/livez", target)
        await stage.begun()
        stopping = asyncio.create_task(stage.stop())
        await asyncio.sleep(0)
        stage.store.let.set()
        await stopping
        assert farewells(client, 3) == [False, False, True]

    play(scene)


@both_paths
def test_a_request_that_comes_behind_one_in_progress_takes_over_its_farewell(target: str) -> None:
    async def scene(stage: Stage) -> None:
        client = stage.connect()
        client.send(target)
        await stage.begun()
        stopping = asyncio.create_task(stage.stop())
        await asyncio.sleep(0)
        client.send("/livez")
        [connection] = stage.server.connections()
        while not (connection.pipeline or connection.kept.data):
            await asyncio.sleep(0)
        stage.store.let.set()
        await stopping
        assert farewells(client, 2) == [False, True]

    play(scene)


def farewells(client: Client, number: int) -> list[bool | None]:
    answers = [client.answer() for _ in range(number)]
    return [None if answer is None else answer.closes for answer in answers]


@both_paths
def test_a_look_up_beyond_the_bound_is_told_farewell_too(target: str) -> None:
    async def scene(stage: Stage) -> None:
        busy, refused = stage.connect(), stage.connect()
        busy.send(target)
        await stage.begun()
        before = await asyncio.to_thread(refused.get, LOOK_UP)
        stopping = asyncio.create_task(stage.stop())
        await asyncio.sleep(0)
        after = await asyncio.to_thread(refused.get, LOOK_UP)
        stage.store.let.set()
        await stopping
        assert before is not None
        assert after is not None
        assert ((before.status, before.closes), after.closes) == ((503, False), True)

    play(scene, max_waiting=1)


def test_a_stopped_server_takes_no_new_connection() -> None:
    async def scene(stage: Stage) -> None:
        await stage.stop()
        with pytest.raises(ConnectionRefusedError):
            stage.connect()

    play(scene)


FAULTY = """
import sys

import uvicorn

from service.app import create_app
from service.http.connection import Connection
from service.listening import bind
from service.logs import configure_logs
from service.server import GRACE_SECONDS, Server
from service.settings import Settings


class Faulty(Connection):
    def connection_made(self, transport):
        self.fail("connection_made")
        super().connection_made(transport)

    def data_received(self, data):
        self.fail("data_received")
        super().data_received(data)

    def connection_lost(self, exc):
        self.fail("connection_lost")
        super().connection_lost(exc)

    def fail(self, name):
        if self.server_state.leaving and name == sys.argv[1]:
            raise RuntimeError(name)


configure_logs("error")  # to standard error
app = create_app(Settings(redis_url="redis://127.0.0.1:1/0"))
config = uvicorn.Config(
    app, loop="uvloop", http=Faulty, ws="none", log_config=None, timeout_graceful_shutdown=GRACE_SECONDS
)
listener = bind("127.0.0.1", 0)
Server(config, lambda: print(listener.getsockname()[1], flush=True)).run(sockets=[listener])
"""


@pytest.mark.parametrize("callback", ["connection_made", "data_received", "connection_lost"])
def test_a_service_whose_connections_have_a_fault_ends_all_the_same(callback: str) -> None:
    # In a process of its own: where warnings are errors, as here, that of an open transport keeps uvloop from closing it.
    command = [sys.executable, "-P", "-c", FAULTY, callback]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with Client(port) as kept, Client(port) as idle:
                assert kept.get("/livez")
                assert idle.get("/livez")
                process.send_signal(signal.SIGTERM)
                with suppress(ConnectionError):
                    kept.send("/livez")
                assert process.wait(HANG_SECONDS) == -signal.SIGTERM
        finally:
            process.kill()
