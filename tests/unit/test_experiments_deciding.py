"""The first verdict that matches, and what it says."""

import math
from dataclasses import asdict
from typing import Any

import pytest

from bandit.errors import InputError
from bandit.experiments import AnyLook, Effect, Metric, PlannedLook, QualityCheck, decide
from bandit.experiments.effects import effect_of


def effect(value: float, error: float = 0.1, caution: str = "") -> Effect:
    return effect_of(value, error, math.inf, 0.95, (5000, 5000), caution=caution)


BETTER, FLAT, WORSE, WIDE = effect(0.5), effect(0.05), effect(-0.5), effect(0.5, 1.0)
FAILED = QualityCheck("sample ratio", passed=False, text="p = 0.00001")


def guardrail(value: Effect, name: str = "watch time") -> Metric:
    return Metric(name, value, "guardrail", margin=0.3)


CASES: dict[str, tuple[list[Metric], list[QualityCheck], str, str]] = {
    "a failed check comes before everything": (
        [Metric("takes", WORSE)],
        [FAILED],
        "INVALID",
        "quality: sample ratio failed",
    ),
    "a passed check stops nothing": ([Metric("takes", BETTER)], [QualityCheck("x", passed=True)], "SHIP", "takes"),
    "a worse primary metric": ([Metric("takes", WORSE)], [], "ROLL BACK", "takes"),
    "a primary metric that is worse within its margin": ([Metric("takes", WORSE, margin=0.6)], [], "NEUTRAL", "takes"),
    "one that is to fall and rises": ([Metric("start-up time", BETTER, direction="down")], [], "ROLL BACK", "start-up"),
    "one that is to fall and falls": ([Metric("start-up time", WORSE, direction="down")], [], "SHIP", "start-up time"),
    "a worse guardrail before a better metric": (
        [Metric("takes", BETTER), guardrail(effect(-0.6))],
        [],
        "ROLL BACK",
        "watch time",
    ),
    "a guardrail that is kept": ([Metric("takes", BETTER), guardrail(FLAT)], [], "SHIP", "takes"),
    "a guardrail that is a little worse": (
        [Metric("takes", BETTER), guardrail(effect(-0.2, 0.04))],
        [],
        "SHIP",
        "takes",
    ),
    "a guardrail that nobody can tell": ([Metric("takes", BETTER), guardrail(WIDE)], [], "HOLD", "watch time"),
    "a guardrail that ends at its margin": (
        [Metric("takes", BETTER), guardrail(effect(-0.3, 0.04))],
        [],
        "NEUTRAL",
        "watch time",
    ),
    "nothing to be seen yet": ([Metric("takes", effect(0.2, 0.3))], [], "HOLD", "takes: the interval is"),
    "nothing to be seen": ([Metric("takes", FLAT)], [], "NEUTRAL", "takes"),
    "a proxy decides nothing": ([Metric("takes", FLAT), Metric("clicks", WORSE, "proxy")], [], "NEUTRAL", "takes"),
    "one better and one worse metric": ([Metric("takes", BETTER), Metric("visits", WORSE)], [], "ROLL BACK", "visits"),
    "one better and one flat metric": ([Metric("takes", FLAT), Metric("visits", BETTER)], [], "SHIP", "visits"),
    "a smallest effect of its own": ([Metric("takes", FLAT, smallest_effect=0.01)], [], "HOLD", "takes: the interval"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_first_verdict_that_matches(case: str) -> None:
    metrics, quality, verdict, reason = CASES[case]
    decision = decide(metrics, quality, smallest_effect=0.4)
    assert decision.verdict == verdict
    assert decision.reasons[0].startswith(reason)


def test_a_decision_is_the_same_each_time() -> None:
    metrics = [Metric("takes", BETTER), guardrail(FLAT), Metric("clicks", WORSE, "proxy")]
    assert asdict(decide(metrics, smallest_effect=0.4)) == asdict(decide(metrics, smallest_effect=0.4))


def test_primary_metrics_share_the_level_by_holms_steps() -> None:
    clear, near = effect(0.30), effect(0.21)  # p of 0.003 and 0.036
    assert decide([Metric("takes", near)]).verdict == "SHIP"
    alone = decide([Metric("takes", near), Metric("visits", FLAT)])
    assert alone.verdict == "NEUTRAL"
    both = decide([Metric("takes", near), Metric("visits", clear)])
    assert [metric.is_better for metric in both.metrics] == [True, True]
    three = decide([Metric("takes", near), Metric("visits", clear), Metric("hours", FLAT)])
    assert [metric.is_better for metric in three.metrics] == [False, True, False]


def test_guardrails_share_the_level_of_being_worse_and_not_that_of_being_kept() -> None:
    near = effect(-0.3 - 0.21)
    assert decide([Metric("takes", BETTER), guardrail(near)]).verdict == "ROLL BACK"
    many = [guardrail(FLAT, f"guardrail {place}") for place in range(4)]
    assert decide([Metric("takes", BETTER), guardrail(near), *many]).verdict != "ROLL BACK"
    assert decide([Metric("takes", BETTER), *many]).metrics[1].level == 0.95


def test_looks_that_are_freer_ship_later() -> None:
    metrics = [Metric("takes", effect(0.24))]
    verdicts = [
        decide(metrics, look=look).verdict for look in (None, PlannedLook((0.5,), "obrien_fleming"), AnyLook(10_000))
    ]
    assert verdicts == ["SHIP", "NEUTRAL", "NEUTRAL"]


def test_cautions_are_told_with_the_verdict() -> None:
    decision = decide([Metric("takes", effect(0.5, caution="12 users"))])
    assert decision.verdict == "SHIP"
    assert decision.reasons[-1] == "takes: caution: 12 users"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no primary metric": ({"metrics": [Metric("clicks", FLAT, "proxy")]}, "metrics are clicks, expected at least one"),
    "no metric": ({"metrics": []}, "metrics are none"),
    "a name twice": ({"metrics": [Metric("takes", FLAT), guardrail(FLAT, "takes")]}, "'takes' more than once"),
    "a level in percent": ({"metrics": [Metric("takes", FLAT)], "level": 95}, "level is 95"),
    "a smallest effect of 0": ({"metrics": [Metric("takes", FLAT)], "smallest_effect": 0}, "smallest_effect is 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_decided_is_refused(case: str) -> None:
    arguments, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        decide(**arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"role": "secondary"}, "role of takes is 'secondary'"),
        ({"direction": "+"}, "direction is '\\+'"),
        ({"margin": -0.1}, "margin of takes is -0.1"),
        ({"margin": math.nan}, "margin of takes is nan"),
        ({"role": "guardrail"}, "margin of takes is 0.0, expected above 0"),
        ({"smallest_effect": -1.0}, "smallest_effect of takes is -1.0"),
    ],
)
def test_a_metric_says_what_is_wrong_with_it(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Metric("takes", FLAT, **changed)
