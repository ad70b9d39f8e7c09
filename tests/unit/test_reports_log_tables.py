"""What `artwork compare` says in words: why policies are refused, and the ranking as far as the log tells it."""

import pytest

from artwork.reports.log_tables import PLAIN, SHARES, Unit, differences_sheet, refusal_lines, verdict_line
from bandit.evaluation import Estimate
from bandit.evaluation.overlap import INSUFFICIENT
from bandit.evaluation.results import Difference, Evaluation, PolicyResult

TELLS = "the log tells"
REFUSED = f"{INSUFFICIENT}: too few own rewards"


def _result(policy: str, verdict: str = TELLS, caution: str = "") -> PolicyResult:
    return PolicyResult(policy, verdict, None, {}, {}, {}, [], {}, caution)


def _lead(policy: str, lower: float | None, upper: float | None, caution: str = "") -> Difference:
    return Difference(policy, "logged", "dr", 0.1, lower, upper, lower, upper, TELLS, None, caution)


def _evaluation(results: list[PolicyResult], differences: list[Difference]) -> Evaluation:
    return Evaluation(1000, 900, 0.95, 200, "dr", 2.0, [_result("logged"), *results], differences)


def test_policies_are_ranked_by_the_ends_of_their_adjusted_intervals() -> None:
    results = [_result(name) for name in ("good", "bad", "unclear")]
    leads = [_lead("good", 0.01, 0.2), _lead("bad", -0.2, -0.01), _lead("unclear", -0.1, 0.1)]
    assert verdict_line(_evaluation(results, leads)) == (
        "good would have done better than what was logged; bad would have done worse;"
        " unclear cannot be told from what was logged"
    )


def test_a_difference_with_a_caution_is_not_ranked_though_its_interval_is_above_zero() -> None:
    evaluation = _evaluation([_result("thompson")], [_lead("thompson", 0.01, 0.2, "two more rewards would turn it")])
    assert verdict_line(evaluation) == "thompson not ranked: see the cautions"
    assert refusal_lines(evaluation) == ["thompson minus logged: two more rewards would turn it"]


def test_a_policy_with_a_caution_of_its_own_is_told_once() -> None:
    results = [_result("thompson", caution="few rewards"), _result("greedy")]
    leads = [_lead("thompson", 0.01, 0.2, "few rewards on either side"), _lead("greedy", 0.01, 0.2)]
    evaluation = _evaluation(results, leads)
    assert refusal_lines(evaluation) == ["thompson: few rewards"]
    assert verdict_line(evaluation) == (
        "greedy would have done better than what was logged; thompson not ranked: see the cautions"
    )


def test_a_refused_policy_is_named_with_its_reason_and_never_ranked() -> None:
    evaluation = _evaluation([_result("greedy", REFUSED)], [_lead("greedy", None, None, "few rewards")])
    assert refusal_lines(evaluation)[0] == f"greedy: {REFUSED}"
    assert verdict_line(evaluation) == "greedy cannot be judged by this log"


def test_nothing_compared_is_said() -> None:
    assert verdict_line(_evaluation([], [])) == "nothing was compared"


@pytest.mark.parametrize(
    ("unit", "value", "against", "shown"),
    [
        (SHARES, 0.0123, 0.0615, "+1.230 points (+20.0%)"),
        (SHARES, -0.0123, 0.0615, "-1.230 points (-20.0%)"),
        (SHARES, 0.0123, None, "+1.230 points"),
        (SHARES, 0.0123, 0.0, "+1.230 points"),
        (SHARES, None, 0.0615, "-"),
        (PLAIN, 12.5, 50.0, "+12.5 (+25.0%)"),
        (PLAIN, 12.5, -50.0, "+12.5"),
    ],
)
def test_a_difference_of_shares_is_in_points_with_the_relative_one_beside_it(
    unit: Unit, value: float | None, against: float | None, shown: str
) -> None:
    assert unit.lead(value, against) == shown


def test_an_interval_of_differences_is_in_points_and_one_of_values_in_percent() -> None:
    assert SHARES.lead_span(-0.01, 0.02) == "-1.000 to +2.000"
    assert SHARES.span(0.01, 0.02) == "1.000% to 2.000%"
    assert SHARES.size(0.005) == "0.500 points"
    assert PLAIN.lead_span(None, 1.0) == "-"


def test_the_table_of_differences_has_the_lead_in_relation_to_what_it_is_over() -> None:
    evaluation = _evaluation([_result("thompson")], [_lead("thompson", 0.05, 0.15)])
    evaluation.results[0].estimates["dr"] = Estimate(0.5, 0.4, 0.6, 0.95, 900, None, None, TELLS, None)
    [row] = differences_sheet(evaluation).rows
    assert row[2:5] == ("+10.000 points (+20.0%)", "+5.000 to +15.000", "+5.000 to +15.000")
