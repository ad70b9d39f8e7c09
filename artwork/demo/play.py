"""A demo from its first line to its last: explore days, nights, live days, and the verdict."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from artwork.bench.testbed.service_process import running_service
from artwork.console.output import progress_bars
from artwork.console.shell import pasted
from artwork.demo.against import judge_offline, judge_online, lines_of, users_of_first
from artwork.demo.days import DayResult, judge_policy
from artwork.demo.experiment import decide_experiment, register_experiment
from artwork.demo.experiment import lines_of as experiment_lines
from artwork.demo.loop import EXPLORE_DAYS, JOIN_DAY, Loop
from artwork.demo.newcomers import bring_back, hold_back, hold_title_back
from artwork.demo.overlay_days import launch, retire_best_known
from artwork.demo.pressing.words import moved_words
from artwork.demo.table import (
    HEADER,
    back_line,
    explore_line,
    line,
    newcomer_line,
    rates_line,
    shift_line,
    summary,
    unjudged_line,
)
from artwork.demo.tastes import ShiftResult, judge_shift, order_of_genres
from artwork.demo.workspace import DemoWorkspace, prepare_workspace
from bandit.evaluation import Evaluation
from batch.config import Config, Variant
from batch.experiments.deciding import Verdict
from batch.job import Ran
from batch.offline.side_by_side import SideBySide
from batch.store.embedded import stop_store, store_url
from batch.workspace.overlays import newest_overlay

SERVICE = {"ARTWORK_POLL_SECONDS": "0.2", "ARTWORK_TRUST_EVENT_TIME": "1"}
"""Days are played in seconds: the service follows the store closely, and events say on which day they happened."""


@dataclass(frozen=True)
class Outcome:
    """The days as plain numbers, the seconds of each night, and the verdict over the live days.

    ``shift`` is what came of tastes that moved as planned; None where they did not, or on the first live day.
    """

    policy: str
    posterior: str
    workspace: str
    origin: str
    days: list[dict[str, object]]
    nights: list[float]
    difference: float
    lower: float
    upper: float
    above_uniform: bool
    seconds: float
    shift: ShiftResult | None


@dataclass(frozen=True)
class OutcomeOfExperiment(Outcome):
    """The same where two variants were an experiment, the verdict over uniform being about the users of the first.

    ``against`` has both side by side where a log can judge what differs, ``verdicts`` are those on the treatment, and
    ``record`` is the record of the decision.
    """

    against: SideBySide | None
    verdicts: tuple[Verdict, ...]
    record: Path


@dataclass(frozen=True)
class Plan:
    """What to play: None for users and titles takes the usual number, for live days that nothing happens on them."""

    config: Config
    days: int
    users: int | None
    titles: int | None
    new_artworks: float = 0.0
    launch_on: int | None = None
    retire_on: int | None = None
    shift_on: int | None = None

    @property
    def is_experiment(self) -> bool:
        """Whether there are two variants: they are an experiment, registered after the explore days."""
        return len(self.config.variants) > 1

    @property
    def is_judged_offline(self) -> bool:
        """Whether the log of the explore days is asked about the variants: a log judges policies, and nothing else of them."""
        variants = self.config.variants
        return (
            len({variant.policy for variant in variants}) > 1
            and len({_apart_from_policy(one) for one in variants}) == 1
        )


def _apart_from_policy(variant: Variant) -> tuple[str, str, float, float]:
    return variant.posterior, variant.reward, variant.floor, variant.new_floor


def play(
    root: Path, plan: Plan, say: Callable[[str], None], *, terms: str, once: bool, service_port: int | None = None
) -> Outcome:
    """Explore, then learn and play day after day; ``say`` is given every line of the report as it comes.

    Args:
        root: the workspace's folder.
        plan: what to play.
        say: where lines go.
        terms: under which the data of MovieLens may be used.
        once: end after the last day; else the service stays up until Ctrl-C.
        service_port: of the service; None takes a free one.

    Raises:
        InputError: the folder or its tables do not do.
        SurroundingsError: store, service or network failed.
    """
    began = time.perf_counter()
    config = plan.config
    with progress_bars() as progress:
        progress("making the workspace", 0, 1)
        place = prepare_workspace(root, plan.users, plan.titles, config.seed)
    try:
        if plan.new_artworks:
            hold_back(place.workspace, plan.new_artworks, config.seed)
        late = hold_title_back(place.workspace) if plan.launch_on else ""
        loop = Loop.of(place.workspace, config)
        users_of_first(config, loop.tables)  # which refuses a variant without users
        say(intro(loop, place, terms if place.is_movielens else ""))
        url = store_url(root)
        explore_nights = [_night(loop, url, loop.exploring)]
        with running_service(root, service_port, SERVICE) as address:
            results = _explore_days(loop, url, address, explore_nights, say)
            with progress_bars() as progress:
                loop.collect(url, progress)
                offline = judge_offline(loop.workspace, config, progress) if plan.is_judged_offline else None
            if plan.is_experiment:
                register_experiment(loop.workspace, config, plan.days)
            nights = [_night(loop, url)]
            live = _live_days(loop, url, address, plan, late, nights, say)
            with progress_bars() as progress:
                loop.collect(url, progress)  # the last day, which no night follows
            outcome = conclude(
                loop, place, plan, (results, live), [night.seconds for night in nights], offline, began, say
            )
            if not once:
                _stay_up(loop, address, say)
    finally:
        bring_back(place.workspace)
        stop_store(root)
    return outcome


def conclude(
    loop: Loop,
    place: DemoWorkspace,
    plan: Plan,
    days: tuple[list[DayResult], list[DayResult]],
    nights: list[float],
    offline: Evaluation | None,
    began: float,
    say: Callable[[str], None],
) -> Outcome:
    """The verdict over the days, said and as plain numbers.

    Args:
        loop: as it is after the last day.
        place: where it was played.
        plan: what was to be played.
        days: the explore days, and the live ones, whose events are all joined.
        nights: the seconds of those that published.
        offline: what the explore days said of both policies where there are two.
        began: when, by the performance counter.
        say: where lines go.
    """
    (explored, live), config, first = days, plan.config, plan.config.variants[0]
    lead = judge_policy(live, users_of_first(config, loop.tables), config.seed)
    say(summary(live, lead, first.policy))
    if config.explore_share > 0:
        say(explore_line(config.explore_share))
    both = None if offline is None else judge_online(place.workspace, config, offline)
    if both is not None:
        say(lines_of(both, place.workspace, config, EXPLORE_DAYS))
    decided = decide_experiment(place.workspace) if plan.is_experiment else None
    if decided is not None:
        say(experiment_lines(decided, place.workspace.root))
    shift = _judged_shift(plan, live)
    if plan.shift_on is not None:
        say(unjudged_line() if shift is None else back_line(shift))
    seconds = round(time.perf_counter() - began, 1)
    say(f"the run took {seconds:.0f} s, {median(nights):.1f} s per night")
    root = place.workspace.root
    say(f"everything it made is in {root}")
    outcome = Outcome(
        policy=first.policy,
        posterior=first.posterior,
        workspace=str(root),
        origin=origin_of(place),
        days=[_plain(result) for result in [*explored, *live]],
        nights=nights,
        difference=lead.difference,
        lower=lead.lower,
        upper=lead.upper,
        above_uniform=lead.is_above,
        seconds=seconds,
        shift=shift,
    )
    if decided is None:
        return outcome
    return OutcomeOfExperiment(**vars(outcome), against=both, verdicts=decided.verdicts, record=decided.record)


def _judged_shift(plan: Plan, live: list[DayResult]) -> ShiftResult | None:
    if plan.shift_on is None or plan.shift_on == 1:
        return None
    place = plan.shift_on - 1
    return judge_shift([day.closed for day in live], place, EXPLORE_DAYS + place)


def _explore_days(loop: Loop, url: str, address: str, nights: list[Ran], say: Callable[[str], None]) -> list[DayResult]:
    """Days under uniform, each with a draw of its own; ``nights`` has the one before the first, and is added to."""
    days: list[DayResult] = []
    for number in range(EXPLORE_DAYS):
        if number:
            nights.append(_night(loop, url, loop.exploring))
        days.append(_day(loop, address, nights[-1], number, say))
    return days


def _live_days(
    loop: Loop, url: str, address: str, plan: Plan, late: str, nights: list[Ran], say: Callable[[str], None]
) -> list[DayResult]:
    """Days with a night between them; ``nights`` has the one before the first, and is added to."""
    live: list[DayResult] = []
    for number in range(1, plan.days + 1):
        if plan.new_artworks and number == JOIN_DAY:
            loop = loop.with_newcomers()
            say(f"            {int(loop.new.sum()):,} new artworks join the catalogue")
        if live:
            nights.append(_night(loop, url))
        if number == plan.launch_on:
            say(launch(loop.workspace, url, late))
        if number == plan.retire_on:
            say(retire_best_known(loop.workspace, url, nights[-1].trained.generation))
        if number in {plan.launch_on, plan.retire_on}:
            loop = loop.with_tables()
        if number == plan.shift_on:
            genres = order_of_genres(loop.world.tastes.shape[1], loop.config.seed, 0)
            loop = loop.shifted(genres)
            say(shift_line(moved_words(genres)))
        live.append(_day(loop, address, nights[-1], EXPLORE_DAYS + number - 1, say))
    return live


def _day(loop: Loop, address: str, night: Ran, day: int, say: Callable[[str], None]) -> DayResult:
    """A day that asks the service once it answers from the night before."""
    with contextlib.closing(loop.client(address)) as client:
        client.wait_for(night.trained.generation, newest_overlay(loop.workspace).revision)
        with progress_bars() as progress:
            result = loop.live(day, client, progress)
    tell(result, say)
    return result


def tell(result: DayResult, say: Callable[[str], None]) -> None:
    """The lines of a day."""
    say(line(result))
    if len(result.rates) > 1:
        say(rates_line(result.rates))
    if result.newcomers is not None:
        say(newcomer_line(result.newcomers))


def _night(loop: Loop, url: str, config: Config | None = None) -> Ran:
    with progress_bars() as progress:
        return loop.learn(url, progress, config)


def intro(loop: Loop, place: DemoWorkspace, terms: str) -> str:
    """What is played, and the head of the table of days."""
    size = f"{loop.tables.users.height:,} users, {loop.tables.titles.height:,} titles, {loop.catalogue.n_artworks:,} artworks"
    by = ", which by ".join(variant.policy for variant in loop.config.variants)
    halves = f"A hash of the user says which half is shown artworks by {by}." if len(loop.config.variants) > 1 else ""
    lines = filter(None, (f"{size} in {place.workspace.root}", origin_of(place), terms, halves))
    return "\n".join(lines) + f"\n\n{HEADER}"


def origin_of(place: DemoWorkspace) -> str:
    """Which data these are."""
    if place.is_movielens:
        return "Users, titles and ratings are MovieLens-100K's; artworks and responses are simulated."
    return "Users and titles are the workspace's own; responses are simulated."


def _stay_up(loop: Loop, address: str, say: Callable[[str], None]) -> None:
    titles = loop.catalogue.title_ids
    say(closing_lines(address, loop.workspace.root, loop.tables.users["user_id"][0], (titles[0], titles[-1])))
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


def closing_lines(address: str, root: Path, user: str, titles: tuple[str, str]) -> str:
    """What to try while the service stays up; every line can be pasted into another shell, in whatever folder that is."""
    first, second = titles
    return (
        "\nthe service stays up; try it in another terminal (Ctrl-C ends it here):\n"
        f"  curl '{address}/v1/users/{user}/titles/{first}/artwork'\n"
        f"  curl '{address}/v1/users/{user}/artwork?title_id={first}&title_id={second}'\n"
        f"  curl '{address}/v1/users/somebody-new/titles/{first}/artwork?country=US&device=tv'\n"
        "and see why:\n"
        f"  {pasted('explain', '--workspace', root, '--user', user, '--title', first)}"
    )


def _plain(result: DayResult) -> dict[str, object]:
    left_out = {"lead", "shown"} if len(result.rates) > 1 else {"lead", "shown", "rates"}
    kept = {name: value for name, value in vars(result).items() if name not in left_out}
    late = result.newcomers and vars(result.newcomers) | {"closed": result.newcomers.closed}
    return kept | {"closed": result.closed, "sources": dict(result.sources), "newcomers": late}
