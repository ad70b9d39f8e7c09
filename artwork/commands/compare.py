"""``artwork compare``: policies against each other, on a log or in a world with known truth."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from artwork.compare.options import (
    CHAPELLE_LI,
    WORLD_PANEL,
    WORLDS,
    DelayOptions,
    JudgingOptions,
    LogJudgingOptions,
    LogOptions,
    SeasonOptions,
    log_request,
    settings_of,
    world_request,
)
from artwork.compare.world import WorldRequest, compare_world
from artwork.console.options import (
    DEFAULT_WORKSPACE,
    JsonOption,
    SeedOption,
    WorkspaceOption,
    command_line,
    with_options,
)
from artwork.console.output import EXIT_FAILED_CHECK, check_page, emit, errors, progress_bars
from bandit.errors import InputError
from batch.offline.compare import USUAL_SPLIT, Request, compare

app = typer.Typer(rich_markup_mode="rich")


@app.command("compare")
@with_options
def compare_command(
    context: typer.Context,
    log: LogOptions,
    judging: JudgingOptions,
    on_log: LogJudgingOptions,
    delays: DelayOptions,
    seasons: SeasonOptions,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    world: Annotated[
        str | None,
        typer.Option(
            help=f"Simulate instead: {', '.join(WORLDS)}. Defaults take about two minutes on two cores.",
            rich_help_panel=WORLD_PANEL,
        ),
    ] = None,
    seed: SeedOption = 0,
    report: Annotated[Path, typer.Option(help="HTML report.", rich_help_panel="Output")] = Path("reports/compare.html"),
    as_json: JsonOption = False,
) -> None:
    """Compare policies: what each would have come to on a log, how sure that is, and when the log cannot tell.

    With --world instead where the truth is known, and with --rewards what learning from each reward comes to there. Exit 0 done,
    1 failed: the log can judge none of the policies.

    Example: artwork compare --log open-bandit/random/all --policies uniform,popularity,thompson

    Example: artwork compare --world movielens --posterior linear,beta --cadence-hours 6

    Example: artwork compare --world synthetic --rewards grid
    """
    if world is not None and world not in WORLDS:
        raise InputError(f"there is no world {world!r}; choose one of {', '.join(WORLDS)}")
    _refuse_unused(context, world)
    check_page(report)
    settings = settings_of(judging, on_log, seed)
    judging = replace(judging, estimators=",".join(settings.estimators))  # as the page's command has them
    if world is None:
        request = log_request(log, judging, on_log, workspace, settings)
        _compare_log(request, log, judging, on_log, report, as_json)
    elif world == CHAPELLE_LI:
        _compare_delays(delays, seed, as_json)
    else:
        again = command_line(("artwork", "compare", "--world", world), (judging, seasons), "--seed", str(seed))
        if seasons.rewards:
            _compare_rewards(
                context, world_request(world, judging, seasons, settings), seasons.rewards, again, report, as_json
            )
            return
        _compare_world(world_request(world, judging, seasons, settings), again, report, as_json)


def _refuse_unused(context: typer.Context, world: str | None) -> None:
    """Refuse options without effect on what is compared: they would be taken to have had one."""
    used = {None: (LogOptions, LogJudgingOptions), CHAPELLE_LI: (DelayOptions,)}.get(world, (SeasonOptions,))
    groups = {LogOptions, LogJudgingOptions, DelayOptions, SeasonOptions} - set(used)
    unused = {field.name for group in groups for field in fields(group)}
    for name, flag in _given(context).items():
        if name in unused:
            what = "a log" if world is None else f"--world {world}"
            raise InputError(f"{flag} has no effect on a comparison by {what}; leave it out")


def _given(context: typer.Context) -> dict[str, str]:
    """The parameters that were named on the command line, each with its flag."""
    named = {}
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            named[parameter.name or ""] = parameter.opts[0]
    return named


def _compare_log(
    request: Request, log: LogOptions, judging: JudgingOptions, on_log: LogJudgingOptions, path: Path, as_json: bool
) -> None:
    # Imported here: the simulated worlds do without.
    from artwork.reports.log_page import render, rendered  # noqa: PLC0415
    from artwork.reports.pages import write_page  # noqa: PLC0415

    with progress_bars() as progress:
        made = compare(request, progress)
    emit(made, render, as_json=as_json)  # before the page, which may find the disk full
    if made.split_at is not None:  # the log is cut where it was cut, also when it has grown
        judging, on_log = replace(judging, split=USUAL_SPLIT), replace(on_log, split_at=str(made.split_at))
    more = () if request.workspace == DEFAULT_WORKSPACE else ("--workspace", str(request.workspace))
    again = command_line(("artwork", "compare"), (log, judging, on_log), *more, "--seed", str(request.settings.seed))
    write_page(path, rendered(made, again))
    errors.print(f"values, differences and pictures: {path}", markup=False)
    others = made.evaluation.results[1:]
    if others and not any(result.is_reliable for result in others):
        raise typer.Exit(EXIT_FAILED_CHECK)


def _compare_world(request: WorldRequest, again: str, path: Path, as_json: bool) -> None:
    from artwork.reports.pages import write_page  # noqa: PLC0415
    from artwork.reports.world_page import rendered  # noqa: PLC0415
    from artwork.reports.world_tables import render  # noqa: PLC0415

    with progress_bars() as progress:
        made = compare_world(request, progress)
    emit(made, render, as_json=as_json)
    write_page(path, rendered(made, again))
    errors.print(f"curves, estimators and every figure: {path}", markup=False)


_OF_JUDGING: Final = ("estimators", "reward_model", "split", "weight_bound", "threshold", "age_hours")


def _compare_rewards(
    context: typer.Context, request: WorldRequest, words: list[str], again: str, path: Path, as_json: bool
) -> None:
    from artwork.compare.rewards import USUAL_POLICY, compare_rewards  # noqa: PLC0415
    from artwork.reports.pages import write_page  # noqa: PLC0415
    from artwork.reports.rewards_page import render, rendered  # noqa: PLC0415

    given = _given(context)
    if unused := [given[name] for name in _OF_JUDGING if name in given]:
        raise InputError(f"{unused[0]} has no effect on a comparison of rewards, where no log is judged; leave it out")
    if "policies" not in given:
        request = replace(request, policies=USUAL_POLICY)
    request = replace(request, season=replace(request.season, age_hours=()))
    with progress_bars() as progress:
        made = compare_rewards(request, words, progress)
    emit(made, render, as_json=as_json)
    write_page(path, rendered(made, again))
    errors.print(f"the front and every figure: {path}", markup=False)


def _compare_delays(asked: DelayOptions, seed: int, as_json: bool) -> None:
    from artwork.compare.delays import compare_delays  # noqa: PLC0415
    from artwork.reports.delay_text import render  # noqa: PLC0415

    with progress_bars() as progress:
        made = compare_delays(asked.steps, asked.repetitions, asked.delays, seed, progress)
    emit(made, render, as_json=as_json)
    if made.comparison.wanting:
        raise typer.Exit(EXIT_FAILED_CHECK)
