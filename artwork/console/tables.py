"""Tables of texts, which terminals and pages both show."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from textwrap import wrap
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

_WIDTH: Final = 150
"""Where there is no terminal, and COLUMNS does not say it."""
_GAP: Final = 3
"""Between two columns, with a column of frame at both ends of a line."""
_NARROWEST: Final = 20


@dataclass(frozen=True)
class Sheet:
    """A table of texts; every row has a cell for every column. Columns from ``numbers_from`` on stand to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers_from: int | None = None


def printed(sheet: Sheet) -> str:
    """A sheet as lines: as wide as the terminal, and of a fixed width without colours elsewhere.

    Nothing is ever cut. Cells break between words; where even that does not fit, each row is a block of lines.
    """
    terminal = Console()
    width = max(_NARROWEST, terminal.width if terminal.is_terminal else _given_width())
    widths = column_widths(sheet, width)
    if widths is None:
        return _blocks(sheet, width)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    first_number = len(widths) if sheet.numbers_from is None else sheet.numbers_from
    for place, (name, column_width) in enumerate(zip(sheet.columns, widths, strict=True)):
        table.add_column(name, width=column_width, justify="right" if place >= first_number else "left")
    for row in sheet.rows:
        table.add_row(*row)
    # Not captured on the way to standard output, which rich would touch: it may be closed, or its disk full.
    paper = _Paper()
    Console(
        file=paper,
        width=width,
        force_terminal=terminal.is_terminal,
        no_color=not terminal.is_terminal,
        highlight=False,
        markup=False,
    ).print(table)
    return "\n".join(line.rstrip() for line in paper.getvalue().rstrip("\n").splitlines())


def column_widths(sheet: Sheet, width: int) -> list[int] | None:
    """Widths of columns in which no word is broken; None where there are none within a width.

    >>> column_widths(Sheet(("name", "a number"), [("two words", "12")]), 20)
    [9, 6]
    """
    columns = list(zip(sheet.columns, *sheet.rows, strict=True))
    whole = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]
    widths = [max((cell_len(word) for cell in column for word in cell.split()), default=0) for column in columns]
    spare = width - _GAP * len(columns) + 1 - sum(widths)
    if spare < 0:
        return None
    for _ in range(min(spare, sum(whole) - sum(widths))):
        place = max(range(len(columns)), key=lambda place: whole[place] - widths[place])
        widths[place] += 1
    return widths


def _blocks(sheet: Sheet, width: int) -> str:
    """A block of lines for each row: the name of a column, and what stands in it."""
    margin = min(max(map(len, sheet.columns)), width // 2) + 2
    blocks = []
    for row in sheet.rows:
        cells = [(name, cell) for name, cell in zip(sheet.columns, row, strict=True) if cell]
        blocks.append("\n".join(_block_line(name, cell, margin, width) for name, cell in cells))
    return "\n" + "\n\n".join(blocks) + "\n"


def _block_line(name: str, cell: str, margin: int, width: int) -> str:
    names = wrap(name, margin - 2) or [""]
    texts = wrap(cell, width - margin, break_long_words=False, break_on_hyphens=False) or [""]
    lines = max(len(names), len(texts))
    names, texts = names + [""] * (lines - len(names)), texts + [""] * (lines - len(texts))
    return "\n".join(f"{left:{margin}}{right}".rstrip() for left, right in zip(names, texts, strict=True))


def _given_width() -> int:
    """What COLUMNS says, where it says a number."""
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isdecimal() and len(text) < 6 and int(text) else _WIDTH


class _Paper(StringIO):
    """Text in memory, for a terminal of the encoding that standard output has: frames are drawn with letters that it knows."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # nobody sets it
        return sys.stdout.encoding or "utf-8"
