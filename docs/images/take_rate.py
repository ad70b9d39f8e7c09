"""Draw ``take-rate.svg``: the take rate of each day of the demo, from ``artwork demo --json`` on standard input.

``make pictures`` runs it.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

WIDTH: Final = 740
HEIGHT: Final = 330
LEFT: Final = 56
RIGHT: Final = 560
TOP: Final = 56
BOTTOM: Final = 276
HIGHEST: Final = 0.14
STEP: Final = 0.02
BACKGROUND: Final = "#ffffff"
INK: Final = "#24292f"
GRID: Final = "#d0d7de"
FONT: Final = 'font-family="system-ui, sans-serif" font-size="13"'
SERIES: Final = (
    ("best", "true best of each user", "#6e7781", "6 4"),
    ("take_rate", "what was shown", "#0550ae", ""),
    ("uniform", "uniform choice", "#6e7781", "2 4"),
)
"""Field of a day, label, colour, dashes."""


def svg(days: Sequence[Mapping[str, Any]], policy: str) -> str:
    """The picture, as text; days are those of the document, at least two."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {FONT} fill="{INK}">',
        f"<title>{_sentence(days, policy)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{BACKGROUND}"/>',
        f'<text x="{LEFT}" y="24" font-size="15" font-weight="600">Takes per impression, by day of the demo</text>',
    ]
    parts += _grid()
    parts += _explored(days)
    for field, label, colour, dashes in SERIES:
        parts += _line([float(day[field]) for day in days], label, colour, dashes)
    parts += [
        f'<text x="{_x(i, len(days)):g}" y="{BOTTOM + 20}" text-anchor="middle">{i + 1}</text>'
        for i in range(len(days))
    ]
    parts.append(f'<text x="{(LEFT + RIGHT) / 2:g}" y="{BOTTOM + 40}" text-anchor="middle">day</text>')
    return "\n".join([*parts, "</svg>", ""])


def _sentence(days: Sequence[Mapping[str, Any]], policy: str) -> str:
    first, last = days[0], days[-1]
    return (
        f"Take rate per day under {policy}: {first['take_rate']:.1%} on day 1, {last['take_rate']:.1%} on day {len(days)},"
        f" where uniform choice would have {last['uniform']:.1%} and the best artwork for each user {last['best']:.1%}"
    )


def _x(index: int, n_days: int) -> float:
    return round(LEFT + 16 + index * (RIGHT - LEFT - 32) / (n_days - 1), 1)


def _y(rate: float) -> float:
    return round(BOTTOM - rate / HIGHEST * (BOTTOM - TOP), 1)


def _grid() -> list[str]:
    lines = []
    for number in range(round(HIGHEST / STEP) + 1):
        rate = number * STEP
        lines.append(f'<line x1="{LEFT}" y1="{_y(rate):g}" x2="{RIGHT}" y2="{_y(rate):g}" stroke="{GRID}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{_y(rate) + 4:g}" text-anchor="end">{rate:.0%}</text>')
    return lines


def _explored(days: Sequence[Mapping[str, Any]]) -> list[str]:
    """A band behind the days before the policy was live: nobody asked the service, so they have no latency."""
    count = sum(float(day["p99_ms"]) == 0 for day in days)
    if not 0 < count < len(days):
        return []
    end = (_x(count - 1, len(days)) + _x(count, len(days))) / 2
    return [
        f'<rect x="{LEFT}" y="{TOP}" width="{end - LEFT:g}" height="{BOTTOM - TOP}" fill="#eaeef2" fill-opacity="0.7"/>',
        f'<text x="{(LEFT + end) / 2:g}" y="{TOP - 8}" text-anchor="middle">explore: uniform picks</text>',
        f'<text x="{(end + RIGHT) / 2:g}" y="{TOP - 8}" text-anchor="middle">live: learns every night</text>',
    ]


def _line(rates: Sequence[float], label: str, colour: str, dashes: str) -> list[str]:
    points = [(_x(index, len(rates)), _y(rate)) for index, rate in enumerate(rates)]
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>']
    if not dashes:
        parts += [
            f'<circle cx="{x:g}" cy="{y:g}" r="3.5" fill="{colour}"><title>day {index}: {rate:.2%}</title></circle>'
            for index, ((x, y), rate) in enumerate(zip(points, rates, strict=True), start=1)
        ]
    x, y = points[-1]
    parts.append(f'<text x="{x + 16:g}" y="{y + 4:g}" fill="{colour}">{label}</text>')
    return parts


if __name__ == "__main__":
    document = json.load(sys.stdin)
    sys.stdout.write(svg(document["days"], document["policy"]))
