"""``artwork simulate``: visitors of the workspace's simulated world, against a service that runs."""

import contextlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit, progress_bars
from artwork.console.shell import pasted
from artwork.demo.days import DayResult
from artwork.demo.events import Span
from artwork.demo.loop import Loop
from artwork.demo.table import HEADER, line
from batch.config import Config
from batch.workspace.workspace import Workspace

DEFAULT_SERVICE = "http://127.0.0.1:8000"
TOLD_SECONDS = 30.0
"""A day's visits are told as those of the last seconds: a service that knows the time takes no event from a day to come."""

_SEEDS = 1 << 32

app = typer.Typer(rich_markup_mode="rich")


@dataclass(frozen=True)
class SimulatedDay:
    """What a day of visits came to; rates are per impression, as in the demo's table."""

    day: int
    generation: int
    impressions: int
    plays: int
    take_rate: float
    uniform: float
    best: float
    closed: float
    sources: dict[str, int]


@dataclass(frozen=True)
class Simulated:
    """The days that were played, and the seed that draws them again."""

    service: str
    workspace: str
    seed: int
    days: list[SimulatedDay]
    lines: list[str]


@app.command("simulate")
def simulate_command(
    days: Annotated[int, typer.Option(min=1, max=365, help="Days of visits, one after the other.")] = 1,
    service: Annotated[str, typer.Option(help="Where the service of this workspace answers.")] = DEFAULT_SERVICE,
    seed: Annotated[
        int | None, typer.Option(min=0, max=_SEEDS - 1, help="Draws the visits; another one every time by default.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Play days of visits to a running service: its answers are shown, and what was seen and played is posted to it.

    The workspace needs a simulated world, as `artwork data` makes it. `artwork run` then learns from what was posted.

    Example: artwork simulate --days 1 --service http://127.0.0.1:8000
    """
    drawn = secrets.randbelow(_SEEDS) if seed is None else seed
    loop = Loop.of(Workspace(workspace), Config(seed=drawn))
    played: list[DayResult] = []
    with progress_bars() as progress, contextlib.closing(loop.client(service)) as client:
        for day in range(days):
            start = datetime.now(UTC) - timedelta(seconds=TOLD_SECONDS)
            played.append(loop.live(day, client, progress, Span(start, TOLD_SECONDS)))
    lines = [line(result, f"day {result.day + 1}") for result in played]
    emit(Simulated(service, str(workspace), drawn, list(map(_plain, played)), lines), render, as_json=as_json)


def _plain(result: DayResult) -> SimulatedDay:
    return SimulatedDay(
        day=result.day + 1,
        generation=result.generation,
        impressions=result.impressions,
        plays=round(result.click_through_rate * result.impressions),
        take_rate=result.take_rate,
        uniform=result.uniform,
        best=result.best,
        closed=result.closed,
        sources=dict(result.sources),
    )


def render(simulated: Simulated) -> str:
    """The demo's table of the days, and what comes next."""
    posted = sum(day.impressions + day.plays for day in simulated.days)
    told = f"{posted:,} events were posted to {simulated.service}; learn from them:"
    return "\n".join((HEADER, *simulated.lines, f"{told} {pasted('run', '--workspace', Path(simulated.workspace))}"))
