"""Several workers of one service: processes that share a port and the memory of their metrics, and their supervisor.

Each worker binds a socket of its own to the port (SO_REUSEPORT): the kernel spreads connections by their hash. On one
shared socket, the worker that wakes up first would take most of them.
"""

import asyncio
import json
import signal
import socket
import sys
import time
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final, Self, cast

import structlog

from bandit.errors import SurroundingsError
from service.logs import configure_logs
from service.metrics.counters import shared_memory
from service.metrics.metrics import BLOCK_SLOTS
from service.settings import Settings

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 10.0
"""Pauses before an ended worker is started again: doubled each time that it did not live for ``STEADY_SECONDS``."""
STEADY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
"""Longer than a worker takes to stop: one second for its clients to close, five for requests in progress."""

logger = structlog.get_logger()


@dataclass(frozen=True)
class Order:
    """What a worker has to do: a line on its standard input, which then stays open as long as the supervisor lives.

    Variables or flags could be read by other processes, and settings may hold the store's password.
    """

    worker: int
    memory: int
    """Descriptor of the memory that all workers count in."""
    settings: dict[str, Any]

    @classmethod
    def of(cls, line: str) -> Self:
        """The order of a line."""
        return cls(**json.loads(line))

    def line(self) -> bytes:
        """The order as it is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"


def serve_workers(settings: Settings, reserved: socket.socket, on_ready: Callable[[], None] = lambda: None) -> None:
    """Answer with ``settings.workers`` processes until SIGINT or SIGTERM, which is then raised anew.

    Args:
        settings: of each worker.
        reserved: holds the port (``service.listening.reserve``).
        on_ready: called once all of them answer.

    Raises:
        SurroundingsError: a worker ended before it was ready.
    """
    configure_logs(settings.log_level)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        received = asyncio.run(_Supervisor(_workers(settings, reserved)).run(on_ready))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    signal.raise_signal(received)


def _workers(settings: Settings, reserved: socket.socket) -> "list[_Worker]":
    values = settings.model_dump(mode="json") | {"port": reserved.getsockname()[1]}
    memory = shared_memory(settings.workers * BLOCK_SLOTS)
    return [_Worker(Order(number, memory, values)) for number in range(settings.workers)]


class _Supervisor:
    """Starts workers, restarts those that end, and stops all at a signal, or when one of them cannot start."""

    def __init__(self, workers: "Sequence[_Worker]") -> None:
        self._workers = workers
        self._signal = signal.SIGTERM

    async def run(self, on_ready: Callable[[], None]) -> signal.Signals:
        """Run until a signal, which is returned."""
        task = cast("asyncio.Task[object]", asyncio.current_task())
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._stop_at, number, task.cancel)
        try:
            await asyncio.gather(*(worker.start() for worker in self._workers))
            await asyncio.to_thread(on_ready)
            await asyncio.gather(*(worker.keep_running() for worker in self._workers))
        except asyncio.CancelledError:
            pass
        finally:
            await self._stop()
        return self._signal

    def _stop_at(self, number: signal.Signals, cancel: Callable[[], object]) -> None:
        self._signal = number
        cancel()

    async def _stop(self) -> None:
        """Gracefully; at once after the longest time that this takes, or after a second signal."""
        for worker in self._workers:
            worker.send(signal.SIGTERM)
        endings = [asyncio.create_task(worker.ended()) for worker in self._workers]
        with suppress(asyncio.CancelledError):
            await asyncio.wait(endings, timeout=STOP_SECONDS)
        for worker in self._workers:
            worker.send(signal.SIGKILL)
        await asyncio.wait(endings)


class _Worker:
    """One of the workers, and the process that does its work at the moment."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._process: Process | None = None

    async def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            SurroundingsError: it ended before that.
        """
        process = await self._spawned()
        if await cast("StreamReader", process.stdout).readline() == b"":
            code = await process.wait()
            raise SurroundingsError(
                f"worker {self._order.worker} ended with code {code} at its start; see its log above"
            )

    async def keep_running(self) -> None:
        """Start it again whenever it has ended; its metrics go on."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            since = time.monotonic()
            code = await self.ended()
            steady = time.monotonic() - since > STEADY_SECONDS
            pause_seconds = FIRST_PAUSE_SECONDS if steady else min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
            logger.error("worker_ended", worker=self._order.worker, code=code, restart_in_seconds=pause_seconds)
            await asyncio.sleep(pause_seconds)
            await self._spawned()

    async def ended(self) -> int | None:
        """Wait until it has ended, for its exit code; None if it was never started."""
        return None if self._process is None else await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _spawned(self) -> Process:
        # A process group of its own: Ctrl-C reaches the supervisor alone, which then stops the workers.
        process = self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "service.worker"),
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=[self._order.memory],
            process_group=0,
        )
        cast("StreamWriter", process.stdin).write(self._order.line())
        return process
