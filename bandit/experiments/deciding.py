"""The decision of an experiment: a pure function of its effects, so that it can be replayed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from bandit.errors import InputError
from bandit.experiments.columns import checked_level, number, positive
from bandit.experiments.effects import Effect
from bandit.experiments.looks import Looks, OneLook, look_at, seen_at
from bandit.experiments.margins import Direction, sign_of

Verdict = Literal["INVALID", "ROLL BACK", "SHIP", "HOLD", "NEUTRAL"]
Role = Literal["primary", "guardrail", "proxy"]
ROLES: Final = ("primary", "guardrail", "proxy")


@dataclass(frozen=True)
class Metric:
    """A metric of an experiment and its effect.

    Attributes:
        name: of the metric.
        effect: treatment minus control.
        role: primary metrics decide, guardrails must not get worse, proxies are only told.
        direction: where better lies, up or down.
        margin: by how much it may get worse, in the metric's unit: above 0 for a guardrail.
        smallest_effect: that matters, in the metric's unit, if it has one of its own.
    """

    name: str
    effect: Effect
    role: Role = "primary"
    direction: Direction = "up"
    margin: float = 0.0
    smallest_effect: float | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InputError(f"role of {self.name} is {self.role!r}, expected one of {', '.join(ROLES)}")
        sign_of(self.direction)
        if number(f"margin of {self.name}", self.margin) < 0 or (self.role == "guardrail" and self.margin == 0):
            raise InputError(
                f"margin of {self.name} is {self.margin!r}, expected {'above 0' if self.role == 'guardrail' else '0 or more'}: by"
                " how much it may get worse; without any, no number of users shows that a guardrail is kept"
            )
        if self.smallest_effect is not None:
            positive(f"smallest_effect of {self.name}", self.smallest_effect)


@dataclass(frozen=True)
class QualityCheck:
    """What was checked before any effect was read; ``text`` says what was found."""

    name: str
    passed: bool
    text: str = ""


@dataclass(frozen=True)
class Judged:
    """A metric in the decision: the interval that decided, better being up, and the level that it has."""

    name: str
    role: str
    lower: float
    upper: float
    level: float
    is_better: bool
    is_worse: bool
    is_kept: bool


@dataclass(frozen=True)
class Decision:
    """What to do, why in order (the first reason is the one that decided), and the metrics as they were judged."""

    verdict: Verdict
    reasons: tuple[str, ...]
    metrics: tuple[Judged, ...] = ()


def decide(
    metrics: Sequence[Metric],
    quality: Sequence[QualityCheck] = (),
    smallest_effect: float | None = None,
    level: float = 0.95,
    look: Looks | None = None,
) -> Decision:
    """The first that holds of INVALID, ROLL BACK, SHIP, HOLD and NEUTRAL.

    INVALID: a check of quality failed. ROLL BACK: a primary metric or a guardrail is worse beyond its margin. SHIP: a primary
    metric is better, and every guardrail is not worse than its margin. HOLD: half of the interval of a primary metric is wider
    than the smallest effect that matters, or half of that of a guardrail than its margin. NEUTRAL: nothing of it.

    That a primary metric is better or worse is told for all primary metrics together (Holm 1979), that a guardrail is worse for
    all guardrails (Bonferroni). That every guardrail is kept needs each at the level itself (Berger 1982).

    Args:
        metrics: with their effects; at least one is primary.
        quality: checks that came first.
        smallest_effect: of primary metrics, that matters, in their unit; None holds nothing back for primary metrics.
        level: of intervals.
        look: how often one looks: once if None, else ``AnyLook``, ``AnyError`` or ``PlannedLook``; or one per metric by name.

    Raises:
        InputError: no metric is primary, names repeat, or a number is wrong.

    >>> from bandit.experiments import mean_effect
    >>> clicks = mean_effect([1, 2, 3, 4, 5] * 50, [1, 2, 3, 4, 4] * 50)
    >>> decision = decide([Metric("clicks", clicks)], smallest_effect=0.1)
    >>> decision.verdict, decision.reasons[0]
    ('HOLD', 'clicks: the interval is +/- 0.228, wider than the smallest effect that matters, 0.1')
    """
    _check(metrics)
    confidence = checked_level(level)
    matters = None if smallest_effect is None else positive("smallest_effect", smallest_effect)
    failed = tuple(
        f"quality: {check.name} failed{f': {check.text}' if check.text else ''}"
        for check in quality
        if not check.passed
    )
    if failed:
        return Decision("INVALID", failed)
    seen = look or OneLook()
    everything = judge(metrics, confidence, seen)
    judged = [metric for metric in everything if metric.role != "proxy"]
    proxies = [metric for metric in everything if metric.role == "proxy"]
    limits = {metric.name: metric.margin for metric in metrics if metric.role == "guardrail"}
    wanted = {metric.name: metric.smallest_effect or matters for metric in metrics if metric.role == "primary"}
    cautions = [f"{metric.name}: caution: {metric.effect.caution}" for metric in metrics if metric.effect.caution]
    found = _verdict(judged, {metric.name: metric.margin for metric in metrics}, limits | wanted)
    return Decision(found[0], (*found[1], *map(_told, proxies), *cautions), (*judged, *proxies))


def judge(metrics: Sequence[Metric], level: float, look: Looks) -> list[Judged]:
    """Each metric as a decision sees it, primary ones first, then guardrails, then proxies; what was not given is not missed."""
    judged = _judge_primaries([metric for metric in metrics if metric.role == "primary"], level, look)
    judged += _judge_guardrails([metric for metric in metrics if metric.role == "guardrail"], level, look)
    return judged + [_judged(metric, look, level) for metric in metrics if metric.role == "proxy"]


def _check(metrics: Sequence[Metric]) -> None:
    names = [metric.name for metric in metrics]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InputError(f"metrics have the name {min(repeated)!r} more than once, expected each once")
    if not any(metric.role == "primary" for metric in metrics):
        raise InputError(
            f"metrics are {', '.join(names) or 'none'}, expected at least one with the role primary: it decides"
        )


def _judge_primaries(metrics: Sequence[Metric], level: float, look: Looks) -> list[Judged]:
    """Holm's steps by intervals: the clearest metric at α / k, the next at α / (k - 1), until one is not clear."""
    clear = {metric.name: _clearness(metric, look, level) for metric in metrics}
    steps, left, is_open = {}, len(metrics), True
    for metric in sorted(metrics, key=lambda metric: -clear[metric.name]):
        judged = _judged(metric, look, 1 - (1 - level) / left)
        steps[metric.name] = judged if is_open else replace(judged, is_better=False, is_worse=False)
        is_open = is_open and (judged.lower > 0 or judged.upper < 0)
        left -= is_open
    return [steps[metric.name] for metric in metrics]


def _clearness(metric: Metric, look: Looks, level: float) -> float:
    """How many times half of its interval a metric is from 0."""
    effect = seen_at(metric.effect, look_at(look, metric.name), level)
    return abs(effect.value) / (effect.upper - effect.lower)


def _judge_guardrails(metrics: Sequence[Metric], level: float, look: Looks) -> list[Judged]:
    """Worse at α / k each, kept at α each."""
    judged = []
    for metric in metrics:
        alone, strict = _judged(metric, look, level), _judged(metric, look, 1 - (1 - level) / len(metrics))
        judged.append(replace(alone, is_worse=strict.is_worse))
    return judged


def _judged(metric: Metric, look: Looks, level: float) -> Judged:
    effect = seen_at(metric.effect, look_at(look, metric.name), level)
    lower, upper = (effect.lower, effect.upper) if metric.direction == "up" else (-effect.upper, -effect.lower)
    is_worse, is_kept = upper < -metric.margin, lower > -metric.margin
    return Judged(metric.name, metric.role, lower, upper, level, lower > 0, is_worse, is_kept)


def _verdict(
    judged: Sequence[Judged], margins: Mapping[str, float], limits: Mapping[str, float | None]
) -> tuple[Verdict, list[str]]:
    """The first that matches; ``limits`` are how wide half an interval may be, of primary metrics and guardrails."""
    guardrails = [metric for metric in judged if metric.role == "guardrail"]
    worse = [
        f"{_told(metric)}: worse beyond its margin, {margins[metric.name]:g}" for metric in judged if metric.is_worse
    ]
    better = [f"{_told(metric)}: better" for metric in judged if metric.role == "primary" and metric.is_better]
    kept = [
        f"{_told(metric)}: not worse by its margin, {margins[metric.name]:g}" for metric in guardrails if metric.is_kept
    ]
    wide = [reason for metric in judged if (reason := _too_wide(metric, limits[metric.name]))]
    if worse:
        return "ROLL BACK", worse
    if better and len(kept) == len(guardrails):
        return "SHIP", better + kept
    if wide:
        return "HOLD", wide + better + kept
    lost = [
        f"{_told(metric)}: that it is worse by its margin, {margins[metric.name]:g}, is not excluded"
        for metric in guardrails
        if not metric.is_kept
    ]
    flat = [
        f"{_told(metric)}: neither better nor worse"
        for metric in judged
        if metric.role == "primary" and not metric.is_better
    ]
    return "NEUTRAL", lost + flat + better + kept


def _too_wide(metric: Judged, limit: float | None) -> str:
    half = (metric.upper - metric.lower) / 2
    if limit is None or half <= limit or (metric.role == "guardrail" and metric.is_kept):
        return ""
    of_what = "its margin" if metric.role == "guardrail" else "the smallest effect that matters"
    return f"{metric.name}: the interval is +/- {half:.3g}, wider than {of_what}, {limit:g}"


def _told(metric: Judged) -> str:
    return f"{metric.name} {metric.lower:+.3g} to {metric.upper:+.3g} ({metric.role}, {100 * metric.level:.3g} %, better is up)"
