"""``artwork train``, ``precompute``, ``publish`` and ``run``: the stages of a generation."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from artwork.commands.events import render_ingested
from artwork.console.executor_options import ExecutorOptions
from artwork.console.joining_options import JoiningOptions
from artwork.console.options import DEFAULT_WORKSPACE, JsonOption, SeedOption, WorkspaceOption, option, with_options
from artwork.console.output import emit, errors, progress_bars
from artwork.reports.joined_text import render_joined
from bandit.errors import InputError
from bandit.posterior.registry import POSTERIORS
from batch.choosing.chooser import USERS_A_BLOCK
from batch.choosing.precompute import Precomputed, precompute
from batch.config import MAX_VARIANTS, Config, Variant
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.datasets.refreshing import Refreshed
from batch.executors import open_executor
from batch.experiments.listing import experiment_config, experiments_of
from batch.job import Ran, parse_duration, run, run_every
from batch.learning.evidence import TITLES_A_BLOCK
from batch.learning.train import Trained, train
from batch.publishing.gate import RefusedError, Verdict
from batch.publishing.publish import Published, publish
from batch.store.client import connect
from batch.store.embedded import events_url, store_url
from batch.workspace.generations import resolve
from batch.workspace.lock import only_job
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

_FIELDS = tuple(item.name for item in fields(Variant) if item.name != "name")
_next_field = re.compile(rf",(?=(?:{'|'.join(_FIELDS)})=)").split

ShardSizeOption = Annotated[
    int,
    typer.Option(
        min=1,
        help=f"Blocks per shard: of {USERS_A_BLOCK:,} users when choosing, of {TITLES_A_BLOCK} titles when learning.",
    ),
]
PolicyOption = Annotated[
    str,
    typer.Option(
        help="thompson, epsilon_greedy[:epsilon=0.1,halving=5000], softmax[:temperature=0.05], linucb[:alpha=1], greedy,"
        " uniform or popularity."
    ),
]
PosteriorOption = Annotated[str, typer.Option(help=f"What contextual policies learn with: {', '.join(POSTERIORS)}.")]
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

EXPLORE_SHARE: Final = 0.01
"""Of users who explore, without whom nobody sees that the world drifts: they cost 1 % of what the policy gains."""
_DEFAULTS = Config()
_VARIANT = Variant()
_SHARD_SIZE = 4

app = typer.Typer(rich_markup_mode="rich")


@dataclass(frozen=True)
class ChoosingOptions:
    """How artworks are learned of and chosen."""

    policy: PolicyOption = _VARIANT.policy
    posterior: PosteriorOption = _VARIANT.posterior
    retention: float = option(
        _DEFAULTS.retention, "Share of a day's evidence that is left a day later, above 0 and at most 1."
    )
    reward: str = option(
        _VARIANT.reward,
        "What is learned from: take[:engaged_fraction=0.7], click, watched_fraction,"
        " weighted_sum:take=0.7,click=0.3, or logged for the reward as it was logged.",
    )
    explore_share: float | None = option(
        None,
        "Share of users whose picks are drawn under the uniform policy, from 0 to below 1; by default"
        f" {EXPLORE_SHARE}, and 0 where several variants are live.",
    )
    stickiness: float = option(
        _VARIANT.stickiness,
        "Share of the draws, from 0 to below 1, that keep the artwork which the generation before picked for the user, where"
        " it may well be the best still.",
    )
    stickiness_margin: float = option(
        _VARIANT.stickiness_margin,
        "The most by which its probability to be the best may lie below the largest one.",
    )
    variant: list[str] | None = option(
        None,
        f"One of several that are live side by side: [NAME=]{'=...,'.join(_FIELDS)}=..., in any order."
        " --policy, --posterior, --reward and --stickiness give what is left out; a share that is left out is an equal part of"
        f" the rest. Repeat it, up to {MAX_VARIANTS} times.",
    )
    refit_days: int = option(
        _DEFAULTS.refit_days,
        "Newest days whose rows a logistic posterior is refitted to; others learn from sums of all days.",
    )
    salt: str = option(
        _DEFAULTS.salt, "Draws anew which users get which variant, who else are the same in every generation."
    )
    seed: SeedOption = _DEFAULTS.seed
    experiment: str | None = option(
        None,
        "The experiment whose variants are made; its plan gives --variant, --policy, --posterior, --reward, --stickiness"
        " and --salt.",
    )

    def config(self, workspace: Workspace) -> Config:
        """The same as the job takes it; an experiment is that of a workspace.

        Raises:
            InputError: a value is not as it should be, or is that of an experiment's plan.
        """
        if self.experiment is not None:
            given = [name for name in _OF_THE_PLAN if getattr(self, name) != getattr(ChoosingOptions(), name)]
            if given:
                flag = f"--{given[0].replace('_', '-')}"
                raise InputError(f"{flag} and --experiment both say what is chosen; leave {flag} out")
            shared = Config(
                seed=self.seed,
                retention=self.retention,
                explore_share=self.explore_share or 0.0,
                refit_days=self.refit_days,
            )
            return experiment_config(workspace, self.experiment, shared)
        usual = Variant(
            policy=self.policy,
            posterior=self.posterior,
            reward=self.reward,
            stickiness=self.stickiness,
            stickiness_margin=self.stickiness_margin,
        )
        variants = tuple(parse_variant(text, usual) for text in self.variant or ()) or (usual,)
        # A comparison of variants has the users that it was planned with.
        share = EXPLORE_SHARE if len(variants) == 1 else 0.0
        return Config(
            variants,
            seed=self.seed,
            retention=self.retention,
            explore_share=share if self.explore_share is None else self.explore_share,
            salt=self.salt,
            refit_days=self.refit_days,
        )


_OF_THE_PLAN = ("variant", "policy", "posterior", "reward", "salt", "stickiness", "stickiness_margin")


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
    """
    choosing.config(Workspace(workspace))  # refused here, before a store is started
    running.check_writers(writers)
    seconds = None if every is None else parse_duration(every)
    settings = joining.settings("learn" if seconds is None else "wait")
    there = running.workspace(workspace)

    def cycle() -> None:
        read_tables(there)  # refused here, no store is started for them
        config = choosing.config(there)  # anew: an experiment may have been stopped or changed
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
            )
        emit(made, render_ran, as_json=as_json)

    if seconds is None:
        cycle()
    else:
        run_every(seconds, there, cycle, lambda why: errors.print(f"this cycle failed: {why}", markup=False))


@contextmanager
def _refusals(*, as_json: bool) -> Iterator[None]:
    """Give the figures of the gate to machines also where it refuses."""
    try:
        yield
    except RefusedError as refused:
        if as_json:
            emit(refused.verdict, render_verdict, as_json=True)
        raise


def parse_variant(text: str, usual: Variant) -> Variant:
    """A variant of the command line, ``[NAME=]policy=...,share=...``; what it leaves out is that of ``usual``.

    Raises:
        InputError: a field is not known or is given twice, or a value makes no sense.

    >>> parse_variant("bold=policy=epsilon_greedy:epsilon=0.3,halving=500,share=0.2", Variant()).policy
    'epsilon_greedy:epsilon=0.3,halving=500'
    """
    name, _, rest = text.partition("=")
    own, settings = ("", text) if name in _FIELDS else (name, rest)
    values: dict[str, Any] = {}
    for part in _next_field(settings):
        key, _, value = part.partition("=")
        if key not in _FIELDS or key in values:
            wrong = f"has {key} twice" if key in values else f"has {part!r}"
            raise InputError(
                f"--variant {text} {wrong}, expected [NAME=]field=value,..., each of {', '.join(_FIELDS)} once at most"
            )
        values[key] = value
    try:
        for key in values.keys() & {"floor", "new_floor", "share", "stickiness", "stickiness_margin"}:
            values[key] = float(values[key])
        return replace(usual, name=own, **values)
    except ValueError as error:
        raise InputError(f"--variant {text}: {error}") from None


def prepare(workspace: Path) -> None:
    """Give a workspace what serving needs: synthetic tables if it has none, and a published generation."""
    there = Workspace(workspace)
    if not there.users.exists():
        write(there, synthetic.build(n_users=2000, n_titles=200, seed=0))
    with progress_bars() as progress, open_executor("serial") as shards:
        run(there, ChoosingOptions().config(there), shards, store_url(workspace), progress, shard_size=_SHARD_SIZE)


def render_trained(made: Trained) -> str:
    """What was learned from, and where it lies."""
    window = ""
    if made.refit_days is not None:
        left_out = f", which leaves out {made.days_left_out} days" if made.days_left_out else ""
        window = f"\nlogistic is refitted to the rows of the newest {made.refit_days} days{left_out}"
    gone = f" ({made.unknown:,} of artworks that are gone)" if made.unknown else ""
    kept = ""
    if made.previous is not None:
        kept = f"\npicks of generation {made.previous} are kept where they may be the best still"
    elif made.nothing_kept:
        kept = f"\nno picks are kept, whatever the stickiness: {made.nothing_kept}"
    segments = f"\n{made.segments} segments of users answer for those who are new" if made.segments else ""
    return (
        f"generation {made.generation} trained for {' and '.join(made.variants)} from {made.impressions:,} impressions"
        f" of {made.days} days{gone}: {made.folder}"
        f"{window}{segments}{kept}"
    )


def render_precomputed(made: Precomputed) -> str:
    """How much was chosen, and where it lies."""
    changed = ""
    if made.flip_rate is not None:
        changed = f"\n{made.flip_rate:.1%} of the picks that generation {made.previous} had are another artwork now"
    return (
        f"generation {made.generation}: {made.picks:,} picks of {' and '.join(made.variants)} for {made.users:,} users"
        f" x {made.titles:,} titles: {made.folder / 'picks'}{changed}"
    )


def render_published(made: Published) -> str:
    """What the store holds now."""
    before = "nothing before" if made.previous is None else f"generation {made.previous} before"
    return (
        f"{render_verdict(made.gate)}\n"
        f"generation {made.generation} is current ({before}): {made.rows:,} rows, {made.row_bytes:,} bytes"
        f" in {made.seconds:.1f} s to {made.store}"
    )


def render_verdict(verdict: Verdict) -> str:
    """What the gate has seen: in one line what passed, and a line for whatever else."""
    passed = ", ".join(check.name for check in verdict.checks if check.passed)
    others = [check for check in verdict.checks if not check.passed]
    lines = [
        f"  {'refused' if check.passed is False else 'not judged'}: {check.name}: {check.text}" for check in others
    ]
    with_parent = "" if verdict.parent is None else f" beside generation {verdict.parent}"
    return "\n".join([f"generation {verdict.generation}{with_parent} passed: {passed}", *lines])


def render_refreshed(made: Refreshed) -> str:
    """Whose contexts are new, or why none are."""
    if made.kept:
        return f"contexts are kept: {made.kept}"
    return f"contexts of {made.users:,} users are new, made of {made.plays:,} plays"


def render_ran(made: Ran) -> str:
    """The stages, one line each; nothing of events where there never were any."""
    collected = (render_ingested(made.ingested), render_joined(made.joined)) if made.joined.events else ()
    stages = (
        render_refreshed(made.refreshed),
        render_trained(made.trained),
        render_precomputed(made.precomputed),
        render_published(made.published),
    )
    return "\n".join((*collected, *stages))
