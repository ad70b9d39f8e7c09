"""``artwork demo``: the whole loop on one machine."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from artwork.bench.testbed.service_process import HOST, free_port
from artwork.commands.data import GROUPLENS_TERMS
from artwork.console.choosing_options import PolicyOption, PosteriorOption, parse_variant
from artwork.console.options import JsonOption, SeedOption, WorkspaceOption
from artwork.console.output import EXIT_FAILED_CHECK, emit, say
from artwork.demo.experiment import experiment_of, experiment_of_policies
from artwork.demo.loop import JOIN_DAY
from artwork.demo.newcomers import LARGEST_SHARE
from artwork.demo.pace import SLOWEST_DAY_SECONDS, USUAL_DAY_SECONDS
from artwork.demo.play import Outcome, Plan, play
from artwork.demo.workspace import ALL_TITLES, DEFAULT_TITLES
from bandit.errors import InputError
from bandit.policies import parse_policy
from batch.config import Config, Variant
from service.listening import bind

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
DEFAULT_ROOT = Path("workspace/demo")

app = typer.Typer(rich_markup_mode="rich")


@app.command("demo")
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
    against: Annotated[
        str,
        typer.Option(
            help="A treatment beside the control of --policy that differs in its policy alone: --experiment, in short."
        ),
    ] = "",
    experiment: Annotated[
        str,
        typer.Option(
            help="A treatment beside the control of --policy, as a variant of artwork run: [NAME=]field=value,...;"
            " registered after the explore days, decided at the end."
        ),
    ] = "",
    posterior: PosteriorOption = "linear",
    new_artworks: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=LARGEST_SHARE,
            help=f"Share of the artworks that join the catalogue on live day {JOIN_DAY} only.",
        ),
    ] = 0.0,
    launch_on: Annotated[
        int | None, typer.Option(min=1, help="Live day on which a title joins that was held back.")
    ] = None,
    retire_on: Annotated[
        int | None, typer.Option(min=1, help="Live day on which the best known artwork is retired.")
    ] = None,
    shift_on: Annotated[
        int | None, typer.Option(min=1, help="Live day from which on users like other genres than before.")
    ] = None,
    retention: Annotated[
        float, typer.Option(help="Share of a day's evidence that is left a day later, above 0 and at most 1.")
    ] = Config().retention,
    explore_share: Annotated[
        float,
        typer.Option(
            help="Share of users on live days, from 0 to below 1, who explore: artwork report sees by them that tastes shift."
        ),
    ] = Config().explore_share,
    page: Annotated[
        bool | None, typer.Option(help="Serve a page to watch it; so it is by default, but not with --once or --json.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of the page; 8000 by default, or the next one that is free.")
    ] = None,
    service_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Of the service; a free one by default.")
    ] = None,
    pace: Annotated[
        float,
        typer.Option(min=0.0, max=SLOWEST_DAY_SECONDS, help="Seconds of a live day that is watched; 0 is at once."),
    ] = USUAL_DAY_SECONDS,
    seed: SeedOption = 7,
    workspace: WorkspaceOption = DEFAULT_ROOT,
    as_json: JsonOption = False,
) -> None:
    """Watch the whole loop run: real users and titles, simulated responses, a real store and a real service.

    A few days under the uniform policy make explore data. Then every night learns from all days so far and publishes a
    generation, and every day asks the running service for each artwork. Ctrl-C ends it.

    The page shows what people see, why, and how it is learned; its control room breaks the store, launches titles, moves tastes.

    Example: artwork demo --pace 60 --port 9000

    Example: artwork demo --once --days 3 --policy epsilon_greedy:epsilon=0.1

    Example: artwork demo --once --against epsilon_greedy:epsilon=0.1

    Example: artwork demo --once --experiment clicks=reward=click

    Example: artwork demo --once --launch-on 2 --retire-on 3

    Example: artwork demo --once --days 12 --shift-on 6 --retention 0.7
    """
    config = replace(
        _config(policy, against, experiment, posterior, seed), retention=retention, explore_share=explore_share
    )
    if not parse_policy(policy).contextual:
        raise InputError(
            f"the demo shows a policy that learns from contexts; {policy} does not: try thompson or epsilon_greedy"
        )
    if new_artworks and days < JOIN_DAY:
        raise InputError(f"--new-artworks join on live day {JOIN_DAY}, and --days is {days}; play at least {JOIN_DAY}")
    for flag, day in (("--launch-on", launch_on), ("--retire-on", retire_on), ("--shift-on", shift_on)):
        if day is not None and day > days:
            raise InputError(f"{flag} is day {day}, and --days is {days}; name a day that is played")
    if new_artworks and launch_on:
        raise InputError("--new-artworks and --launch-on both hold artworks back; play one of them at a time")
    plan = Plan(config, days, users, _titles(titles), new_artworks, launch_on, retire_on, shift_on)
    tell: Callable[[str], None] = (lambda _: None) if as_json else say  # standard output belongs to one JSON document
    if not isfinite(pace):
        raise InputError(f"--pace is {pace}, expected seconds from 0 to {SLOWEST_DAY_SECONDS:g}")
    own_service_port = None if service_port is None else _checked_port(service_port)
    ends = once or as_json
    if page or (page is None and not ends):
        announce = _note if as_json else say
        watching = Watching(port, own_service_port or free_port(), pace, once=ends)
        outcome = _watched(workspace, plan, tell, announce, watching)
    else:
        outcome = play(workspace, plan, tell, terms=GROUPLENS_TERMS, once=ends, service_port=own_service_port)
    if as_json and outcome is not None:
        emit(outcome, str, as_json=True)
    if outcome is not None and not outcome.above_uniform:
        raise typer.Exit(EXIT_FAILED_CHECK)


def _config(policy: str, against: str, experiment: str, posterior: str, seed: int) -> Config:
    """How live days choose: by one policy, or by two variants."""
    if against and experiment:
        raise InputError("--against and --experiment both bring a second variant; leave one out")
    if against:
        return experiment_of_policies(policy, against, posterior, seed)
    control = Variant(policy=policy, posterior=posterior)
    return (
        experiment_of(control, parse_variant(experiment, control), seed)
        if experiment
        else Config((control,), seed=seed)
    )


@dataclass(frozen=True)
class Watching:
    """How a demo is watched: the ports of its page (None is 8000 or the next) and service, seconds of a day, and its end."""

    port: int | None
    service_port: int
    pace: float
    once: bool


def _watched(
    root: Path, plan: Plan, tell: Callable[[str], None], announce: Callable[[str], object], watching: Watching
) -> Outcome | None:
    """Play while a page shows it, from before there are any data."""
    # Only a demo that is watched needs a web framework in this process.
    from artwork.demo.season import Season  # noqa: PLC0415
    from artwork.web.serving import bind_page, page_server  # noqa: PLC0415

    listener = bind_page(watching.port)
    own = listener.getsockname()[1]
    season = Season(
        root,
        plan,
        tell,
        terms=GROUPLENS_TERMS,
        seconds_per_day=watching.pace,
        service_port=watching.service_port,
        origins=(f"http://127.0.0.1:{own}", f"http://localhost:{own}"),
    )
    with page_server(season, listener) as address, _told_of_signals(season.end):
        announce(f"watch it at {address}/?token={season.token}\n")
        return season.play(once=watching.once)


def _note(line: str) -> None:
    """To standard error, where standard output belongs to one JSON document."""
    sys.stderr.write(f"{line}\n")  # by itself: notes hide what opens the page


@contextmanager
def _told_of_signals(end: Callable[[], None]) -> Iterator[None]:
    """Call ``end`` at Ctrl-C, and then do as always.

    What a handler raises is lost where it happens to be raised in a finaliser or in a callback of a library; days and nights last
    long enough for that, and the demo is to end all the same.
    """

    def told(before: Callable[[int, FrameType | None], object], number: int, frame: FrameType | None) -> None:
        end()
        before(number, frame)

    handlers = {number: before for number in _SIGNALS if callable(before := signal.getsignal(number))}
    for number, before in handlers.items():
        signal.signal(number, partial(told, before))
    try:
        yield
    finally:
        for number, before in handlers.items():
            signal.signal(number, before)


def _checked_port(port: int) -> int:
    """A port of loopback that nothing listens on, lest the demo asks somebody else's server.

    Raises:
        SurroundingsError: it is taken.
    """
    bind(HOST, port).close()
    return port


def _titles(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "all":
        return ALL_TITLES
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--titles is {text!r}, expected a number of at least 1, or all")
    return int(text)
