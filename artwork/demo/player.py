"""The one who plays a demo that is watched: days and nights in its own thread, at the watcher's pace and through faults."""

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Final, TypeVar

from artwork.bench.testbed.service_process import running_service
from artwork.console.output import progress_bars
from artwork.demo.against import judge_offline, users_of_first
from artwork.demo.answers import Answers
from artwork.demo.board import Board
from artwork.demo.days import DayResult
from artwork.demo.experiment import register_experiment
from artwork.demo.loop import EXPLORE_DAYS, JOIN_DAY, Loop
from artwork.demo.newcomers import bring_back, hold_back, hold_title_back, hold_titles_back, world_of
from artwork.demo.overlay_days import launch, retire_best_known
from artwork.demo.pace import Pace
from artwork.demo.play import SERVICE, Outcome, Plan, conclude, intro, origin_of, tell
from artwork.demo.pressing.shifting import mark_shift
from artwork.demo.pressing.store_faults import StoreFaults
from artwork.demo.settling import settle
from artwork.demo.table import shift_line
from artwork.demo.tastes import with_tastes
from artwork.demo.workspace import DemoWorkspace, prepare_workspace
from artwork.web.stage import Phase, Step, StoreState
from bandit.arrays import I64
from bandit.errors import CheckError, SurroundingsError
from bandit.evaluation import Evaluation
from bandit.simulation.world import Responses, World
from batch.config import Config
from batch.executors import Progress
from batch.job import Ran
from batch.store.client import URL_VARIABLE
from batch.store.embedded import stop_store, store_url
from batch.workspace.catalogue import Catalogue
from batch.workspace.overlays import newest_overlay
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

PARTS_A_DAY: Final = 24
HELD_TITLES: Final = 3
"""Titles that wait for the watcher to launch them."""

_LOOK_SECONDS: Final = 0.2
_TRIES: Final = 3
"""How often a night is begun anew though the store answers."""

_STEPS: Final = {
    "entries ingested": "ingest",
    "learning from days": "train",
    "fitting titles": "train",
    "choosing artworks": "draw",
    "publishing rows": "publish",
}
"""Steps of a night by what its jobs report; what is reported otherwise is joining."""

T = TypeVar("T")


class Player:
    """Plays a plan in the thread that calls ``play``; all else may be called from any thread.

    Args:
        root: the workspace's folder.
        plan: what to play.
        pace: which the watcher sets.
        board: on which it tells what goes on.
        say: given the lines of the report.
        terms: under which the data of MovieLens may be used.
        service_port: of the service.
        origins: of the page, which may ask the service.
    """

    def __init__(
        self,
        root: Path,
        plan: Plan,
        pace: Pace,
        board: Board,
        say: Callable[[str], None],
        *,
        terms: str,
        service_port: int,
        origins: tuple[str, ...],
    ) -> None:
        self.workspace = Workspace(root)
        self.plan, self.pace, self.board, self.say = plan, pace, board, say
        self.address = f"http://127.0.0.1:{service_port}"
        self.config = plan.config
        """How nights choose from the first live day on."""
        self.exploring = True
        self.origin: str | None = None
        self.store: StoreFaults | None = None
        self.url = ""
        self.plays = Event()
        """Set while there is a service to ask."""
        self.outcome: Outcome | None = None
        """What the planned days came to, once they are over."""
        self.nights: list[float] = []
        self.late: list[str] = []
        self._terms, self._port, self._origins = terms, service_port, origins
        self._loop: Loop | None = None
        self._truth: World | None = None
        self._revision = 0
        self._generation = 0

    @property
    def loop(self) -> Loop:
        """What is played.

        Raises:
            SurroundingsError: it is not ready yet.
        """
        if self._loop is None:
            raise SurroundingsError("the data of the demo are being made; wait a moment")
        return self._loop

    @property
    def truth(self) -> World | None:
        """The world of the workspace's tables as they are on disk, row by row; None before there is one."""
        return self._truth

    @property
    def store_state(self) -> StoreState:
        """What was done to the store."""
        return "up" if self.store is None else self.store.state

    @property
    def store_answers(self) -> bool:
        """Whether jobs can use the store."""
        return self.store is None or self.store.answers

    def play(self, *, once: bool) -> None:
        """Play the days that were planned, and then what the watcher asks for; ``once`` ends after the former.

        Raises:
            EndedError: the watcher ended it.
            InputError: the folder or its tables do not do.
            SurroundingsError: store, service or network failed.
        """
        began, root = time.perf_counter(), self.workspace.root
        with self._told() as progress:
            progress("making the workspace", 0, 1)
            place = prepare_workspace(root, self.plan.users, self.plan.titles, self.plan.config.seed)
        try:
            self._set_up(place)
            with ExitStack() as running:
                self._learn_or_say()
                running.enter_context(self._service())
                self._days(place, began, once=once)
                if not once:
                    self._live_on()
        finally:
            self.plays.clear()
            bring_back(place.workspace)
            stop_store(root)

    def learn(self) -> Ran:
        """A night now, wherever the day stands.

        Raises:
            SurroundingsError, CheckError: it failed; what was served before serves on.
        """
        phase = self.board.phase
        began = time.monotonic()
        steps: dict[str, float] = defaultdict(float)
        with self._told(steps) as progress:
            ran = self.loop.learn(self.url, progress, self._night_config)
        self._generation = ran.trained.generation
        self.nights.append(ran.seconds)
        steps["publish"] += (
            time.monotonic() - began - sum(steps.values())
        )  # after the last row: verification, and the flip
        self.board.add_night(
            ran.trained.generation, ran.seconds, {name: round(took, 3) for name, took in steps.items()}
        )
        self.board.at(phase)
        return ran

    def shift_taste(self, genres: I64) -> None:
        """From the next day on, users like genre g as much as they liked ``genres[g]`` until now."""
        self._loop = self.loop.shifted(genres)  # a day that is played goes on with the one it began with
        self._revision = -1  # so that the page has the truth of the next day once it begins

    def launch(self) -> str:
        """Launch the next title that was held back; a line that says so.

        Raises:
            SurroundingsError: the store does not take it.
        """
        said = launch(self.workspace, self.url, self.late.pop(0))
        self._look_at_tables()
        return said.strip()

    def wait(self, seconds: float) -> None:
        """Let visitors wait for what is away.

        Raises:
            EndedError: the watcher ended the demo.
        """
        if not seconds:
            return
        self.board.waits = True
        try:
            self.pace.rest(seconds)
        finally:
            self.board.waits = False

    @property
    def _night_config(self) -> Config:
        return self.loop.exploring if self.exploring else self.config

    def _set_up(self, place: DemoWorkspace) -> None:
        plan, root = self.plan, place.workspace.root
        if plan.new_artworks:
            hold_back(place.workspace, plan.new_artworks, plan.config.seed)
        elif plan.launch_on:
            self.late = [hold_title_back(place.workspace)]
        else:
            self.late = hold_titles_back(place.workspace, HELD_TITLES)
        self._loop = Loop.of(place.workspace, plan.config)
        users_of_first(plan.config, self.loop.tables)  # which refuses a variant without users
        self._look_at_tables()
        self.origin = origin_of(place)
        self.say(intro(self.loop, place, self._terms if place.is_movielens else ""))
        self.url = store_url(root)
        if not os.environ.get(URL_VARIABLE):  # else it is somebody's own, whose process is not to be touched
            self.store = StoreFaults(root, self.url)

    @contextmanager
    def _service(self) -> Iterator[None]:
        settings = SERVICE | {"ARTWORK_ALLOWED_ORIGINS": ",".join(self._origins)}
        with ExitStack() as running:
            if self.store is not None:
                running.enter_context(self.store.lent())
                settings |= {URL_VARIABLE: self.store.service_url}
            running.enter_context(running_service(self.workspace.root, self._port, settings))
            self.plays.set()
            running.callback(self.plays.clear)
            yield

    def _days(self, place: DemoWorkspace, began: float, *, once: bool) -> None:
        explored = []
        for number in range(EXPLORE_DAYS):
            if number:
                self._night()
            explored.append(self._day(number))
        offline = self._offline()
        self.exploring = False
        live = []
        for number in range(1, self.plan.days + 1):
            if self.plan.new_artworks and number == JOIN_DAY:
                self._loop = self.loop.with_newcomers()
                self._look_at_tables()
                self.say(f"            {int(self.loop.new.sum()):,} new artworks join the catalogue")
            self._night()
            self._planned_changes(number)
            live.append(self._day(EXPLORE_DAYS + number - 1))
        self._with_store(self._collect)
        try:
            self.outcome = conclude(
                self.loop, place, self.plan, (explored, live), self.nights, offline, began, self.say
            )
        except SurroundingsError as error:  # a variant without picks on any day, say, because the store was away
            if once:
                raise
            self.say(str(error))

    def _live_on(self) -> None:
        """After the planned days: held until the watcher wants another day."""
        self.pace.pause()
        self.say("the planned days are over; the page and its service stay up (Ctrl-C ends them)")
        day = EXPLORE_DAYS + self.plan.days
        while True:
            self.board.at("over")
            self._night()
            self._day(day)
            day += 1

    def _planned_changes(self, number: int) -> None:
        if number == self.plan.shift_on:
            mark, genres = mark_shift(self.board, self.loop.world.tastes.shape[1], self.plan.config.seed)
            self.shift_taste(genres)
            self.say(shift_line(mark.words))
        if number == self.plan.launch_on and self.late:
            self.say(f"            {self._with_store(self.launch)}")
        if number == self.plan.retire_on:
            self.say(self._with_store(lambda: retire_best_known(self.workspace, self.url, self._generation)))

    def _offline(self) -> Evaluation | None:
        if not self.plan.is_experiment:
            return None
        self._with_store(self._collect)
        register_experiment(self.workspace, self.plan.config, self.plan.days)
        if not self.plan.is_judged_offline:
            return None
        with self._told() as progress:
            return judge_offline(self.workspace, self.plan.config, progress)

    def _collect(self) -> None:
        with self._told() as progress:
            self.loop.collect(self.url, progress)

    def _night(self) -> None:
        """A night, once the days are not held; it waits for a store that is away, and the gate may refuse it."""
        self.pace.pass_night()
        self._with_store(self._learn_or_say)

    def _learn_or_say(self) -> None:
        try:
            self.learn()
        except CheckError as refused:
            self.say(f"            {refused}")
            self.board.mark("night", f"the gate refused the generation of this night: {refused}")

    def _with_store(self, job: Callable[[], T]) -> T:
        """Do what needs the store; what fails because it is away is done again once it is back."""
        failures = 0
        while True:
            while not self.store_answers:
                self.wait(_LOOK_SECONDS)
            try:
                return job()
            except SurroundingsError:
                failures += self.store_answers
                if failures == _TRIES:
                    raise

    def _day(self, day: int) -> DayResult:
        phase: Phase = "explore" if self.exploring else "visits"
        self.board.at_time(phase, day, 0, PARTS_A_DAY)
        with contextlib.closing(self.loop.client(self.address, self.wait)) as client:
            if settle(client, self.workspace, self.url, self.pace, lambda: self.store_state == "up"):
                self._read_anew()
        began = time.monotonic()

        def between(number: int, parts: int, _answers: Answers, _responses: Responses) -> None:
            self.board.at_time(phase, day, number, parts)
            if not self.exploring:
                self.pace.pass_part(began, number / parts)
            else:
                self.pace.pass_night()

        with contextlib.closing(self.loop.client(self.address, self.wait)) as client:
            result = self.loop.live(day, client, _silent, parts=PARTS_A_DAY, between=between)
        self.pace.day_ends()
        tell(result, self.say)
        self.board.add_day(
            result, "uniform" if self.exploring else " and ".join(own.label for own in self.config.variants)
        )
        return result

    def _read_anew(self) -> None:
        """Play on with the catalogue that the service obeys, and the tastes that users have by now."""
        revision = newest_overlay(self.workspace).revision
        if revision != self._revision:
            new = self.loop.new
            loop = self.loop.with_tables()
            self._loop = replace(loop, new=new if len(new) == len(loop.new) else loop.new)
            self._revision = revision
            self._look_at_tables()

    def _look_at_tables(self) -> None:
        catalogue = Catalogue.of(read_tables(self.workspace))
        truth, genres = world_of(self.workspace, catalogue), self.loop.genres
        self._truth = truth if genres is None else with_tastes(truth, genres)

    @contextmanager
    def _told(self, steps: dict[str, float] | None = None) -> Iterator[Progress]:
        """A progress that is shown on the terminal and on the board, and that ends what runs when the demo is to end."""
        at = time.monotonic()
        with progress_bars() as bars:

            def progress(what: str, done: int, total: int) -> None:
                nonlocal at
                self.pace.check()
                bars(what, done, total)
                phase: Phase = "starting" if self._loop is None or not self.plays.is_set() else "night"
                name = _STEPS.get(what, "join")
                self.board.at(phase, Step(name if self._loop is not None else what, done, total))
                if steps is not None:
                    now = time.monotonic()
                    steps[name] += now - at
                    at = now

            yield progress


def _silent(_what: str, _done: int, _total: int) -> None:
    """The board tells of the parts of a day."""
