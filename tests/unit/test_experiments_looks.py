"""Corrections, sample ratios, looks and power: against recomputations, published tables and one another."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bandit.errors import InputError
from bandit.experiments import (
    AnyLook,
    OneLook,
    PlannedLook,
    benjamini_hochberg,
    bonferroni,
    confidence_sequence,
    detectable_effect,
    holm,
    mean_effect,
    power_of,
    sample_ratio,
    sample_ratio_sequence,
    sample_size,
    seen_at,
    sequence_p_value,
    spending_bounds,
    users_for,
)
from bandit.experiments.spending import spent_by, told_apart

NAN = math.nan
P_VALUES = [0.001, 0.3, 0.012, 0.04, 0.04, 1.0, 0.0, 0.2]
EFFECT = mean_effect([1, 2, 3, 4, 5] * 20, [1, 2, 3, 4, 4] * 20)
"""Two-sided bounds of five equal looks at 5 %: Reboussin, DeMets, Kim and Lan (2000), Jennison and Turnbull (2000)."""
PUBLISHED = {
    "obrien_fleming": [4.8769, 3.3569, 2.6803, 2.2898, 2.0310],
    "pocock": [2.4380, 2.4268, 2.4101, 2.3966, 2.3859],
}


def naive_holm(p: list[float]) -> list[float]:
    return [max(min(1.0, (len(p) - sum(q < r for q in p)) * r) for r in p if r <= value) for value in p]


def naive_benjamini_hochberg(p: list[float]) -> list[float]:
    return [min(min(1.0, len(p) / sum(q <= r for q in p) * r) for r in p if r >= value) for value in p]


def test_adjusted_p_values_are_those_of_their_definitions() -> None:
    assert holm(P_VALUES).tolist() == pytest.approx(naive_holm(P_VALUES))
    assert benjamini_hochberg(P_VALUES).tolist() == pytest.approx(naive_benjamini_hochberg(P_VALUES))
    assert benjamini_hochberg(P_VALUES).tolist() == pytest.approx(stats.false_discovery_control(P_VALUES).tolist())
    assert bonferroni(P_VALUES).tolist() == pytest.approx([min(1.0, 8 * p) for p in P_VALUES])
    assert len(holm([])) == len(benjamini_hochberg([])) == 0


def test_a_sample_ratio_is_the_chi_square_test_of_shares() -> None:
    found, peer = sample_ratio([480, 290, 230], [0.5, 0.3, 0.2]), stats.chisquare([480, 290, 230], [500, 300, 200])
    assert (found.statistic, found.p_value) == pytest.approx((peer.statistic, peer.pvalue), rel=1e-12)
    assert list(found.expected) == [500, 300, 200]
    assert found.caution == ""
    assert "fewer than 5" in sample_ratio([3, 5], [0.5, 0.5]).caution


def test_a_sample_ratio_at_every_look_is_the_ratio_of_likelihoods_over_a_prior() -> None:
    counts, shares, concentration = [12, 7, 3], np.array([0.5, 0.3, 0.2]), 30.0
    found = sample_ratio_sequence([counts], shares, concentration)
    peer = stats.dirichlet_multinomial.logpmf(
        np.array(counts), concentration * shares, np.array(22)
    ) - stats.multinomial.logpmf(counts, 22, shares)
    assert found.log_e_values[0] == pytest.approx(peer, rel=1e-9)
    assert found.p_value == min(1.0, math.exp(-peer))


def test_the_order_in_which_users_come_does_not_matter_to_a_sample_ratio() -> None:
    slow, fast = [[10, 20], [30, 80], [300, 420]], [[300, 420]]
    assert (
        sample_ratio_sequence(slow, [0.5, 0.5]).log_e_values[-1]
        == sample_ratio_sequence(fast, [0.5, 0.5]).log_e_values[-1]
    )
    assert (np.diff(sample_ratio_sequence(slow, [0.5, 0.5]).p_values) <= 0).all()


def test_a_sample_ratio_that_is_far_off_is_infinitely_unlikely_and_still_a_number() -> None:
    found = sample_ratio_sequence([[10**6, 10**5]], [0.5, 0.5])
    assert found.e_values[0] == math.inf
    assert found.p_value == 0.0


def test_a_sequence_has_the_width_of_its_formula() -> None:
    error, users, tuning, alpha = 0.02, 5000, 8000, 0.05
    squared = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tuning
    width = (
        error
        * math.sqrt(users)
        * math.sqrt(2 * (users * squared + 1) / (users**2 * squared) * math.log(math.sqrt(users * squared + 1) / alpha))
    )
    assert confidence_sequence(0.1, error, users, tuning) == pytest.approx((0.1 - width, 0.1 + width), rel=1e-12)


def test_a_sequence_is_narrowest_against_a_fixed_interval_near_the_users_it_is_tuned_to() -> None:
    users = np.geomspace(10, 1e7, 400)
    lower, upper = confidence_sequence(np.zeros(400), 1 / np.sqrt(users), users, tuning=5000)
    assert isinstance(upper, np.ndarray)
    best = users[(upper * np.sqrt(users)).argmin()]
    assert 2500 < best < 10_000
    assert (upper * np.sqrt(users)).min() > stats.norm.ppf(0.975)
    assert np.array_equal(lower, -upper)


def test_the_p_value_of_a_sequence_is_the_level_at_which_it_leaves_out_nothing() -> None:
    p = sequence_p_value(0.05, 0.012, 5000, tuning=8000)
    assert isinstance(p, float)
    lower, _ = confidence_sequence(0.05, 0.012, 5000, tuning=8000)
    assert (lower > 0) == (p < 0.05)
    for value in np.linspace(0.01, 0.08, 50):
        lower, _ = confidence_sequence(value, 0.012, 5000, tuning=8000)
        assert (lower > 0) == (sequence_p_value(value, 0.012, 5000, tuning=8000) < 0.05)
    falling = sequence_p_value([0.05, 0.0], [0.012, 0.01], [5000, 6000], 8000)
    assert isinstance(falling, np.ndarray)
    assert falling.tolist() == [p, p]


@pytest.mark.parametrize("spending", PUBLISHED)
def test_bounds_are_the_published_ones(spending: str) -> None:
    bounds = spending_bounds([0.2, 0.4, 0.6, 0.8, 1.0], 0.05, spending)
    assert bounds.tolist() == pytest.approx(PUBLISHED[spending], abs=2e-4)  # theirs are integrated on a coarser grid


def crossing(bounds: Any, information: Any) -> Any:
    """What crosses at each look, by scipy's integral of the normal distribution of all looks together."""
    times = np.array(information)
    together = np.sqrt(np.minimum.outer(times, times) / np.maximum.outer(times, times))
    normal: Any = stats.multivariate_normal  # its stubs know no precision
    inside = [
        normal(cov=together[:k, :k], maxpts=200_000, abseps=1e-9).cdf(bounds[:k], lower_limit=-bounds[:k])
        for k in range(1, len(times) + 1)
    ]
    return 1 - np.array(inside)


@pytest.mark.parametrize("information", [[0.3, 1.0], [0.5, 0.502, 1.0], [0.1, 0.35, 0.4, 0.75]])
def test_looks_spend_what_the_power_family_says(information: list[float]) -> None:
    bounds = spending_bounds(information, 0.05, "power:3")
    assert crossing(bounds, information).tolist() == pytest.approx([0.05 * t**3 for t in information], abs=2e-5)


@pytest.mark.parametrize("power", [0.5, 2.0, 6.0])
@pytest.mark.parametrize("spending", ["power:3", "obrien_fleming", "pocock"])
def test_looks_at_times_spend_by_them_however_information_comes(spending: str, power: float) -> None:
    times = np.array([0.25, 0.5, 0.75, 1.0])
    information = told_apart(times**power)
    bounds = spending_bounds(information, 0.05, spending, times)
    spent = spent_by(times, 0.05, spending)
    assert crossing(bounds, information).tolist() == pytest.approx(spent.tolist(), abs=2e-5)
    if power > 1:  # bounds by times alone would find too much
        assert crossing(spending_bounds(times, 0.05, spending), information)[-1] > 0.054


def test_looks_with_next_to_nothing_at_first_are_no_more_alike_than_they_are() -> None:
    """Each look knows four times what the one before it did, so that the first of ten has 4 of a million parts."""
    times, information = np.arange(1, 11) / 10, 0.25 ** np.arange(10.0)[::-1]
    assert told_apart(information).tolist() == information.tolist()
    bounds = spending_bounds(information, 0.05, "pocock", times)
    steps = np.sqrt(np.diff(information, prepend=0.0))
    seen = np.cumsum(steps * np.random.default_rng(7).normal(size=(60_000, 10)), axis=1) / np.sqrt(information)
    assert (np.abs(seen) > bounds).mean(axis=0)[3:].max() < 0.007
    assert (np.abs(seen) > bounds).any(axis=1).mean() == pytest.approx(0.05, abs=0.003)


def test_the_unit_of_information_does_not_matter_to_looks_at_times() -> None:
    taken, times = [0.1, 0.3], [0.25, 0.5]
    later = spending_bounds([share / 0.3 for share in taken], 0.05, "pocock", times)
    assert later.tolist() == pytest.approx(spending_bounds(taken, 0.05, "pocock", times).tolist(), rel=1e-9)


def test_one_look_at_the_end_is_the_fixed_test() -> None:
    for spending in ("power:3", "power:0.5", "obrien_fleming", "pocock"):
        assert spending_bounds([1.0], 0.05, spending).tolist() == pytest.approx([stats.norm.ppf(0.975)], rel=1e-9)


def test_a_level_of_confidence_is_the_same_as_its_false_alarms() -> None:
    looks = [0.25, 0.5, 1.0]
    assert spending_bounds(looks, 0.95, "pocock").tolist() == pytest.approx(
        spending_bounds(looks, 0.05, "pocock").tolist()
    )
    assert sample_size(0.05, 0.005, level=0.95) == sample_size(0.05, 0.005, level=0.05)


def test_a_look_so_early_that_nothing_may_be_spent_has_no_bound() -> None:
    assert spending_bounds([0.001, 1.0], 0.05, "obrien_fleming").tolist() == pytest.approx(
        [math.inf, 1.95996], abs=1e-5
    )


def test_intervals_of_looks_are_wider_the_freer_one_looks() -> None:
    kinds = (OneLook(), PlannedLook((0.5, 1.0), "obrien_fleming"), PlannedLook((0.5, 1.0), "pocock"), AnyLook(200))
    widths = [seen_at(EFFECT, kind).upper for kind in kinds]
    assert widths == sorted(widths)
    assert len(set(widths)) == 4
    assert seen_at(EFFECT, OneLook()).upper == pytest.approx(EFFECT.upper, rel=1e-12)
    sequence = confidence_sequence(EFFECT.value, EFFECT.standard_error, 200, 200)
    assert seen_at(EFFECT, AnyLook(200)).upper == pytest.approx(sequence.upper, rel=1e-12)


def test_users_for_an_effect_have_the_power_to_show_it() -> None:
    users = users_for(0.3, 2.0, power=0.9, share=0.2, correlation=0.5)
    assert power_of(0.3, 2.0, users, share=0.2, correlation=0.5) == pytest.approx(0.9, abs=1e-3)
    assert detectable_effect(2.0, users, power=0.9, share=0.2, correlation=0.5) == pytest.approx(0.3, rel=1e-3)
    assert users_for(-0.3, 2.0, power=0.9, share=0.2, correlation=0.5) == users


def test_a_sample_size_is_that_of_two_rates() -> None:
    assert sample_size(0.1, 0.02) == 3841  # Fleiss, Levin and Paik (2003): 10 % against 12 %
    assert sample_size(0.12, -0.02) == 3841


WRONG: dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]] = {
    "p above 1": (holm, ([0.1, 1.2],), "row 1 of the p_values is 1.2"),
    "p below 0": (benjamini_hochberg, ([-0.1, 0.2],), "row 0 of the p_values is -0.1"),
    "p of NaN": (bonferroni, ([0.1, NAN],), "row 1 of the p_values is nan"),
    "p in a table": (holm, ([[0.1], [0.2]],), "p_values have the shape"),
    "shares": (sample_ratio, ([5, 5], [0.5, 0.6]), "shares sum to 1.1, expected 1"),
    "a share of 0": (sample_ratio, ([5, 5], [1.0, 0.0]), "row 1 of the shares is 0.0"),
    "counts and shares": (sample_ratio, ([5, 5, 5], [0.5, 0.5]), "counts have the shape"),
    "half a user": (sample_ratio, ([5.5, 5], [0.5, 0.5]), "counts"),
    "fewer than nobody": (sample_ratio, ([-5, 5], [0.5, 0.5]), "row 0 of the counts is -5"),
    "nobody": (sample_ratio, ([0, 0], [0.5, 0.5]), "counts are all 0"),
    "counts per day": (sample_ratio_sequence, ([[5, 5], [4, 6]], [0.5, 0.5]), "counts of variant 0 fall from 5 to 4"),
    "one row": (sample_ratio_sequence, ([5, 5], [0.5, 0.5]), "counts have the shape"),
    "concentration": (sample_ratio_sequence, ([[5, 5]], [0.5, 0.5], 0), "concentration is 0"),
    "an error below 0": (confidence_sequence, (0.1, -0.1, 100, 100), "standard_error is -0.1"),
    "a value of NaN": (confidence_sequence, (NAN, 0.1, 100, 100), "value is nan"),
    "one user": (confidence_sequence, (0.1, 0.1, 1, 100), "users are 1"),
    "tuning": (confidence_sequence, (0.1, 0.1, 100, 0), "tuning is 0"),
    "tuning next to 0": (confidence_sequence, (0.1, 0.1, 100, 5e-324), "tuning is 5e-324"),
    "shapes": (confidence_sequence, ([0.1, 0.2], [0.1, 0.1, 0.1], 100, 100), "have the shapes"),
    "sequence level": (confidence_sequence, (0.1, 0.1, 100, 100, 95), "level is 95"),
    "no error": (sequence_p_value, (0.1, 0.0, 100, 100), "standard_error has a 0"),
    "falling looks": (spending_bounds, ([0.5, 0.4], 0.05, "pocock"), "information is 0.4 at look 1"),
    "the same look": (spending_bounds, ([0.5, 0.5], 0.05, "pocock"), "information is 0.5 at look 1"),
    "a look at nothing": (spending_bounds, ([0.0, 0.5], 0.05, "pocock"), "information is 0.0"),
    "too late": (spending_bounds, ([0.5, 1.1], 0.05, "pocock"), "information is 1.1"),
    "falling times": (spending_bounds, ([0.5, 1.0], 0.05, "pocock", [0.5, 0.4]), "times are"),
    "times of other looks": (spending_bounds, ([0.5, 1.0], 0.05, "pocock", [0.5]), "expected 2 rising shares"),
    "no looks": (spending_bounds, ([], 0.05, "pocock"), "information has the shape"),
    "spending": (spending_bounds, ([0.5], 0.05, "haybittle"), "spending is 'haybittle'"),
    "power of text": (spending_bounds, ([0.5], 0.05, "power:x"), "spending is 'power:x'"),
    "power of 0": (spending_bounds, ([0.5], 0.05, "power:0"), "spending is 'power:0'"),
    "power of NaN": (spending_bounds, ([0.5], 0.05, "power:nan"), "spending is 'power:nan'"),
    "level of 0": (spending_bounds, ([0.5], 0, "pocock"), "level is 0"),
    "a rate in percent": (sample_size, (5, 1), "rate is 5"),
    "a lift above 1": (sample_size, (0.5, 0.6), "lift is 0.6"),
    "no lift": (sample_size, (0.5, 0), "lift is 0"),
    "a relative lift": (sample_size, (0.05, 1.1), "a lift of 10 % of 0.05 is 0.005"),
    "power in percent": (sample_size, (0.05, 0.01, 0.05, 80), "power is 80"),
    "power of the level": (sample_size, (0.05, 0.01, 0.05, 0.01), "power is 0.01"),
    "an effect next to 0": (users_for, (1e-200, 1.0), "effect is 1e-200"),
    "a concentration beyond digits": (
        sample_ratio_sequence,
        ([[5, 5]], [0.5, 0.5], 1e12),
        "concentration is 1000000000000",
    ),
    "no effect": (users_for, (0, 1.0), "effect is 0"),
    "no variance": (users_for, (0.1, 0.0), "variance is 0.0"),
    "all treated": (users_for, (0.1, 1.0, 0.05, 0.8, 1.0), "share is 1.0"),
    "its own covariate": (users_for, (0.1, 1.0, 0.05, 0.8, 0.5, 1.0), "correlation is 1.0"),
    "no users": (power_of, (0.1, 1.0, 0), "users is 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_by_name(case: str) -> None:
    function, arguments, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        function(*arguments)
