"""The health of a workspace in words: what needs somebody, and what each figure says."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from artwork.reports.health_findings import NAMED, DeadLetters, Finding, Serving, data_findings, serving_findings
from bandit.monitoring.signals import BEST, CLASSES, CLICKS, CONTEXTS, PROPENSITIES, RATE, TIMELY
from batch.monitoring.change import Change
from batch.monitoring.checks import LEVEL, RECENT_NIGHTS
from batch.monitoring.days import DayFacts
from batch.monitoring.drift import DatedAlarm
from batch.monitoring.gather import Figures, NewArtworks

HEALTHY: Final = "healthy"
_LATE: Final = 0.8
_MOST_FALLBACK, _MORE_FALLBACK = 0.5, 0.2
"""Share of the impressions that were no pick of their user, and how much more than the day before, until somebody has to look."""
_LEAST_IMPRESSIONS: Final = 1000
_NO_REWARDS, _EXPECTED_REWARDS = 5000, 30.0
"""Impressions of two days, or rewards to be expected by the other day, of which none at all is no chance."""
_MUCH: Final = 0.02
"""Share of the day's takes that clickbait may cost before somebody has to look at it."""

_PLAIN: Final = ("rewards", "log")
"""Lines that come first: where they are alarms, the figures of all others are of what is missing."""

_COMMANDS: Final = {
    RATE: "artwork run --retention 0.9",
    CLASSES: "artwork run --retention 0.9",
    BEST: "artwork run --retention 0.9",
    CLICKS: "artwork catalogue show",
    TIMELY: "artwork events dead",
    PROPENSITIES: "artwork generations rollback",
    CONTEXTS: "artwork data check",
}


@dataclass(frozen=True)
class Section:
    """Lines of one heading."""

    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Health:
    """A whole report: ``sentence`` is ``healthy`` or what matters most, and ``needs_you`` what does, the dearest first.

    ``is_healthy`` where nothing needs anybody, whether everything is watched or not.
    """

    sentence: str
    is_healthy: bool
    alarm: bool
    day: str | None
    needs_you: tuple[Finding, ...]
    sections: tuple[Section, ...]
    figures: Figures
    serving: Serving
    dead_letters: DeadLetters


def document(made: Health) -> dict[str, Any]:
    """The report for machines: all of it but the tables of users and artworks that figures were counted from."""
    figures = {name: _without_tables(value) for name, value in vars(made.figures).items()}
    return {name: value for name, value in vars(made).items() if name != "figures"} | {"figures": figures}


def _without_tables(value: object) -> object:
    if not isinstance(value, DayFacts):
        return value
    return {name: own for name, own in vars(value).items() if name not in {"by_user", "artworks"}}


def health(figures: Figures, serving: Serving, dead_letters: DeadLetters) -> Health:
    """What figures say, those of a workspace, of its service and of its streams."""
    made = (
        Section("Alarms", tuple(_alarms(figures))),
        Section("Learning", tuple(_learning(figures))),
        Section("Exploring", tuple(_exploring(figures))),
        Section("Artworks", tuple(_artworks(figures))),
        Section("People", tuple(_people(figures))),
        Section("Serving", tuple(serving_findings(serving))),
        Section("Data", tuple(data_findings(figures, dead_letters))),
    )
    everything = [finding for section in made for finding in section.findings]
    needs = [finding for finding in everything if finding.state in {"look", "alarm"}]
    needs.sort(key=lambda finding: (-finding.lost, finding.state != "alarm"))
    alarms = [finding for finding in everything if finding.state == "alarm"]
    plain = [finding for finding in alarms if finding.name in _PLAIN]
    first = max(plain or alarms, key=lambda finding: finding.lost, default=needs[0] if needs else None)
    is_healthy = first is None and figures.day is not None
    sentence = _sentence(first, figures)
    return Health(sentence, is_healthy, bool(alarms), figures.day, tuple(needs), made, figures, serving, dead_letters)


def _sentence(first: Finding | None, figures: Figures) -> str:
    if first is not None:
        since = f", since {first.since}" if first.since else ""
        return f"{first.text}{since}" + (f"; run `{first.command}`" if first.command else "")
    if figures.day is None:
        return "nothing can be said yet: the log is empty; run `artwork run` and show some picks"
    signals = figures.drift.signals
    blind = sum(own.evidence is None for own in signals)
    return f"{HEALTHY}, as far as is known: {blind} of {len(signals)} signals are not watched" if blind else HEALTHY


def _alarms(figures: Figures) -> Iterator[Finding]:
    drift = figures.drift
    for own in drift.signals:
        if own.evidence is None:
            yield Finding(own.name, f"not watched: {own.why}", "not known")
            continue
        newest = [alarm for alarm in own.alarms if alarm.day == drift.last_day]
        if newest:
            text = alarm_text(own.name, newest[-1])
            lost = _lost(own.name, newest[-1], figures.today)
            yield Finding(own.name, text, "alarm", newest[-1].since, _COMMANDS[own.name], lost)
        else:
            earlier = f"; the last alarm was on {own.alarms[-1].day}" if own.alarms else ""
            text = f"quiet over {own.numbers} numbers: evidence {own.evidence:.3g} of {own.threshold:,.0f}{earlier}"
            yield Finding(own.name, text)


def alarm_text(signal: str, alarm: DatedAlarm) -> str:
    """What an alarm saw, in a sentence without its end."""
    member, changed = alarm.member, _relative(alarm)
    return {
        RATE: f"the reward rate of users who explore {_moved(changed)}, against what was expected of it",
        CLASSES: f"the reward rate of users of {member} {_moved(changed)}, against that of all others",
        BEST: "artworks that were predicted to be the best earn"
        f" {abs(changed):.0%} {'less' if changed < 0 else 'more'}, against others, than before: tastes have shifted",
        CLICKS: f"takes per click {_moved(changed)}: artworks promise {'more' if changed < 0 else 'less'} than they did",
        TIMELY: f"{_share(alarm.after)} of a day's rewards are there when it is learned from, {_share(alarm.before)} before:"
        " plays arrive late",
        PROPENSITIES: f"{member} is shown {alarm.after:.2f} times as often as its propensities say",
        CONTEXTS: f"the contexts' {member} is not what it was",
    }[signal]


def _relative(alarm: DatedAlarm) -> float:
    """By how much a rate changed, of numbers that are roots of ratios."""
    return (alarm.after / alarm.before) ** 2 - 1 if alarm.before else 0.0


def _moved(changed: float) -> str:
    return f"{'fell' if changed < 0 else 'rose'} by {abs(changed):.0%}"


def _share(root: float) -> str:
    return f"{min(root**2, 1.0):.0%}"


def _lost(signal: str, alarm: DatedAlarm, today: DayFacts | None) -> float:
    """Takes a day that a fall costs, if it is the same for everybody."""
    if today is None or signal not in {RATE, BEST, CLICKS}:
        return 0.0
    changed = _relative(alarm)
    return today.rewards * -changed / (1 + changed) if -1 < changed < 0 else 0.0


def _learning(figures: Figures) -> Iterator[Finding]:
    if figures.today is None:
        yield Finding("take rate", "not known, because the log is empty", "not known")
        return
    today = figures.today
    if missing := _without_rewards(figures):
        yield missing
    rate = f"{today.rate:.3%} ± {2 * today.rate_error:.3%} of {today.impressions:,} impressions on {today.day}"
    waiting = figures.arrivals.newest.get("open rows", 0) if figures.arrivals else 0
    still = f"; plays of {waiting:,} of the newest day may still come" if waiting else ""
    yield Finding("reward rate", rate + still)
    yield Finding(
        "since the day before", change_text(figures.change), "fine" if _is_known(figures.change) else "not known"
    )
    off = [ratio for ratio in figures.propensities if ratio.is_off]
    if not figures.propensities:
        why = "not known, because no night is watched, or the generations that chose are not in the workspace"
        yield Finding("propensities", why, "not known")
    elif off:
        shown = ", ".join(f"{r.name} {r.ratio:.2f} ({r.lower:.2f} to {r.upper:.2f})" for r in off[:NAMED])
        count = f"{len(off):,} of {len(figures.propensities):,} arms and artworks"
        text = f"{count} miss E[w] = 1 over {RECENT_NIGHTS} nights: {shown}"
        yield Finding("propensities", text, "look", command="artwork generations rollback")
    else:
        worst = figures.propensities[0]
        text = (
            f"E[w] = 1 holds for all {len(figures.propensities):,} arms and artworks over {RECENT_NIGHTS} nights,"
            f" {LEVEL:.1%} false discoveries allowed; the furthest is {worst.name}, {worst.ratio:.2f} ({worst.lower:.2f} to"
            f" {worst.upper:.2f})"
        )
        yield Finding("propensities", text)
    if figures.bins:
        shown = ", ".join(f"{own.predicted:.3f} → {own.seen:.3f} ± {2 * own.error:.3f}" for own in figures.bins)
        yield Finding("model", f"predicted → seen, by fifths of the predictions: {shown}")
    else:
        yield Finding("model", "not known, because the generation that chose is not in the workspace", "not known")
    if figures.in_time is None:
        why = "not known, because no day was learned from twice yet"
        yield Finding("delayed rewards", why, "not known")
    else:
        day, share = figures.in_time
        text = f"{share:.0%} of the rewards of {day} were there when it was first learned from"
        is_late = share < _LATE
        yield Finding(
            "delayed rewards", text, "look" if is_late else "fine", command="artwork events dead" if is_late else ""
        )


def _without_rewards(figures: Figures) -> Finding | None:
    """That a day has no rewards at all, though there were impressions enough; plays of the newest day may be still to come."""
    both = [day for day in (figures.before, figures.today) if day is not None]
    if sum(day.impressions for day in both) >= _NO_REWARDS and not any(day.rewards for day in both):
        without = both[:1]
    else:
        without = [day for day in both if not day.rewards and _expected(day, both) >= _EXPECTED_REWARDS]
    waiting = figures.arrivals.newest.get("open rows", 0) if figures.arrivals else 0
    if not without or (without[0] is figures.today and waiting):
        return None
    named = without[0]
    text = f"none of the {named.impressions:,} impressions of {named.day} has a reward"
    return Finding("rewards", text, "alarm", command="artwork data check", lost=_expected(named, both))


def _expected(day: DayFacts, days: list[DayFacts]) -> float:
    """Rewards of a day at the best rate of some days."""
    return day.impressions * max(own.rate for own in days)


def change_text(change: Change | None) -> str:
    """The change of the reward rate, in its parts."""
    if change is None:
        return "not known, because the log has one day"
    if change.why:
        return f"not known, because {change.why}"
    parts = ", ".join(f"{part.name} {_points(part.value)} ± {200 * part.error:.3f}" for part in change.parts)
    return (
        f"{_points(change.total.value)} ± {200 * change.total.error:.3f} points, from {change.before:.3%} to {change.after:.3%}"
        f" of {change.decisions:,} decisions, since {change.day_before}: {parts}"
    )


def _points(value: float) -> str:
    return f"{100 * value:+.3f}"


def _is_known(change: Change | None) -> bool:
    return change is not None and not change.why


def _exploring(figures: Figures) -> Iterator[Finding]:
    if figures.today is None:
        return
    today = figures.today
    share = today.explored / today.impressions if today.impressions else 0.0
    if figures.one_sided:
        shown = ", ".join(
            f"{name} {own:.0%}, {others:.0%} of the others" for name, own, others in figures.one_sided[:NAMED]
        )
        text = f"those who explore are not drawn from everybody, and speak for themselves alone: {shown}"
        yield Finding("explore users", text, "look", command="artwork data check")
    if today.explored:
        yield Finding("explore data", f"{share:.1%} of the impressions, {today.explored:,}, are under uniform")
    else:
        text = "no impression is under uniform: alarms of rewards are not watched, and policies are hard to judge"
        yield Finding("explore data", text, "not known", command="artwork run --explore-share 0.01")
    yield Finding("floor", f"{figures.floor:.1%} of the probability is shared by all artworks of a title")
    if today.effective is None:
        yield Finding("effective sample", "not known, because no impression had a choice", "not known")
    else:
        text = f"{today.effective:.1%} of the impressions, for judging the uniform policy by this day"
        yield Finding("effective sample", text)
    if figures.starving:
        shown = ", ".join(
            f"{own.name} ({own.shown:,}, {own.expected:.0f} promised)" for own in figures.starving[:NAMED]
        )
        text = f"{len(figures.starving):,} artworks are shown less than a quarter of what the floor promises: {shown}"
        yield Finding("starved artworks", text, "look", command="artwork catalogue show")
    else:
        yield Finding("starved artworks", "none")


def _artworks(figures: Figures) -> Iterator[Finding]:
    if figures.today is None:
        return
    if figures.flips is None or not figures.flips.pairs:
        yield Finding("flips", "not known, because nobody saw a title on both days", "not known")
    else:
        flips = figures.flips
        pairs = f"{flips.pairs:,} users and titles that were seen on both days"
        text = f"{flips.flipped / flips.pairs:.1%} of {pairs} saw another artwork"
        if flips.value is not None:
            margin = "" if flips.value_error is None else f" ± {2 * flips.value_error:.4f}"
            text += f"; it is expected to take {flips.value:+.4f}{margin} per impression more than the one before"
        if flips.sample_kept is not None:
            text += f"; keeping picks leaves {flips.sample_kept:.0%} of the effective sample"
        yield Finding("flips", text)
    if figures.new_artworks is None:
        yield Finding("new artworks", "not known, because no generation has picks", "not known")
    else:
        yield Finding("new artworks", new_artworks_text(figures.new_artworks))
    if figures.baits:
        first, lost = figures.baits[0], sum(own.lost for own in figures.baits)
        shown = ", ".join(
            f"{own.name} (opened {own.click_rate:.1%}, others {own.title_click_rate:.1%}; watched {own.watched:.0%}, others"
            f" {own.title_watched:.0%})"
            for own in figures.baits[:NAMED]
        )
        text = f"{len(figures.baits):,} artworks are opened more and watched less than others of their title: {shown}"
        is_much = lost > _MUCH * max(figures.today.rewards, 1.0)
        command = shlex.join(("artwork", "catalogue", "retire", first.title_id, first.artwork_id))
        yield Finding("clickbait", text, "look" if is_much else "fine", command=command if is_much else "", lost=lost)
    else:
        yield Finding(
            "clickbait", "none: no artwork is opened much more and watched much less than others of its title"
        )
    if figures.themes is None:
        yield Finding("diversity", "not known, because artworks.parquet has no themes of what was shown", "not known")
    else:
        shown_themes, there = figures.themes
        yield Finding("diversity", f"as many as {shown_themes:.1f} themes of {there}, if all were shown alike")


def new_artworks_text(new: NewArtworks) -> str:
    """How many artworks are new, what they were shown, and how those do that came lately."""
    text = f"{new.new:,} have fewer than {new.least:,} impressions yet; they had {new.share:.1%} of the day's"
    if not new.came:
        return f"{text}; none came to a title of others within {new.days} days"
    return (
        f"{text}; {new.came:,} came to a title of others within {new.days} days: {new.known:,} of them have at least"
        f" {new.least:,} impressions, and {new.leading:,} are shown more than any other of their title"
    )


def _people(figures: Figures) -> Iterator[Finding]:
    if figures.today is None:
        return
    today = figures.today
    if figures.new_users is None:
        yield Finding("new users", "not known, because no generation has picks", "not known")
    else:
        yield Finding(
            "new users", f"{figures.new_users:,} of {today.users:,} are not known to generation {figures.generation}"
        )
    share = today.fallback / today.impressions if today.impressions else 0.0
    shown = ", ".join(f"{name} {count:,}" for name, count in today.sources.items())
    before = figures.before
    usual = before.fallback / before.impressions if before is not None and before.impressions else share
    had_picks = figures.picks_since is not None and figures.picks_since[:10] < today.day
    is_much = had_picks and today.impressions >= _LEAST_IMPRESSIONS
    is_much = is_much and (share > _MOST_FALLBACK or share > usual + _MORE_FALLBACK)
    text = f"{share:.1%} of the impressions were no pick of their user ({shown})"
    yield Finding("fallback", text, "look" if is_much else "fine", command="artwork doctor" if is_much else "")
    below = [own for own in figures.classes if own.is_below]
    if not figures.classes:
        why = "not known, because no class of users by country and device has 30 users under the policy and 30 under uniform"
        yield Finding("classes below uniform", why, "not known")
    elif below:
        shown = ", ".join(f"{own.name} {own.rate:.2%}, uniform {own.uniform:.2%}" for own in below[:NAMED])
        lost = sum(own.lost for own in below)
        text = f"users of these classes would take more under uniform picks: {shown}"
        yield Finding("classes below uniform", text, "look", command="artwork compare", lost=lost)
    else:
        yield Finding("classes below uniform", f"none of {len(figures.classes)}")
