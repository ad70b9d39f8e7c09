"""Worlds that try answers, judged: wrong and too narrow fails, too wide is a miss of the band that is told apart."""

import pytest

from artwork.bench.evaluation.run import judge_trust
from artwork.bench.evaluation.table import verdict_line
from bandit.simulation.studies.trust import TrustRow


@pytest.mark.parametrize(
    ("unflagged", "held", "wrong", "verdicts", "is_reached"),
    [
        (0.9, 0.96, 0.036, ["met", "met"], True),
        (0.9, 0.93, 0.05, ["met", "met"], True),
        (0.9, 0.985, 0.014, ["met", "conservative"], True),
        (0.6, 0.92, 0.048, ["met", "missed"], False),
        (0.9, 0.93, 0.063, ["missed", "met"], False),
        (0.49, 0.5, 0.051, ["missed"], False),
        (0.49, 0.999, 0.001, ["met"], True),
        (0.0, float("nan"), 0.0, ["met"], True),
    ],
)
def test_a_world_is_judged_on_both_sides_and_fails_on_one(
    unflagged: float, held: float, wrong: float, verdicts: list[str], is_reached: bool
) -> None:
    found = judge_trust(TrustRow("somewhere", "value", 500, unflagged, held, wrong))
    assert [each.verdict for each in found] == verdicts
    assert all(each.is_reached for each in found) == is_reached


@pytest.mark.parametrize(("wrong", "verdict"), [(0.06, "met"), (0.061, "missed")])
def test_a_ranking_has_no_band(wrong: float, verdict: str) -> None:
    found = judge_trust(TrustRow("somewhere", "ranking", 500, 1.0, 1 - wrong, wrong))
    assert [each.verdict for each in found] == [verdict]


def test_the_last_lines_tell_what_is_too_narrow_from_what_is_too_wide() -> None:
    fine = judge_trust(TrustRow("fine", "value", 500, 0.9, 0.96, 0.036))
    assert verdict_line(fine) == "every target is reached"
    wide = judge_trust(TrustRow("wide", "value", 500, 0.9, 0.991, 0.008))
    narrow = judge_trust(TrustRow("narrow", "lead", 500, 0.9, 0.9, 0.09))
    assert verdict_line([*fine, *wide]).splitlines() == [
        "3 of 4 targets are reached",
        "conservative, held more often than the band says: value, wide: held: 0.991",
    ]
    assert verdict_line([*fine, *wide, *narrow]).splitlines() == [
        "3 of 6 targets are reached",
        "failed: lead, narrow: wrong and unflagged: 0.09; lead, narrow: held: 0.9",
        "conservative, held more often than the band says: value, wide: held: 0.991",
    ]
