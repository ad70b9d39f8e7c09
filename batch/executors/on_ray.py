"""Shards on the nodes of a Ray cluster, which a process of its own speaks with: the driver, in Ray's words.

Ray's library ends the process that it is in when the node of that process is lost, and writes lines of its own to standard
error first. Here that process is the driver's and not the job's: what is left to the job is a connection that ends.
"""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from itertools import islice
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, Final

from bandit.errors import InputError, SurroundingsError
from batch.executors.nodes import meeting
from batch.executors.protocol import Executor, ReadsFiles, Result, Shard
from batch.executors.ray_connection import check_address
from batch.executors.ray_tasks import Answer, RemoteTraceback

_LEAVE_SECONDS: Final = 60.0
"""How long the driver may take to stop shards and to take leave, or to end a cluster of its own."""

_MOST_WORDS: Final = 10_000
"""Characters of what the driver wrote that are kept for --debug."""


@contextmanager
def open_ray(workspace: Path, address: str, workers: int | None) -> Iterator[Executor]:
    """An executor on a cluster of which every node was checked and has its kernels compiled.

    Args:
        workspace: that every node has to see.
        address: ``local`` starts a cluster that ends with the block; of others it only takes leave.
        workers: cores of a cluster that is started; None takes those that this process may use.

    Raises:
        ModuleNotFoundError: the package ray is not installed.
        InputError: the address makes no sense, or the workspace is not there.
        SurroundingsError: there is no such cluster, or a node does not fit; or, in the block, the cluster is lost.
    """
    check_address(address)
    if not workspace.is_dir():
        raise InputError(f"{workspace} is not a folder; expected a workspace")
    if find_spec("ray") is None:
        raise ModuleNotFoundError("No module named 'ray'", name="ray")
    with meeting(workspace.absolute()) as place, _driver(address) as driver:
        for warning in driver.ask("start", address, workers, place):
            warnings.warn(warning, stacklevel=3)
        yield RayExecutor(driver)


class RayExecutor:
    """Runs shards as tasks of one core each. ``shards_by_node`` counts those that were done, by the id of their node.

    What a task carries is put into the object store once, and read from there once by each worker process.
    """

    def __init__(self, driver: "_Driver") -> None:
        self._driver = driver
        self.shards_by_node: Counter[str] = Counter()

    def map(self, task: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterator[Result]:
        """The result of each shard, in order; so many are under way that every core has the next one waiting."""
        carried = self._driver.ask("put", pickle.dumps(_with_contents(task)))
        rest, waiting = iter(shards), deque[int]()
        while True:
            room: int = self._driver.ask("most_waiting")
            for shard in islice(rest, max(0, room - len(waiting))):
                waiting.append(self._driver.ask("run", carried, pickle.dumps(shard)))
            if not waiting:
                return
            answer: Answer = pickle.loads(self._driver.ask("get", waiting.popleft()))  # noqa: S301 - of our own task
            self.shards_by_node[answer.node] += 1
            yield answer.value()


def _with_contents(task: Callable[..., Any]) -> Callable[..., Any]:
    if not isinstance(task, partial):
        return task
    arguments = (given.with_contents() if isinstance(given, ReadsFiles) else given for given in task.args)
    return partial(task.func, *arguments, **task.keywords)


class _Driver:
    """The job's end of the connection with the process that speaks with Ray."""

    def __init__(self, address: str, connection: Connection, process: subprocess.Popen[bytes], words: Path) -> None:
        self._address, self._connection, self._process, self._words = address, connection, process, words

    def ask(self, what: str, *arguments: Any) -> Any:
        """What a method of ``batch.executors.ray_driver.Driver`` answers.

        Raises:
            SurroundingsError: the cluster is lost, and the driver with it.
            Exception: as the method does.
        """
        try:
            self._connection.send((what, arguments))
            answer: Answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from (self._last_words() or error)
        except BaseException:  # Ctrl-C before the answer, which nobody may take for that to another question
            self._connection.close()
            raise
        return answer.value()

    def _lost(self) -> SurroundingsError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVE_SECONDS)
        return SurroundingsError(
            f"the Ray cluster ({self._address}) was lost: Ray ended the process that spoke with it"
            f" ({_ending(self._process.returncode)}); what was there before is whole: see `ray status`, then run this again"
        )

    def _last_words(self) -> RemoteTraceback | None:
        with suppress(OSError):
            if words := self._words.read_text(encoding="utf-8", errors="replace")[-_MOST_WORDS:]:
                return RemoteTraceback(words)
        return None


@contextmanager
def _driver(address: str) -> Iterator[_Driver]:
    """The process that speaks with Ray, for as long as the block lasts; then it stops the shards that are under way."""
    # An empty folder: Ray puts the current one before all others on the path of its workers, where a json.py may lie.
    folder = Path(tempfile.mkdtemp(prefix="artwork-ray-"))
    words = folder / "driver.log"
    ours, theirs = Pipe()
    try:
        with theirs, words.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", "batch.executors.ray_driver", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is the job's, which ends the driver
            )
        with process:
            try:
                yield _Driver(address, ours, process, words)
            except BaseException:
                process.terminate()  # it may be about to start a cluster, and hear of nothing else
                raise
            finally:
                ours.close()
                _leave(process)
    finally:
        ours.close()
        shutil.rmtree(folder, ignore_errors=True)


def _leave(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_LEAVE_SECONDS)
    except BaseException as error:  # it hangs, or Ctrl-C comes once more
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise


def _ending(code: int | None) -> str:
    if code is None:
        return "it does not answer"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
