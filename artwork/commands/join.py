"""``artwork join``: what clients posted as impressions, with what came of them."""

import typer

from artwork.console.executor_options import ExecutorOptions
from artwork.console.joining_options import JoiningOptions
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, with_options
from artwork.console.output import emit, progress_bars
from artwork.reports.joined_text import render_joined
from batch.events.join import join
from batch.workspace.lock import only_job

app = typer.Typer(rich_markup_mode="rich")


@app.command("join")
@with_options
def join_command(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    joining: JoiningOptions,
    running: ExecutorOptions,
    as_json: JsonOption = False,
) -> None:
    """Join the events of the workspace's segments to impressions, which `artwork train` learns from.

    Example: artwork join --executor processes
    """
    there, settings = running.workspace(workspace), joining.settings("learn")
    with only_job(there, "join"), progress_bars() as progress, running.opened(there) as shards:
        made = join(there, shards, progress, settings=settings)
    emit(made, render_joined, as_json=as_json)
