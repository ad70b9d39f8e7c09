"""Charts of reports as SVG: lines, points with intervals, bands and bars over numbers or words, a table behind each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise
from math import ceil, floor, isfinite, log10
from typing import Final, Literal

Kind = Literal["line", "points", "both", "bars"]
"""How a series is drawn: a line, points, points on a line, or bars that stand."""

WIDTH: Final = 960
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 16, 12, 52
_EDGE: Final = 6
"""What may stand out over the edge of the plot; the rest is cut there."""
_SIGN: Final = 7.4
"""Width of a letter of a label, about."""
_TONES: Final = 8
_DASHES: Final = ("line", "dash", "dots")
_TOLD: Final = 60
"""Places of a long line that tell their values, and rows of its table."""


@dataclass(frozen=True)
class Axis:
    """What is along a side: numbers on a straight or logarithmic scale, or places from 0 on that have ``labels``.

    ``low`` and ``high`` cut the picture; ``ticks`` are places with their texts, chosen by the scale where there are none.
    """

    title: str = ""
    labels: Sequence[str] = ()
    is_log: bool = False
    low: float | None = None
    high: float | None = None
    ticks: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True)
class Series:
    """Values of one name; ``tone`` is the place of its colour.

    ``x_ends`` and ``y_ends`` are intervals (lower, upper) of each point, drawn as whiskers, or as a band below a line where
    ``has_band``. ``texts`` name each point for whoever points at it.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    tone: int
    kind: Kind = "line"
    x_ends: Sequence[tuple[float, float]] = ()
    y_ends: Sequence[tuple[float, float]] = ()
    has_band: bool = False
    is_named: bool = True
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Rule:
    """A line across that others are seen beside, at ``x`` or at ``y``."""

    x: float | None = None
    y: float | None = None
    words: str = ""


@dataclass(frozen=True)
class Chart:
    """A whole chart."""

    title: str
    series: Sequence[Series]
    x: Axis
    y: Axis
    rules: Sequence[Rule] = ()
    height: int = 400
    is_reversed: bool = False
    """The first place of the y axis is on top."""


def chart_html(chart: Chart) -> str:
    """A figure with its legend, its picture, and its values as a table; nothing without values."""
    chart = replace(chart, series=[one for one in map(_with_numbers, chart.series) if one.x])
    if not chart.series:
        return ""
    return (
        f'<figure class="chart"><figcaption class="chart-title">{escape(chart.title)}</figcaption>{_legend(chart)}'
        f'<div class="scroll">{_Picture(chart).svg()}</div>{_table(chart)}</figure>'
    )


def _with_numbers(one: Series) -> Series:
    """A series without the points that have no number."""
    ends = one.x_ends or one.y_ends or [(0.0, 0.0)] * len(one.x)
    points = zip(one.x, one.y, ends, strict=True)
    kept = [at for at, (x, y, own) in enumerate(points) if all(map(isfinite, (x, y, *own)))]
    return replace(
        one,
        x=[one.x[at] for at in kept],
        y=[one.y[at] for at in kept],
        x_ends=[one.x_ends[at] for at in kept] if one.x_ends else (),
        y_ends=[one.y_ends[at] for at in kept] if one.y_ends else (),
        texts=[one.texts[at] for at in kept] if one.texts else (),
    )


class _Picture:
    """The scales of a chart, and what is drawn by them."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        longest = max((len(text) for text in chart.y.labels), default=0)
        self._left = min(WIDTH * 0.4, max(_LEFT, longest * _SIGN + 24))
        self._x = _Scale(chart.x, _values(chart, "x"), (self._left, WIDTH - _RIGHT))
        ends = (chart.height - _BOTTOM, _TOP)
        self._y = _Scale(chart.y, _values(chart, "y"), (ends[1], ends[0]) if chart.is_reversed else ends)

    def svg(self) -> str:
        """The picture."""
        chart = self._chart
        bars = [one for one in chart.series if one.kind == "bars"]
        drawn = "".join(self._series(one, bars.index(one) if one in bars else 0, len(bars)) for one in chart.series)
        box = f"{self._left - _EDGE:.1f} {_TOP - _EDGE} {WIDTH - self._left - _RIGHT + 2 * _EDGE:.1f}"
        box += f" {chart.height - _TOP - _BOTTOM + 2 * _EDGE}"
        x, y, width, height = box.split()
        inner = f'<svg x="{x}" y="{y}" width="{width}" height="{height}" viewBox="{box}">{drawn}</svg>'
        return (
            f'<svg class="chart-picture" role="img" viewBox="0 0 {WIDTH} {chart.height}" aria-label="{escape(chart.title)}">'
            f"{self._grid()}{''.join(map(self._rule, chart.rules))}{inner}</svg>"
        )

    def _grid(self) -> str:
        chart, bottom, right = self._chart, self._chart.height - _BOTTOM, WIDTH - _RIGHT
        parts = []
        for place, text in self._y.ticks:
            at = self._y(place)
            parts.append(f'<path class="grid" d="M{self._left:.1f} {at:.1f}H{right}"/>')
            parts.append(_text(self._left - 10, at + 4, text, "end", "tick" if not chart.y.labels else "bar-name"))
        for place, text in self._x.ticks:
            at = self._x(place)
            parts.append(f'<path class="grid" d="M{at:.1f} {_TOP}V{bottom}"/>')
            parts.append(_text(at, bottom + 18, text, "middle", "tick"))
        middle = (self._left + right) / 2
        parts.append(_text(middle, chart.height - 8, chart.x.title, "middle", "tick"))
        return "".join(parts)

    def _rule(self, rule: Rule) -> str:
        right, bottom = WIDTH - _RIGHT, self._chart.height - _BOTTOM
        if rule.y is not None:
            at = self._y(rule.y)
            path, words = f"M{self._left:.1f} {at:.1f}H{right}", _text(right - 4, at - 6, rule.words, "end", "tick")
        else:
            at = self._x(rule.x or 0.0)
            path, words = f"M{at:.1f} {_TOP}V{bottom}", _text(at + 6, _TOP + 12, rule.words, "start", "tick")
        return f'<g class="rule"><path d="{path}"/>{words if rule.words else ""}</g>'

    def _series(self, one: Series, place: int, bars: int) -> str:
        kinds: dict[Kind, str] = {
            "line": self._line(one) + self._told(one),
            "both": self._line(one) + self._points(one),
            "points": self._points(one),
            "bars": self._bars(one, place, bars) if one.kind == "bars" else "",
        }
        return f'<g class="tone-{one.tone % _TONES + 1}">{kinds[one.kind]}</g>'

    def _line(self, one: Series) -> str:
        points = [(self._x(x), self._y(y)) for x, y in zip(one.x, one.y, strict=True)]
        dash = "line" if one.kind == "both" else _DASHES[one.tone // _TONES % 3]
        band = ""
        if one.has_band:
            lower = [(self._x(x), self._y(ends[0])) for x, ends in zip(one.x, one.y_ends, strict=True)]
            upper = [(self._x(x), self._y(ends[1])) for x, ends in zip(one.x, one.y_ends, strict=True)]
            band = f'<path class="band" d="{_path([*upper, *reversed(lower)])}Z"/>'
        return f'{band}<path class="stroke {dash}" d="{_path(points)}"><title>{escape(one.name)}</title></path>'

    def _told(self, one: Series) -> str:
        """Places of a line that are not seen, and tell their values to whoever points at them."""
        return "".join(
            f'<circle class="told" cx="{self._x(one.x[at]):.1f}" cy="{self._y(one.y[at]):.1f}" r="7">{_title(one, at)}</circle>'
            for at in _thinned(len(one.x))
        )

    def _points(self, one: Series) -> str:
        parts = []
        for at, (x, y) in enumerate(zip(one.x, one.y, strict=True)):
            px, py = self._x(x), self._y(y)
            whiskers = ""
            if one.x_ends:
                lower, upper = (self._x(end) for end in one.x_ends[at])
                whiskers = f"M{lower:.1f} {py:.1f}H{upper:.1f}M{lower:.1f} {py - 4:.1f}v8M{upper:.1f} {py - 4:.1f}v8"
            if one.y_ends:
                lower, upper = (self._y(end) for end in one.y_ends[at])
                whiskers += f"M{px:.1f} {lower:.1f}V{upper:.1f}M{px - 4:.1f} {lower:.1f}h8M{px - 4:.1f} {upper:.1f}h8"
            shown = f'<path class="stroke thin" d="{whiskers}"/>' if whiskers else ""
            parts.append(f"<g>{_title(one, at)}{shown}{_shape(px, py, one.tone)}</g>")
        return "".join(parts)

    def _bars(self, one: Series, place: int, bars: int) -> str:
        wide = 0.7 * abs(self._x(1.0) - self._x(0.0)) / bars
        zero = self._y(0.0)
        parts = []
        for at, (x, y) in enumerate(zip(one.x, one.y, strict=True)):
            left, top = self._x(x) + wide * (place - bars / 2), self._y(y)
            high = max(1.0, abs(zero - top))
            parts.append(
                f'<rect class="fill" x="{left:.1f}" y="{min(top, zero):.1f}" width="{max(1.0, wide - 2):.1f}"'
                f' height="{high:.1f}" rx="2">{_title(one, at)}</rect>'
            )
        return "".join(parts)


class _Scale:
    """From values of an axis to places in the picture."""

    def __init__(self, axis: Axis, values: Sequence[float], ends: tuple[float, float]) -> None:
        self._is_log, self._ends = axis.is_log, ends
        finite = [value for value in values if isfinite(value) and (value > 0 or not axis.is_log)]
        low, high = min(finite, default=0.0), max(finite, default=1.0)
        if axis.labels:
            low, high = -0.5, len(axis.labels) - 0.5
        elif axis.is_log:
            low, high = low * 0.9, high * 1.1
        else:
            room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
            low, high = low if low == 0 else low - room, high + room
        self._low = self._of(low if axis.low is None else axis.low)
        self._high = self._of(high if axis.high is None else axis.high)
        self.ticks = self._chosen(axis)

    def __call__(self, value: float) -> float:
        share = (self._of(value) - self._low) / ((self._high - self._low) or 1.0)
        start, end = self._ends
        return start + (end - start) * share

    def _of(self, value: float) -> float:
        return log10(max(value, 1e-12)) if self._is_log else value

    def _chosen(self, axis: Axis) -> list[tuple[float, str]]:
        if axis.labels:
            return [(float(at), text) for at, text in enumerate(axis.labels)]
        if axis.ticks:
            return [(at, text) for at, text in axis.ticks if self._low <= self._of(at) <= self._high]
        if axis.is_log and self._high - self._low >= 1:
            parts = (1, 2, 5) if self._high - self._low < 3 else (1,)
            places = [part * 10.0**power for power in range(floor(self._low), ceil(self._high) + 1) for part in parts]
            return [(at, f"{at:,g}") for at in places if self._low <= self._of(at) <= self._high]
        low, high = (10**self._low, 10**self._high) if axis.is_log else (self._low, self._high)
        rough = (high - low) / 6
        power = 10.0 ** floor(log10(rough)) if rough > 0 else 1.0
        step = next(part * power for part in (1, 2, 2.5, 5, 10) if part * power >= rough * 0.999)
        first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
        return [(at * step, f"{at * step:,.6g}") for at in range(first, last + 1)]


def _values(chart: Chart, side: Literal["x", "y"]) -> list[float]:
    values: list[float] = []
    for one in chart.series:
        values += one.x if side == "x" else one.y
        values += [end for ends in (one.x_ends if side == "x" else one.y_ends) for end in ends]
        values += [0.0] if one.kind == "bars" and side == "y" else []
    rules = [rule.x if side == "x" else rule.y for rule in chart.rules]
    return [*values, *(value for value in rules if value is not None)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Through points at the picture's precision, none twice in a row."""
    rounded = [(round(x, 1), round(y, 1)) for x, y in points]
    kept = [rounded[0], *(after for before, after in pairwise(rounded) if after != before)]
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in kept)


def _shape(x: float, y: float, tone: int) -> str:
    """A point, its shape another for neighbouring colours."""
    if tone % 3 == 0:
        return f'<circle class="fill" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    if tone % 3 == 1:
        return f'<rect class="fill" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    return f'<path class="fill" d="M{x:.1f} {y - 5.5:.1f}l5.5 9.5h-11z"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _title(one: Series, at: int) -> str:
    own = one.texts[at] if one.texts else f"{one.x[at]:,.4g}: {one.y[at]:,.4g}"
    return f"<title>{escape(f'{one.name}: {own}' if one.name else own)}</title>"


def _thinned(count: int) -> range:
    return range(0, count, max(1, ceil(count / _TOLD)))


def _legend(chart: Chart) -> str:
    named = [one for one in chart.series if one.name and one.is_named]
    if len(named) < 2:
        return ""
    items = "".join(
        f'<li><svg class="swatch tone-{one.tone % _TONES + 1}" width="22" height="14" aria-hidden="true">{_swatch(one)}'
        f"</svg>{escape(one.name)}</li>"
        for one in named
    )
    return f'<ul class="chart-legend">{items}</ul>'


def _swatch(one: Series) -> str:
    if one.kind == "bars":
        return '<rect class="fill" x="3" y="1" width="16" height="12" rx="2"/>'
    line = f'<path class="stroke {_DASHES[one.tone // _TONES % 3]}" d="M1 7H21"/>' if one.kind != "points" else ""
    return line + (_shape(11, 7, one.tone) if one.kind != "line" else "")


def _table(chart: Chart) -> str:
    """The values of all series below each other."""
    x_name, y_name = chart.x.title or "x", chart.y.title or "y"
    has_ends = any(one.x_ends or one.y_ends for one in chart.series)
    columns = ["", x_name, y_name, *(["lower", "upper"] if has_ends else [])]
    rows = [row for one in chart.series for row in _rows(chart, one, has_ends)]
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        '<details class="chart-table"><summary>Show as a table</summary><div class="scroll"><table>'
        f"<tr>{head}</tr>{body}</table></div></details>"
    )


def _rows(chart: Chart, one: Series, has_ends: bool) -> list[list[str]]:
    rows = []
    for at in _thinned(len(one.x)):
        ends = (one.x_ends or one.y_ends)[at : at + 1]
        written = [f"{end:,.4g}" for end in ends[0]] if ends else ["", ""]
        cells = [_written(one.x[at], chart.x), _written(one.y[at], chart.y)]
        rows.append([one.name, *cells, *(written if has_ends else [])])
    return rows


def _written(value: float, axis: Axis) -> str:
    if axis.labels:
        return axis.labels[min(len(axis.labels) - 1, max(0, round(value)))]
    return f"{value:,.4g}"
