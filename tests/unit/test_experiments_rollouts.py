"""A treatment whose share grows: effects are those of the same days, errors those of users, and its share moves by the rules."""

from typing import Any

import numpy as np
import pytest

from bandit.arrays import F64, I64, Bool
from bandit.errors import InputError
from bandit.experiments import (
    AnyError,
    Decision,
    Metric,
    decide,
    mean_effect,
    move,
    ratio_effect,
    rollout_effect,
    seen_at,
)
from bandit.experiments.looks import look_at

SHARES = [0.05, 0.2, 0.5, 1.0]


class Log:
    """Users who come on several days with shares that grow; ``lift`` is added to the rate of whoever is treated."""

    def __init__(
        self, seed: int, users: int = 400, lift: float = 0.0, shares: tuple[float, ...] = (0.1, 0.1, 0.5)
    ) -> None:
        random = np.random.default_rng((31, seed))
        days = len(shares)
        self.users, self.days = (axis.ravel() for axis in np.indices((users, days)))
        self.shares = np.array(shares)[self.days]
        self.treated = random.random(users)[self.users] < self.shares
        self.shown = random.integers(1, 9, users * days).astype(np.float64)
        tastes = random.beta(2, 8, users)[self.users]
        rates = np.clip(tastes * (1 + 0.5 * self.days) + lift * self.treated, 0, 1)
        self.taken = random.binomial(self.shown.astype(int), rates).astype(np.float64)

    @property
    def rows(self) -> tuple[F64, F64, I64, I64, Bool, F64]:
        """As they are asked for."""
        return self.taken, self.shown, self.users, self.days, self.treated, self.shares


def least_squares(log: Log) -> tuple[float, float]:
    """The same with a column per day: weighted least squares, and its error clustered by users."""
    design = np.column_stack([log.days == day for day in np.unique(log.days)] + [log.treated]).astype(np.float64)
    inverse = np.linalg.inv(design.T @ (log.shown[:, np.newaxis] * design))
    slopes = inverse @ design.T @ log.taken
    scores = np.zeros((int(log.users.max()) + 1, design.shape[1]))
    np.add.at(scores, log.users, design * (log.taken - log.shown * (design @ slopes))[:, np.newaxis])
    spread = inverse @ scores.T @ scores @ inverse * len(scores) / (len(scores) - 1)
    return float(slopes[-1]), float(np.sqrt(spread[-1, -1]))


def test_the_effect_is_that_of_least_squares_with_an_intercept_per_day() -> None:
    for seed in range(5):
        log = Log(seed, lift=0.1)
        made = rollout_effect(*log.rows)
        value, error = least_squares(log)
        assert made.effect.value == pytest.approx(value, rel=1e-10)
        assert made.values[0] - made.values[1] == pytest.approx(value, rel=1e-10)
        assert error <= made.effect.standard_error * (1 + 1e-12) < 1.3 * error


def test_the_error_is_how_far_effects_scatter_when_users_are_drawn_again() -> None:
    log, random = Log(7, users=300), np.random.default_rng(8)
    values, errors = [], []
    for _ in range(400):
        treated = random.random(300)[log.users] < log.shares
        made = rollout_effect(log.taken, log.shown, log.users, log.days, treated, log.shares).effect
        values.append(made.value)
        errors.append(made.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


def test_days_that_differ_are_not_taken_for_the_treatment() -> None:
    days = np.repeat([0, 1], 1000)
    users = np.tile(np.arange(1000), 2)
    treated = users < np.where(days == 0, 100, 900)
    shares = np.where(days == 0, 0.1, 0.9)
    shown = np.ones(2000)
    taken = (np.random.default_rng(3).random(2000) < np.where(days == 0, 0.1, 0.5)).astype(np.float64)
    pooled = ratio_effect((taken[treated], shown[treated]), (taken[~treated], shown[~treated]))
    by_day = rollout_effect(taken, shown, users, days, treated, shares).effect
    assert pooled.lower > 0.2  # the day, not the treatment
    assert by_day.lower < 0 < by_day.upper


def test_one_day_of_one_share_is_the_mean_effect_of_users() -> None:
    random = np.random.default_rng(5)
    numbers, treated = random.normal(size=600), np.arange(600) % 2 == 0
    made = rollout_effect(numbers, np.ones(600), np.arange(600), np.zeros(600, int), treated, np.full(600, 0.5)).effect
    plain = mean_effect(numbers[treated], numbers[~treated])
    assert made.value == pytest.approx(plain.value, rel=1e-12)
    assert made.standard_error == pytest.approx(plain.standard_error, rel=0.01)
    assert made.users == (300, 300)


def test_users_and_days_may_be_texts_in_any_order() -> None:
    log, order = Log(2), np.random.default_rng(1).permutation(1200)
    names = [f"u{user}" for user in log.users[order]]
    days = [f"2026-01-{day + 1:02d}" for day in log.days[order]]
    other = rollout_effect(
        log.taken[order], log.shown[order], names, days, log.treated[order], log.shares[order]
    ).effect
    made = rollout_effect(*log.rows).effect
    assert (other.value, other.standard_error) == pytest.approx((made.value, made.standard_error), rel=1e-10)


def test_a_day_without_one_of_the_variants_says_nothing() -> None:
    log = Log(4, users=300)
    alone = rollout_effect(*log.rows)
    control = np.zeros(50, bool)
    more = (np.full(50, 3.0), np.full(50, 4.0), np.arange(50), np.full(50, 9), control, np.full(50, 0.3))
    extra: list[Any] = [np.concatenate(columns) for columns in zip(log.rows, more, strict=True)]
    assert rollout_effect(*extra).effect.value == pytest.approx(alone.effect.value, rel=1e-12)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (0, np.nan, "numerators of rows is nan"),
        (1, -1.0, "expected 0 or more"),
        (4, 0.5, "expected 0 or 1"),
        (5, 0.0, "expected above 0 and below 1"),
        (5, 1.0, "expected above 0 and below 1"),
        (5, 0.3, "one share per stratum"),
    ],
)
def test_a_row_that_is_wrong_is_refused_by_its_number(place: int, value: float, said: str) -> None:
    rows: list[Any] = [
        np.asarray(column, dtype=np.float64) if at in {0, 1, 4, 5} else column for at, column in enumerate(Log(1).rows)
    ]
    rows[place][3] = value
    with pytest.raises(InputError, match=said):
        rollout_effect(*rows)


def test_columns_of_other_lengths_and_logs_that_say_nothing_are_refused() -> None:
    log = Log(1)
    for place in range(6):
        rows: list[Any] = list(log.rows)
        rows[place] = rows[place][:-1]
        with pytest.raises(InputError):
            rollout_effect(*rows)
    with pytest.raises(InputError, match="no stratum has both variants"):
        rollout_effect(log.taken, log.shown, log.users, log.days, np.zeros(1200, bool), log.shares)
    with pytest.raises(InputError, match="one ratio per stratum"):
        rollout_effect(log.shown / 4, log.shown, log.users, log.days, log.treated, log.shares)


def test_few_users_have_a_caution() -> None:
    assert "the treatment has" in rollout_effect(*Log(6, users=100, shares=(0.1, 0.1)).rows).effect.caution


def test_a_look_by_errors_is_narrowest_about_its_tuning_and_holds_more_than_a_fixed_interval() -> None:
    effect = rollout_effect(*Log(3).rows).effect
    reaches = [AnyError(times * effect.standard_error).reach(effect, 0.95) for times in (0.2, 0.5, 1.0, 2.0, 20.0)]
    assert min(reaches) == reaches[2] > 1.96
    assert reaches[0] > 1.5 * reaches[2]
    assert seen_at(effect, AnyError(effect.standard_error)).upper > effect.upper


def test_looks_by_metric_judge_each_metric_by_its_own() -> None:
    effect = rollout_effect(*Log(3, lift=0.12).rows).effect
    metrics = [Metric("takes", effect), Metric("watched", effect, "guardrail", margin=1.0)]
    looks = {"takes": AnyError(effect.standard_error), "watched": AnyError(1e-9)}
    assert decide(metrics, smallest_effect=1.0, look=looks | {"watched": looks["takes"]}).verdict == "SHIP"
    assert decide(metrics, smallest_effect=1.0, look=looks).verdict == "HOLD"  # a look so early sees no margin
    with pytest.raises(InputError, match="expected one at watched, too"):
        look_at({"takes": AnyError(1.0)}, "watched")


def metric(value: float, role: Any = "primary", direction: Any = "up", margin: float = 0.0) -> Metric:
    effect = rollout_effect(*Log(3).rows).effect
    return Metric("takes", effect.__class__(**vars(effect) | {"value": value}), role, direction, margin)


@pytest.mark.parametrize(
    ("verdict", "step", "metrics", "waits", "is_over", "expected"),
    [
        ("HOLD", 0, [metric(0.0)], [], False, ("WIDEN", 1, 0.2)),
        ("NEUTRAL", 1, [metric(-0.009)], [], False, ("WIDEN", 2, 0.5)),
        ("HOLD", 1, [metric(-0.011)], [], False, ("STAY", 1, 0.2)),
        ("HOLD", 1, [metric(0.011, direction="down")], [], False, ("STAY", 1, 0.2)),
        ("HOLD", 1, [metric(0.0), metric(-0.3, "guardrail", margin=0.2)], [], False, ("STAY", 1, 0.2)),
        ("HOLD", 1, [metric(0.0), metric(-9.0, "proxy")], [], False, ("WIDEN", 2, 0.5)),
        ("HOLD", 0, [metric(0.0)], ["users"], False, ("STAY", 0, 0.05)),
        ("HOLD", 2, [metric(0.5)], [], False, ("STAY", 2, 0.5)),
        ("INVALID", 1, [], [], False, ("STAY", 1, 0.2)),
        ("SHIP", 0, [metric(0.5)], ["users"], False, ("SHIP", 3, 1.0)),
        ("SHIP", 2, [metric(0.5)], [], True, ("SHIP", 3, 1.0)),
        ("ROLL BACK", 2, [metric(-0.5)], ["users"], True, ("ROLL BACK", 2, 0.0)),
        ("HOLD", 2, [metric(0.5)], [], True, ("END", 2, 0.0)),
        ("INVALID", 2, [], [], True, ("END", 2, 0.0)),
    ],
)
def test_the_share_moves_by_the_rules(
    verdict: Any, step: int, metrics: list[Metric], waits: list[str], is_over: bool, expected: tuple[str, int, float]
) -> None:
    made = move(SHARES, step, Decision(verdict, ("why",)), metrics, 0.01, waits, is_over=is_over)
    assert (made.action, made.step, made.share) == expected
    assert made.reasons
