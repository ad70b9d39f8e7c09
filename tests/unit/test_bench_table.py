"""A report as text: figures, targets and what to know, each where it belongs."""

import pytest

from artwork.bench.kernels.results import Row, report
from artwork.bench.kernels.table import render
from artwork.bench.machine import Machine
from artwork.bench.rivals import INSTALL
from artwork.bench.targets import Target
from artwork.bench.timing import Pace, Spread

MACHINE = Machine("Some Processor", 2, "Linux", "3.11.7", "openblas", {"numpy": "2.4.6", "mabwiser": None})
OURS, THEIRS = Spread(1_250_000, 1_200_000, 1_300_000), Spread(500_000, 400_000, 600_000)
COMPARED = Row("decisions", "5 x", "decisions/s", OURS, "mabwiser", THEIRS, Spread(2.5, 2.0, 3.25), note="draws")
MISSING = Row("decisions", "5 x", "decisions/s", OURS, "other", note=INSTALL)
ALONE = Row("scores", "all", "scores/s", Spread(35.2, 1.0, 1040), about="blocks of 256")


def text(*rows: Row) -> list[str]:
    return render(report(MACHINE, Pace(9, 0.1), list(rows))).splitlines()


def line(lines: list[str], word: str) -> str:
    return next(found for found in lines if word in found)


def test_the_machine_and_the_method_come_first() -> None:
    first, second = text(ALONE)[:2]
    assert first == "Some Processor, one of 2 cores; Python 3.11.7; openblas; numpy 2.4.6, mabwiser not installed"
    assert "medians of 9 runs of at least 0.1 s" in second


def test_a_rival_stands_beside_ours_with_ratio_and_target() -> None:
    shown = line(text(COMPARED.judged(Target(2, 6))), "mabwiser  ")
    for part in ("1.25 M (1.2–1.3)", "500 k (400–600)", "2.50 x (2.00–3.25)", "2 x (6 x): met"):
        assert part in shown


def test_a_rival_that_is_missing_says_how_to_install_it() -> None:
    assert INSTALL in line(text(COMPARED, MISSING), "other ")


def test_what_holds_for_every_case_of_a_rival_is_said_once() -> None:
    other = Row("decisions", "25 x", "decisions/s", OURS, "mabwiser", THEIRS, Spread(1, 1, 1), note="draws")
    assert text(COMPARED, other).count("  mabwiser: draws") == 1
    apart = Row("decisions", "25 x", "decisions/s", OURS, "mabwiser", THEIRS, Spread(1, 1, 1), note="more")
    assert {"  mabwiser, 5 x: draws", "  mabwiser, 25 x: more"} <= set(text(COMPARED, apart))


def test_a_part_without_rivals_has_no_columns_for_them() -> None:
    lines = text(ALONE)
    assert "theirs" not in line(lines, "unit")
    assert "35.2 (1–1,040)" in line(lines, "scores/s")
    assert "  all: blocks of 256" in lines


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.99, "missed"), (2.0, "met"), (5.99, "met"), (6.0, "aim reached"), (9.0, "aim reached")]
)
def test_a_ratio_is_judged_by_what_is_required_and_by_the_aim(ratio: float, verdict: str) -> None:
    assert Target(2, 6).verdict(ratio) == verdict


def test_the_last_line_is_the_verdict() -> None:
    assert text(COMPARED)[-1].startswith("nothing was judged")
    assert text(COMPARED.judged(Target(2, 6)))[-1].startswith("every ratio")
    assert text(COMPARED.judged(Target(3, 6)))[-1] == "failed: decisions beside mabwiser"
