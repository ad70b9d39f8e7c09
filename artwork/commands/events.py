"""``artwork ingest`` and ``artwork events``: what clients sent, taken out of the store's streams, and what could not be."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

import typer

from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption
from artwork.console.output import emit, errors, progress_bars
from bandit.errors import InputError
from bandit.snapshot import shown
from batch.events.dead_letters import DeadLetter, Requeued, dead_letters, requeue
from batch.events.ingest import EVERY_SECONDS, Ingested, ingest
from batch.store.embedded import events_url
from batch.workspace.workspace import Workspace

app = typer.Typer(rich_markup_mode="rich")
events_app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Look at what clients sent.")

_SHOWN = 50


@dataclass(frozen=True)
class DeadLetters:
    """The oldest dead letters; ``more`` whether there are others."""

    letters: list[DeadLetter]
    more: bool


@app.command("ingest")
def ingest_command(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    follow: Annotated[bool, typer.Option("--follow", help="Go on for new events until stopped.")] = False,
    every: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds between two looks at the streams, with --follow.")
    ] = EVERY_SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Take events out of the store's streams into segments in the workspace; what is not on disk stays in the store.

    Example: artwork ingest --follow
    """
    with progress_bars() as progress:
        done = ingest(
            Workspace(workspace),
            events_url(workspace),
            progress,
            follow=follow,
            every=every,
            tell=lambda line: errors.print(line, markup=False),
        )
    emit(done, _render_ingested, as_json=as_json)


@events_app.command("dead")
def dead_command(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    requeue_id: Annotated[
        str | None, typer.Option("--requeue", help="Put this dead letter back into its stream, as for a newer version.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Put all of them back.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many to show, the oldest first.")] = _SHOWN,
    as_json: JsonOption = False,
) -> None:
    """Show the entries that were no events, each with its reason; or put them back, to be read once more.

    Example: artwork events dead --json
    """
    if requeue_id is not None and everything:
        raise InputError("--requeue names one dead letter, --all means every one; give one of them")
    url = events_url(workspace)
    if requeue_id is not None or everything:
        emit(requeue(url, requeue_id), _render_requeued, as_json=as_json)
        return
    letters = list(islice(dead_letters(url), limit + 1))
    emit(DeadLetters(letters[:limit], len(letters) > limit), _render_dead, as_json=as_json)


app.add_typer(events_app, name="events")


def _render_ingested(done: Ingested) -> str:
    lines = [f"{done.events:,} events of {done.entries:,} requests are in {done.segments:,} new segments"]
    if done.again:
        lines.append(f"{done.again:,} requests were in segments already, and are acknowledged now")
    if done.dead:
        lines.append(f"{done.dead:,} entries are no events and were put aside; `artwork events dead` tells why")
    if done.gone:
        lines.append(
            f"{done.gone:,} entries were removed from the store by somebody else before they were in a segment"
        )
    return "\n".join(lines)


def _render_requeued(done: Requeued) -> str:
    return f"{done.requeued:,} went back to their streams, {done.left:,} are left; `artwork ingest` reads them"


def _render_dead(dead: DeadLetters) -> str:
    if not dead.letters:
        return "there are no dead letters"
    lines = list(_lines(dead.letters))
    return "\n".join([*lines, "there are more; see --limit"] if dead.more else lines)


def _lines(letters: Iterable[DeadLetter]) -> Iterable[str]:
    for one in letters:  # whatever wrote them, the terminal is to show it and not to obey it
        yield f"{one.id}  {one.put_aside_at}  from {shown(one.stream)} {shown(one.stream_id)}: {shown(one.reason)}"
        for name, value in one.fields.items():
            yield f"    {shown(name)} = {shown(value)}"
