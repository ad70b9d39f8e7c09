"""Reports as one HTML file that needs no network, in the style of the page."""

from collections.abc import Collection, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Final

from bandit.errors import SurroundingsError

_TOKENS_END: Final = "\n*,\n"
"""Where style.css goes on from its tokens to its rules."""

_STYLE: Final = """
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 76rem; padding: 2.5rem clamp(1rem, 4vw, 3rem) 5rem; background: var(--ground);
  color: var(--text); font: 400 var(--size-text)/1.55 var(--sans); font-variant-numeric: tabular-nums }
h1 { margin: 0 0 1rem; font-size: var(--size-display); letter-spacing: -.02em; line-height: 1.12 }
h2 { margin: 3rem 0 .75rem; font-size: var(--size-heading); letter-spacing: -.012em }
p, li { max-width: 78ch }
figure { margin: 1.5rem 0 }
table { border-collapse: collapse; margin: 1rem 0; font-size: var(--size-small) }
th, td { padding: .45rem .8rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th { color: var(--text-quiet); font-weight: 540 }
td:first-child, td.text, th.text { text-align: left }
.wraps td { vertical-align: top }
.wraps td.text { white-space: normal; max-width: 30rem }
tr.missed td:last-child { color: var(--bad); font-weight: 640 }
.scroll { overflow-x: auto }
.verdict { max-width: none; padding: 1rem 1.25rem; border: 1px solid var(--line); border-left: 4px solid var(--good);
  border-radius: var(--radius); background: var(--ground-high); font-size: var(--size-lead) }
.verdict.missed { border-left-color: var(--bad) }
code { padding: .1rem .35rem; border-radius: 4px; background: var(--ground-higher); font-family: var(--mono) }
summary { min-height: var(--target); padding: 10px 0; color: var(--text-quiet); cursor: pointer }
.chart-title { font-weight: 600 }
.chart .chart-picture { position: static; display: block; min-width: 640px; height: auto }
.chart .told { fill: transparent }
.chart .told:hover { fill: currentcolor }
.chart .stroke.thin { stroke-width: 1.5 }
.chart .band { fill: currentcolor; fill-opacity: .16 }
.rule path { stroke: var(--line-strong); stroke-dasharray: 3 4 }
"""


@cache
def style() -> str:
    """The tokens of the page, its charts, and what reports have of their own."""
    static = files("artwork.web") / "static"
    tokens, _, _ = (static / "style.css").read_text(encoding="utf-8").partition(_TOKENS_END)
    return tokens + (static / "charts" / "charts.css").read_text(encoding="utf-8") + _STYLE


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
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{style()}</style></head><body>{''.join(parts)}</body></html>"
    )


def comparison(
    heading: str,
    found: str,
    sections: Sequence[tuple[str, str]],
    again: str,
    *,
    missed: bool,
    name: str = "artwork compare",
) -> str:
    """A page of a command: a heading, what was found in one sentence, sections, and the command that repeats it.

    Sections are titles and HTML; those without any are left out.
    """
    parts = [
        f"<h1>{escape(heading)}</h1>",
        verdict(found, missed=missed),
        *(f"<h2>{title}</h2>{body}" for title, body in sections if body),
        f"<p>To repeat it: <code>{escape(again)}</code></p>",
    ]
    return page(name, parts)


def verdict(text: str, *, missed: bool) -> str:
    """A sentence that stands out."""
    kind = "verdict missed" if missed else "verdict"
    return f'<p class="{kind}">{escape(text)}</p>'


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    texts: Collection[str] = (),
    missed: Collection[str] = (),
    *,
    wraps: bool = False,
) -> str:
    """A table of texts; ``texts`` names columns that stand to the left, rows whose last cell is in ``missed`` stand out.

    Where it ``wraps``, those columns hold sentences, which break into lines.
    """
    left = {place for place, name in enumerate(columns) if name in texts}
    header = "".join(_cell("th", name, place in left) for place, name in enumerate(columns))
    body = "".join(_row(row, left, row[-1] in missed) for row in rows)
    kind = ' class="wraps"' if wraps else ""
    return f'<div class="scroll"><table{kind}><tr>{header}</tr>{body}</table></div>'


def listing(lines: Sequence[str]) -> str:
    """A list of sentences."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _row(row: Sequence[str], left: set[int], is_missed: bool) -> str:
    cells = "".join(_cell("td", cell, place in left) for place, cell in enumerate(row))
    kind = ' class="missed"' if is_missed else ""
    return f"<tr{kind}>{cells}</tr>"


def _cell(tag: str, text: str, is_text: bool) -> str:
    kind = ' class="text"' if is_text else ""
    return f"<{tag}{kind}>{escape(text)}</{tag}>"
