"""Reports as one HTML file that needs no network: plotly's script is inside."""

from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from bandit.errors import SurroundingsError

_COLOURS: Final = (
    "#5b6472", "#1f77b4", "#d1495b", "#2a9d8f", "#e09f3e", "#7b5ea7", "#8d6e63", "#4d908e", "#c2185b", "#9e9d24",
)  # fmt: skip
DOTTED: Final = {"dash": "dot", "color": "#888"}
"""A line that others are seen beside."""

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1c1e21 }
table { border-collapse: collapse; margin: 1rem 0; font-size: 14px }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #dcdfe4; text-align: right; white-space: nowrap }
th { background: #f3f4f6 }
td.text, th.text { text-align: left }
tr.missed td:last-child { color: #b00020; font-weight: 600 }
.scroll { overflow-x: auto }
.verdict { padding: .8rem 1rem; border-left: 4px solid #1a7f37; background: #eef7f0 }
.verdict.missed { border-color: #b00020; background: #fbeef0 }
code { background: #f3f4f6; padding: .1rem .3rem }
"""


def write_page(path: Path, page: str) -> None:
    """Write a page, with the folders that it needs.

    Raises:
        SurroundingsError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8", errors="xmlcharrefreplace")  # names of files may be no text
    except OSError as error:
        raise SurroundingsError(
            f"cannot write the page {path}: {error}; check the disk and the folder's permissions"
        ) from error


def page(title: str, parts: Sequence[str]) -> str:
    """A whole page of parts that are HTML."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head><body>{''.join(parts)}</body></html>"
    )


def comparison(heading: str, found: str, sections: Sequence[tuple[str, str]], again: str, *, missed: bool) -> str:
    """A page of ``artwork compare``: a heading, what was found in one sentence, sections, and the command that repeats it.

    Sections are titles and HTML; those without any are left out.
    """
    parts = [
        f"<h1>{escape(heading)}</h1>",
        verdict(found, missed=missed),
        *(f"<h2>{title}</h2>{body}" for title, body in sections if body),
        f"<p>To repeat it: <code>{escape(again)}</code></p>",
    ]
    return page("artwork compare", parts)


def verdict(text: str, *, missed: bool) -> str:
    """A sentence that stands out."""
    kind = "verdict missed" if missed else "verdict"
    return f'<p class="{kind}">{escape(text)}</p>'


def chart(figure: go.Figure, height: int = 480) -> str:
    """A figure, its legend below it."""
    margin = {"t": 60 if figure.layout.title.text else 20, "b": 40, "l": 40, "r": 20}
    figure.update_layout(template="plotly_white", height=height, legend={"orientation": "h", "y": -0.2}, margin=margin)
    return str(figure.to_html(full_html=False, include_plotlyjs=False))


def add_intervals(
    figure: go.Figure,
    marks: Sequence[tuple[float | str, float, float, float]],
    factor: float,
    whiskers: Mapping[str, float] = MappingProxyType({}),
    **style: Any,
) -> None:
    """Points with a whisker to both ends of their interval: place, value, lower and upper end each, times a factor."""
    figure.add_scatter(
        x=[factor * value for _, value, _, _ in marks],
        y=[place for place, _, _, _ in marks],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [factor * (upper - value) for _, value, _, upper in marks],
            "arrayminus": [factor * (value - lower) for _, value, lower, _ in marks],
            **whiskers,
        },
        mode="markers",
        **style,
    )


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], texts: Collection[str] = (), missed: Collection[str] = ()
) -> str:
    """A table of texts; ``texts`` names columns that stand to the left, rows whose last cell is in ``missed`` stand out."""
    left = {place for place, name in enumerate(columns) if name in texts}
    header = "".join(_cell("th", name, place in left) for place, name in enumerate(columns))
    body = "".join(_row(row, left, row[-1] in missed) for row in rows)
    return f'<div class="scroll"><table><tr>{header}</tr>{body}</table></div>'


def listing(lines: Sequence[str]) -> str:
    """A list of sentences."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def colour_of(place: int) -> str:
    """The colour of a line or bar by its place; they begin again after ten."""
    return _COLOURS[place % len(_COLOURS)]


def _row(row: Sequence[str], left: set[int], is_missed: bool) -> str:
    cells = "".join(_cell("td", cell, place in left) for place, cell in enumerate(row))
    kind = ' class="missed"' if is_missed else ""
    return f"<tr{kind}>{cells}</tr>"


def _cell(tag: str, text: str, is_text: bool) -> str:
    kind = ' class="text"' if is_text else ""
    return f"<{tag}{kind}>{escape(text)}</{tag}>"
