"""Variants that were live side by side, beside what the log said of them, as a table of texts and sentences."""

from collections.abc import Sequence

from artwork.console.tables import Sheet
from artwork.reports.log_tables import REFUSED, SHARES
from bandit.evaluation import Estimate
from bandit.evaluation.live import LEAST_USERS, LiveRate
from bandit.evaluation.results import USERS
from batch.offline.side_by_side import (
    AGREE,
    BOTH_OPEN,
    DISAGREE,
    OFFLINE_OPEN,
    ONLINE_OPEN,
    SideBySide,
)
from batch.offline.side_by_side import REFUSED as NOT_JUDGED


def online_sheet(pairs: Sequence[SideBySide]) -> Sheet:
    """Both variants and their difference, offline and online; there is at least one pair."""
    interval = f"{pairs[0].online.level:.0%} interval"
    columns = ("live side by side", "offline", interval, "online", interval, "users", "impressions")
    return Sheet(columns, [row for pair in pairs for row in _rows(pair)])


def online_lines(pairs: Sequence[SideBySide]) -> list[str]:
    """What both say together, and what should be known of it."""
    return [
        line
        for pair in pairs
        for line in (agreement_line(pair), *_reach(pair), *_cautions(pair), _offline(pair), _online(pair))
        if line
    ]


def agreement_line(pair: SideBySide) -> str:
    """Whether offline and online rank both policies alike."""
    names = f"{pair.online.policy.policy} and {pair.online.against.policy}"
    online, offline = _leader(pair, pair.online.difference), _leader(pair, _offline_difference(pair))
    verdict = "" if pair.offline is None else pair.offline.difference.verdict
    apart = f"tell {names} apart{_signs(pair)}"
    return {
        AGREE: f"offline and online agree: {online} leads",
        DISAGREE: f"offline and online disagree: {offline} leads offline, {online} online",
        OFFLINE_OPEN: f"{online} leads online; offline could not {apart}",
        ONLINE_OPEN: f"{offline} leads offline; online could not {apart}",
        BOTH_OPEN: f"neither offline nor online could {apart}",
        NOT_JUDGED: f"offline the log could not judge {names}: {verdict}",
    }.get(pair.outcome, f"{names} were not both judged offline; name both in --policies")


def _rows(pair: SideBySide) -> list[tuple[str, ...]]:
    online, offline = pair.online, pair.offline
    difference = ("-", "-")
    if offline is not None:
        judged = offline.difference
        difference = SHARES.lead(judged.value, offline.against.value), SHARES.lead_span(judged.lower, judged.upper)
        if judged.value is None:
            difference = REFUSED, "-"
    return [
        _row(online.policy, None if offline is None else offline.policy),
        _row(online.against, None if offline is None else offline.against),
        (
            "difference",
            *difference,
            SHARES.lead(online.difference, online.against.rate),
            SHARES.lead_span(online.lower, online.upper),
            "",
            "",
        ),
    ]


def _row(online: LiveRate, offline: Estimate | None) -> tuple[str, ...]:
    value, interval = "-", "-"
    if offline is not None:
        value = REFUSED if offline.value is None else SHARES.text(offline.value)
        interval = SHARES.span(offline.lower, offline.upper)
    shown = (
        SHARES.text(online.rate),
        SHARES.span(online.lower, online.upper),
        f"{online.users:,}",
        f"{online.impressions:,}",
    )
    return (online.policy, value, interval, *shown)


def _offline(pair: SideBySide) -> str:
    offline = pair.offline
    if offline is None:
        return ""
    origin = "before either was live" if offline.before else "of a log with days on which both were live"
    over = "users" if offline.population == USERS else "decisions"
    return f"offline: {offline.difference.estimator}, {offline.policy.n:,} impressions {origin}; intervals over {over}"


def _online(pair: SideBySide) -> str:
    online = pair.online
    span = online.first_day if online.days == 1 else f"{online.days} days from {online.first_day} to {online.last_day}"
    return f"online: {span}, generations that drew under both ({online.generations}); intervals over users"


def _cautions(pair: SideBySide) -> list[str]:
    online, offline = pair.online, pair.offline
    few = min(online.policy.users, online.against.users) < LEAST_USERS
    lines = [f"online: a variant has fewer than {LEAST_USERS} users, too few for an interval"] if few else []
    if offline is None:
        return lines
    lines += [f"offline: {offline.caution}"] if offline.caution else []
    if not offline.before:
        lines.append("offline is judged with what came online: --until DAY judges by the days before")
    return lines


def _reach(pair: SideBySide) -> list[str]:
    """How small a difference offline and online can tell."""
    kinds = (("offline", pair.offline_detectable), ("online", pair.online_detectable))
    shown = [f"{SHARES.size(value)} {name}" for name, value in kinds if value is not None]
    return [f"smallest difference that is told four times in five: {', '.join(shown)}"] if shown else []


def _signs(pair: SideBySide) -> str:
    """Where the estimates lie, though an interval reaches over 0."""
    offline = _offline_difference(pair)
    if offline is None:
        return ""
    same = (offline > 0) == (pair.online.difference > 0)
    return f" (the estimates have {'the same sign' if same else 'different signs'})"


def _leader(pair: SideBySide, difference: float | None) -> str:
    return (pair.online.policy if (difference or 0.0) > 0 else pair.online.against).policy


def _offline_difference(pair: SideBySide) -> float | None:
    return None if pair.offline is None else pair.offline.difference.value
