"""What `artwork compare` says in words: why policies are refused, and the ranking as far as the log tells it."""

from artwork.reports.log_tables import refusal_lines, verdict_line
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
