"""``artwork experiment check | read | peek | interleave | decide | explain``: what an experiment says."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from artwork.commands.experiment.options import (
    AsOfOption,
    NameArgument,
    PageOption,
    TableOption,
    day_of,
    leave,
    page_of,
    source_of,
)
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit, errors, progress_bars
from artwork.reports.experiments.interleavings import render_interleaved
from artwork.reports.experiments.lists import Checked
from artwork.reports.experiments.page import rendered, write_experiment_page
from artwork.reports.experiments.readings import (
    render_check,
    render_decided,
    render_explained,
    render_reading,
    render_replayed,
)
from bandit.errors import InputError
from batch.experiments.deciding import Decided, decide_now, replay
from batch.experiments.explaining import MIXED, QUESTIONS, explain_mixed
from batch.experiments.interleaving import interleave
from batch.experiments.offline_online import explain_neutral
from batch.experiments.quality import failed
from batch.experiments.reading import Reading, check, peek, read


def check_command(
    name: NameArgument,
    table: TableOption = None,
    as_of: AsOfOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Check the data before any effect is seen. Exit 1: a check failed, and nothing would be read.

    Example: artwork experiment check bolder
    """
    own, seen, checks = check(source_of(workspace, table, as_of), name)
    made = Checked(own.plan.name, str(seen.last), not failed(checks), tuple(checks))
    emit(made, lambda made: render_check(made.checks), as_json=as_json)
    leave(passed=made.passed)


def read_command(
    name: NameArgument,
    look: Annotated[
        str | None, typer.Option(help="Which planned look, YYYY-MM-DD; the last that has come by default.")
    ] = None,
    table: TableOption = None,
    as_of: AsOfOption = None,
    report: PageOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Read the effects at a planned look, with fixed intervals. Exit 1: a check of quality failed.

    Example: artwork experiment read bolder
    """
    page = page_of(name, report)
    made = read(source_of(workspace, table, as_of), name, day_of("--look", look))
    _tell(made, None, page, render_reading, as_json=as_json)


def peek_command(
    name: NameArgument,
    table: TableOption = None,
    as_of: AsOfOption = None,
    report: PageOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Look at any time: intervals that hold at all looks together, beside what they cost. Exit 1: a check failed.

    Example: artwork experiment peek bolder
    """
    page = page_of(name, report)
    made = peek(source_of(workspace, table, as_of), name)
    _tell(made, None, page, render_reading, as_json=as_json)


def interleave_command(
    name: NameArgument,
    look: Annotated[
        str | None, typer.Option(help="Which planned look, YYYY-MM-DD; the last that has come by default.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Read which of two variants users prefer where each chose some of their titles. Exit 1: a check of quality failed.

    Its plan has `kind = "interleaving"`. A preference is no lift: a test that splits users has the last word.

    Example: artwork experiment interleave bolder
    """
    made = interleave(source_of(workspace, None, None), name, day_of("--look", look))
    emit(made, render_interleaved, as_json=as_json)
    leave(passed=made.is_readable)


def decide_command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", show_default=False, help="Of experiments/NAME.toml.")
    ] = None,
    again: Annotated[
        Path | None,
        typer.Option("--replay", help="A record, experiments/NAME/decision-N.json: decide from it alone once more."),
    ] = None,
    table: TableOption = None,
    as_of: AsOfOption = None,
    report: PageOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Decide at a planned look, and put it on record. Exit 1: the data are invalid, or a replay gives other bytes.

    INVALID: a check failed. ROLL BACK: a primary or a guardrail is worse beyond its margin. SHIP: a primary is better, every
    guardrail keeps its margin. HOLD: the interval is wider than the effect that matters. NEUTRAL: nothing of it.

    Example: artwork experiment decide bolder

    Example: artwork experiment decide --replay workspace/experiments/bolder/decision-1.json
    """
    if (name is None) == (again is None):
        raise InputError("give the NAME of an experiment, or --replay with a record of a decision; one of both")
    if again is not None:
        replayed = replay(again)
        emit(replayed, render_replayed, as_json=as_json)
        leave(passed=replayed.same)
        return
    page = page_of(str(name), report)
    made = decide_now(source_of(workspace, table, as_of), str(name))
    _tell(made.reading, made, page, lambda _: render_decided(made), as_json=as_json)


def explain_command(
    name: NameArgument,
    question: Annotated[
        str,
        typer.Option(
            "--why", help=f"{QUESTIONS[0]}: one metric is up, another down; {QUESTIONS[1]}: strong offline, not online."
        ),
    ] = MIXED,
    lead: Annotated[
        float | None,
        typer.Option("--offline-lead", help="What was said offline, in units of the primary; else the log is asked."),
    ] = None,
    table: TableOption = None,
    as_of: AsOfOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Say why, as an ordered list of checks with figures.

    Example: artwork experiment explain bolder --why mixed

    Example: artwork experiment explain bolder --why neutral
    """
    if question not in QUESTIONS:
        raise InputError(f"--why is {question!r}, expected one of {', '.join(QUESTIONS)}")
    source = source_of(workspace, table, as_of)
    if question == MIXED:
        if lead is not None:
            raise InputError("--offline-lead has no effect on --why mixed; leave it out")
        made = explain_mixed(source, name)
    else:
        with progress_bars() as progress:
            made = explain_neutral(source, name, progress, lead)
    emit(made, render_explained, as_json=as_json)


def _tell(
    made: Reading, decided: Decided | None, page: Path, render: Callable[[Reading], str], *, as_json: bool
) -> None:
    """The text or JSON first, then the page, which may find the disk full; exit 1 where nothing may be read."""
    emit(decided or made, lambda _: render(made), as_json=as_json)
    write_experiment_page(page, rendered(made, decided))
    errors.print(f"effects over time, quality and decision: {page}", markup=False)
    leave(passed=decided.is_valid if decided else made.is_readable)
