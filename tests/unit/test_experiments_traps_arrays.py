"""Numbers of which an interval promises more than it holds: told by a caution, or wide enough."""

import numpy as np
import pytest

from bandit.experiments import (
    AnyLook,
    OneLook,
    PlannedLook,
    difference_in_differences,
    discontinuity,
    mean_effect,
    quantile_effect,
    ratio_effect,
    seen_at,
    shrunken,
)
from bandit.experiments.looks import p_value_at


def test_a_small_variant_that_had_no_rare_reward_by_chance_is_not_sure_of_it() -> None:
    treatment, control = np.zeros(60), np.repeat([1.0, 0.0], [59, 2881])  # 1.2 were expected: none comes 3 times in 10
    assert mean_effect(treatment, control).upper < 0
    own = mean_effect(treatment, control, least_variance="pooled")
    assert own.lower < 0 < own.upper
    ones = np.ones(60), np.ones(2940)
    as_ratio = ratio_effect((treatment, ones[0]), (control, ones[1]), least_variance="pooled")
    assert abs(as_ratio.standard_error - own.standard_error) < 1e-12


def test_a_variance_that_rests_on_enough_users_is_left_as_it_is() -> None:
    random = np.random.default_rng(1)
    treatment, control = random.normal(0, 1, 60), random.normal(0, 5, 900)
    assert mean_effect(treatment, control) == mean_effect(treatment, control, least_variance="pooled")


def test_p_values_of_a_look_and_its_intervals_say_the_same() -> None:
    random = np.random.default_rng(1)
    for look in (OneLook(), PlannedLook((0.5, 1.0), "obrien_fleming"), PlannedLook((0.3,), "pocock"), AnyLook(300)):
        for lift in (0.1, 0.2, 0.3, 0.4, 0.6):
            effect = mean_effect(random.normal(lift, 1, 150), random.normal(0, 1, 150))
            p_value = p_value_at(effect, look)
            for level in (0.9, 0.95, 0.99):
                assert (seen_at(effect, look, level).lower > 0) == (p_value < 1 - level and effect.value > 0)


def test_an_effect_less_a_covariate_in_which_variants_differ_is_cautioned_of() -> None:
    random = np.random.default_rng(1)
    habit = random.normal(0, 1, (2, 400))
    hours = habit + random.normal(0, 0.5, (2, 400))
    effect = mean_effect(hours[0], hours[1], covariates=(habit[0] + 0.4, habit[1]))
    assert effect.upper < 0  # though hours are the same
    assert "variants differ in the covariate" in effect.caution
    assert not mean_effect(hours[0], hours[1], covariates=(habit[0], habit[1])).caution


@pytest.mark.parametrize(("effects", "spread"), [(3, 1.0), (6, 1.0), (12, 0.3)])
def test_intervals_of_shrunken_effects_hold_the_truth(effects: int, spread: float) -> None:
    random = np.random.default_rng(1)
    inside = []
    for _ in range(150):
        truth, errors = random.normal(0, spread, effects), random.uniform(0.5, 1.5, effects)
        found = shrunken(truth + errors * random.normal(size=effects), errors)
        inside += (np.abs(found.values - truth) <= 1.96 * found.standard_errors).tolist()
    assert np.mean(inside) > 0.915


def test_a_discontinuity_between_few_scores_or_heaped_ones_is_cautioned_of() -> None:
    random = np.random.default_rng(1)
    outcomes = random.normal(0, 1, 4000)
    few = discontinuity(
        outcomes, random.integers(-10, 10, 4000), 0, 9.5
    )  # scores differ by more than chance in 62 of 100
    assert "rows have 9 different scores below and 10 from the cutoff on" in few.caution
    scores = random.normal(0, 1, 4000)
    assert "heaped" not in discontinuity(outcomes, scores, 0, 0.8).caution
    rounded = np.where(random.random(4000) < 0.3, scores.round(1), scores)
    assert "of the rows have one of 15 scores that are heaped upon" in discontinuity(outcomes, rounded, 0, 0.8).caution


def test_rows_that_are_missing_make_no_panel_staggered_and_are_told() -> None:
    random = np.random.default_rng(1)
    units, times = (each.ravel() for each in np.meshgrid(np.arange(40), np.arange(8), indexing="ij"))
    treated = (units < 20) & (times >= 4)
    outcomes = random.normal(0, 1, 320)
    kept = random.random(320) > 0.3
    found = difference_in_differences(outcomes[kept], units[kept], times[kept], treated[kept])
    assert f"{int((~kept).sum())} of 320 outcomes" in found.caution
    assert "different times" not in found.caution
    assert not difference_in_differences(outcomes, units, times, treated).caution
    later = (units < 20) & (times >= np.where(units < 10, 3, 4))
    assert "different times" in difference_in_differences(outcomes[kept], units[kept], times[kept], later[kept]).caution


def test_a_quantile_at_which_many_values_are_the_same_is_cautioned_of() -> None:
    random = np.random.default_rng(1)  # intervals of such medians hold the truth in 33 to 53 of 100 cases
    for values in (random.poisson(0.7, (2, 300)), random.random((2, 301)) < 0.5):
        assert (
            "it jumps from one value to the next"
            in quantile_effect(values[0].astype(float), values[1].astype(float), 0.5).caution
        )
    smooth = random.normal(0, 1, (2, 300))
    assert not quantile_effect(smooth[0], smooth[1], 0.5).caution
    assert not quantile_effect(smooth[0].round(2), smooth[1].round(2), 0.5).caution
