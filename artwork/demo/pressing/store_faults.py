"""The embedded store of a demo, which the watcher may stop, freeze and slow down, and bring back."""

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import RLock
from typing import Final

import redis

from artwork.bench.testbed.delaying_proxy import DelayingProxy
from artwork.web.stage import BusyError, StoreState
from bandit.urls import read_store_url, socket_url
from batch.store.client import connect, store_errors
from batch.store.embedded import running_store, start_store
from batch.store.server import Server, is_server

_LINK: Final = "link.sock"  # no longer than the name of the socket beside it, whose path just fits
_PROXY: Final = "slow.sock"
_OUR_CLIENT: Final = "redis-py"
"""Jobs connect by redis-py, which says so; the service connects by a client that does not say what it is."""


class StoreFaults:
    """The embedded store of a workspace, whose service reaches it by ``service_url``.

    That is a link to the store's socket, so that nothing lies between the two while all is well. A store that is slow is one
    whose link leads to a proxy that delays answers. Jobs reach the store by itself and are not slowed.
    """

    def __init__(self, root: Path, url: str) -> None:
        store = running_store(root)
        assert store is not None  # noqa: S101 - its URL was given by whoever started it
        self._root, self._url, self._folder = root, url, store.folder
        self._socket = Path(read_store_url(url).path)
        self._link, self._slow = self._socket.with_name(_LINK), self._socket.with_name(_PROXY)
        self._pid = store.pid
        self._state: StoreState = "up"
        self._proxy = ExitStack()
        self._lock = RLock()

    @property
    def service_url(self) -> str:
        """What the service is given as the URL of the store."""
        return socket_url(self._link)

    @property
    def state(self) -> StoreState:
        """What was done to the store, or ``away`` where it ended otherwise."""
        state = self._state
        return "away" if state in {"up", "slow", "frozen"} and not self._is_alive() else state

    @property
    def answers(self) -> bool:
        """Whether jobs can use it."""
        return self.state in {"up", "slow"}

    @contextmanager
    def lent(self) -> Iterator[None]:
        """The service may use the link while the block runs; afterwards the store is as it was, so that it can be stopped."""
        self._point_to(self._socket)
        try:
            yield
        finally:
            with self._lock:
                self._end_faults()
                self._link.unlink(missing_ok=True)

    def stop(self) -> None:
        """Kill it (SIGKILL), as a machine would that loses power: what it wrote to its append-only file stays.

        Raises:
            BusyError: it is stopped already.
        """
        with self._lock:
            self._refuse({"stopped", "away"}, "the store is stopped already; bring it back first")
            self._end_faults()
            os.kill(self._pid, signal.SIGKILL)
            _wait_for(self._pid, 0)
            self._state = "stopped"

    def freeze(self) -> None:
        """Stop it where it is (SIGSTOP): the kernel takes connections, nothing is answered.

        Raises:
            BusyError: it is not there, or frozen already.
        """
        with self._lock:
            self._refuse({"stopped", "away", "frozen"}, "the store is frozen or stopped already; bring it back first")
            self._end_faults()
            os.kill(self._pid, signal.SIGSTOP)
            _wait_for(self._pid, os.WUNTRACED)
            self._state = "frozen"

    def slow_down(self, delay_ms: float) -> None:
        """Let the service wait for every answer; again with another delay changes that.

        Raises:
            BusyError: it is not there, or frozen.
        """
        with self._lock:
            self._refuse({"stopped", "away", "frozen"}, "the store does not answer at all; bring it back first")
            self._end_faults()
            self._proxy.enter_context(DelayingProxy(self._socket, delay_ms, self._slow))
            self._point_to(self._slow)
            self._cut_service()
            self._state = "slow"

    def bring_back(self) -> None:
        """Undo what was done: start it again with what it held, let it go on, or take the delay away.

        Raises:
            BusyError: nothing was done to it.
            SurroundingsError: it does not start.
        """
        with self._lock:
            self._refuse({"up"}, "the store is there, and answers")
            self._end_faults()
            if not self._is_alive():
                self._pid = start_store(self._root).pid
            self._state = "up"

    def _is_alive(self) -> bool:
        """Whether the server runs, and not by now another process that has its number."""
        _wait_for(self._pid, os.WNOHANG)  # ours to reap, once it has ended
        return is_server(Server(self._pid, self._socket), self._folder)

    def _refuse(self, states: set[StoreState], why: str) -> None:
        if self.state in states:
            raise BusyError(why)

    def _end_faults(self) -> None:
        if self._state == "frozen" and self._is_alive():
            os.kill(self._pid, signal.SIGCONT)
        if self._state == "slow":
            self._point_to(self._socket)
            self._proxy.close()  # which cuts the service off, so that it connects anew

    def _point_to(self, target: Path) -> None:
        new = self._link.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.replace(self._link)

    def _cut_service(self) -> None:
        with store_errors(self._url), connect(self._url) as client:
            for other in client.client_list(_type="normal"):
                if other.get("lib-name") != _OUR_CLIENT:
                    with contextlib.suppress(redis.ResponseError):  # gone by itself meanwhile
                        client.client_kill_filter(_id=other["id"])


def _wait_for(pid: int, options: int) -> None:
    """Until a signal that was sent has taken effect, where the process is ours; with ``WNOHANG`` only reap it."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, options)
