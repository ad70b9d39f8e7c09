"""``artwork join``: what clients reported becomes the impressions that are learned from."""

from dataclasses import dataclass

import typer

from artwork.commands.jobs import ExecutorOption
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, option, with_options
from artwork.console.output import emit, progress_bars
from batch.events.arrivals import MOST_HORIZON_DAYS, OPEN_ROWS, JoinSettings
from batch.events.join import Joined, join
from batch.executors import open_executor
from batch.job import parse_duration
from batch.workspace.workspace import Workspace

_DEFAULTS = JoinSettings()

app = typer.Typer(rich_markup_mode="rich")


@dataclass(frozen=True)
class JoinOptions:
    """How events are joined."""

    window: str = option("6h", "A play counts for an impression that was shown no longer before: 30m, 6h, 1d.")
    grace: str = option("1h", "A row is open until so long after its window has ended.")
    horizon: int = option(
        _DEFAULTS.horizon_days, "Days after which what arrives changes a row no more.", min=1, max=MOST_HORIZON_DAYS
    )
    open_rows: str = option(
        _DEFAULTS.open_rows, f"Rows that are still open: {' or '.join(OPEN_ROWS)} until they close."
    )

    def settings(self) -> JoinSettings:
        """The same as the job takes it.

        Raises:
            InputError: a value is not as it should be.
        """
        return JoinSettings(
            int(parse_duration(self.window)), int(parse_duration(self.grace)), self.horizon, self.open_rows
        )


@app.command("join")
@with_options
def join_command(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    joining: JoinOptions,
    executor: ExecutorOption = "serial",
    as_json: JsonOption = False,
) -> None:
    """Join ingested events to impressions: a part of `artwork run`. Only days that new events can change are made again.

    Example: artwork join --executor processes --open-rows wait
    """
    settings = joining.settings()
    with progress_bars() as progress, open_executor(executor) as shards:
        made = join(Workspace(workspace), shards, progress, settings=settings)
    emit(made, render_joined, as_json=as_json)


def render_joined(made: Joined) -> str:
    """What became of the events, and where it lies."""
    if not made.events:
        return f"no events in {made.report.parent}; post some to /v1/events and run `artwork ingest`"
    said = (
        f"{made.events:,} events until {made.watermark}: {made.rows:,} impressions of {made.days} days"
        f" ({made.open_rows:,} still open), {made.joined_plays:,} plays joined; {len(made.changed)} days written: {made.report}"
    )
    lines = [said]
    lost = {
        "events that came twice": made.duplicates,
        "impressions too late": made.late_impressions,
        "plays too late": made.late_plays,
        "plays without an impression": made.orphan_plays,
    }
    if any(lost.values()):
        lines.append("not counted: " + ", ".join(f"{count:,} {what}" for what, count in lost.items() if count))
    if made.set_aside:
        lines.append("set aside: " + ", ".join(f"{count:,} {reason}" for reason, count in made.set_aside.items()))
    return "\n".join(lines)
