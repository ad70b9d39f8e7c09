"""The process that speaks with a Ray cluster: it is started by ``batch.executors.on_ray`` and does as it is asked.

As a module it takes the descriptor of its connection: ``python -m batch.executors.ray_driver 7``. It ends when that does.
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, Final

from bandit.errors import SurroundingsError
from batch.executors.nodes import Meeting, NodeFacts, facts_of, judge
from batch.executors.ray_connection import ANSWER_SECONDS, connected, first_line, host_and_port
from batch.executors.ray_tasks import Answer, error_of, on_node, prepared, run_shard, visit

_TRIES: Final = 5
"""How often a shard is run again because its worker or its node died; one for which memory does not suffice dies each time."""

_AHEAD: Final = 2
"""Shards per core that are handed out before their results are asked for: the next one waits where the last one ends."""

_WAIT_SECONDS: Final = 0.25
"""Between two looks whether the job is still there."""

_LOOK_SECONDS: Final = 5.0
"""Between two looks whether the cluster is still there."""

_GONE_SECONDS: Final = 20.0
"""How long the control service may be away: some clusters start it again."""


class _NobodyAsksError(Exception):
    """The job has gone, and wants no answer."""


class Driver:
    """A connection with a cluster, and what was put there and is under way by number."""

    def __init__(self, ray: Any, address: str, place: Meeting, is_left: Callable[[], bool]) -> None:
        self._ray, self._address, self._place, self._is_left = ray, address, place, is_left
        self._expected = facts_of("here")
        self._run = ray.remote(num_cpus=1, max_retries=_TRIES)(run_shard)
        self._carried: list[Any] = []
        self._under_way: dict[int, Any] = {}
        self._handed_out = 0
        self._room, self._looked_at, self._next_look = 0, -_LOOK_SECONDS, 0.0
        self._control = host_and_port(ray.get_runtime_context().gcs_address)
        worker: Any = import_module("ray._private.worker")
        self._raylet: str = worker.global_worker.node.raylet_socket_name
        self._gone_since: float | None = None

    def put(self, task: bytes) -> int:
        """Put a task into the object store; its number."""
        with self._lost():
            self._carried.append(self._ray.put(task))
        return len(self._carried) - 1

    def most_waiting(self) -> int:
        """How many shards may be under way. Looked up anew from time to time: nodes come and go."""
        now = time.monotonic()
        if now >= self._looked_at + _LOOK_SECONDS and (not self._room or self._is_controlled()):
            with self._lost():
                self._room = max(1, _AHEAD * int(self._ray.cluster_resources().get("CPU", 0)))
            self._looked_at = now
        return self._room

    def run(self, task: int, shard: bytes) -> int:
        """Hand out a shard of a task; its number."""
        self._handed_out += 1
        with self._lost():
            self._under_way[self._handed_out] = self._run.remote(
                [self._carried[task]], self._place, self._expected, shard
            )
        return self._handed_out

    def get(self, number: int) -> bytes:
        """The answer to a shard, pickled."""
        with self._lost():
            answer: bytes = self._get(self._under_way[number])
        del self._under_way[number]
        return answer

    def cancel(self) -> None:
        """Stop the shards that are under way."""
        with suppress(Exception):  # of a cluster that is lost there is nothing to stop
            for asked in self._under_way.values():
                self._ray.cancel(asked, force=True)

    def prepare(self) -> list[str]:
        """Check every node, and compile the kernels on each; what to warn of.

        Raises:
            SurroundingsError: a node does not fit, or there is none.
        """
        nodes = self._nodes()
        if not nodes:
            raise SurroundingsError(
                f"the Ray cluster ({self._address}) has no node with a core for tasks; start one by `ray start --num-cpus`"
            )
        answers = self._on_each(nodes, visit, self._place)
        warnings = judge(self._expected, [self._seen(node_id, answer) for node_id, answer in answers.items()])
        self._on_each(nodes, prepared, self._place, self._expected)
        return warnings

    def _nodes(self) -> dict[str, str]:
        """The nodes that may be given shards: names by ids."""
        with self._lost():
            nodes = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        return {node["NodeID"]: f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})" for node in nodes}

    def _on_each(self, nodes: Mapping[str, str], task: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """The answers of all nodes by id, but of those that are gone meanwhile."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

        remote = self._ray.remote(num_cpus=0)(on_node)
        asked = {
            node_id: remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False)).remote(
                name, task, arguments
            )
            for node_id, name in nodes.items()
        }
        answers = {}
        for node_id, asking in asked.items():
            try:
                answers[node_id] = self._get(asking)
            except self._ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, SurroundingsError):
                    raise error.cause from error
                raise SurroundingsError(
                    f"node {nodes[node_id]} cannot run our code: {first_line(error.cause)}; install artwork-bandit[ray]"
                    " there, the same release as here"
                ) from error
            except (OSError, self._ray.exceptions.RayError) as error:
                if node_id in self._nodes():
                    raise _lost_cluster(self._address, error) from error
        return answers

    def _seen(self, node_id: str, facts: NodeFacts) -> NodeFacts:
        """What a node says of itself, with what is seen of it from here."""
        if facts.trouble or self._place.has_been(node_id):
            return facts
        trouble = f"what it wrote to {self._place.folder / node_id} is not there"
        return facts_of(facts.node, trouble)

    def _get(self, asked: Any) -> Any:
        """What a task gives, whenever it is done.

        Raises:
            SurroundingsError: the raylet of this machine or the cluster's control service is gone, without which Ray may wait
                for ever.
            RayError: anything else that Ray says.
        """
        while True:
            try:
                return self._ray.get(asked, timeout=_WAIT_SECONDS)
            except self._ray.exceptions.GetTimeoutError as error:
                if self._is_left():
                    raise _NobodyAsksError from error
                self._look()

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        if not _answers(socket.AF_UNIX, self._raylet):
            raise _lost_cluster(self._address, "the raylet of this machine does not answer any more")
        if self._is_controlled():
            self._gone_since = None
            return
        self._gone_since = self._gone_since or now
        if now - self._gone_since >= _GONE_SECONDS:
            raise _lost_cluster(self._address, "its control service does not answer any more")

    def _is_controlled(self) -> bool:
        try:
            socket.create_connection(self._control, ANSWER_SECONDS).close()
        except OSError:
            return False
        return True

    @contextmanager
    def _lost(self) -> Iterator[None]:
        """Translate what Ray raises.

        Raises:
            SurroundingsError: a shard or the cluster is lost.
        """
        try:
            yield
        except (OSError, self._ray.exceptions.RayError) as error:  # the system's, where the node of this machine dies
            raise _lost_cluster(self._address, error) from error


def _answers(family: socket.AddressFamily, address: str) -> bool:
    with socket.socket(family) as asking:
        asking.settimeout(ANSWER_SECONDS)
        try:
            asking.connect(address)
        except OSError:
            return False
    return True


def _lost_cluster(address: str, error: Exception | str) -> SurroundingsError:
    if type(error).__name__ in {"WorkerCrashedError", "OutOfMemoryError"}:
        return SurroundingsError(
            f"a shard died on its node {_TRIES + 1} times, perhaps for lack of memory ({first_line(error)}); try a smaller"
            " --shard-size"
        )
    return SurroundingsError(
        f"the Ray cluster ({address}) was lost: {first_line(error)}; what was there before is whole: see `ray status`, then"
        " run this again"
    )


def _serve(connection: Connection) -> None:
    """Answer one call after the other, until the other end is closed."""
    with ExitStack() as stack:
        driver: Driver | None = None

        def start(address: str, workers: int | None, place: Meeting) -> list[str]:
            nonlocal driver
            ray = stack.enter_context(connected(address, workers))
            driver = Driver(ray, address, place, connection.poll)
            stack.callback(driver.cancel)  # nobody waits for the shards any more, of which one may take minutes
            return driver.prepare()

        calls: dict[str, Callable[..., Any]] = {"start": start, "pid": os.getpid}
        with suppress(EOFError, ConnectionError, _NobodyAsksError):
            while True:
                what, arguments = connection.recv()
                connection.send(_answer(calls.get(what) or getattr(driver, what), arguments))


def _answer(call: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
    try:
        return Answer(result=call(*arguments))
    except (_NobodyAsksError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - it is told where somebody can read it
        return error_of(error)


if __name__ == "__main__":
    with Connection(int(sys.argv[1])) as asked:
        _serve(asked)
