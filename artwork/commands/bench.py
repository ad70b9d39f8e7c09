"""``artwork bench``: how fast this machine does it, beside other libraries."""

from typing import Annotated

import typer

from artwork.bench.checks import WrongAnswerError
from artwork.bench.kernels import run
from artwork.bench.rivals import find_rivals
from artwork.bench.setting import Setting
from artwork.bench.table import render
from artwork.bench.timing import Pace
from artwork.options import JsonOption
from artwork.output import emit, errors, progress_bars

EXIT_WANTING = 1


def register(app: typer.Typer) -> None:
    """Put ``bench`` on the application."""
    group = typer.Typer(no_args_is_help=True, help="Measure the parts on this machine, beside other libraries.")
    group.callback()(lambda: None)  # keeps a group of one command a group
    group.command("kernels")(kernels_command)
    app.add_typer(group, name="bench")


def kernels_command(
    repeats: Annotated[int, typer.Option(min=1, help="Pairs of runs a figure; the median is shown.")] = Pace.repeats,
    seconds: Annotated[float, typer.Option(min=0.001, help="How long each run lasts at least.")] = Pace.seconds,
    as_json: JsonOption = False,
) -> None:
    """Time choosing and learning on one core: exit 0 if the required ratios are reached, 1 if one is missed.

    Every answer is checked against an independent one before it is timed. Other libraries (pip install
    'artwork-bandit[bench]') get the same impressions and contexts, run in turn with ours; none of them gives propensities.

    Example: artwork bench kernels --repeats 5 --json
    """
    setting = Setting(pace=Pace(repeats, seconds), rivals=find_rivals())
    try:
        with progress_bars() as progress:
            report = run(setting, progress)
    except WrongAnswerError as error:
        errors.print(f"found wanting, nothing more is timed: {error}", markup=False)
        raise typer.Exit(EXIT_WANTING) from None
    emit(report, render, as_json=as_json)
    raise typer.Exit(0 if report.passed else EXIT_WANTING)
