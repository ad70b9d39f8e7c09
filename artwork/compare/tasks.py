"""Tasks of a comparison, in this process or in several, with progress."""

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from typing import TypeVar

from bandit.errors import SurroundingsError
from batch.executors import Progress, open_executor

Task = TypeVar("Task")
Result = TypeVar("Result")


def repeat(
    executor_name: str,
    task: Callable[[Task], Result],
    tasks: Sequence[Task],
    progress: Progress,
    what: str = "repetitions",
) -> list[Result]:
    """The results of all tasks, in order; ``what`` they are is told to ``progress``.

    Raises:
        SurroundingsError: a worker process died. The executor's own message has the remedies of a job, which this is not.
    """
    results = []
    with open_executor(executor_name) as executor:
        try:
            progress(what, 0, len(tasks))
            for done, result in enumerate(executor.map(task, tasks), start=1):
                results.append(result)
                progress(what, done, len(tasks))
        except BrokenExecutor as error:
            raise SurroundingsError(
                f"a worker process died at one of the {what}, perhaps for lack of memory; try fewer or smaller ones"
            ) from error
    return results
