"""Segments, time, interactions, and where one cannot randomise: against least squares written out, and at their edges."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from bandit.arrays import F64
from bandit.errors import InputError
from bandit.experiments import (
    difference_in_differences,
    discontinuity,
    heterogeneity,
    interactions,
    mean_effect,
    novelty,
    ratio_effect,
    shrunken,
)

NAN = math.nan
VALUES, ERRORS = [0.5, 0.1, -0.2, 0.9, 0.3], [0.1, 0.2, 0.15, 0.3, 0.1]


def test_effects_are_shrunken_by_the_scatter_at_which_cochrans_q_is_expected() -> None:
    found = shrunken(VALUES, ERRORS)
    effects, variances = np.array(VALUES), np.array(ERRORS) ** 2

    def q(spread: float) -> float:
        weights = 1 / (variances + spread)
        return float(weights @ (effects - np.average(effects, weights=weights)) ** 2)

    spread = optimize.brentq(lambda spread: q(spread) - 4, 0, 10, xtol=1e-14)
    assert found.spread**2 == pytest.approx(spread, rel=1e-9)
    mean = np.average(effects, weights=1 / (variances + spread))
    assert found.values.tolist() == pytest.approx(
        ((effects * spread + mean * variances) / (spread + variances)).tolist()
    )
    assert np.asarray(found).tolist() == list(found) == found.values.tolist()
    own, scatter = found.weights, variances + spread
    of_spread = 2 / 2 * own**2 * (effects - mean) ** 2 * scatter.mean() / scatter
    errors = np.sqrt((1 - own) * variances + own**2 * found.mean_error**2 + of_spread)
    assert found.standard_errors.tolist() == pytest.approx(errors.tolist())


def test_effects_that_scatter_by_chance_alone_become_one() -> None:
    found = shrunken([0.1, 0.12, 0.09], [0.1, 0.1, 0.2])
    assert found.spread == 0.0
    assert len(set(found.values.round(12))) == 1
    assert found.mean_error < found.standard_errors.min()  # that the spread is 0 is not known for sure


def test_heterogeneity_is_cochrans_q() -> None:
    found = heterogeneity([0.1, 0.3], [0.1, 0.1])
    assert found.statistic == pytest.approx(2.0)
    assert found.p_value == pytest.approx(math.erfc(1.0))
    assert heterogeneity([0.2, 0.2], [0.1, 0.3]).p_value == 1.0
    assert found.share == pytest.approx(0.5)


def cohort(effects: list[float], seed: int, users: int = 400) -> F64:
    random = np.random.default_rng(seed)
    return random.normal(1, 0.3, (users, 1)) + random.normal(0, 0.3, (users, len(effects))) + effects


def test_an_effect_that_wears_off_is_told() -> None:
    fading = novelty(cohort([0.5, 0.4, 0.2, 0.1, 0.0, 0.0], 1), cohort([0.0] * 6, 2))
    lasting = novelty(cohort([0.3] * 6, 1), cohort([0.0] * 6, 2))
    assert "wears off" in fading.warning
    assert fading.early_share == pytest.approx(1.0, abs=0.2)
    assert lasting.warning == ""
    assert lasting.early_share == pytest.approx(0.5, abs=0.1)
    assert [effect.users for effect in lasting.days] == [(400, 400)] * 6
    assert fading.change.value == pytest.approx(fading.late.value - fading.early.value)


def test_ratios_by_day_are_ratios_of_sums() -> None:
    random = np.random.default_rng(5)
    shown = random.poisson(2.0, (2, 300, 4))
    taken = random.binomial(shown, np.array([[[0.4, 0.3, 0.2, 0.2]], [[0.2] * 4]]))
    found = novelty(taken[0], taken[1], denominators=(shown[0], shown[1]))
    for day, effect in enumerate(found.days):
        by_hand = ratio_effect((taken[0, :, day], shown[0, :, day]), (taken[1, :, day], shown[1, :, day]))
        assert effect.p_value == pytest.approx(by_hand.p_value, rel=1e-9)
    late = (taken[:, :, 2:].sum(axis=2), shown[:, :, 2:].sum(axis=2))
    assert found.late.value == pytest.approx(ratio_effect((late[0][0], late[1][0]), (late[0][1], late[1][1])).value)
    assert found.change.value == pytest.approx(found.late.value - found.early.value)
    ones = novelty(taken[0], taken[1], denominators=np.ones((2, 300, 4)))
    assert ones.early.p_value == pytest.approx(
        mean_effect(taken[0, :, :2].mean(axis=1), taken[1, :, :2].mean(axis=1)).p_value
    )


def test_an_interaction_is_the_difference_of_two_effects() -> None:
    random = np.random.default_rng(3)
    assigned = random.integers(0, 2, (4000, 3))
    outcomes = random.normal(0, 1, 4000) + 0.3 * assigned[:, 0] + 0.5 * assigned[:, 0] * assigned[:, 2]
    found = interactions((outcomes, np.ones(4000)), assigned, ["a", "b", "c"])
    assert [(pair.first, pair.second) for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    by_hand = [
        mean_effect(outcomes[own & (assigned[:, 0] == 1)], outcomes[own & (assigned[:, 0] == 0)])
        for own in (assigned[:, 2] == 1, assigned[:, 2] == 0)
    ]
    assert found[1].effect.value == pytest.approx(by_hand[0].value - by_hand[1].value)
    assert found[1].effect.standard_error == pytest.approx(
        math.hypot(by_hand[0].standard_error, by_hand[1].standard_error)
    )
    assert found[1].adjusted < 0.01 < min(found[0].adjusted, found[2].adjusted)
    assert found[0].detectable == pytest.approx(2.8016 * found[0].effect.standard_error, rel=1e-4)


def panel(seed: int, units: int = 12, times: int = 6, effect: float = 0.7, trend: float = 0.0) -> tuple[Any, ...]:
    """Half of the units are treated from the middle on; a few rows are missing and one is there twice."""
    random = np.random.default_rng(seed)
    unit, time = (values.ravel() for values in np.meshgrid(np.arange(units), np.arange(times), indexing="ij"))
    rows = np.append(np.delete(np.arange(units * times), [1, 17, 31]), 5)
    unit, time = unit[rows], time[rows]
    ever = unit % 2 == 0
    treated = ever & (time >= times // 2)
    noise = random.normal(0, 0.5, len(unit)) + random.normal(0, 0.3, units)[unit] * time
    return (
        random.normal(0, 1, units)[unit] + 0.2 * time + effect * treated + trend * ever * time + noise,
        unit,
        time,
        treated,
    )


def dummies(codes: Any) -> F64:
    return np.asarray(codes[:, np.newaxis] == np.unique(codes), dtype=np.float64)


def by_least_squares(outcomes: F64, unit: Any, time: Any, columns: F64) -> tuple[F64, F64]:
    """Coefficients of columns and CRV1 errors by the whole design matrix."""
    design = np.hstack([columns, dummies(unit), dummies(time)[:, 1:]])
    bread = np.linalg.inv(design.T @ design)
    coefficients = bread @ design.T @ outcomes
    rest = outcomes - design @ coefficients
    groups = np.unique(unit)
    scores = np.array([design[unit == group].T @ rest[unit == group] for group in groups])
    rows, k = len(outcomes), columns.shape[1]
    known = k + len(np.unique(time))
    factor = len(groups) / (len(groups) - 1) * (rows - 1) / (rows - known)
    return coefficients[:k], np.sqrt(np.diag(bread @ scores.T @ scores @ bread) * factor)[:k]


def test_differences_in_differences_are_least_squares_with_all_dummies() -> None:
    outcomes, unit, time, treated = panel(1)
    found = difference_in_differences(outcomes, unit, time, treated)
    value, error = by_least_squares(outcomes, unit, time, treated[:, np.newaxis].astype(float))
    assert found.value == pytest.approx(value[0], rel=1e-9)
    assert found.standard_error == pytest.approx(error[0], rel=1e-9)
    assert found.degrees == 11
    assert found.units == (6, 6)


def test_a_panel_without_missing_rows_is_least_squares_with_all_dummies_too() -> None:
    unit, time = (values.ravel() for values in np.meshgrid(np.arange(10), np.arange(6), indexing="ij"))
    treated, random = (unit % 2 == 0) & (time >= 3), np.random.default_rng(1)
    outcomes = random.normal(5, 1, 60) + treated + unit
    found = difference_in_differences(outcomes, unit, time, treated)
    value, error = by_least_squares(outcomes, unit, time, treated[:, np.newaxis].astype(float))
    assert (found.value, found.standard_error) == pytest.approx((value[0], error[0]), rel=1e-9)
    own_trend = np.where(unit % 2 == 0, time, 0.0)
    both, errors = by_least_squares(outcomes, unit, time, np.stack([treated.astype(float), own_trend], axis=1))
    assert found.detrended is not None
    assert (found.detrended.value, found.detrended.standard_error) == pytest.approx((both[0], errors[0]), rel=1e-9)
    of_trend, _ = by_least_squares(own_trend, unit, time, treated[:, np.newaxis].astype(float))
    assert found.trend_reach == pytest.approx(of_trend[0])


def test_names_and_dates_do_as_well_as_numbers() -> None:
    outcomes, unit, time, treated = panel(1)
    dates = np.datetime64("2026-01-01") + time.astype("timedelta64[D]") * 7
    found = difference_in_differences(outcomes, [f"city {each}" for each in unit], dates, treated.astype(int).tolist())
    assert found.value == difference_in_differences(outcomes, unit, time, treated).value


def test_the_wild_bootstrap_goes_through_all_signs() -> None:
    outcomes, unit, time, treated = panel(2, units=6, effect=0.5)
    found = difference_in_differences(outcomes, unit, time, treated)
    design = np.hstack([dummies(unit), dummies(time)[:, 1:]])
    levels = design @ np.linalg.lstsq(design, outcomes, rcond=None)[0]
    column = treated[:, np.newaxis].astype(float)
    statistics = []
    for signs in itertools.product([-1.0, 1.0], repeat=6):
        value, error = by_least_squares(levels + np.array(signs)[unit] * (outcomes - levels), unit, time, column)
        statistics.append(abs(value[0]) / error[0])
    assert found.wild_p_value == pytest.approx(
        np.mean(np.array(statistics) >= abs(found.value) / found.standard_error * (1 - 1e-9))
    )
    assert difference_in_differences(*panel(2, units=17)).wild_p_value is None


def test_trends_before_treatment_are_shown() -> None:
    parallel, apart = (difference_in_differences(*panel(3, units=40, trend=trend)) for trend in (0.0, 0.6))
    assert parallel.pre_trend is not None
    assert apart.pre_trend is not None
    assert parallel.pre_trend.p_value > 0.05
    assert apart.pre_trend.value == pytest.approx(0.6, abs=0.3)
    assert "before they were treated" in apart.caution
    assert [lead for lead, _ in apart.leads] == [-2, -3]


def test_where_differences_in_differences_mislead_is_said() -> None:
    outcomes, unit, time, treated = panel(4)
    assert "12 units, fewer than 30" in difference_in_differences(outcomes, unit, time, treated).caution
    staggered = (unit % 2 == 0) & (time >= 2 + unit % 4)
    assert "different times" in difference_in_differences(outcomes, unit, time, staggered).caution
    stopped = treated & (time < 5)
    assert "no more" in difference_in_differences(outcomes, unit, time, stopped).caution
    late = (unit % 2 == 0) & (time >= 1)
    assert "too few periods" in difference_in_differences(outcomes, unit, time, late).caution
    assert "1 units were treated" in difference_in_differences(outcomes, unit, time, (unit == 0) & (time >= 3)).caution


def jump(seed: int, rows: int = 2000, size: float = 1.0) -> tuple[F64, F64]:
    random = np.random.default_rng(seed)
    scores = random.uniform(-1, 1, rows)
    return np.sin(2 * scores) + size * (scores >= 0) + random.normal(0, 0.5, rows), scores


def test_the_correction_is_a_local_quadratic_where_both_bandwidths_are_one() -> None:
    outcomes, scores = jump(1)
    found = discontinuity(outcomes, scores, 0.0, 0.4, 0.4)
    ends = []
    for side in (scores >= 0, scores < 0):
        x, y = scores[side], outcomes[side]
        weights = np.sqrt(np.maximum(1 - np.abs(x) / 0.4, 0))
        ends.append([np.polynomial.polynomial.polyfit(x, y, degree, w=weights)[0] for degree in (1, 2)])
    assert found.conventional.value == pytest.approx(ends[0][0] - ends[1][0], rel=1e-9)
    assert found.value == pytest.approx(ends[0][1] - ends[1][1], rel=1e-9)
    assert found.lower < 1.0 < found.upper
    assert found.standard_error > found.conventional.standard_error


def test_units_of_scores_do_not_matter_to_a_discontinuity() -> None:
    outcomes, scores = jump(2)
    found = discontinuity(outcomes, scores, 0.0, 0.3, 0.5)
    moved = discontinuity(outcomes, 1000 * scores + 50_000, 50_000, 300, 500)
    assert (moved.value, moved.standard_error) == pytest.approx((found.value, found.standard_error), rel=1e-7)
    back = discontinuity(outcomes[::-1], scores[::-1], 0.0, 0.3, 0.5)
    assert back.value == pytest.approx(found.value, rel=1e-9)


def test_scores_that_are_moved_across_the_cutoff_are_told() -> None:
    outcomes, scores = jump(3, rows=4000)
    honest = discontinuity(outcomes, scores, 0.0, 0.3)
    assert honest.density is not None
    assert honest.density.p_value > 0.01
    pushed = np.where((scores < 0) & (scores > -0.06), -scores, scores)
    moved = discontinuity(outcomes, pushed, 0.0, 0.3)
    assert moved.density is not None
    assert moved.density.p_value < 1e-6
    assert "times as frequent" in moved.caution


def test_a_discontinuity_is_told_at_other_bandwidths_too() -> None:
    outcomes, scores = jump(4)
    found = discontinuity(outcomes, scores, 0.0, 0.4, 0.6)
    assert [round(width, 3) for width, _ in found.sensitivity] == [0.2, 0.3, 0.5, 0.6]
    wider = discontinuity(outcomes, scores, 0.0, 0.6, 0.9)
    assert found.sensitivity[-1][1].value == pytest.approx(wider.value, rel=1e-9)


GOOD = panel(1)
JUMP = jump(1, rows=200)
PAIR = [[0, 1]] * 8


WRONG: dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]] = {
    "errors of 0": (shrunken, ([1, 2], [1, 0]), "row 1 of the standard_errors is 0.0"),
    "one effect": (shrunken, ([1], [1]), "values has the shape"),
    "errors of others": (heterogeneity, ([1, 2], [1, 1, 1]), "standard_errors has the shape"),
    "an effect of NaN": (heterogeneity, ([1, NAN], [1, 1]), "row 1 of the values is nan"),
    "days of others": (novelty, ([[1, 2], [3, 4]], [[1, 2, 3], [3, 4, 5]]), "treatment has 2 days and control 3"),
    "a day that is missing": (novelty, ([[1, NAN], [3, 4]], [[1, 2], [3, 5]]), "of the treatment(, column 1,)? is nan"),
    "days divided by others": (novelty, ([[1, 2], [3, 4]], [[1, 2], [3, 5]], ([[1, 1]] * 3, [[1, 1]] * 2)), "one each"),
    "a day without any": (
        novelty,
        ([[1, 2], [3, 4]], [[1, 2], [3, 5]], ([[0, 1]] * 2, [[1, 1]] * 2)),
        "days 0 to 0 are all 0",
    ),
    "one day": (novelty, ([[1], [3]], [[1], [3]]), "treatment has the shape"),
    "an empty cell": (interactions, ((range(8), [1] * 8), PAIR), "0 users have 0 of the first"),
    "half assigned": (
        interactions,
        ((range(8), [1] * 8), [[0.5, 1]] * 8),
        "row 0 of the column 0 of assignments is 0.5",
    ),
    "one experiment": (interactions, ((range(8), [1] * 8), [[1]] * 8), "assignments have the shape"),
    "names of others": (interactions, ((range(8), [1] * 8), PAIR, ["a"]), "names are 1, expected 2"),
    "always treated": (difference_in_differences, (*GOOD[:3], GOOD[1] % 2 == 0), "treated is told by units and times"),
    "all at once": (difference_in_differences, (*GOOD[:3], GOOD[2] >= 3), "treated is told by units and times"),
    "nobody treated": (difference_in_differences, (*GOOD[:3], GOOD[2] < 0), "treated is told by units and times"),
    "half treated": (difference_in_differences, (*GOOD[:3], GOOD[3] * 0.5), "of the treated(, column 1,)? is 0.5"),
    "one unit": (difference_in_differences, (GOOD[0], GOOD[1] * 0, *GOOD[2:]), "there are 1 units"),
    "one time": (difference_in_differences, (*GOOD[:2], GOOD[2] * 0, GOOD[3]), "and 1 times"),
    "no outcome": (difference_in_differences, (GOOD[0] * NAN, *GOOD[1:]), "row 0 of the outcomes is nan"),
    "the same outcome": (difference_in_differences, (GOOD[0] * 0 + 1, *GOOD[1:]), "outcomes are told by units"),
    "units that are missing": (difference_in_differences, (GOOD[0], GOOD[1][1:], *GOOD[2:]), "units"),
    "no scores there": (discontinuity, (*JUMP, 5.0, 0.5), "scores below the cutoff: 0 rows"),
    "a narrow bandwidth": (discontinuity, (*JUMP, 0.0, 0.001), "scores below the cutoff"),
    "a narrow bias bandwidth": (discontinuity, (*JUMP, 0.0, 0.5, 0.001), "within 0.001"),
    "a bandwidth of 0": (discontinuity, (*JUMP, 0.0, 0.0), "bandwidth is 0.0"),
    "a bandwidth of NaN": (discontinuity, (*JUMP, 0.0, NAN), "bandwidth is nan"),
    "a cutoff of NaN": (discontinuity, (*JUMP, NAN, 0.5), "cutoff is nan"),
    "scores of NaN": (discontinuity, (JUMP[0], JUMP[1] * NAN, 0.0, 0.5), "row 0 of the scores is nan"),
    "two scores": (discontinuity, (JUMP[0], np.sign(JUMP[1]), 0.0, 2.0), "with 1 different ones"),
    "outcomes all the same": (discontinuity, (JUMP[0] * 0, JUMP[1], 0.0, 0.5), "all the same"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_by_name(case: str) -> None:
    function, arguments, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        function(*arguments)
