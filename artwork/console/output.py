"""How commands speak: results to standard output (text or JSON), progress and errors to standard error."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from bandit.boundary import write_out
from bandit.errors import InputError

EXIT_FAILED_CHECK: Final = 1
"""The exit code of a command that is done and whose check or budget failed."""

errors = Console(stderr=True, highlight=False, soft_wrap=True)
"""Where progress and errors go, so that standard output stays fit for a pipe."""


def emit(result: Any, render: Callable[[Any], str], *, as_json: bool) -> None:
    """Write a result (a dataclass, or a list of them) as one JSON document, or as the text that ``render`` makes of it.

    Raises:
        SurroundingsError: standard output takes nothing.
    """
    say(json.dumps(_plain(result), default=_jsonable, indent=2, allow_nan=False) if as_json else render(result))


def say(text: str) -> None:
    """Write text and a newline to standard output.

    Raises:
        SurroundingsError: standard output takes nothing.
    """
    write_out(text + "\n")


def check_page(path: Path) -> None:
    """Refuse a path that no page can be written to, before the work that it is to show.

    Raises:
        InputError: it is a folder, or below a file.
    """
    if path.is_dir():
        raise InputError(f"--report {path} is a folder, expected a file such as {path / 'page.html'}")
    if above := [parent for parent in path.parents if parent.exists() and not parent.is_dir()]:
        raise InputError(f"--report {path} is below {above[0]}, which is a file; expected a path below folders")


def _plain(result: Any) -> Any:
    """Dataclasses as objects, and numbers that are not finite as null: JSON has neither infinity nor NaN."""
    if is_dataclass(result) and not isinstance(result, type):
        return _plain(asdict(result))
    if isinstance(result, dict):
        return {key: _plain(value) for key, value in result.items()}
    if isinstance(result, list | tuple):
        return [_plain(item) for item in result]
    return None if isinstance(result, float) and not isfinite(result) else result


def _jsonable(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a result holds a {type(value).__name__}, which has no JSON form")


class _Rate(ProgressColumn):
    """How many are done per second."""

    def render(self, task: Task) -> Text:
        """Nothing before that is known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s")


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A function ``(what, done, total)`` for jobs to report to; it draws bars on a terminal, with rate and time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield progress
