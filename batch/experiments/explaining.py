"""Why an experiment says what it says: two questions that come up, each as an ordered list of checks with figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import hypot
from typing import Final

from bandit.errors import InputError
from bandit.experiments import AnyLook
from bandit.experiments.looks import Look
from bandit.rewards import parse_reward
from batch.config import LOGGED
from batch.experiments.effects import MetricEffect, effects_of, metric_effect
from batch.experiments.measuring import Seen, Users, days_since, gathered_by, users_of
from batch.experiments.plans.plan import GUARDRAIL, IMPRESSION, PRIMARY, PROXY, WORKSPACE, Metric, Plan
from batch.experiments.quality import check_quality
from batch.experiments.reading import Source, looks_taken, see, width_at
from batch.experiments.register import Registered, registered

MIXED: Final = "mixed"
"""A proxy or a primary is up and a guardrail is down: what now?"""
NEUTRAL: Final = "neutral"
"""Strong offline, neutral online: why?"""
QUESTIONS: Final = (MIXED, NEUTRAL)

_MARGINS: Final = "guardrails and their margins"
_ABANDONED: Final = "take:engaged_fraction=0.1"
_REWARDS: Final = ("click", "weighted_sum:take=0.5,click=0.5", "take", "watched_fraction")
_AGES: Final = ((0, 0), (1, 2), (3, 6), (7, 13))
_CLEAR: Final = 0.05


@dataclass(frozen=True)
class Step:
    """A check of a list: ``is_reason`` says whether it explains what is seen, None where it cannot be told."""

    check: str
    is_reason: bool | None
    text: str
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Explained:
    """A question, its checks in order, and what to do: by the first that is a reason."""

    name: str
    question: str
    treatment: str
    day: str
    steps: tuple[Step, ...]
    conclusion: str


@dataclass(frozen=True)
class Case:
    """What the checks of a question look at: the first treatment against the control, as the data are now."""

    source: Source
    own: Registered
    seen: Seen
    users: Users

    @property
    def plan(self) -> Plan:
        """Of the experiment."""
        return self.own.plan

    @property
    def is_log(self) -> bool:
        """Whether the data are impressions, of which more than the metrics of the plan can be asked."""
        return self.plan.source == WORKSPACE

    def effects(self) -> list[MetricEffect]:
        """Of the plan's metrics, of the first treatment."""
        return [one for one in effects_of(self.users, self.plan, self.look) if one.treatment == self.plan.names[1]]

    @property
    def look(self) -> Look:
        """What the day is for whoever judges: a planned look, or any."""
        if self.seen.last not in self.plan.looks:
            return AnyLook(self.plan.users)
        taken = looks_taken(self.own, self.seen.last)
        return width_at(self.plan, taken, gathered_by(self.seen, self.plan, taken))

    def measured(self, *metrics: Metric) -> list[MetricEffect]:
        """Effects of metrics that the plan need not have; of a log alone."""
        seen = see(self.source, self.own, self.seen.last, metrics)
        users = users_of(seen, self.plan, self.seen.last)
        return [metric_effect(users, self.plan, place, 1, self.look) for place in range(len(metrics))]


def case_of(source: Source, name: str) -> Case:
    """An experiment as it stands.

    Raises:
        InputError: it has not started, was changed, or has no data.
    """
    own = registered(source.workspace, name)
    seen = see(source, own)
    return Case(source, own, seen, users_of(seen, own.plan, seen.last))


def explain_mixed(source: Source, name: str) -> Explained:
    """What to do where one metric is up and another down.

    Raises:
        InputError: as ``case_of``.
    """
    case = case_of(source, name)
    checks: list[Callable[[Case], Step]] = [
        _against_each_other,
        _takes_per_click,
        _clickbait,
        _by_age,
        _other_rewards,
        _margins,
    ]
    steps = tuple(check(case) for check in checks)
    return Explained(name, MIXED, case.plan.names[1], str(case.seen.last), steps, _what_now(case, steps))


def told(one: MetricEffect) -> str:
    """An effect in a few words: the difference, its interval, and as a share of the control."""
    if one.effect is None:
        return f"{one.metric.name}: {one.problem}"
    relative = f", {one.effect.relative.value:+.1%}" if one.effect.relative else ""
    return f"{one.metric.name} {one.effect.value:+.4g} ({one.effect.lower:+.4g} to {one.effect.upper:+.4g}{relative})"


def figures_of(one: MetricEffect, prefix: str = "") -> dict[str, float]:
    """An effect's figures by name."""
    if one.effect is None:
        return {}
    effect = one.effect
    named = {"value": effect.value, "lower": effect.lower, "upper": effect.upper, "p_value": effect.p_value}
    if effect.relative:
        named["relative"] = effect.relative.value
    return {f"{prefix}{key}": value for key, value in named.items()}


def direction_of(one: MetricEffect) -> int:
    """1 where a metric is clearly better, -1 where it is clearly worse, else 0."""
    if one.effect is None or one.effect.lower <= 0 <= one.effect.upper:
        return 0
    return one.metric.sign if one.effect.value > 0 else -one.metric.sign


def no_log(check: str) -> Step:
    """A check that only a log of impressions can answer."""
    return Step(check, None, "a table has no impressions; only the log of a workspace tells")


def _against_each_other(case: Case) -> Step:
    effects = case.effects()
    better = [one for one in effects if direction_of(one) > 0]
    worse = [one for one in effects if direction_of(one) < 0]
    parts = [f"{one.metric.role} {told(one)}" for one in effects]
    figures = {key: value for one in effects for key, value in figures_of(one, f"{one.metric.name}: ").items()}
    is_mixed = bool(better and worse)
    open_ones = "" if is_mixed else "; no metric is clearly better while another is clearly worse"
    return Step("which metrics go which way", is_mixed, "; ".join(parts) + open_ones, figures)


def _takes_per_click(case: Case) -> Step:
    check = "takes per click"
    if not case.is_log:
        return no_log(check)
    (one,) = case.measured(Metric(check, "take", PROXY, "click"))
    shares = f"{one.values[1]:.2%} with the control and {one.values[0]:.2%} with the treatment"
    text = f"{told(one)}: of clicks, so many were engaged plays: {shares}"
    return Step(check, direction_of(one) < 0, text, figures_of(one))


def _clickbait(case: Case) -> Step:
    check = "clickbait share"
    if not case.is_log:
        return no_log(check)
    (one,) = case.measured(Metric("clicks watched for a tenth or more", _ABANDONED, PROXY, "click"))
    shares = [1 - value for value in one.values]
    both = f"{shares[1]:.2%} with the control, {shares[0]:.2%} with the treatment"
    text = f"clicks that were left within a tenth of the title: {both}"
    if one.effect is not None:
        text += f" ({-one.effect.value:+.4g}, {-one.effect.upper:+.4g} to {-one.effect.lower:+.4g})"
    return Step(check, direction_of(one) < 0, text, {"control": shares[1], "treatment": shares[0]} | figures_of(one))


def effects_by_age(case: Case, place: int) -> list[tuple[str, MetricEffect]]:
    """The effect on a metric by days since each user's first exposure, of users who were there for all of them."""
    if not case.seen.facts.has_days:
        return []
    most = (
        (case.seen.last - case.plan.start).days * 2 // 3
    )  # so that users of the first third were there for all of them
    ages = [(first, min(last, most)) for first, last in _AGES if first <= most]
    last_age = ages[-1][1]
    made = []
    for first, last in ages:
        exposed_by = case.seen.last.fromordinal(case.seen.last.toordinal() - last_age)
        early = users_of(case.seen, replace(case.plan, window=0), exposed_by).frame["user_id"]
        own = days_since(case.seen, case.seen.last, first, last)
        kept = replace(own, days=own.days.filter(own.days["user_id"].is_in(early.implode())))
        users = users_of(kept, replace(case.plan, window=0), case.seen.last)
        if min(users.counts(len(case.plan.names))[:2], default=0) < 2:
            continue
        made.append(
            (
                f"day {first + 1}" if first == last else f"days {first + 1} to {last + 1}",
                metric_effect(users, case.plan, place, 1, case.look),
            )
        )
    return made


def _by_age(case: Case) -> Step:
    check = "by day since exposure"
    if not case.seen.facts.has_days:
        return Step(check, None, "the table has no column day")
    parts: list[str] = []
    figures: dict[str, float] = {}
    fades = False
    for place, metric in enumerate(case.seen.metrics):
        ages = effects_by_age(case, place)
        if len(ages) < 2:
            continue
        parts.append(f"{metric.name}: " + ", ".join(f"{age} {_short(one)}" for age, one in ages))
        figures |= {f"{metric.name}, {age}": one.effect.value for age, one in ages if one.effect is not None}
        fades |= is_fading(ages)
    if not parts:
        return Step(check, None, "too few days since the first exposures to compare early and later days")
    return Step(
        check,
        fades,
        "; ".join(parts) + ("; the effect is smaller later: part of it is novelty" if fades else ""),
        figures,
    )


def is_fading(ages: Sequence[tuple[str, MetricEffect]]) -> bool:
    """Whether the last effect is clearly closer to 0, or on the other side of it, than the first, which is clear itself."""
    first, last = ages[0][1].effect, ages[-1][1].effect
    if first is None or last is None or first.p_value > _CLEAR:
        return False
    sign = 1 if first.value > 0 else -1
    error = hypot(first.standard_error, last.standard_error)
    return sign * (first.value - last.value) > 1.96 * error


def _short(one: MetricEffect) -> str:
    return (
        "cannot be told"
        if one.effect is None
        else f"{one.effect.value:+.3g} ± {(one.effect.upper - one.effect.lower) / 2:.2g}"
    )


def _other_rewards(case: Case) -> Step:
    check = "what another reward would say"
    if not case.is_log:
        return no_log(check)
    effects = case.measured(*(Metric(word, word, PROXY, IMPRESSION) for word in _REWARDS))
    learned = {arm.name: arm.live.reward for arm in case.plan.variants if arm.live}
    words = "; ".join(told(one) for one in effects)
    against = [one.metric.name for one in effects if direction_of(one) < 0]
    said = f"; by {' and '.join(against)} the control is better" if against else ""
    learn = "; " + ", ".join(f"{name} learns from {reward}" for name, reward in learned.items()) if learned else ""
    figures = {one.metric.name: one.effect.value for one in effects if one.effect is not None}
    return Step(check, bool(against), words + said + learn, figures)


def _margins(case: Case) -> Step:
    guardrails = [one for one in case.effects() if one.metric.role == GUARDRAIL]
    if not guardrails:
        return Step(_MARGINS, None, "the plan has no guardrail: nothing says how much may be lost")
    parts = [
        f"{told(one)}, margin {one.metric.margin:g}: "
        + ("worse beyond it" if one.is_inferior else "kept" if one.is_non_inferior else "not clear yet")
        for one in guardrails
    ]
    lost = any(one.is_inferior for one in guardrails)
    return Step(
        _MARGINS,
        lost,
        "; ".join(parts),
        {one.metric.name: one.metric.margin or 0.0 for one in guardrails},
    )


def _what_now(case: Case, steps: Sequence[Step]) -> str:
    by_name = {step.check: step for step in steps}
    effects = case.effects()
    guardrails = [one for one in effects if one.metric.role == GUARDRAIL]
    if not steps[0].is_reason:
        return "the metrics do not go against each other clearly: read the experiment at its next look"
    if any(direction_of(one) < 0 for one in effects if one.metric.role == PRIMARY):
        do = "roll back: a primary metric is worse, whatever a proxy says"
    elif by_name[_MARGINS].is_reason:
        do = "roll back: a guardrail is worse beyond its margin, whatever the others say"
    elif all(one.is_non_inferior for one in guardrails):
        do = "what is lost stays within the margins that were registered: they allow to ship"
    else:
        do = "hold: whether the loss stays within its margin is not clear yet"
    hollow = [step.check for step in steps[1:3] if step.is_reason]
    if hollow:
        do += (
            f"; {' and '.join(hollow)} say that the new clicks are of artworks that promise too much: learn from what was"
            ' watched (reward = "take" or "watched_fraction"), not from clicks'
        )
    return do


def primary_of(case: Case) -> MetricEffect:
    """The first primary of the first treatment."""
    return next(one for one in case.effects() if one.metric.role == PRIMARY)


def is_reward_of(metric: Metric, reward: str) -> bool:
    """Whether a metric is the mean of a reward over impressions."""
    if metric.per != IMPRESSION or metric.of == IMPRESSION or LOGGED in {metric.of, reward}:
        return metric.of == reward and metric.per == IMPRESSION
    try:
        return parse_reward(metric.of).text == parse_reward(reward).text
    except InputError:
        return False


def quality_step(case: Case, check: str) -> Step:
    """A check of quality as a step: a reason where it failed."""
    one = next(one for one in check_quality(case.seen, case.plan, case.users) if one.name == check)
    return Step(check, None if one.passed is None else not one.passed, one.text, one.figures)
