"""Shards on the nodes of a Ray cluster: plain tasks, which Ray runs again where a node is lost."""

import os
import pickle
import socket
import time
import traceback
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from threadpoolctl import threadpool_limits

from bandit.errors import InputError, SurroundingsError
from bandit.kernels.warm import warm_alone
from batch.executors.nodes import Meeting, NodeFacts, facts_of, judge, meeting
from batch.executors.protocol import Executor, ReadsFiles, Result, Shard
from batch.executors.ray_connection import ANSWER_SECONDS, check_address, connected, first_line, host_and_port

_TRIES: Final = 5
"""How often a shard is run again because its worker or its node died; one for which memory does not suffice dies each time."""

_AHEAD: Final = 2
"""Shards per core that are handed out before their results are asked for: the next one waits where the last one ends."""

_LOOK_SECONDS: Final = 5.0
_GONE_SECONDS: Final = 20.0
"""How long the control service may be away: some clusters start it again."""


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
    with meeting(workspace.absolute()) as place, connected(address, workers) as ray:
        executor = RayExecutor(ray, address, place)
        try:
            executor.prepare()
            yield executor
        except BaseException:  # nobody waits for the shards any more, of which one may take minutes
            executor.cancel()
            raise


class RayExecutor:
    """Runs shards as tasks of one core each. ``shards_by_node`` counts those that were done, by the id of their node.

    What a task carries is put into the object store once, and read from there once by each worker process.
    """

    def __init__(self, ray: Any, address: str, place: Meeting) -> None:
        self._ray, self._address, self._place = ray, address, place
        self._expected = facts_of("here")
        self._run = ray.remote(num_cpus=1, max_retries=_TRIES)(_run)
        self._under_way: list[deque[Any]] = []
        self._room, self._looked_at = 0, -_LOOK_SECONDS
        self._control = host_and_port(ray.get_runtime_context().gcs_address)
        self._gone_since: float | None = None
        self.shards_by_node: Counter[str] = Counter()

    def map(self, task: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterator[Result]:
        """The result of each shard, in order; so many are under way that every core has the next one waiting."""
        with self._lost():
            carried = self._ray.put(pickle.dumps(_with_contents(task)))
        rest, waiting = iter(shards), deque[Any]()
        self._under_way.append(waiting)
        while True:
            with self._lost():
                for shard in islice(rest, max(0, self._most_waiting() - len(waiting))):
                    waiting.append(self._run.remote([carried], self._place, self._expected, pickle.dumps(shard)))
                if not waiting:
                    self._under_way.remove(waiting)
                    return
                answer: _Answer = pickle.loads(self._get(waiting[0]))  # noqa: S301 - of our own task
            waiting.popleft()
            if answer.error is not None:
                raise answer.error from _RemoteTraceback(answer.trace)
            self.shards_by_node[answer.node] += 1
            yield answer.result

    def prepare(self) -> None:
        """Check every node, and compile the kernels on each.

        Raises:
            SurroundingsError: a node does not fit, or there is none.
        """
        nodes = self._nodes()
        if not nodes:
            raise SurroundingsError(
                f"the Ray cluster ({self._address}) has no node with a core for tasks; start one by `ray start --num-cpus`"
            )
        answers = self._on_each(nodes, _visit, self._place)
        facts = [self._seen(node_id, answer) for node_id, answer in answers.items()]
        for warning in judge(self._expected, facts):
            warnings.warn(warning, stacklevel=2)
        self._on_each(nodes, _prepared, self._place, self._expected)

    def cancel(self) -> None:
        """Stop the shards that are under way."""
        with suppress(Exception):  # of a cluster that is lost there is nothing to stop
            for asked in (asked for waiting in self._under_way for asked in waiting):
                self._ray.cancel(asked, force=True)

    def _nodes(self) -> dict[str, str]:
        """The nodes that may be given shards: names by ids."""
        with self._lost():
            nodes = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        return {node["NodeID"]: f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})" for node in nodes}

    def _on_each(self, nodes: Mapping[str, str], task: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """The answers of all nodes by id, but of those that are gone meanwhile."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

        remote = self._ray.remote(num_cpus=0)(_on_node)
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
            SurroundingsError: the cluster's control service is gone, without which Ray waits for ever.
            RayError: anything else that Ray says.
        """
        while True:
            try:
                return self._ray.get(asked, timeout=_LOOK_SECONDS)
            except self._ray.exceptions.GetTimeoutError as error:
                now = time.monotonic()
                if self._is_controlled():
                    self._gone_since = None
                elif now - (self._gone_since or now) >= _GONE_SECONDS:
                    raise _lost_cluster(self._address, "its control service does not answer any more") from error
                else:
                    self._gone_since = self._gone_since or now

    def _is_controlled(self) -> bool:
        try:
            socket.create_connection(self._control, ANSWER_SECONDS).close()
        except OSError:
            return False
        return True

    def _most_waiting(self) -> int:
        """Looked up anew from time to time: nodes come and go."""
        now = time.monotonic()
        if now >= self._looked_at + _LOOK_SECONDS and (not self._room or self._is_controlled()):
            self._room = max(1, _AHEAD * int(self._ray.cluster_resources().get("CPU", 0)))
            self._looked_at = now
        return self._room

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


def _with_contents(task: Callable[..., Any]) -> Callable[..., Any]:
    if not isinstance(task, partial):
        return task
    arguments = (given.with_contents() if isinstance(given, ReadsFiles) else given for given in task.args)
    return partial(task.func, *arguments, **task.keywords)


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


# --- in the processes of the nodes ------------------------------------------------------------------------------------


class _Answer(NamedTuple):
    """What became of a shard on a node: its result, or what it raised with the traceback."""

    node: str
    result: Any = None
    error: BaseException | None = None
    trace: str = ""


class _RemoteTraceback(Exception):  # noqa: N818 - the name by which a fault is told where it comes from
    """Where an exception was raised, in a process of which there is only the text."""


def _run(carried: Sequence[Any], place: Meeting, expected: NodeFacts, shard: bytes) -> bytes:
    """A shard. Arguments and results are pickled here and not by Ray, whose arrays cannot be written to."""
    import ray  # noqa: PLC0415

    node = ray.get_runtime_context().get_node_id()
    try:
        _prepared(node, place, expected)
        result = _fetched(carried[0])(pickle.loads(shard))  # noqa: S301 - of the driver
        return pickle.dumps(_Answer(node, result))
    except (ray.exceptions.RayError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - polars' panics are no Exception, and all of them are told where they end
        return _pickled(node, error)


def _pickled(node: str, error: BaseException) -> bytes:
    trace = "".join(traceback.format_exception(error))
    try:
        answer = pickle.dumps(_Answer(node, None, error, trace))
        pickle.loads(answer)  # noqa: S301 - made just now: some exceptions are pickled, and cannot be read
    except Exception:  # noqa: BLE001 - whatever its class does
        return pickle.dumps(_Answer(node, None, RuntimeError(f"{type(error).__name__}: {error}"), trace))
    return answer


@lru_cache(maxsize=1)
def _fetched(carried: Any) -> Callable[[Any], Any]:
    import ray  # noqa: PLC0415

    task: Callable[[Any], Any] = pickle.loads(ray.get(carried))  # noqa: S301 - of the driver
    return task


def _on_node(name: str, task: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    return task(name, *arguments)


def _visit(name: str, place: Meeting) -> NodeFacts:
    import ray  # noqa: PLC0415

    return facts_of(name, place.visit(ray.get_runtime_context().get_node_id()))


@lru_cache(maxsize=1)
def _prepared(name: str, place: Meeting, expected: NodeFacts) -> None:
    """What each process does before its first shard; on a node that has joined since the job began, what others did before."""
    import ray  # noqa: PLC0415

    os.environ["POLARS_MAX_THREADS"] = "1"  # read when polars is first imported, which is after this
    node_id = ray.get_runtime_context().get_node_id()
    is_warm = place.folder / f"{node_id}.warm"
    if not is_warm.exists():
        judge(expected, [facts_of(name, place.visit(node_id))])
        warm_alone()
        is_warm.touch()
    threadpool_limits(limits=1, user_api="blas")
