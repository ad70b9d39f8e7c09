"""Experiments as text: plans, quality, effects, decisions and explanations."""

from collections.abc import Sequence
from typing import Final

from artwork.console.tables import Sheet, printed
from artwork.reports.experiments.parts import ends, rest_lines
from batch.experiments.deciding import Decided, Replayed, Verdict, reasons_of, verdict_line
from batch.experiments.effects import MetricEffect
from batch.experiments.explaining import Explained
from batch.experiments.planning import Planned, PlannedMetric, Power
from batch.experiments.quality import QualityCheck, failed
from batch.experiments.reading import PEEK, Reading

_NO: Final = "-"


def quality_sheet(checks: Sequence[QualityCheck]) -> Sheet:
    """Every check with what it saw."""
    words = {True: "passed", False: "FAILED", None: "not judged"}
    return Sheet(("check", "", "what was seen"), [(check.name, words[check.passed], check.text) for check in checks])


def quality_lines(checks: Sequence[QualityCheck]) -> list[str]:
    """What to do about the checks that failed."""
    return [f"{check.name} failed: {check.remedy}" for check in failed(checks)]


def effects_sheet(effects: Sequence[MetricEffect], level: float) -> Sheet:
    """The effect of each treatment on each metric."""
    columns = (
        "metric",
        "role",
        "treatment",
        "control",
        "treated",
        "difference",
        f"{level:.0%} interval",
        "sequence",
        "relative",
        "p",
        "",
    )
    return Sheet(columns, [_effect_row(one) for one in effects], numbers_from=3)


def _effect_row(one: MetricEffect) -> tuple[str, ...]:
    head = one.metric.name, one.metric.role, one.treatment, f"{one.values[1]:.5g}", f"{one.values[0]:.5g}"
    if one.effect is None:
        return (*head, _NO, _NO, _NO, _NO, _NO, "cannot be told")
    effect = one.effect
    relative = f"{effect.relative.value:+.2%}" if effect.relative else _NO
    p_value = one.adjusted if one.adjusted is not None else effect.p_value
    return (
        *head, f"{effect.value:+.4g}", ends(effect.lower, effect.upper), ends(*one.sequence) if one.sequence else _NO, relative,
        f"{p_value:.3g}", word_of(one),
    )  # fmt: skip


def word_of(one: MetricEffect) -> str:
    """What a decision would make of an effect at such a look: by its sequence where it is peeked at."""
    if one.effect is None:
        return "cannot be told"
    if one.metric.margin is not None:
        kept = f"margin {one.metric.margin:g}"
        return (
            f"worse than its {kept}"
            if one.is_inferior
            else f"keeps its {kept}"
            if one.is_non_inferior
            else f"not clear: {kept}"
        )
    return "better" if one.is_better else "worse" if one.is_worse else "not clear"


def head_line(reading: Reading) -> str:
    """Which experiment, which day, which look."""
    users = ", ".join(f"{name} {count:,}" for name, count in reading.users.items())
    what = "a peek" if reading.kind == PEEK else f"look {reading.look} of {len(reading.looks)}"
    return f"experiment {reading.name}, version {reading.version}: {what}, data until {reading.day}; users: {users}"


def peek_lines(reading: Reading) -> list[str]:
    """What looking at any time costs, beside an interval that is looked at once."""
    lines = []
    for one in reading.effects:
        if one.effect is None or one.sequence is None or one.metric.role != "primary":
            continue
        fixed, sequence = one.effect.upper - one.effect.lower, one.sequence[1] - one.sequence[0]
        times = sequence / fixed
        lines.append(
            f"{one.metric.name}, {one.treatment}: the sequence is {times:.2f} times as wide as the fixed interval, which holds"
            f" for one planned look alone: as many users as {times**2:.1f} times would need"
        )
    return lines


def shift_lines(reading: Reading) -> list[str]:
    """What was changed after the start."""
    return [
        f"version {shift.version}, registered {shift.registered_at}, changed {change}"
        for shift in reading.shifts
        for change in shift.changes
    ]


def effects_lines(reading: Reading) -> list[str]:
    """The effects, where quality lets them be read."""
    if not reading.is_readable:
        return [*quality_lines(reading.checks), "nothing is read: a check of quality failed"]
    return [printed(effects_sheet(reading.effects, reading.level)), *covariate_lines(reading.effects)]


def covariate_lines(effects: Sequence[MetricEffect]) -> list[str]:
    """What CUPED did to effects: values of the variants are as they came, differences are less what days before tell."""
    return [
        f"{one.metric.name}, {one.treatment}: CUPED takes out what users did before; without it the interval would be"
        f" {one.plain_error / one.effect.standard_error:.2f} times as wide"
        for one in effects
        if one.metric.covariate is not None and one.effect is not None and one.plain_error is not None
    ]


def render_reading(reading: Reading) -> str:
    """Quality first; effects only where it passed."""
    parts = [
        head_line(reading),
        *shift_lines(reading),
        *(f"caution: {text}" for text in reading.cautions),
        *reading.notes,
    ]
    parts.append(printed(quality_sheet(reading.checks)))
    parts += effects_lines(reading)
    if not reading.is_readable:
        return "\n".join(parts)
    if reading.kind == PEEK:
        parts += [
            *peek_lines(reading),
            "a peek decides by the sequence alone; `artwork experiment read` decides at planned looks",
        ]
    elif reading.bound is not None and max(len(reading.looks), len(reading.taken)) > 1:
        parts.append(
            f"intervals reach {reading.bound:.3f} standard errors at this look, so that all looks together keep the level"
        )
    return "\n".join((*parts, *rest_lines(reading)))


def render_check(checks: Sequence[QualityCheck]) -> str:
    """The checks, and what to do about those that failed."""
    lines = quality_lines(checks) or ["quality is as it should be: the experiment may be read"]
    return "\n".join((printed(quality_sheet(checks)), *lines))


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """Verdict and reasons."""
    return [f"decision: {verdict_line(verdicts)}", *(f"  {reason}" for reason in reasons_of(verdicts))]


def render_decided(made: Decided) -> str:
    """The reading, then the verdict with its reasons, and how to replay it."""
    again = "which said the same before" if made.again else f"digest {made.digest}"
    replay = f"artwork experiment decide --replay {made.record}"
    return "\n".join(
        (
            render_reading(made.reading),
            *verdict_lines(made.verdicts),
            f"on record: {made.record} ({again})",
            f"replay it: {replay}",
        )
    )


def render_replayed(made: Replayed) -> str:
    """Whether the record follows from itself."""
    said = (
        "the same bytes again"
        if made.same
        else f"NOT the same: {', '.join(made.differs)} differ from what the inputs give"
    )
    moved = [] if made.move is None else [f"the gate: {made.move.action}, to {100 * made.move.share:g} % of users"]
    moved += [] if made.move is None else [f"  {reason}" for reason in made.move.reasons]
    return "\n".join(
        (f"{made.record}, experiment {made.name}, data until {made.day}: {said}", *verdict_lines(made.verdicts), *moved)
    )


def render_planned(made: Planned) -> str:
    """Users and days that each effect needs, with and without CUPED."""
    sheet = Sheet(
        (
            "metric",
            "role",
            "value",
            "effect",
            "deviation",
            "users needed",
            "days",
            "power at end",
            "shown at end",
            "with CUPED",
        ),
        [_planned_row(one) for one in made.metrics],
        numbers_from=2,
    )
    looks = f"{made.looks} look{'s' if made.looks > 1 else ''}"
    of = f"variances are of {made.history_days} days of data, clustered by user"
    lines = [
        f"experiment {made.name}: {made.days} days, {looks}; {of}",
        printed(sheet),
        *(_planned_line(one) for one in made.metrics),
        *made.notes,
    ]
    enough = "the plan has" if made.is_enough else "the plan does NOT have"
    return "\n".join((*lines, f"{enough} a power of {made.power:.0%} for every primary metric"))


def _planned_row(one: PlannedMetric) -> tuple[str, ...]:
    days = _NO if one.plain.days is None else f"{one.plain.days}"
    with_covariate = _NO if one.with_covariate is None else _words(one.with_covariate)
    return (
        one.metric.name,
        one.metric.role,
        f"{one.value:.5g}",
        f"{one.effect:g}",
        f"{one.deviation:.4g}",
        f"{one.plain.users:,}",
        days,
        f"{one.plain.at_end:.1%}",
        f"{one.plain.detectable:.4g}",
        with_covariate,
    )


def _words(power: Power) -> str:
    days = "" if power.days is None else f", {power.days} days"
    return f"{power.users:,} users{days}, power {power.at_end:.1%}"


def _planned_line(one: PlannedMetric) -> str:
    cuped = ""
    if one.correlation is not None:
        cuped = f"; what was before tells {one.correlation**2:.0%} of its variance, which CUPED removes"
    return f"{one.metric.name}: {one.users:,} users come by the end, told from {one.measured_days} days{cuped}"


def render_explained(made: Explained) -> str:
    """The checks in order with their figures, then what follows."""
    words = {True: "a reason", False: "no", None: "cannot be told"}
    lines = [
        f"{place:2d}. {step.check}: {words[step.is_reason]}\n    {step.text}"
        for place, step in enumerate(made.steps, start=1)
    ]
    questions = {
        "mixed": "one metric is up and another down: what now?",
        "neutral": "strong offline, neutral online: why?",
    }
    head = f"experiment {made.name}, {made.treatment}, data until {made.day}: {questions[made.question]}"
    return "\n".join((head, *lines, made.conclusion))
