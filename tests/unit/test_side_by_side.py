"""Offline beside online: who is found, which way round, what both together say, and how it is told."""

from dataclasses import replace
from typing import Any

import pytest
from scipy.stats import norm

from artwork.reports.live_tables import agreement_line, online_lines, online_sheet
from bandit.evaluation import Difference, Estimate, Evaluation, PolicyResult
from bandit.evaluation.live import LiveRate
from bandit.evaluation.overlap import INSUFFICIENT, OK
from batch.offline.live_pairs import OnlinePair
from batch.offline.side_by_side import (
    ABSENT,
    AGREE,
    BOTH_OPEN,
    DISAGREE,
    OFFLINE_OPEN,
    ONLINE_OPEN,
    REFUSED,
    SideBySide,
    beside,
)

Ends = tuple[float, float]
POLICY, AGAINST = "thompson", "epsilon_greedy:epsilon=0.1"


def online(ends: Ends | None = (0.01, 0.03), against: str = AGAINST) -> OnlinePair:
    lower, upper = ends or (None, None)
    difference = 0.02 if lower is None or upper is None else (lower + upper) / 2
    return OnlinePair(
        LiveRate(POLICY, 200, 9000, 0.1 + difference, 0.05, 0.2),
        LiveRate(against, 200, 9000, 0.1, 0.05, 0.2),
        difference,
        lower,
        upper,
        level=0.95,
        resamples=100,
        words=(POLICY, against),
        generations=3,
        days=3,
        first_day="2026-01-05",
        last_day="2026-01-07",
    )


def estimate(value: float | None, verdict: str = OK) -> Estimate:
    return Estimate(value, value, value, 0.95, 5000, 800.0, 9.0, verdict, 0.1 if value is None else None)


def result(policy: str, value: float | None, **more: Any) -> PolicyResult:
    verdict = OK if value is not None else f"{INSUFFICIENT}: few"
    return PolicyResult(policy, verdict, None, {"dr": estimate(value, verdict)}, {}, {}, [], {}, **more)


def difference(policy: str, against: str, ends: Ends | None) -> Difference:
    if ends is None:
        verdict = f"{INSUFFICIENT}: few"
        return Difference(policy, against, "dr", None, None, None, None, None, verdict, 0.01)
    lower, upper = ends
    return Difference(
        policy,
        against,
        "dr",
        (lower + upper) / 2,
        lower,
        upper,
        lower - 1,
        upper + 2,
        OK,
        None,
        sequence_lower=-3.0,
        sequence_upper=4.0,
    )


def offline(ends: Ends | None = (0.01, 0.03), against: str = AGAINST, **more: Any) -> Evaluation:
    """A log that judged both, the second named first as on a command line."""
    value = None if ends is None else 0.1
    results = [result("logging", 0.05), result(POLICY, 0.11, **more), result(against, value)]
    found = [difference(POLICY, "logging", (0.0, 0.1)), difference(POLICY, against, ends)]
    return Evaluation(5000, 4000, 0.95, 100, "dr", 2.0, results, found)


def both(offline_ends: Ends | None, online_ends: Ends | None = (0.01, 0.03), **more: Any) -> SideBySide:
    return beside(online(online_ends), offline(offline_ends, **more), before=True)


UP, DOWN, OPEN_UP, OPEN_DOWN = (0.01, 0.03), (-0.03, -0.01), (-0.01, 0.03), (-0.03, 0.01)


@pytest.mark.parametrize(
    ("offline_ends", "online_ends", "outcome", "sentence"),
    [
        (UP, UP, AGREE, f"offline and online agree: {POLICY} leads"),
        (DOWN, DOWN, AGREE, f"offline and online agree: {AGAINST} leads"),
        (UP, DOWN, DISAGREE, f"offline and online disagree: {POLICY} leads offline, {AGAINST} online"),
        (OPEN_UP, DOWN, OFFLINE_OPEN,
         f"{AGAINST} leads online; offline could not tell {POLICY} and {AGAINST} apart (the estimates have different signs)"),
        (DOWN, OPEN_DOWN, ONLINE_OPEN,
         f"{AGAINST} leads offline; online could not tell {POLICY} and {AGAINST} apart (the estimates have the same sign)"),
        (UP, None, ONLINE_OPEN,
         f"{POLICY} leads offline; online could not tell {POLICY} and {AGAINST} apart (the estimates have the same sign)"),
        (OPEN_UP, OPEN_UP, BOTH_OPEN,
         f"neither offline nor online could tell {POLICY} and {AGAINST} apart (the estimates have the same sign)"),
        (None, UP, REFUSED, f"offline the log could not judge {POLICY} and {AGAINST}: insufficient overlap: few"),
    ],
)  # fmt: skip
def test_what_both_say_together_is_one_word_and_one_sentence(
    offline_ends: Ends | None, online_ends: Ends | None, outcome: str, sentence: str
) -> None:
    found = both(offline_ends, online_ends)
    assert found.outcome == outcome
    assert agreement_line(found) == sentence


def test_a_log_that_met_too_few_rewards_tells_nothing_however_narrow_its_interval() -> None:
    found = both(UP, UP, caution="too few rewards")
    assert found.outcome == OFFLINE_OPEN
    assert f"offline: {POLICY}: too few rewards" in online_lines([found])


def test_a_policy_that_was_not_judged_offline_is_told_to_be_named() -> None:
    found = beside(online(against="greedy"), offline(), before=True)
    assert (found.outcome, found.offline, found.offline_detectable) == (ABSENT, None, None)
    assert agreement_line(found) == "thompson and greedy were not both judged offline; name both in --policies"
    assert [row[1:3] for row in online_sheet([found]).rows] == [("-", "-")] * 3


def test_another_spelling_of_a_policy_is_the_same_policy() -> None:
    found = beside(online(against="epsilon_greedy"), offline(against=AGAINST), before=True)
    assert found.outcome == AGREE
    other = beside(online(against="epsilon_greedy:epsilon=0.2"), offline(against=AGAINST), before=True)
    assert other.outcome == ABSENT


def test_a_name_that_is_no_word_of_ours_is_found_by_itself() -> None:
    assert beside(online(against="mine:Policy"), offline(against="mine:Policy"), before=True).outcome == AGREE


def test_a_difference_that_was_taken_the_other_way_round_is_turned() -> None:
    evaluation = offline()
    turned = difference(AGAINST, POLICY, (-0.03, -0.01))
    found = beside(online(), replace(evaluation, differences=[turned]), before=True)
    assert found.offline is not None
    assert found.outcome == AGREE
    assert found.offline.difference == Difference(
        POLICY, AGAINST, "dr", 0.02, 0.01, 0.03, 0.01 - 2, 0.03 + 1, OK, None, sequence_lower=-4.0, sequence_upper=3.0
    )


def test_the_smallest_difference_is_what_a_test_of_that_error_finds_four_times_in_five() -> None:
    found = both(UP, OPEN_UP)
    error = 0.04 / (2 * norm.ppf(0.975))
    assert found.online_detectable is not None
    assert 1 - norm.cdf(norm.ppf(0.975) - found.online_detectable / error) == pytest.approx(0.8, abs=1e-6)
    assert found.offline_detectable == pytest.approx(found.online_detectable / 2)
    assert both(UP, None).online_detectable is None
    assert (
        "smallest difference that is told four times in five: 1.429 points offline, 2.859 points online"
        in online_lines([found])
    )


def test_the_table_has_both_policies_and_their_difference() -> None:
    sheet = online_sheet([both(UP)])
    assert sheet.columns == (
        "live side by side", "offline", "95% interval", "online", "95% interval", "users", "impressions",
    )  # fmt: skip
    assert sheet.rows == [
        (POLICY, "11.000%", "11.000% to 11.000%", "12.000%", "5.000% to 20.000%", "200", "9,000"),
        (AGAINST, "10.000%", "10.000% to 10.000%", "10.000%", "5.000% to 20.000%", "200", "9,000"),
        ("difference", *("+2.000 points (+20.0%)", "+1.000 to +3.000") * 2, "", ""),
    ]
    refused = online_sheet([both(None, None)])
    assert [row[1] for row in refused.rows] == ["11.000%", "refused", "refused"]
    assert refused.rows[2][4] == "-"


def test_a_log_that_holds_the_live_days_is_told_to_be_one() -> None:
    after = beside(online(), offline(), before=False)
    hint = "offline is judged with what came online: --until DAY judges by the days before"
    assert hint in online_lines([after])
    assert hint not in online_lines([both(UP)])
    few = replace(online(None), against=LiveRate(AGAINST, 12, 300, 0.1, None, None))
    assert "online: a variant has fewer than 30 users, too few for an interval" in online_lines(
        [beside(few, offline(), before=True)]
    )
