"""An experiment as one page that needs no network: the verdict first, then effects, quality, segments and how to replay it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from artwork.console.tables import Sheet
from artwork.reports.experiments.parts import (
    holdback_lines,
    holdback_sheet,
    segments_lines,
    segments_sheet,
    time_lines,
    time_sheet,
)
from artwork.reports.experiments.readings import (
    covariate_lines,
    effects_sheet,
    head_line,
    peek_lines,
    quality_lines,
    quality_sheet,
    shift_lines,
)
from artwork.reports.pages import comparison, listing, table, write_page
from artwork.reports.svg import Axis, Chart, Rule, Series, chart_html
from batch.experiments.deciding import Decided, reasons_of, verdict_line
from batch.experiments.effects import MetricEffect
from batch.experiments.reading import PEEK, Point, Reading

_TEXTS: Final = ("metric", "role", "treatment", "check", "what was seen", "segment", "since exposure", "week", "")
_BAD: Final = {"FAILED"}
_STOPPING: Final = ("INVALID", "ROLL BACK")


def rendered(reading: Reading, decided: Decided | None) -> str:
    """The whole page of a reading, or of a decision that was made of it."""
    sections = [
        ("Why", listing(reasons_of(decided.verdicts)) if decided else ""),
        ("Effects", _forest(reading) + _table(effects_sheet(reading.effects, reading.level))),
        ("Over time", _over_time(reading)),
        ("Quality", _table(quality_sheet(reading.checks)) + listing(quality_lines(reading.checks))),
        (
            "Segments",
            listing(segments_lines(reading)) + _table(segments_sheet(reading)) if reading.segment_tests else "",
        ),
        ("Days since exposure", _since_exposure(reading)),
        ("Holdback", _holdback(reading)),
        ("What was registered", listing(_registered(reading))),
        ("The record", listing(_record(decided)) if decided else ""),
    ]
    return comparison(
        f"Experiment {reading.name}",
        _verdict(reading, decided),
        sections,
        _again(reading, decided),
        missed=_is_bad(reading, decided),
        name=f"artwork experiment {reading.name}",
    )


def write_experiment_page(path: Path, page: str) -> None:
    """Write the page.

    Raises:
        SurroundingsError: it cannot be written.
    """
    write_page(path, page)


def _verdict(reading: Reading, decided: Decided | None) -> str:
    if decided:
        reasons = reasons_of(decided.verdicts)
        first = f" {reasons[0]}." if reasons else ""
        return f"{verdict_line(decided.verdicts)}.{first} {_head(reading)}."
    if not reading.is_readable:
        failed = ", ".join(check.name for check in reading.checks if check.passed is False)
        return f"Nothing is read: {failed} failed. {_head(reading)}."
    what = "A peek: only the sequences hold" if reading.kind == PEEK else "Read at a planned look; not decided yet"
    return f"{what}. {_head(reading)}."


def _head(reading: Reading) -> str:
    line = head_line(reading)
    return line[0].upper() + line[1:]


def _is_bad(reading: Reading, decided: Decided | None) -> bool:
    if decided:
        return any(verdict.verdict in _STOPPING for verdict in decided.verdicts)
    return not reading.is_readable


def _table(sheet: Sheet) -> str:
    columns = list(sheet.columns)
    if "" in columns[:-1]:  # the mark of a check comes last, where tables show rows that missed
        place = columns.index("")
        order = [at for at in range(len(columns)) if at != place] + [place]
        sheet = Sheet([columns[at] for at in order], [[row[at] for at in order] for row in sheet.rows])
    return table(sheet.columns, sheet.rows, _TEXTS, missed=_BAD) if sheet.rows else ""


def _forest(reading: Reading) -> str:
    """Effects as a share of the control, with both kinds of intervals: metrics of any unit side by side."""
    drawn = [one for one in reading.effects if one.effect is not None and one.effect.relative is not None]
    if not drawn:
        return ""
    labels = [
        f"{one.metric.name}, {one.treatment}" if len({own.treatment for own in drawn}) > 1 else one.metric.name
        for one in drawn
    ]
    fixed = Series(
        "fixed interval",
        [_percent(one) for one in drawn],
        [place - 0.12 for place in range(len(drawn))],
        1,
        "points",
        x_ends=[_ends(one) for one in drawn],
        texts=[f"{label}: {_percent(one):+.3g} %" for label, one in zip(labels, drawn, strict=True)],
    )
    sequence = Series(
        "sequence, holds at every look",
        [_percent(one) for one in drawn],
        [place + 0.12 for place in range(len(drawn))],
        2,
        "points",
        x_ends=[_sequence(one) for one in drawn],
    )
    x = Axis("treatment minus control, percent of the control")
    height = max(180, 70 * len(drawn) + 80)
    return chart_html(
        Chart("Effects", [fixed, sequence], x, Axis("metric", labels), [Rule(x=0)], height=height, is_reversed=True)
    )


def _percent(one: MetricEffect) -> float:
    assert one.effect is not None and one.effect.relative is not None  # noqa: S101, PT018 - chosen by the caller
    return 100 * one.effect.relative.value


def _ends(one: MetricEffect) -> tuple[float, float]:
    assert one.effect is not None and one.effect.relative is not None  # noqa: S101, PT018 - chosen by the caller
    return 100 * one.effect.relative.lower, 100 * one.effect.relative.upper


def _sequence(one: MetricEffect) -> tuple[float, float]:
    """The sequence as a share of what the relative effect is a share of."""
    effect = one.effect
    if one.sequence is None or effect is None or effect.relative is None or not effect.value:
        return _ends(one)
    share = 100 * effect.relative.value / effect.value
    lower, upper = one.sequence
    return share * lower, share * upper


def _over_time(reading: Reading) -> str:
    """The effect on the first primary as it would have been seen day after day."""
    if len({point.day for point in reading.over_time}) < 2:
        return ""
    parts = []
    days = sorted({point.day for point in reading.over_time})
    metric = next(one.metric for one in reading.effects if one.metric.role == "primary")
    for treatment in dict.fromkeys(point.treatment for point in reading.over_time):
        points = [point for point in reading.over_time if point.treatment == treatment]
        x = [float(days.index(point.day)) for point in points]
        axis = Axis(
            "data until",
            ticks=[(float(at), day[5:]) for at, day in enumerate(days) if at % max(1, len(days) // 8) == 0],
        )
        series = [_band("sequence, holds at every look", points, x, 2, [point.sequence for point in points])]
        series.append(_band("fixed interval, holds for one look", points, x, 1, [point.fixed for point in points]))
        title = f"{metric.name}: {treatment} minus control"
        parts.append(chart_html(Chart(title, series, axis, Axis(title), [Rule(y=0)], height=340)))
    return "".join(parts)


def _since_exposure(reading: Reading) -> str:
    """The effect by days since exposure, of the same users on every day."""
    parts = []
    for one in reading.since_exposure:
        body = listing(time_lines(one))
        if one.found is not None:
            days = one.found.days
            axis = Axis("day since exposure", [str(day) for day in range(1, len(days) + 1)])
            series = Series(
                "effect on the day",
                list(range(len(days))),
                [effect.value for effect in days],
                1,
                "both",
                y_ends=[(effect.lower, effect.upper) for effect in days],
            )
            title = f"{one.metric}: {one.treatment} minus control, by day since exposure"
            body += chart_html(Chart(title, [series], axis, Axis(title), [Rule(y=0)], height=340))
            body += _table(time_sheet(one))
        parts.append(body)
    return "".join(parts)


def _holdback(reading: Reading) -> str:
    if reading.holdback is None:
        return ""
    return listing(holdback_lines(reading.holdback)) + _table(holdback_sheet(reading.holdback))


def _band(
    name: str, points: Sequence[Point], x: Sequence[float], tone: int, ends: Sequence[tuple[float, float]]
) -> Series:
    return Series(name, x, [point.value for point in points], tone, "line", y_ends=ends, has_band=True)


def _registered(reading: Reading) -> list[str]:
    lines = [
        reading.hypothesis,
        f"version {reading.version}, digest {reading.digest}; looks: {', '.join(reading.looks)}",
        *shift_lines(reading),
        *(f"caution: {text}" for text in reading.cautions),
        *reading.notes,
        *covariate_lines(reading.effects),
    ]
    return lines + (peek_lines(reading) if reading.kind == PEEK else [])


def _record(decided: Decided) -> list[str]:
    return [
        f"on record: {decided.record}",
        f"digest of all inputs: {decided.digest}",
        "replaying it gives the same bytes",
    ]


def _again(reading: Reading, decided: Decided | None) -> str:
    if decided:
        return f"artwork experiment decide --replay {decided.record}"
    return f"artwork experiment {reading.kind} {reading.name}"
