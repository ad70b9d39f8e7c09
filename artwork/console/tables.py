"""Tables of texts, which terminals and pages both show."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

from artwork.console import output

_WIDTH = 150


@dataclass(frozen=True)
class Sheet:
    """A table of texts; every row has a cell a column."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def printed(sheet: Sheet) -> str:
    """A sheet as lines."""
    table = Table(*sheet.columns, box=SIMPLE_HEAD, pad_edge=False)
    for row in sheet.rows:
        table.add_row(*row)
    return as_text(table)


def as_text(table: Table) -> str:
    """A table as lines: as wide as the terminal, and of a fixed width without colours elsewhere."""
    return "\n".join(line.rstrip() for line in output.printed(table, _WIDTH, least=100, markup=False).splitlines())
