"""What runs in the worker processes of a Ray cluster: a shard, a look at a node, and what comes before either."""

import os
import pickle
import traceback
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from batch.executors.nodes import Meeting, NodeFacts, facts_of, judge


class RemoteTraceback(Exception):  # noqa: N818 - the name by which a fault is told where it comes from
    """Where an exception was raised, in a process of which there is only the text."""


class Answer(NamedTuple):
    """What became of a call in another process: its result, or what it raised with the traceback; ``node`` is a shard's."""

    node: str = ""
    result: Any = None
    error: BaseException | None = None
    trace: str = ""

    def value(self) -> Any:
        """The result.

        Raises:
            BaseException: what the call raised.
        """
        if self.error is not None:
            raise self.error from RemoteTraceback(self.trace)
        return self.result


def error_of(error: BaseException, node: str = "") -> Answer:
    """The answer of a call that raised, which can be pickled whatever the exception is."""
    trace = "".join(traceback.format_exception(error))
    answer = Answer(node, None, error, trace)
    try:
        pickle.loads(pickle.dumps(answer))  # noqa: S301 - made just now: some exceptions are pickled, and cannot be read
    except Exception:  # noqa: BLE001 - whatever its class does
        return Answer(node, None, RuntimeError(f"{type(error).__name__}: {error}"), trace)
    return answer


def run_shard(carried: Sequence[Any], place: Meeting, expected: NodeFacts, shard: bytes) -> bytes:
    """A shard. Arguments and results are pickled here and not by Ray, whose arrays cannot be written to."""
    import ray  # noqa: PLC0415

    node = ray.get_runtime_context().get_node_id()
    try:
        prepared(node, place, expected)
        result = _fetched(carried[0])(pickle.loads(shard))  # noqa: S301 - of the driver
        return pickle.dumps(Answer(node, result))
    except (ray.exceptions.RayError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - polars' panics are no Exception, and all of them are told where they end
        return pickle.dumps(error_of(error, node))


@lru_cache(maxsize=1)
def _fetched(carried: Any) -> Callable[[Any], Any]:
    import ray  # noqa: PLC0415

    task: Callable[[Any], Any] = pickle.loads(ray.get(carried))  # noqa: S301 - of the driver
    return task


def on_node(name: str, task: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """A task for one node, which is given its name."""
    return task(name, *arguments)


def visit(name: str, place: Meeting) -> NodeFacts:
    """What a node says of itself."""
    import ray  # noqa: PLC0415

    return facts_of(name, place.visit(ray.get_runtime_context().get_node_id()))


@lru_cache(maxsize=1)
def prepared(name: str, place: Meeting, expected: NodeFacts) -> None:
    """What each process does before its first shard; on a node that has joined since the job began, what others did before."""
    os.environ["POLARS_MAX_THREADS"] = "1"  # read when polars is first imported, which is after this
    import ray  # noqa: PLC0415

    from bandit.kernels.warm import warm_alone  # noqa: PLC0415 - the driver has no use for the compiler
    from batch.linear_algebra import in_one_thread  # noqa: PLC0415

    node_id = ray.get_runtime_context().get_node_id()
    is_warm = place.folder / f"{node_id}.warm"
    if not is_warm.exists():
        judge(expected, [facts_of(name, place.visit(node_id))])
        warm_alone()
        is_warm.touch()
    in_one_thread()
