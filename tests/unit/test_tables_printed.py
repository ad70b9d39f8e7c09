"""Tables on terminals of any width: nothing is ever cut."""

import pytest

from artwork.bench.serving.table import CLOSED, OPEN
from artwork.console.tables import Sheet, column_widths, printed

LONG = "epsilon_greedy(epsilon=0.05)"
SHEETS = {
    "two columns": Sheet(("name", "value"), [("a", "1.25"), ("b", "-")]),
    "long words": Sheet(
        ("policy", "a long heading", "95% interval"), [(LONG, "+0.123", "+0.456 to +0.789 points")] * 3
    ),
    "many columns": Sheet(
        CLOSED, [tuple(f"{place}{'9' * place},000 ({place}–{place})" for place in range(len(CLOSED)))]
    ),
    "the same twice": Sheet(OPEN, [("thompson",) * len(OPEN)] * 2, numbers_from=1),
    "empty headings": Sheet(("", "artwork", ""), [("→", "m1-a1", ""), ("", "m1-a2 (retired)", "now")]),
    "wide letters": Sheet(("名前", "β ± 1"), [("東京" * 20, "1.0 ± 0.1")]),
    "no rows": Sheet(("a", "b"), []),
    "sentences": Sheet(("policy", "verdict"), [(LONG, "it cannot be judged by this log " * 9)]),
}


@pytest.mark.parametrize("columns", ["20", "40", "80", "100", "150"])
@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_every_word_of_every_cell_is_there_whole_at_any_width(
    sheet: Sheet, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = printed(sheet)
    words = [word for row in sheet.rows for cell in row for word in cell.split()]
    for word in words:
        assert word in shown
    assert "…" not in shown


@pytest.mark.parametrize("columns", ["60", "80", "100", "150"])
@pytest.mark.parametrize("name", [name for name in SHEETS if name != "wide letters"])
def test_no_line_is_wider_than_the_terminal(name: str, columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert max(map(len, printed(SHEETS[name]).splitlines()), default=0) <= int(columns)


def test_a_table_that_fits_is_a_table_and_one_that_does_not_is_a_block_for_each_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sheet = Sheet(("policy", "value", "verdict"), [("thompson", "12.345%", "better"), ("greedy", "1%", "")])
    monkeypatch.setenv("COLUMNS", "80")
    assert [line.split() for line in printed(sheet).splitlines()[-2:]] == [
        ["thompson", "12.345%", "better"],
        ["greedy", "1%"],
    ]
    monkeypatch.setenv("COLUMNS", "20")
    assert printed(sheet).strip("\n").splitlines() == [
        "policy   thompson",
        "value    12.345%",
        "verdict  better",
        "",
        "policy   greedy",
        "value    1%",
    ]


@pytest.mark.parametrize("given", ["", "wide", "0", "-80", "80.5"])
def test_a_width_that_is_none_is_the_usual_one(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    usual = printed(SHEETS["sentences"])
    monkeypatch.setenv("COLUMNS", given)
    assert printed(SHEETS["sentences"]) == usual


def test_spare_room_goes_to_the_columns_that_are_the_most_broken() -> None:
    sheet = Sheet(("a", "b"), [("one two three", "4")])
    assert column_widths(sheet, 100) == [13, 1]
    assert column_widths(sheet, 12) == [6, 1]
    assert column_widths(sheet, 10) is None
