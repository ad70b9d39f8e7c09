"""``artwork train``, ``precompute``, ``publish`` and ``run``: the stages of a generation."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from artwork.commands.events import render_ingested
from artwork.console.choosing_options import ChoosingOptions
from artwork.console.executor_options import ExecutorOptions
from artwork.console.joining_options import JoiningOptions
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, with_options
from artwork.console.output import emit, errors, progress_bars
from artwork.reports.experiments.lists import render_gated
from artwork.reports.generation_text import (
    render_precomputed,
    render_published,
    render_refreshed,
    render_trained,
    render_verdict,
)
from artwork.reports.joined_text import render_joined
from bandit.errors import InputError
from batch.choosing.chooser import USERS_A_BLOCK
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.executors import open_executor
from batch.experiments.gated.gate import Gated, check_gate, pass_gate
from batch.experiments.listing import experiments_of
from batch.experiments.reading import Source
from batch.job import Ran, parse_duration, run, run_every
from batch.learning.evidence import TITLES_A_BLOCK
from batch.learning.train import train
from batch.publishing.gate import RefusedError
from batch.publishing.publish import publish
from batch.store.client import connect
from batch.store.embedded import events_url, store_url
from batch.workspace.generations import resolve
from batch.workspace.lock import only_job
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

ShardSizeOption = Annotated[
    int,
    typer.Option(
        min=1,
        help=f"Blocks per shard: of {USERS_A_BLOCK:,} users when choosing, of {TITLES_A_BLOCK} titles when learning.",
    ),
]
VerifyOption = Annotated[
    bool,
    typer.Option("--verify", help="Read every file of the log, also of old days that have not changed on the disk."),
]
MaxRateOption = Annotated[
    float | None,
    typer.Option(
        min=0.001, help="Megabytes per second that rows are sent with at most; else as fast as look-ups allow."
    ),
]
WritersOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=64,
        help="Processes of --executor that write rows at a time; 1 is this process. More are faster into a cluster.",
    ),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Publish it though the gate refuses it; its manifest records that.")
]
GenerationOption = Annotated[int | None, typer.Option(min=1, help="Which generation; the newest by default.")]


class Contexts(StrEnum):
    """What a run does with the contexts of users."""

    refresh = "refresh"
    keep = "keep"


class RowFormatChoice(StrEnum):
    """How rows are packed."""

    auto = "auto"
    two = "2"
    three = "3"

    @property
    def number(self) -> int | None:
        """As training takes it."""
        return None if self is RowFormatChoice.auto else int(self.value)


RowFormatOption = Annotated[
    RowFormatChoice,
    typer.Option(
        help="3: two bytes per pick, where no title has over 32 artworks; 2: three bytes, which services of before read as well;"
        " auto: the smaller that fits."
    ),
]

_SHARD_SIZE = 4

app = typer.Typer(rich_markup_mode="rich")


@app.command("train")
@with_options
def train_command(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    choosing: ChoosingOptions,
    running: ExecutorOptions,
    shard_size: ShardSizeOption = _SHARD_SIZE,
    parent: Annotated[
        int | None, typer.Option(min=1, help="The generation that it comes after; the newest with picks by default.")
    ] = None,
    verify: VerifyOption = False,
    row_format: RowFormatOption = RowFormatChoice.auto,
    as_json: JsonOption = False,
) -> None:
    """Learn from all impressions of the workspace: claims a new generation.

    Example: artwork train --posterior shared --retention 0.98 --explore-share 0.01

    Example: artwork train --variant policy=thompson --variant bold=policy=epsilon_greedy:epsilon=0.3,share=0.2
    """
    there = running.workspace(workspace)
    config = choosing.config(there)
    before = None if parent is None else resolve(there, parent, "precomputed")
    with only_job(there, "train"), progress_bars() as progress, running.opened(there) as shards:
        made = train(
            there,
            config,
            shards,
            progress,
            shard_size=shard_size,
            parent=before,
            verify=verify,
            row_format=row_format.number,
            experiments=experiments_of(there, config),
        )
    emit(made, render_trained, as_json=as_json)


@app.command("precompute")
@with_options
def precompute_command(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    generation: GenerationOption = None,
    running: ExecutorOptions,
    shard_size: ShardSizeOption = _SHARD_SIZE,
    as_json: JsonOption = False,
) -> None:
    """Draw one pick for every user and title of a trained generation.

    Example: artwork precompute --executor processes
    """
    there = running.workspace(workspace)
    with only_job(there, "precompute"), progress_bars() as progress, running.opened(there) as shards:
        made = precompute(there, generation, shards, progress, shard_size=shard_size)
    emit(made, render_precomputed, as_json=as_json)


@app.command("publish")
@with_options
def publish_command(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    generation: GenerationOption = None,
    running: ExecutorOptions,
    writers: WritersOption = 1,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Publish and serve it even if a newer generation is served.")
    ] = False,
    force: ForceOption = False,
    max_mb_per_second: MaxRateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a precomputed generation to the store and make it current.

    Example: artwork publish --generation 17

    Example: artwork publish --executor processes --writers 4
    """
    running.check_writers(writers)
    there = running.workspace(workspace)
    number = resolve(there, generation, "precomputed")  # before a store is started for nothing
    url = store_url(workspace)
    client = connect(url)
    with (
        only_job(there, "publish"),
        _refusals(as_json=as_json),
        progress_bars() as progress,
        running.opened(there) if writers > 1 else nullcontext() as shards,
    ):
        made = publish(
            there,
            number,
            client,
            url,
            progress,
            forward_only=not allow_older,
            force=force,
            most_mb_a_second=max_mb_per_second,
            executor=shards,
            writers=writers,
        )
    emit(made, render_published, as_json=as_json)


@app.command("run")
@with_options
def run_command(
    *,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    choosing: ChoosingOptions,
    running: ExecutorOptions,
    shard_size: ShardSizeOption = _SHARD_SIZE,
    joining: JoiningOptions,
    gate: Annotated[
        str | None,
        typer.Option(
            help="The gated experiment whose treatment gets its share: it is widened, shipped or rolled back by what the log says"
            " so far. Its plan gives --variant, --policy, --posterior, --reward and --salt.",
        ),
    ] = None,
    every: Annotated[str | None, typer.Option(help="Repeat from start to start: 30s, 15m, 1h, 1d.")] = None,
    contexts: Annotated[
        Contexts,
        typer.Option(
            help="refresh: users who have played get contexts that say so, where `artwork data` made them; or keep."
        ),
    ] = Contexts.refresh,
    verify: VerifyOption = False,
    force: ForceOption = False,
    max_mb_per_second: MaxRateOption = None,
    writers: WritersOption = 1,
    row_format: RowFormatOption = RowFormatChoice.auto,
    as_json: JsonOption = False,
) -> None:
    """Ingest and join what clients posted, then train, precompute and publish.

    Example: artwork run --every 1h --executor processes

    Example: artwork run --gate bolder --every 1d
    """
    _check_choice(choosing, gate, Workspace(workspace))  # refused here, before a store is started
    running.check_writers(writers)
    seconds = None if every is None else parse_duration(every)
    settings = joining.settings("learn" if seconds is None else "wait")
    there = running.workspace(workspace)

    def cycle() -> None:
        read_tables(there)  # refused here, no store is started for them
        config = (
            choosing.shared if gate else choosing.config(there)
        )  # anew: an experiment may have been stopped or changed
        with _refusals(as_json=as_json), progress_bars() as progress, running.opened(there) as shards:
            made = run(
                there,
                config,
                shards,
                store_url(workspace),
                progress,
                shard_size=shard_size,
                events_url=events_url(workspace),
                joining=settings,
                refresh=contexts is Contexts.refresh,
                verify=verify,
                force=force,
                most_mb_a_second=max_mb_per_second,
                writers=writers,
                row_format=row_format.number,
                experiments=experiments_of(Workspace(workspace), config),
                gate=None if gate is None else partial(_passed, there, gate, config),
            )
        emit(made, render_ran, as_json=as_json)

    if seconds is None:
        cycle()
    else:
        run_every(seconds, there, cycle, lambda why: errors.print(f"this cycle failed: {why}", markup=False))


def _check_choice(choosing: ChoosingOptions, gate: str | None, workspace: Workspace) -> None:
    if gate is None:
        choosing.config(workspace)
        return
    if choosing.experiment is not None:
        raise InputError("--experiment and --gate both say what is chosen; leave one out")
    choosing.refuse_beside("--gate")
    check_gate(workspace, gate)


def _passed(workspace: Workspace, name: str, shared: Config) -> Gated:
    return pass_gate(Source(workspace, None, datetime.now(UTC).date()), name, shared)


@contextmanager
def _refusals(*, as_json: bool) -> Iterator[None]:
    """Give the figures of the gate to machines also where it refuses."""
    try:
        yield
    except RefusedError as refused:
        if as_json:
            emit(refused.verdict, render_verdict, as_json=True)
        raise


def prepare(workspace: Path) -> None:
    """Give a workspace what serving needs: synthetic tables if it has none, and a published generation."""
    there = Workspace(workspace)
    if not there.users.exists():
        write(there, synthetic.build(n_users=2000, n_titles=200, seed=0))
    with progress_bars() as progress, open_executor("serial") as shards:
        run(there, ChoosingOptions().config(there), shards, store_url(workspace), progress, shard_size=_SHARD_SIZE)


def render_ran(made: Ran) -> str:
    """The stages, one line each; nothing of events where there never were any."""
    collected = (render_ingested(made.ingested), render_joined(made.joined)) if made.joined.events else ()
    stages = (
        render_refreshed(made.refreshed),
        render_trained(made.trained),
        render_precomputed(made.precomputed),
        render_published(made.published),
    )
    gated = () if made.gated is None else (render_gated(made.gated),)
    return "\n".join((*collected, *gated, *stages))
