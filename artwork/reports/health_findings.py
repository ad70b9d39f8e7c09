"""Lines of a health report: what one is, and those of the running service, of the log and of what was joined."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from batch.monitoring.checks import LEVEL
from batch.monitoring.gather import Figures

State = Literal["fine", "look", "alarm", "not known"]
"""``look`` needs somebody; ``alarm`` too, and makes ``--watch`` exit with 1."""

NAMED: Final = 3
"""Names that a line gives, at most."""

_STALE_SECONDS: Final = 2 * 86_400
_SLOW_MS: Final = 5.0
_DAYS_BEHIND: Final = 2
_DAYS_OF_PICKS: Final = 8
_DAYS_OF_LETTERS: Final = 7
_DEAD: Final = "artwork events dead"


@dataclass(frozen=True)
class Serving:
    """The running service of the workspace, as its metrics tell since it started; ``url`` is None where none runs.

    ``refused`` counts requests of events and connections; ``reason`` says why nothing is known, if that is so.
    """

    url: str | None
    reason: str = ""
    p99_ms: float | None = None
    look_ups: int = 0
    refused: int = 0
    breaker_open: bool = False
    catalogue_age_seconds: float | None = None
    generation: int | None = None


@dataclass(frozen=True)
class DeadLetters:
    """Entries that were put aside because they are no events; ``count`` is None where ``reason`` says why it is not known.

    ``newest`` is when the last of them was put aside, an ISO time, and ``why``.
    """

    count: int | None
    reason: str = ""
    newest: str | None = None
    why: str = ""


@dataclass(frozen=True)
class Finding:
    """One line of the report: ``lost`` are takes a day, as far as they are known; ``command`` is what to run."""

    name: str
    text: str
    state: State = "fine"
    since: str | None = None
    command: str = ""
    lost: float = 0.0


def serving_findings(serving: Serving) -> Iterator[Finding]:
    """What the running service says."""
    if serving.url is None:
        yield Finding("service", serving.reason or "no service runs", "not known")
        return
    if serving.reason:
        yield Finding("service", f"{serving.url}: {serving.reason}", "look", command="artwork doctor")
        return
    yield Finding(
        "service", f"{serving.url} answered {serving.look_ups:,} look-ups, from generation {serving.generation}"
    )
    if serving.p99_ms is None:
        yield Finding("p99", "not known, because nobody asked yet", "not known")
    else:
        slow = serving.p99_ms > _SLOW_MS
        text = f"99 % of the look-ups since its start took at most {serving.p99_ms:.2g} ms inside of the service"
        yield Finding("p99", text, "look" if slow else "fine", command="artwork loadtest" if slow else "")
    text = "open: the store does not answer, and popularity is shown" if serving.breaker_open else "closed"
    command = "artwork store status" if serving.breaker_open else ""
    yield Finding("breaker", text, "look" if serving.breaker_open else "fine", command=command)
    yield Finding("refused", f"{serving.refused:,} requests of events and connections since its start")
    age = serving.catalogue_age_seconds
    if age is not None:
        stale = age > _STALE_SECONDS
        text = f"its generation was made {age / 3600:.1f} hours ago"
        yield Finding("catalogue's age", text, "look" if stale else "fine", command="artwork run" if stale else "")


def _generations(figures: Figures, on: date) -> Iterator[Finding]:
    if figures.unfinished is not None and _age(figures.unfinished[1], on) >= 1:
        number, made_at = figures.unfinished
        text = f"generation {number} was trained on {made_at[:10]} and has no picks"
        yield Finding("unfinished", text, "look", command="artwork run")
    if figures.generation_made_at is not None:
        age = _age(figures.generation_made_at, on)
        text = f"the newest picks are of generation {figures.generation}, made on {figures.generation_made_at[:10]}"
        is_old = age > _DAYS_OF_PICKS
        yield Finding("picks", text, "look" if is_old else "fine", command="artwork run" if is_old else "")


def _age(made_at: str, on: date) -> int:
    return (on - date.fromisoformat(made_at[:10])).days


def data_findings(figures: Figures, dead: DeadLetters) -> Iterator[Finding]:
    """What the log, the generations, the contexts, the dead letters and the join say."""
    on = date.fromisoformat(figures.on)
    if figures.day is not None:
        behind = (on - date.fromisoformat(figures.day)).days
        if behind > _DAYS_BEHIND:
            text = f"the log ends on {figures.day}, {behind} days before {figures.on}: nothing has come since"
            yield Finding("log", text, "alarm", command="artwork join")
        elif behind < -1:
            text = f"the log has a day {-behind} days after {figures.on}, {figures.day}: a clock is wrong"
            yield Finding("log", text, "alarm", command="artwork data check")
        else:
            yield Finding("log", f"its newest day is {figures.day}")
    yield from _generations(figures, on)
    if not figures.contexts:
        yield Finding("contexts", "not known, because fewer than 8 nights are watched", "not known")
    elif off := [moved for moved in figures.contexts if moved.is_off]:
        shown = ", ".join(f"{moved.name} by {moved.by:+.2f} standard deviations" for moved in off[:NAMED])
        text = f"of {len(figures.contexts)} numbers {len(off)} have another mean than in the nights before: {shown}"
        yield Finding("contexts", text, "look", command="artwork data check")
    else:
        text = f"none of {len(figures.contexts)} numbers has another mean, {LEVEL:.1%} false discoveries allowed"
        yield Finding("contexts", text)
    yield dead_letters_finding(dead, on)
    arrivals = figures.arrivals
    if arrivals is None:
        yield Finding("events", "not known, because `artwork join` has joined none here", "not known")
        return
    newest = arrivals.newest
    aside = {name.removeprefix("set aside: "): n for name, n in newest.items() if name.startswith("set aside: ") and n}
    late = newest.get("late plays", 0) + newest.get("late impressions", 0)
    yield Finding("late", f"{late:,} plays and impressions of the newest day came too late to count")
    yield Finding("missing", f"{newest.get('orphan plays', 0):,} plays of the newest day have no impression")
    shown = ", ".join(f"{count:,} {reason}" for reason, count in aside.items()) or "none"
    many = sum(aside.values()) > 0.01 * max(newest.get("rows", 0), 1)
    text = f"{shown}, of the newest day"
    yield Finding("set aside", text, "look" if many else "fine", command="artwork join" if many else "")
    yield Finding(
        "ingest", f"the newest event is of {arrivals.watermark or 'no time'}; the report was made at {figures.made_at}"
    )


def dead_letters_finding(dead: DeadLetters, on: date) -> Finding:
    """How many entries were put aside: somebody has to look while the newest is of the last days."""
    if dead.count is None:
        return Finding("dead letters", f"not known, because {dead.reason}", "not known")
    if not dead.count:
        return Finding("dead letters", "none: every entry of the streams was read as events")
    text = f"{dead.count:,} entries of the streams are no events and were put aside"
    if dead.newest is None:
        return Finding("dead letters", text, "look", command=_DEAD)
    text += f", the newest on {dead.newest[:10]}: {dead.why}"
    is_new = not dead.newest or _age(dead.newest, on) <= _DAYS_OF_LETTERS
    return Finding("dead letters", text, "look" if is_new else "fine", command=_DEAD)
