"""Alarms of a workspace: every signal over the nights since a model was frozen."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from bandit.monitoring.detector import Alarm
from bandit.monitoring.signals import EVERYBODY, SIGNALS, THRESHOLD, TIMELY, Night, Ratio, Signal, watch_nights
from batch.executors import Progress
from batch.monitoring.frozen import FrozenModel, frozen_generation, last_day
from batch.monitoring.nights import NightReader
from batch.workspace.generations import finished, read_manifest
from batch.workspace.impressions import days
from batch.workspace.workspace import Workspace

ERA_NIGHTS: Final = 28
"""Nights of a calendar's piece: a change within a piece is compared with it and the piece before, and no further back."""


@dataclass(frozen=True)
class DatedAlarm:
    """An alarm by its days: it came on ``day``, of a change that began about ``since``, seen in ``member``."""

    day: str
    since: str
    member: str
    evidence: float
    before: float
    after: float


@dataclass(frozen=True)
class SignalState:
    """A signal tonight: ``evidence`` is held against ``threshold``; None where it is not watched, and ``why`` says why not.

    ``alarms`` are those of all nights, the newest last.
    """

    name: str
    evidence: float | None
    threshold: float
    numbers: int
    why: str
    alarms: tuple[DatedAlarm, ...]


@dataclass(frozen=True)
class Drift:
    """What is watched: nights from ``first_day`` to ``last_day``, beside the model of generation ``frozen``.

    ``why`` says why nothing is watched at all, if that is so. ``newest`` are alarms of the last night.
    """

    first_day: str | None
    last_day: str | None
    frozen: int | None
    nights: int
    signals: tuple[SignalState, ...]
    why: str = ""

    @property
    def newest(self) -> tuple[tuple[str, DatedAlarm], ...]:
        """The signals whose alarm came in the last night, with it."""
        return tuple((own.name, alarm) for own in self.signals for alarm in own.alarms if alarm.day == self.last_day)


def watch_workspace(workspace: Workspace, report: Progress) -> tuple[Drift, list[Night]]:
    """Watch the nights of a workspace; the nights that were watched come with it.

    The newest day is left out: plays of its last impressions are still to come. Changes are compared with the piece of the
    calendar before the newest one; where the log begins later, with its first nights.

    Raises:
        InputError: a day or a generation cannot be read.
    """
    logged = days(workspace)[:-1]
    if not logged:
        return _nothing("the log has one day, whose plays are still to come" if days(workspace) else "the log is empty")
    era = logged[-1].toordinal() // ERA_NIGHTS
    begin = (era - 1) * ERA_NIGHTS
    manifest = frozen_generation(workspace, max(logged[0], date.fromordinal(max(begin, 1))))
    if manifest is None:
        return _nothing("no generation has learned from any day yet")
    watched = [day for day in logged if day > last_day(manifest) and day.toordinal() >= begin]
    if not watched:
        return _nothing(
            f"no day has passed since generation {manifest.generation}, the first that learned from any, was made"
        )
    reader = NightReader(workspace, FrozenModel(workspace, manifest))
    in_time = timely(workspace)
    nights: list[Night] = []
    for number, day in enumerate(watched, start=1):
        night = reader.read(day)
        own = {(TIMELY, EVERYBODY): in_time[day]} if day in in_time else {}
        nights.append(Night(night.day, {**night.ratios, **own}, night.bets, night.features, night.users))
        report("reading nights", number, len(watched))
    first = sum(day.toordinal() < era * ERA_NIGHTS for day in watched)
    signals = watch_nights(nights, first if first < len(watched) else 0)
    drift = Drift(
        watched[0].isoformat(),
        watched[-1].isoformat(),
        manifest.generation,
        len(watched),
        tuple(_state(signal, watched) for signal in signals),
    )
    return drift, nights


def timely(workspace: Workspace) -> dict[date, Ratio]:
    """Of each day the rewards that the first generation that learned from it knew, beside those that the next one did."""
    known: dict[date, list[float]] = {}
    for number in finished(workspace, "trained"):
        for day, learned in read_manifest(workspace, number).days.items():
            known.setdefault(date.fromisoformat(day), []).append(learned.rewards)
    return {day: Ratio(rewards[0], rewards[1]) for day, rewards in known.items() if len(rewards) > 1}


def _nothing(why: str) -> tuple[Drift, list[Night]]:
    signals = tuple(SignalState(name, None, THRESHOLD, 0, why, ()) for name in SIGNALS)
    return Drift(None, None, None, 0, signals, why), []


def _state(signal: Signal, watched: list[date]) -> SignalState:
    if signal.watched is None:
        return SignalState(signal.name, None, THRESHOLD, signal.numbers, signal.why, ())
    alarms = tuple(_dated(alarm, watched) for alarm in signal.watched.alarms)
    evidence = float(signal.watched.evidence[-1])
    return SignalState(signal.name, evidence, signal.watched.threshold, signal.numbers, "", alarms)


def _dated(alarm: Alarm, watched: list[date]) -> DatedAlarm:
    night, since = watched[alarm.night].isoformat(), watched[alarm.since].isoformat()
    return DatedAlarm(night, since, alarm.member, alarm.evidence, alarm.before, alarm.after)
