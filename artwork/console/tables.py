"""Tables of texts, which terminals and pages both show."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

_WIDTH: Final = 150
"""Where there is no terminal."""
_LEAST_WIDTH: Final = 100


@dataclass(frozen=True)
class Sheet:
    """A table of texts; every row has a cell for every column. Columns from ``numbers_from`` on stand to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers_from: int | None = None


def printed(sheet: Sheet) -> str:
    """A sheet as lines: as wide as the terminal, and of a fixed width without colours elsewhere."""
    table = Table(*sheet.columns, box=SIMPLE_HEAD, pad_edge=False)
    for column in () if sheet.numbers_from is None else table.columns[sheet.numbers_from :]:
        column.justify = "right"
    for row in sheet.rows:
        table.add_row(*row)
    terminal = Console()
    # Not captured on the way to standard output, which rich would touch: it may be closed, or its disk full.
    paper = _Paper()
    Console(
        file=paper,
        width=max(terminal.width, _LEAST_WIDTH) if terminal.is_terminal else _WIDTH,
        force_terminal=terminal.is_terminal,
        no_color=not terminal.is_terminal,
        highlight=False,
        markup=False,
    ).print(table)
    return "\n".join(line.rstrip() for line in paper.getvalue().rstrip("\n").splitlines())


class _Paper(StringIO):
    """Text in memory, for a terminal of the encoding that standard output has: frames are drawn with letters that it knows."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # nobody sets it
        return sys.stdout.encoding or "utf-8"
