"""Effects on means and ratios: against scipy, against formulas written out, and against one another."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bandit.errors import InputError
from bandit.experiments import (
    equivalence,
    mean_effect,
    non_inferiority,
    paired_effect,
    quantile_effect,
    ratio_effect,
    stratified_effect,
)
from bandit.experiments.effects import variance_rests_on

RANDOM = np.random.default_rng(5)
TREATMENT, CONTROL = RANDOM.gamma(2.0, 1.1, 40), RANDOM.gamma(2.0, 1.0, 55)
BEFORE = TREATMENT + RANDOM.normal(size=40), CONTROL + RANDOM.normal(size=55)
SHOWN = RANDOM.integers(1, 30, 40), RANDOM.integers(1, 30, 55)
TAKEN = RANDOM.binomial(SHOWN[0], 0.3), RANDOM.binomial(SHOWN[1], 0.2)
NAN, INF = math.nan, math.inf


def test_means_have_the_interval_and_the_p_value_of_welch() -> None:
    effect = mean_effect(TREATMENT, CONTROL)
    peer = stats.ttest_ind(TREATMENT, CONTROL, equal_var=False)
    assert effect.p_value == pytest.approx(peer.pvalue, rel=1e-12)
    assert effect.degrees == pytest.approx(peer.df, rel=1e-12)
    assert (effect.lower, effect.upper) == pytest.approx(tuple(peer.confidence_interval(0.95)), rel=1e-12)
    assert effect.users == (40, 55)


def test_lists_of_integers_are_arrays() -> None:
    assert mean_effect([1, 0, 1, 1], [0, 0, 1, 0]) == mean_effect(np.array([1.0, 0, 1, 1]), np.array([0.0, 0, 1, 0]))


def test_a_ratio_with_denominators_of_one_is_a_mean() -> None:
    ratio = ratio_effect((TREATMENT, np.ones(40)), (CONTROL, np.ones(55)))
    mean = mean_effect(TREATMENT, CONTROL)
    assert ratio.p_value == pytest.approx(mean.p_value, rel=1e-12)
    assert (ratio.lower, ratio.upper) == pytest.approx((mean.lower, mean.upper), rel=1e-12)


def test_the_error_of_a_ratio_is_that_of_the_delta_method() -> None:
    effect = ratio_effect((TAKEN[0], SHOWN[0]), (TAKEN[1], SHOWN[1]))
    variances = []
    for taken, shown in zip(TAKEN, SHOWN, strict=True):
        y, n, ratio = taken.mean(), shown.mean(), taken.sum() / shown.sum()
        together = np.cov(taken, shown)
        variances.append((together[0, 0] - 2 * ratio * together[0, 1] + ratio**2 * together[1, 1]) / n**2 / len(taken))
        assert ratio == pytest.approx(y / n)
    assert effect.value == pytest.approx(TAKEN[0].sum() / SHOWN[0].sum() - TAKEN[1].sum() / SHOWN[1].sum(), rel=1e-12)
    assert effect.standard_error == pytest.approx(math.sqrt(sum(variances)), rel=1e-12)


def test_a_relative_effect_is_the_difference_as_a_share_of_the_control() -> None:
    effect = ratio_effect((TAKEN[0], SHOWN[0]), (TAKEN[1], SHOWN[1]))
    assert effect.relative is not None
    assert effect.relative.value == pytest.approx(effect.value / (TAKEN[1].sum() / SHOWN[1].sum()), rel=1e-12)
    scaled = ratio_effect((100 * TAKEN[0], SHOWN[0]), (100 * TAKEN[1], SHOWN[1])).relative
    assert scaled is not None
    assert scaled.standard_error == pytest.approx(effect.relative.standard_error, rel=1e-12)
    assert mean_effect([-1, -2, -3], [-1, -2, -2]).relative is None


def test_effects_turn_round_with_their_variants() -> None:
    there, back = mean_effect(TREATMENT, CONTROL), mean_effect(CONTROL, TREATMENT)
    assert (there.value, there.lower, there.upper) == pytest.approx((-back.value, -back.upper, -back.lower), rel=1e-12)
    assert there.p_value == pytest.approx(back.p_value, rel=1e-12)


def test_a_covariate_takes_out_what_it_tells_of_all_users_together() -> None:
    effect = mean_effect(TREATMENT, CONTROL, covariates=BEFORE)
    y, x = np.concatenate([TREATMENT, CONTROL]), np.concatenate(BEFORE)
    slope = np.cov(y, x)[0, 1] / x.var(ddof=1)
    peer = stats.ttest_ind(TREATMENT - slope * BEFORE[0], CONTROL - slope * BEFORE[1], equal_var=False)
    assert effect.p_value == pytest.approx(peer.pvalue, rel=1e-9)
    assert effect.standard_error < 0.8 * mean_effect(TREATMENT, CONTROL).standard_error
    assert ratio_effect((TREATMENT, np.ones(40)), (CONTROL, np.ones(55)), covariates=BEFORE).p_value == pytest.approx(
        effect.p_value, rel=1e-9
    )


def test_another_level_changes_the_interval_alone() -> None:
    wide, narrow = mean_effect(TREATMENT, CONTROL, level=0.99), mean_effect(TREATMENT, CONTROL, level=0.8)
    assert narrow.at(0.99) == wide
    assert wide.lower < narrow.lower < narrow.upper < wide.upper


def test_one_segment_for_all_is_no_stratification() -> None:
    effect = stratified_effect(TREATMENT, CONTROL, (["a"] * 40, ["a"] * 55))
    plain = mean_effect(TREATMENT, CONTROL)
    assert (effect.value, effect.p_value) == pytest.approx((plain.value, plain.p_value), rel=1e-12)


def test_segments_take_out_that_variants_have_other_shares_of_them() -> None:
    effect = stratified_effect([1, 2, 2, 11, 12], [0, 1, 10, 11, 11], ([0, 0, 0, 1, 1], [0, 0, 1, 1, 1]))
    assert effect.value == pytest.approx(0.5 * (5 / 3 - 0.5) + 0.5 * (11.5 - 32 / 3))


def test_the_same_users_are_compared_with_themselves() -> None:
    first, second = (TREATMENT + 0.2 + RANDOM.normal(0, 0.01, 40), np.ones(40)), (TREATMENT, np.ones(40))
    effect, peer = paired_effect(first, second), stats.ttest_rel(first[0], second[0])
    assert effect.p_value == pytest.approx(peer.pvalue, rel=1e-9)
    assert (effect.lower, effect.upper) == pytest.approx(tuple(peer.confidence_interval()), rel=1e-9)
    assert effect.standard_error < 0.1 * ratio_effect(first, second).standard_error


def test_a_paired_effect_has_the_error_of_both_ratios_together() -> None:
    count = 40
    first, second = (TAKEN[0], SHOWN[0]), (TAKEN[1][:count], SHOWN[1][:count])
    parts = []
    for taken, shown in (first, second):
        parts.append((taken - taken.sum() / shown.sum() * shown) / shown.mean())
    effect = paired_effect(first, second)
    assert effect.standard_error == pytest.approx((parts[0] - parts[1]).std(ddof=1) / math.sqrt(count), rel=1e-12)
    assert effect.degrees == count - 1


def test_values_of_one_user_count_as_one_for_a_quantile() -> None:
    values = RANDOM.gamma(2.0, 1.0, 300)
    users = np.arange(300)
    alone = quantile_effect((values + 1, users), (values, users), 0.5)
    assert alone == quantile_effect(values + 1, values, 0.5)
    ten = quantile_effect(
        (np.repeat(values + 1, 10), np.repeat(users, 10)), (np.repeat(values, 10), np.repeat(users, 10)), 0.5
    )
    assert ten.standard_error == pytest.approx(alone.standard_error, rel=0.05)
    blind = quantile_effect(np.repeat(values + 1, 10), np.repeat(values, 10), 0.5)
    assert blind.standard_error < 0.5 * ten.standard_error


def test_the_error_of_a_median_is_that_of_the_density() -> None:
    values = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    effect = quantile_effect(values, values, 0.5)
    assert effect.standard_error == pytest.approx(math.sqrt(2 * math.pi / 2 / 4000), rel=0.02)


def test_equivalence_is_the_interval_of_two_one_sided_tests_within_the_margin() -> None:
    for margin in np.linspace(0.05, 2.0, 40):
        same = equivalence(TREATMENT, CONTROL, margin)
        assert same.is_equivalent == (-margin < same.lower and same.upper < margin) == (same.p_value < 0.05)


def test_non_inferiority_is_told_by_the_end_of_the_interval() -> None:
    effect = mean_effect(TREATMENT, CONTROL)
    for margin in np.linspace(0.0, 2.0, 40):
        up, down = non_inferiority(effect, margin, "up"), non_inferiority(effect, margin, "down")
        assert up.is_non_inferior == (effect.lower > -margin) == (up.p_value < 0.025)
        assert down.is_non_inferior == (effect.upper < margin) == (down.p_value < 0.025)
    assert non_inferiority(mean_effect(CONTROL - 9, CONTROL), 1.0, "up").is_inferior
    assert not non_inferiority(mean_effect(CONTROL - 9, CONTROL), 1.0, "down").is_inferior


def test_a_variance_rests_on_as_many_users_as_had_a_rare_reward() -> None:
    rare = np.zeros(10_000)
    rare[:7] = 1.0
    assert variance_rests_on(rare) == pytest.approx(7, rel=0.01)
    assert variance_rests_on(np.tile([0.0, 1.0], 50)) == pytest.approx(100)
    assert "rests on 7.0 of its 10000 users" in mean_effect(rare, np.tile([0.0, 1.0], 50)).caution
    assert "2 users, fewer than 30" in mean_effect([0, 1], np.tile([0.0, 1.0], 50)).caution
    assert mean_effect(np.tile([0.0, 1.0], 50), np.tile([1.0, 1.0, 0.0], 50)).caution == ""


def test_a_variant_in_which_nothing_happened_is_compared_all_the_same() -> None:
    effect = mean_effect([0] * 40, [0, 1] * 20)
    assert effect.value == -0.5
    assert effect.standard_error == pytest.approx(math.sqrt(0.25 * 40 / 39 / 40))
    assert "rests on 0.0" in effect.caution


GOOD = [1, 2, 4]
WRONG: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = {
    "NaN": (mean_effect, ([1, NAN], GOOD), {}, "row 1 of the treatment is nan"),
    "infinite": (mean_effect, (GOOD, [1, INF]), {}, "row 1 of the control is inf"),
    "huge": (mean_effect, (GOOD, [1, 1e51]), {}, "row 1 of the control is 1e\\+51"),
    "one user": (mean_effect, ([1], GOOD), {}, "treatment has the shape \\(1,\\)"),
    "nobody": (mean_effect, (GOOD, []), {}, "control has the shape \\(0,\\)"),
    "a table": (mean_effect, ([GOOD, GOOD], GOOD), {}, "treatment has the shape \\(2, 3\\)"),
    "text": (mean_effect, (["a", "b"], GOOD), {}, "treatment"),
    "missing": (mean_effect, ([1, None], GOOD), {}, "treatment"),
    "constant": (mean_effect, ([0.1] * 7, [0.1] * 9), {}, "one number for every user"),
    "level of 0": (mean_effect, (GOOD, GOOD), {"level": 0}, "level is 0"),
    "level of 1": (mean_effect, (GOOD, GOOD), {"level": 1.0}, "level is 1.0"),
    "level in percent": (mean_effect, (GOOD, GOOD), {"level": 95}, "level is 95"),
    "level of NaN": (mean_effect, (GOOD, GOOD), {"level": NAN}, "level is nan"),
    "level of text": (mean_effect, (GOOD, GOOD), {"level": "0.95"}, "level is '0.95'"),
    "covariates alone": (mean_effect, (GOOD, GOOD), {"covariates": GOOD}, "covariates is a list of 3"),
    "covariates of others": (mean_effect, (GOOD, GOOD), {"covariates": (GOOD, [1, 2])}, "covariates of the control"),
    "covariates of NaN": (
        mean_effect,
        (GOOD, GOOD),
        {"covariates": (GOOD, [1, 2, NAN])},
        "row 2 of the covariates of the control is nan",
    ),
    "flat covariates": (mean_effect, (GOOD, GOOD), {"covariates": ([3] * 3, [3] * 3)}, "covariates are 3.0 for every"),
    "the metric itself": (
        mean_effect,
        (GOOD, [3, 1, 5]),
        {"covariates": (GOOD, [3, 1, 5])},
        "covariates tell the metric",
    ),
    "no pair": (ratio_effect, (GOOD, (GOOD, GOOD)), {}, "treatment is a list of 3, expected a pair"),
    "a number for a pair": (ratio_effect, (3, (GOOD, GOOD)), {}, "treatment is a int, expected a pair"),
    "lengths": (ratio_effect, ((GOOD, [1, 2]), (GOOD, GOOD)), {}, "denominators of treatment has the shape"),
    "negative": (ratio_effect, ((GOOD, GOOD), (GOOD, [1, -2, 3])), {}, "row 1 of the denominators of control is -2.0"),
    "no denominators": (
        ratio_effect,
        ((GOOD, [0, 0, 0]), (GOOD, GOOD)),
        {},
        "denominators of treatment are all 0 or next to it",
    ),
    "denominators next to 0": (ratio_effect, ((GOOD, [1e-300] * 3), (GOOD, GOOD)), {}, "all 0 or next to it"),
    "units that do not fit": (ratio_effect, (([1e50, 1], [1e-40] * 2), (GOOD, GOOD)), {}, "take other units"),
    "an array that is a number": (ratio_effect, (np.array(3.0), (GOOD, GOOD)), {}, "treatment is a ndarray"),
    "covariates next to 0": (
        mean_effect,
        (GOOD, GOOD),
        {"covariates": ([0, 1e-200, 0], [0, 0, 0])},
        "covariates are 0.0",
    ),
    "rounding for a covariate": (
        mean_effect,
        (GOOD, GOOD),
        {"covariates": ([0.1] * 3, [0.1] * 3)},
        "covariates are 0.1",
    ),
    "equal ratios": (ratio_effect, (([0.1, 0.3], [1, 3]), ([0.7, 0.9], [7, 9])), {}, "one number for every user"),
    "margin of 0": (equivalence, (GOOD, GOOD, 0), {}, "margin is 0"),
    "margin below 0": (equivalence, (GOOD, GOOD, -1), {}, "margin is -1"),
    "margin of NaN": (equivalence, (GOOD, GOOD, NAN), {}, "margin is nan"),
    "equivalence at 0.5": (equivalence, (GOOD, GOOD, 1), {"level": 0.5}, "level is 0.5"),
    "direction": (non_inferiority, (mean_effect(GOOD, [1, 2, 5]), 1, "higher"), {}, "direction is 'higher'"),
    "non-inferior by less than 0": (non_inferiority, (mean_effect(GOOD, [1, 2, 5]), -1), {}, "margin is -1"),
    "other users": (paired_effect, ((GOOD, GOOD), ([1, 2], [1, 2])), {}, "first has 3 users and second 2"),
    "the same twice": (paired_effect, ((GOOD, [2, 2, 2]), (GOOD, [2, 2, 2])), {}, "differ by the same for every user"),
    "quantile of 0": (quantile_effect, (GOOD, GOOD, 0), {}, "quantile is 0"),
    "quantile in percent": (quantile_effect, (GOOD, GOOD, 95), {}, "quantile is 95"),
    "quantile of constants": (quantile_effect, ([1] * 9, [1] * 9, 0.5), {}, "one value each around the quantile"),
    "values of one user": (quantile_effect, ((GOOD, [1, 1, 1]), GOOD, 0.5), {}, "treatment has values of 1 user"),
    "a lonely segment": (stratified_effect, (GOOD, GOOD, (["a", "a", "b"], ["a"] * 3)), {}, "segment 'b' has 1 users"),
    "segments of others": (
        stratified_effect,
        (GOOD, GOOD, (["a"], ["a"] * 3)),
        {},
        "segments of treatment are \\(1,\\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_by_name(case: str) -> None:
    function, arguments, named, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        function(*arguments, **named)
