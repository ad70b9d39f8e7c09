"""What the watcher may press: each control with its arguments, what it does, and how its effect is found out."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Final

import redis

from artwork.demo.against import users_of_first
from artwork.demo.days import DayResult
from artwork.demo.looking import LoadBurst, Seen, look
from artwork.demo.pace import SLOWEST_DAY_SECONDS
from artwork.demo.player import Player
from artwork.demo.pressing.arguments import Arguments, check_names, number_of, text_of
from artwork.demo.pressing.broken_generations import checked_fault, publish_broken
from artwork.demo.pressing.rolling_back import serve_earlier
from artwork.demo.pressing.shifting import mark_shift
from artwork.demo.pressing.store_faults import StoreFaults
from artwork.demo.pressing.words import rate_words, rates_words
from artwork.web.stage import BusyError, Mark
from bandit.errors import CheckError, InputError, SurroundingsError
from bandit.policies import parse_policy
from batch.config import Config
from batch.executors import SerialExecutor
from batch.publishing.overlays import publish_overlay
from batch.store.client import connect, store_errors
from batch.workspace.catalogue_changes import retire
from batch.workspace.generations import finished
from loadtest.boundary import LoadTestError
from loadtest.targets import read_targets

MOST_DELAY_MS: Final = 2000.0
MOST_PER_SECOND: Final = 50_000.0
MOST_SECONDS: Final = 60.0
_EFFECT_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.2
_SHARD_SIZE: Final = 4


class Presses:
    """Does what is pressed. A press returns at once; what takes longer goes on in the player's thread or in one of its own.

    Args:
        player: of the demo.
    """

    def __init__(self, player: Player) -> None:
        self._player = player
        self._burst: LoadBurst | None = None
        self._is_ended = False
        self._lock = Lock()
        self._busy: set[str] = set()

    @property
    def controls(self) -> tuple[str, ...]:
        """What can be pressed; a store of one's own is not broken."""
        return tuple(
            action for action in _CONTROLS if self._player.store is not None or not action.startswith("store-")
        )

    def press(self, action: str, arguments: Arguments) -> Mark:
        """Do what is pressed; its mark.

        Raises:
            InputError: there is no such control, or an argument is wrong.
            BusyError: it cannot be done now.
        """
        if action not in _CONTROLS:
            raise InputError(f"there is no control {action!r}; there are {', '.join(self.controls)}")
        control = _CONTROLS[action]
        check_names(action, arguments, control.arguments)
        if not self._player.plays.is_set():
            raise BusyError("the data of the demo are being made, and no service runs yet; wait a moment")
        return control.press(self, arguments)

    def end(self) -> None:
        """Let what goes on in other threads end."""
        self._is_ended = True
        if self._burst is not None:
            self._burst.end()

    def play(self, _arguments: Arguments) -> Mark:
        """Let days pass."""
        self._player.pace.resume()
        return self._done("play", "days pass again", "pause")

    def pause(self, _arguments: Arguments) -> Mark:
        """Hold the days."""
        if self._player.board.phase == "over" and self._player.pace.is_paused:
            raise BusyError("the planned days are over and nothing passes by itself; next-day plays another one")
        self._player.pace.pause()
        return self._done("pause", "days are held", "play")

    def next_day(self, _arguments: Arguments) -> Mark:
        """Play to the end of the day at once, or between two days the next one."""
        self._player.pace.hurry()
        mark = self._player.board.mark("next-day", "the day is played to its end at once")
        self._player.board.tell_by_day(
            mark, lambda after, _before: f"day {after.day} is over: {rate_words(after)}", this_day=True
        )
        return mark

    def pace(self, arguments: Arguments) -> Mark:
        """How many seconds a day takes."""
        seconds = number_of(arguments, "seconds_per_day", 0.0, SLOWEST_DAY_SECONDS)
        self._player.pace.seconds_per_day = seconds
        return self._done("pace", f"a day takes {seconds:g} s" if seconds else "days pass as fast as they can")

    def learn_now(self, _arguments: Arguments) -> Mark:
        """A night outside of the rhythm."""
        self._need_store()
        with self._alone("learn-now"):
            mark = self._player.board.mark("learn-now", "a night begins now, from everything that was posted so far")
        self._hand_over("learn-now", mark, self._learn)
        return mark

    def _learn(self) -> str:
        ran = self._player.learn()
        return (
            f"generation {ran.trained.generation} is published after {ran.seconds:.1f} s, with {ran.ingested.events:,} events"
            " that no night had seen"
        )

    def store_stop(self, _arguments: Arguments) -> Mark:
        """Kill the store."""
        self._store.stop()
        return self._look_after("store-stop", "the store is killed (SIGKILL)")

    def store_freeze(self, _arguments: Arguments) -> Mark:
        """Freeze the store."""
        self._store.freeze()
        return self._look_after("store-freeze", "the store is frozen (SIGSTOP): it takes requests and answers none")

    def store_slow(self, arguments: Arguments) -> Mark:
        """Delay the store's answers."""
        delay = number_of(arguments, "ms", 1.0, MOST_DELAY_MS)
        self._store.slow_down(delay)
        return self._look_after("store-slow", f"every answer of the store to the service comes {delay:g} ms late")

    def store_back(self, _arguments: Arguments) -> Mark:
        """Bring the store back."""
        self._store.bring_back()
        mark = self._player.board.mark("store-back", "the store is brought back")
        began = time.monotonic()

        def effect() -> str:
            seen = self._look()
            while not self._is_ended and seen.share < 0.5 and time.monotonic() - began < _EFFECT_SECONDS:
                time.sleep(_LOOK_SECONDS)
                seen = self._look()
            return f"after {time.monotonic() - began:.1f} s {seen.words}"

        self._meanwhile(mark, effect)
        return mark

    def publish_broken(self, arguments: Arguments) -> Mark:
        """Publish a generation that is broken on purpose."""
        fault = text_of(arguments, "fault")
        words = checked_fault(fault).words
        self._need_store()
        with self._alone("publish-broken"):
            mark = self._player.board.mark("publish-broken", f"a generation with {words} is published")
        self._hand_over("publish-broken", mark, lambda: self._publish_broken(fault))
        return mark

    def _publish_broken(self, fault: str) -> str:
        player = self._player
        with connect(player.url) as client, store_errors(player.url):
            made = publish_broken(player.workspace, fault, client, player.url, SerialExecutor(), _silent, _SHARD_SIZE)
        return f"the gate refuses generation {made.generation}: {made.words}" if made.checks else made.words

    def launch_title(self, _arguments: Arguments) -> Mark:
        """Launch a title that was held back."""
        if not self._player.late:
            raise BusyError("every title of this demo is launched already")
        self._need_store()
        with self._alone("launch-title"):
            mark = self._player.board.mark("launch-title", "a title that nobody has seen yet is launched")
        self._hand_over("launch-title", mark, self._player.launch)
        return mark

    def retire_artwork(self, arguments: Arguments) -> Mark:
        """Never show an artwork again."""
        title_id, artwork_id = text_of(arguments, "title_id"), text_of(arguments, "artwork_id")
        self._need_store()
        player = self._player
        try:
            made = retire(player.workspace, title_id, artwork_id)
            with connect(player.url) as client, store_errors(player.url):
                publish_overlay(player.workspace, client)
        except SurroundingsError as error:
            raise BusyError(f"the artwork cannot be retired now: {error}") from error
        if not made.is_revised:
            raise BusyError(f"artwork {artwork_id} of title {title_id} is retired already")
        mark = player.board.mark("retire-artwork", f"artwork {artwork_id} of title {title_id} is retired")
        revision, began = made.overlay.revision, time.monotonic()

        def effect() -> str:
            while not self._is_ended and time.monotonic() - began < _EFFECT_SECONDS:
                with contextlib.closing(player.loop.client(player.address)) as client:
                    if client.ready()[1] >= revision:
                        return f"the service obeys after {time.monotonic() - began:.1f} s: nobody is shown it any more"
                time.sleep(_LOOK_SECONDS)
            return (
                f"the service does not obey yet; it reads revision {revision} of the catalogue once its store answers"
            )

        self._meanwhile(mark, effect)
        return mark

    def shift_taste(self, _arguments: Arguments) -> Mark:
        """Let every user like another genre as much as they liked one before."""
        player = self._player
        with self._lock:
            mark, genres = mark_shift(player.board, player.loop.world.tastes.shape[1], player.plan.config.seed)
            player.pace.hand_over(lambda: player.shift_taste(genres))
        return mark

    def load_burst(self, arguments: Arguments) -> Mark:
        """Ask the service for much at once."""
        rate = number_of(arguments, "per_second", 1.0, MOST_PER_SECOND)
        seconds = number_of(arguments, "seconds", 0.1, MOST_SECONDS)
        try:
            targets = read_targets(self._player.workspace.targets)
        except LoadTestError as error:
            raise BusyError(f"there is nothing to ask for yet: {error}") from error
        with self._alone("load-burst"):
            mark = self._player.board.mark("load-burst", f"{rate:,.0f} look-ups per second for {seconds:g} s")
        self._burst = burst = LoadBurst(self._player.address, targets, rate, seconds)

        def effect() -> str:
            try:
                return burst.run().words
            finally:
                self._busy.discard("load-burst")

        self._meanwhile(mark, effect)
        return mark

    def other_policy(self, arguments: Arguments) -> Mark:
        """Let half of the users have another policy from the next night on; without one, nobody."""
        player = self._player
        first = player.plan.config.variants[0]
        word = text_of(arguments, "policy") if arguments.get("policy") else ""
        if word:
            parse_policy(word)
        config = Config.of(*filter(None, (first.policy, word)), posterior=first.posterior, seed=player.plan.config.seed)
        users_of_first(config, player.loop.tables)
        if [own.policy for own in config.variants] == [own.policy for own in player.config.variants]:
            raise BusyError(f"users have {' and '.join(own.label for own in config.variants)} already")
        player.config = config
        if not word:
            return self._done("other-policy", f"from the next night on everybody has {first.policy} again")
        mark = player.board.mark(
            "other-policy",
            f"from the next night on half of the users have {word}, the others {first.policy}",
            "other-policy",
        )

        def effect(after: DayResult, _before: DayResult | None) -> str | None:
            if word not in {own.policy for own in player.config.variants}:
                return "another press took its place"
            return rates_words(after) if len(after.rates) > 1 else None

        player.board.tell_by_day(mark, effect)
        return mark

    def roll_back(self, arguments: Arguments) -> Mark:
        """Serve an earlier generation."""
        player = self._player
        number = arguments.get("generation")
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise InputError(f"generation is {number!r}, expected a whole number from 1 on, or null for the one before")
        self._need_store()
        if number is not None and number not in finished(player.workspace, "precomputed"):
            raise InputError(f"generation {number} is not in {player.workspace.generations}")
        with self._alone("roll-back"):
            what = "the generation before is" if number is None else f"generation {number} is"
            mark = player.board.mark("roll-back", f"{what} served again", "roll-back")
        self._hand_over("roll-back", mark, lambda: serve_earlier(player, number, _silent, lambda: self._is_ended))
        return mark

    @property
    def _store(self) -> StoreFaults:
        if self._player.store is None:
            raise BusyError("the store is not one of this demo, which does not touch it")
        return self._player.store

    def _need_store(self) -> None:
        if not self._player.store_answers:
            raise BusyError("the store is away, and this needs it; bring it back first")

    @contextlib.contextmanager
    def _alone(self, action: str) -> Iterator[None]:
        """Refuse a second press of what goes on; ``_busy`` forgets the action when it is done."""
        with self._lock:
            if action in self._busy:
                raise BusyError(f"{action} goes on already; wait until it is done")
            self._busy.add(action)
        try:
            yield
        except BaseException:
            self._busy.discard(action)
            raise

    def _done(self, kind: str, words: str, undo: str | None = None) -> Mark:
        """A mark of what has no effect but the one that its words say."""
        mark = self._player.board.mark(kind, words, undo)
        self._player.board.tell(mark.id, "")
        return mark

    def _look(self) -> Seen:
        tables = self._player.loop.tables
        return look(self._player.address, tables.users["user_id"].to_list(), tables.titles["title_id"].to_list())

    def _look_after(self, kind: str, words: str) -> Mark:
        mark = self._player.board.mark(kind, words, "store-back")

        def effect() -> str:
            time.sleep(_LOOK_SECONDS)
            waits = "; visitors keep their events until the store takes them" if self._player.board.waits else ""
            return self._look().words + waits

        self._meanwhile(mark, effect)
        return mark

    def _meanwhile(self, mark: Mark, effect: Callable[[], str]) -> None:
        """Find out the effect of a press in a thread of its own."""
        Thread(target=self._told, args=(mark, effect), name=f"press {mark.id}", daemon=True).start()

    def _hand_over(self, action: str, mark: Mark, job: Callable[[], str]) -> None:
        """Let the player do what was pressed at its next stop."""

        def task() -> None:
            try:
                self._told(mark, job)
            finally:
                self._busy.discard(action)

        self._player.pace.hand_over(task)

    def _told(self, mark: Mark, effect: Callable[[], str]) -> None:
        try:
            self._player.board.tell(mark.id, effect())
        except (SurroundingsError, CheckError, InputError, BusyError) as error:
            is_store = isinstance(error.__cause__, redis.RedisError)
            why = "the store went away meanwhile; bring it back and press again" if is_store else error
            self._player.board.tell(mark.id, f"it failed: {why}")


@dataclass(frozen=True)
class Control:
    """A control: what its press does, and the names of its arguments."""

    press: Callable[[Presses, Arguments], Mark]
    arguments: tuple[str, ...] = ()


_CONTROLS: Final[Mapping[str, Control]] = {
    "play": Control(Presses.play),
    "pause": Control(Presses.pause),
    "next-day": Control(Presses.next_day),
    "learn-now": Control(Presses.learn_now),
    "pace": Control(Presses.pace, ("seconds_per_day",)),
    "store-stop": Control(Presses.store_stop),
    "store-freeze": Control(Presses.store_freeze),
    "store-slow": Control(Presses.store_slow, ("ms",)),
    "store-back": Control(Presses.store_back),
    "publish-broken": Control(Presses.publish_broken, ("fault",)),
    "launch-title": Control(Presses.launch_title),
    "retire-artwork": Control(Presses.retire_artwork, ("title_id", "artwork_id")),
    "shift-taste": Control(Presses.shift_taste),
    "load-burst": Control(Presses.load_burst, ("per_second", "seconds")),
    "other-policy": Control(Presses.other_policy, ("policy",)),
    "roll-back": Control(Presses.roll_back, ("generation",)),
}


def _silent(_what: str, _done: int, _total: int) -> None:
    """Nobody is told of the progress of a press."""
