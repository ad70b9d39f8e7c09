"""``artwork experiment new | plan | start | assign | stop | list``: what is registered, and who gets what."""

from typing import Annotated

import polars as pl
import typer

from artwork.commands.experiment.options import NameArgument, TableOption, day_of, leave, today
from artwork.console.choosing_options import parse_variant
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit
from artwork.reports.experiments.lists import (
    AssignedUser,
    Drafted,
    Stopped,
    render_assigned,
    render_drafted,
    render_listed,
    render_started,
    started_of,
)
from artwork.reports.experiments.readings import render_planned
from bandit.errors import InputError
from batch.config import Variant
from batch.experiments.assignment import NOBODY, assigned
from batch.experiments.listing import listed
from batch.experiments.planning import plan_power
from batch.experiments.plans.drafting import USUAL_HYPOTHESIS, USUAL_VARIANTS, draft_table, draft_workspace
from batch.experiments.plans.file import read_plan
from batch.experiments.register import registered, start, stop
from batch.workspace.workspace import Workspace


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
    there, first, now = Workspace(workspace), day_of("--start", start_day), today()
    if table is not None:
        for flag, given in (("--variant", variant), ("--gate", gate)):
            if given:
                raise InputError(f"{flag} has no effect on a table, whose variants are its own; leave it out")
        if interleaving:
            raise InputError("--interleaving is of variants that choose artworks, not of a table; leave it out")
        path = draft_table(there, name, table, hypothesis=hypothesis, start=first, length=length, today=now)
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
            today=now,
            interleaving=interleaving,
            gate=None if gate is None else _shares(gate),
        )
    control = read_plan(there, name).names[0]
    emit(Drafted(name, path, control, interleaving), render_drafted, as_json=as_json)


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
    leave(passed=made.is_enough)


def start_command(
    name: NameArgument,
    late: Annotated[bool, typer.Option("--late", help="Register it though its first day has been seen.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Register the plan as it is in its file. After a change of the file, this registers the next version.

    Example: artwork experiment start bolder
    """
    own = start(Workspace(workspace), name, late=late, today=today())
    emit(started_of(own), render_started, as_json=as_json)


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
