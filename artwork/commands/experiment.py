"""``artwork experiment``: from a plan to a decision on record, on the workspace or on a table of one's own."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from artwork.console.choosing_options import parse_variant
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import EXIT_FAILED_CHECK, check_page, emit, errors, progress_bars
from artwork.reports.experiment_lists import (
    AssignedUser,
    Checked,
    Drafted,
    Stopped,
    render_assigned,
    render_drafted,
    render_listed,
    render_started,
    started_of,
)
from artwork.reports.experiment_page import rendered, write_experiment_page
from artwork.reports.experiment_text import (
    render_check,
    render_decided,
    render_explained,
    render_planned,
    render_reading,
    render_replayed,
)
from artwork.reports.interleaving_text import render_interleaved
from bandit.errors import InputError
from batch.config import Variant
from batch.experiments.assignment import NOBODY, assigned
from batch.experiments.deciding import Decided, decide_now, replay
from batch.experiments.explaining import MIXED, QUESTIONS, explain_mixed
from batch.experiments.interleaving import interleave
from batch.experiments.listing import listed
from batch.experiments.offline_online import explain_neutral
from batch.experiments.planning import plan_power
from batch.experiments.plans.drafting import USUAL_HYPOTHESIS, USUAL_VARIANTS, draft_table, draft_workspace
from batch.experiments.plans.file import read_plan
from batch.experiments.quality import failed
from batch.experiments.reading import Reading, Source, check, peek, read
from batch.experiments.register import registered, start, stop
from batch.workspace.workspace import Workspace

app = typer.Typer(
    name="experiment",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Register, plan, check, read and decide experiments: variants against a control, by users.",
)

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


@app.command("new")
def new_command(
    name: NameArgument,
    hypothesis: Annotated[str, typer.Option(help="What is tried, and what it is expected to do.")] = USUAL_HYPOTHESIS,
    variant: Annotated[
        list[str] | None,
        typer.Option(help="As for artwork run, the control first; NAME=policy=...,share=.... Repeat it."),
    ] = None,
    start_day: Annotated[
        str | None, typer.Option("--start", help="First day, YYYY-MM-DD; the day after the log by default.")
    ] = None,
    length: Annotated[
        int | None,
        typer.Option("--days", min=1, max=366, help="From the start to the end; 14, or those of a table, by default."),
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(help="Shares of the second variant that `artwork run --gate` widens: 0.05,0.2,0.5,1."),
    ] = None,
    table: TableOption = None,
    interleaving: Annotated[
        bool, typer.Option("--interleaving", help="Split each user's titles between two variants, not users.")
    ] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Write a plan to edit: experiments/NAME.toml, valid as it is.

    Example: artwork experiment new bolder --variant now=policy=thompson --variant bold=policy=epsilon_greedy:epsilon=0.2

    Example: artwork experiment new checkout --table users.csv

    Example: artwork experiment new bolder --gate 0.05,0.2,0.5,1
    """
    there, first, today = Workspace(workspace), _day("--start", start_day), _today()
    if table is not None:
        for flag, given in (("--variant", variant), ("--gate", gate)):
            if given:
                raise InputError(f"{flag} has no effect on a table, whose variants are its own; leave it out")
        if interleaving:
            raise InputError("--interleaving is of variants that choose artworks, not of a table; leave it out")
        path = draft_table(there, name, table, hypothesis=hypothesis, start=first, length=length, today=today)
    else:
        if gate is not None and interleaving:
            raise InputError("--gate and --interleaving are two kinds of plans; leave one out")
        variants = [parse_variant(text, Variant()) for text in variant or ()] or list(USUAL_VARIANTS)
        path = draft_workspace(
            there,
            name,
            variants,
            hypothesis=hypothesis,
            start=first,
            length=length,
            today=today,
            interleaving=interleaving,
            gate=None if gate is None else _shares(gate),
        )
    control = read_plan(there, name).names[0]
    emit(Drafted(name, path, control, interleaving), render_drafted, as_json=as_json)


@app.command("plan")
def plan_command(
    name: NameArgument,
    table: TableOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Say how many users and days the plan's effects need, from variances of your own data. Exit 1: not enough power.

    Example: artwork experiment plan bolder
    """
    made = plan_power(Workspace(workspace), name, table)
    emit(made, render_planned, as_json=as_json)
    _exit(passed=made.is_enough)


@app.command("start")
def start_command(
    name: NameArgument,
    late: Annotated[bool, typer.Option("--late", help="Register it though its first day has been seen.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Register the plan as it is in its file. After a change of the file, this registers the next version.

    Example: artwork experiment start bolder
    """
    own = start(Workspace(workspace), name, late=late, today=_today())
    emit(started_of(own), render_started, as_json=as_json)


@app.command("assign")
def assign_command(
    name: NameArgument,
    users: Annotated[
        list[str] | None, typer.Argument(metavar="[USER_ID...]", help="All users of the workspace by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the generations, where variants choose artworks.")] = 0,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Say which variant a user has: the same one always, in a layer that the plan names.

    Example: artwork experiment assign bolder u0001 u0002
    """
    there = Workspace(workspace)
    own = registered(there, name)
    if not users:
        if not there.users.is_file():
            raise InputError(f"{there.users} is not there; name the users: artwork experiment assign {name} USER_ID")
        users = pl.read_parquet(there.users, columns=["user_id"])["user_id"].to_list()
    places = assigned(own.plan, users, own.register.shares, seed).tolist()
    names = [None if place == NOBODY else own.plan.names[place] for place in places]
    made = [AssignedUser(user, variant) for user, variant in zip(users, names, strict=True)]
    emit(made, render_assigned, as_json=as_json)


@app.command("check")
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
    own, seen, checks = check(_source(workspace, table, as_of), name)
    made = Checked(own.plan.name, str(seen.last), not failed(checks), tuple(checks))
    emit(made, lambda made: render_check(made.checks), as_json=as_json)
    _exit(passed=made.passed)


@app.command("read")
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
    page = _page(name, report)
    made = read(_source(workspace, table, as_of), name, _day("--look", look))
    _tell(made, None, page, render_reading, as_json=as_json)


@app.command("peek")
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
    page = _page(name, report)
    made = peek(_source(workspace, table, as_of), name)
    _tell(made, None, page, render_reading, as_json=as_json)


@app.command("interleave")
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
    made = interleave(_source(workspace, None, None), name, _day("--look", look))
    emit(made, render_interleaved, as_json=as_json)
    _exit(passed=made.is_readable)


@app.command("decide")
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
        _exit(passed=replayed.same)
        return
    page = _page(str(name), report)
    made = decide_now(_source(workspace, table, as_of), str(name))
    _tell(made.reading, made, page, lambda _: render_decided(made), as_json=as_json)


@app.command("explain")
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
    source = _source(workspace, table, as_of)
    if question == MIXED:
        if lead is not None:
            raise InputError("--offline-lead has no effect on --why mixed; leave it out")
        made = explain_mixed(source, name)
    else:
        with progress_bars() as progress:
            made = explain_neutral(source, name, progress, lead)
    emit(made, render_explained, as_json=as_json)


@app.command("stop")
def stop_command(
    name: NameArgument,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """End an experiment: `artwork run --experiment` makes no more of it, and its part of the layer is free.

    Example: artwork experiment stop bolder --reason "shipped"
    """
    ended = stop(Workspace(workspace), name, reason)
    made = Stopped(name, ended.stopped_at or "", ended.stopped_for)
    emit(
        made,
        lambda made: f"experiment {made.name} is stopped ({made.stopped_at}); its data can still be read",
        as_json=as_json,
    )


@app.command("list")
def list_command(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None:
    """List the experiments of the workspace: state, days, looks and the last decision.

    Example: artwork experiment list
    """
    emit(listed(Workspace(workspace)), render_listed, as_json=as_json)


def _shares(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--gate is {text!r}, expected shares that rise to 1, such as 0.05,0.2,0.5,1") from None


def _source(workspace: Path, table: Path | None, as_of: str | None) -> Source:
    day = _day("--as-of", as_of)
    if day is not None and table is None:
        raise InputError("--as-of is the day of a --table; the log of a workspace has its days; leave it out")
    if day is not None and day > _today():
        raise InputError(
            f"--as-of is {day}, which has not come: a look that is planned for it would be taken before it is due"
        )
    return Source(Workspace(workspace), table, day or _today())


def _today() -> date:
    return datetime.now(UTC).date()


def _day(flag: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{flag} is {text!r}, expected a day as YYYY-MM-DD") from None


def _page(name: str, report: Path | None) -> Path:
    path = report or Path("reports") / f"experiment-{name}.html"
    check_page(path)
    return path


def _tell(
    made: Reading, decided: Decided | None, page: Path, render: Callable[[Reading], str], *, as_json: bool
) -> None:
    """The text or JSON first, then the page, which may find the disk full; exit 1 where nothing may be read."""
    emit(decided or made, lambda _: render(made), as_json=as_json)
    write_experiment_page(page, rendered(made, decided))
    errors.print(f"effects over time, quality and decision: {page}", markup=False)
    _exit(passed=decided.is_valid if decided else made.is_readable)


def _exit(*, passed: bool) -> None:
    if not passed:
        raise typer.Exit(EXIT_FAILED_CHECK)
