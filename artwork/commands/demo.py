"""``artwork demo``: the whole loop on one machine."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from artwork.commands.data import GROUPLENS_TERMS
from artwork.commands.jobs import PolicyOption
from artwork.demo.days import DayResult
from artwork.demo.ground import ALL_TITLES, DEFAULT_TITLES, Ground, prepare_ground
from artwork.demo.loop import EXPLORE_DAYS, Loop
from artwork.demo.table import HEADER, line, summary
from artwork.demo.verdict import judge_policy
from artwork.options import JsonOption, SeedOption, WorkspaceOption
from artwork.output import console, emit, progress_bars
from artwork.serving import running_service
from bandit.errors import InputError
from bandit.policies import parse_policy
from batch.embedded import stop_store, store_url
from batch.generations import Config

DEFAULT_ROOT = Path("workspace/demo")
_POLL_SECONDS = "0.2"
EXIT_WANTING = 1


@dataclass(frozen=True)
class Outcome:
    """The days as plain numbers, and the verdict over the live ones."""

    policy: str
    workspace: str
    origin: str
    days: list[dict[str, object]]
    difference: float
    lower: float
    upper: float
    above_uniform: bool
    seconds: float


def register(app: typer.Typer) -> None:
    """Put ``demo`` on the application."""
    app.command("demo")(demo_command)


def demo_command(
    once: Annotated[
        bool,
        typer.Option("--once", help="End after the last day: exit 0 if the policy beat uniform. --json implies it."),
    ] = False,
    days: Annotated[int, typer.Option(min=1, max=365, help="Simulated days that ask the service.")] = 7,
    users: Annotated[int | None, typer.Option(min=2, help="Only the users who rated most; all by default.")] = None,
    titles: Annotated[
        str | None, typer.Option(help=f"How many of the titles rated most, or all; {DEFAULT_TITLES} by default.")
    ] = None,
    policy: PolicyOption = "thompson",
    seed: SeedOption = 7,
    workspace: WorkspaceOption = DEFAULT_ROOT,
    as_json: JsonOption = False,
) -> None:
    """Watch the whole loop run: real users and titles, simulated responses, a real store and a real service.

    A few days under the uniform policy make explore data. Then every night learns from all days so far and publishes a
    generation, and every day asks the running service for each artwork. Ctrl-C ends it.

    Example: artwork demo --once --days 3 --policy epsilon_greedy:epsilon=0.1
    """
    config = Config(policy=policy, seed=seed)
    if not parse_policy(policy).contextual:
        raise InputError(
            f"the demo shows a policy that learns from contexts; {policy} does not: try thompson or epsilon_greedy"
        )
    outcome = _play(workspace, config, days, users, _titles(titles), once=once or as_json, quiet=as_json)
    if as_json:
        emit(outcome, str, as_json=True)
    if not outcome.above_uniform:
        raise typer.Exit(EXIT_WANTING)


def _play(
    root: Path, config: Config, days: int, users: int | None, titles: int | None, *, once: bool, quiet: bool
) -> Outcome:
    began = time.perf_counter()
    say = _silent if quiet else _say
    with progress_bars() as report:
        report("making the workspace", 0, 1)
        ground = prepare_ground(root, users, titles, config.seed)
        loop = Loop.of(ground.workspace, config)
    say(_intro(loop, ground))
    try:
        url = store_url(root)
        results = [_shown(loop.explore, day, say) for day in range(EXPLORE_DAYS)]
        with progress_bars() as report:
            generation = loop.learn(url, report).trained.generation
        with running_service(root, settings={"ARTWORK_POLL_SECONDS": _POLL_SECONDS}) as address:
            live = _live_days(loop, url, address, generation, days, say)
            verdict = judge_policy(live, config.seed)
            say(summary(live, verdict, config.policy))
            seconds = round(time.perf_counter() - began, 1)
            say(f"the run took {seconds:.0f} s; everything it made lies in {root}")
            if not once:
                _stay_up(loop, address)
    finally:
        stop_store(root)
    return Outcome(
        policy=config.policy,
        workspace=str(root),
        origin=_origin(ground),
        days=[_plain(result) for result in [*results, *live]],
        difference=verdict.difference,
        lower=verdict.lower,
        upper=verdict.upper,
        above_uniform=verdict.is_above_uniform,
        seconds=seconds,
    )


def _live_days(
    loop: Loop, url: str, address: str, generation: int, days: int, say: Callable[[str], None]
) -> list[DayResult]:
    live: list[DayResult] = []
    with contextlib.closing(loop.client(address)) as client:
        for day in range(EXPLORE_DAYS, EXPLORE_DAYS + days):
            if live:
                with progress_bars() as report:
                    generation = loop.learn(url, report).trained.generation
            client.wait_for(generation)
            live.append(_shown(partial(loop.live, client=client), day, say))
    return live


def _shown(play_day: Callable[..., DayResult], day: int, say: Callable[[str], None]) -> DayResult:
    with progress_bars() as report:
        result = play_day(day, report=report)
    say(line(result))
    return result


def _intro(loop: Loop, ground: Ground) -> str:
    size = f"{loop.tables.users.height:,} users, {loop.tables.titles.height:,} titles, {loop.catalogue.n_artworks:,} artworks"
    terms = f"\n{GROUPLENS_TERMS}" if ground.is_movielens else ""
    return f"{size} in {ground.workspace.root}\n{_origin(ground)}{terms}\n\n{HEADER}"


def _origin(ground: Ground) -> str:
    if ground.is_movielens:
        return "Users, titles and ratings are MovieLens-100K's; artworks and responses are simulated."
    return "Users and titles are the workspace's own; responses are simulated."


def _stay_up(loop: Loop, address: str) -> None:
    user, (first, second) = loop.tables.users["user_id"][0], (loop.catalogue.title_ids[0], loop.catalogue.title_ids[-1])
    _say(
        "\nthe service stays up; try it (Ctrl-C ends it):\n"
        f"  curl '{address}/v1/users/{user}/titles/{first}/artwork'\n"
        f"  curl '{address}/v1/users/{user}/artwork?title_id={first}&title_id={second}'\n"
        f"  curl '{address}/v1/users/somebody-new/titles/{first}/artwork'"
    )
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


def _plain(result: DayResult) -> dict[str, object]:
    kept = {name: value for name, value in vars(result).items() if name not in {"lead", "shown"}}
    return kept | {"closed": result.closed, "sources": dict(result.sources)}


def _say(text: str) -> None:
    console.print(text, markup=False)


def _silent(text: str) -> None:
    """Stands in for ``_say`` where standard output belongs to one JSON document."""


def _titles(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "all":
        return ALL_TITLES
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--titles is {text!r}, expected a number of at least 1, or all")
    return int(text)
