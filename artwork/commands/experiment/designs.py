"""``artwork experiment interactions | panel | cutoff``: pairs of experiments, and changes that nobody randomised."""

from pathlib import Path
from typing import Annotated

import typer

from artwork.commands.experiment.options import leave
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import check_page, emit, errors
from artwork.reports.experiments.designs import (
    cutoff_page,
    panel_page,
    render_cutoff,
    render_interactions,
    render_panel,
)
from artwork.reports.pages import write_page
from bandit.errors import InputError
from batch.experiments.designs.cutoff import read_cutoff
from batch.experiments.designs.interactions import of_table, of_workspace
from batch.experiments.designs.panel import read_panel
from batch.experiments.plans.plan import IMPRESSION, USER
from batch.workspace.workspace import Workspace


def interactions_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Experiments, or columns of the table; all by default."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--table", help="A table of your own: user, a metric, and a column for each experiment."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="A reward, take by default; of a table the column that is compared.")
    ] = None,
    per: Annotated[
        str | None, typer.Option(help="What it is divided by: impression or a reward; of a table user or a column.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Say whether experiments that run at the same time change each other's effects: all pairs, false alarms held to 5 %.

    Of a table each column of an experiment has two values, the control's and the treatment's, and none for users outside of it.

    Example: artwork experiment interactions

    Example: artwork experiment interactions --table users.csv --metric takes --per visits
    """
    if table is None:
        made = of_workspace(Workspace(workspace), names or (), metric or "take", per or IMPRESSION)
    elif metric is None:
        raise InputError("--metric is missing: name the column of the table that is compared, such as --metric takes")
    else:
        made = of_table(table, metric, per or USER, names or ())
    emit(made, render_interactions, as_json=as_json)


def panel_command(
    table: Annotated[
        Path, typer.Option("--table", help="A row per unit and time: unit, time, treated (0 or 1), outcome.")
    ],
    report: Annotated[
        Path | None,
        typer.Option("--report", help="HTML page; reports/panel-TABLE.html by default.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare units that were treated from some time on with units that were not (difference-in-differences).

    For a change that nobody randomised, such as a launch in some countries. Every assumption is listed with what the data say
    of it. Exit 1: the data speak against one.

    Example: artwork experiment panel --table countries.csv
    """
    path = _page_of("panel", table, report)
    made = read_panel(table)
    emit(made, render_panel, as_json=as_json)
    _write(path, panel_page(made))
    leave(passed=made.passed)


def cutoff_command(
    table: Annotated[
        Path, typer.Option("--table", help="A row per user: score, outcome; treated where it was recorded.")
    ],
    cutoff: Annotated[float, typer.Option(help="Score from which on the rule treats.")],
    bandwidth: Annotated[
        float, typer.Option(help="How far from the cutoff scores count, on either side, in units of the score.")
    ],
    bias_bandwidth: Annotated[
        float | None, typer.Option(help="The same for the correction of bias; the bandwidth by default.")
    ] = None,
    fixed: Annotated[
        list[str] | None, typer.Option(help="A column that was fixed before the rule, and must not jump. Repeat it.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="HTML page; reports/cutoff-TABLE.html by default.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the jump of an outcome where a rule begins to treat (regression discontinuity).

    For a rule that nobody randomised, such as a gift for everybody with 100 points or more. Every assumption is listed with
    what the data say of it. Exit 1: the data speak against one.

    Example: artwork experiment cutoff --table users.csv --cutoff 100 --bandwidth 20 --fixed age
    """
    path = _page_of("cutoff", table, report)
    made = read_cutoff(table, cutoff, bandwidth, bias_bandwidth, tuple(fixed or ()))
    emit(made, render_cutoff, as_json=as_json)
    _write(path, cutoff_page(made))
    leave(passed=made.passed)


def _page_of(kind: str, table: Path, report: Path | None) -> Path:
    path = report or Path("reports") / f"{kind}-{table.stem}.html"
    check_page(path)
    return path


def _write(path: Path, page: str) -> None:
    write_page(path, page)
    errors.print(f"the figure, its assumptions and a picture: {path}", markup=False)
