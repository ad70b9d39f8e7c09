"""What commands of experiments share: options, where the data are, days, and exit codes."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from artwork.console.output import EXIT_FAILED_CHECK, check_page
from bandit.errors import InputError
from batch.experiments.reading import Source
from batch.workspace.workspace import Workspace

NameArgument = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Of experiments/NAME.toml.")]
TableOption = Annotated[
    Path | None,
    typer.Option("--table", help="A table of your own instead of the workspace's log: user, variant, metric columns."),
]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", help="The day that a table without a column day is of, YYYY-MM-DD; today by default."),
]
PageOption = Annotated[
    Path | None,
    typer.Option("--report", help="HTML page; reports/experiment-NAME.html by default.", show_default=False),
]


def source_of(workspace: Path, table: Path | None, as_of: str | None) -> Source:
    """Where the data are, as options say it.

    Raises:
        InputError: a day has no table, is none, or has not come.
    """
    day = day_of("--as-of", as_of)
    if day is not None and table is None:
        raise InputError("--as-of is the day of a --table; the log of a workspace has its days; leave it out")
    if day is not None and day > today():
        raise InputError(
            f"--as-of is {day}, which has not come: a look that is planned for it would be taken before it is due"
        )
    return Source(Workspace(workspace), table, day or today())


def today() -> date:
    """The day, in UTC."""
    return datetime.now(UTC).date()


def day_of(flag: str, text: str | None) -> date | None:
    """A day as an option has it.

    Raises:
        InputError: it is none.
    """
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{flag} is {text!r}, expected a day as YYYY-MM-DD") from None


def page_of(name: str, report: Path | None) -> Path:
    """Where the page of an experiment goes.

    Raises:
        InputError: nothing can be written there.
    """
    path = report or Path("reports") / f"experiment-{name}.html"
    check_page(path)
    return path


def leave(*, passed: bool) -> None:
    """Exit with 1 where a check failed."""
    if not passed:
        raise typer.Exit(EXIT_FAILED_CHECK)
