"""Evidence of a change is that of its formula, comes as seldom as it promises, and lasts no longer than the change."""

from itertools import product

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from bandit.arrays import F64
from bandit.monitoring import Member, against_past, against_truth, watch
from bandit.monitoring.detector import LEAST_PAST, LEAST_SINCE, SHIFTS


def member(values: F64, weights: F64 | None = None, name: str = "one") -> Member:
    weights = np.ones(len(values)) if weights is None else weights
    return Member(name, np.arange(len(values)), values, weights, against_past(values, weights))


def drawn(count: int, seed: int = 0) -> F64:
    return np.random.default_rng(seed).normal(size=count)


def log_density(values: F64, covariance: F64) -> float:
    """The density of what does not depend on mean and scale, but for a constant: ∫∫ N(y; μ, σ² C) dμ dσ / σ."""
    inverse = np.linalg.inv(covariance)
    ones = np.ones(len(values))
    precision = ones @ inverse @ ones
    off = values - (ones @ inverse @ values) / precision
    square = off @ inverse @ off
    return float(-(np.linalg.slogdet(covariance)[1] + np.log(precision) + (len(values) - 1) * np.log(square)) / 2)


def test_evidence_is_the_ratio_of_densities_free_of_mean_and_scale() -> None:
    random = np.random.default_rng(4)
    values, weights = random.normal(3.0, 2.0, size=11), random.uniform(0.3, 4.0, size=11)
    logs = against_past(values, weights)
    usual = weights / weights[:LEAST_PAST].mean()
    for start, last in product(range(len(values)), repeat=2):
        if start < LEAST_PAST or last - start + 1 < LEAST_SINCE:
            assert logs[start, last] == -np.inf
            continue
        own, since = values[: last + 1], (np.arange(last + 1) >= start).astype(float)
        plain = np.diag(1 / usual[: last + 1])
        ratios = [
            log_density(own, plain + shift**2 * np.outer(since, since)) - log_density(own, plain) for shift in SHIFTS
        ]
        assert logs[start, last] == pytest.approx(logsumexp(ratios) - np.log(len(SHIFTS)), abs=1e-9)


def test_evidence_depends_on_neither_level_nor_scale_of_the_numbers() -> None:
    values, weights = drawn(15), np.random.default_rng(1).uniform(1, 5, size=15)
    once, again = against_past(values, weights), against_past(1e6 + 300 * values, 7 * weights)
    own = np.isfinite(once)
    np.testing.assert_allclose(once[own], again[own], atol=1e-6)


def test_e_processes_have_a_mean_of_one_where_nothing_changes() -> None:
    """By importance: seasons are drawn under the change as often as without it, so that no rare large value is missed."""
    random = np.random.default_rng(5)
    size, start, count = 10, LEAST_PAST, 1500
    changed = random.random(count) < 0.5
    shifts = random.choice(SHIFTS, count) * random.normal(size=count) * changed
    values = random.normal(size=(count, size))
    values[:, start:] += shifts[:, None]
    logs = np.array([against_past(row, np.ones(size))[start, -1] for row in values])
    after = values[:, start:]
    covariances = [np.eye(size - start) + shift**2 for shift in SHIFTS]
    null = norm.logpdf(after).sum(axis=1)
    other = logsumexp(
        [
            -(np.linalg.slogdet(c)[1] + np.einsum("ni,ij,nj->n", after, np.linalg.inv(c), after)) / 2
            - (size - start) * np.log(2 * np.pi) / 2
            for c in covariances
        ],
        axis=0,
    ) - np.log(len(SHIFTS))
    weights = 1 / (0.5 + 0.5 * np.exp(other - null))
    terms = weights * np.exp(logs)
    assert abs(terms.mean() - 1) < 4 * terms.std() / np.sqrt(len(terms))


def test_alarms_come_no_oftener_than_the_threshold_promises() -> None:
    threshold, nights, seasons = 20.0, 40, 150
    alarms = [len(watch([member(drawn(nights, seed))], nights, threshold).alarms) for seed in range(seasons)]
    assert sum(alarms) / (nights * seasons) <= 1 / threshold


def test_a_change_that_lasts_is_found_and_dated() -> None:
    values = drawn(40)
    values[25:] += 4.0
    [first, *_] = watch([member(values)], 40, 1400.0).alarms
    assert 26 <= first.night <= 30
    assert abs(first.since - 25) <= 1
    assert first.after - first.before == pytest.approx(4.0, abs=1.0)


def test_one_night_that_is_out_of_the_way_is_no_change() -> None:
    values = drawn(40)
    values[25] += 12.0
    assert watch([member(values)], 40, 1400.0).alarms == ()


def test_nights_that_let_expect_little_may_be_far_out() -> None:
    values, weights = drawn(40), np.ones(40)
    weights[25:28] = 1 / 400
    values[25:28] *= 20
    assert watch([member(values, weights)], 40, 1400.0).alarms == ()


@pytest.mark.parametrize(
    "values",
    [np.zeros(20), np.full(20, 1e300), np.full(20, -3.5), np.repeat([1.0, 1.0 + 1e-15], 10)],
    ids=["zeros", "huge", "equal", "last bits"],
)
def test_numbers_that_do_not_differ_say_nothing(values: F64) -> None:
    watched = watch([member(values)], len(values), 20.0)
    assert watched.alarms == ()
    assert np.isfinite(watched.evidence).all()


@pytest.mark.parametrize("count", range(LEAST_PAST + LEAST_SINCE))
def test_too_few_numbers_have_no_evidence(count: int) -> None:
    assert watch([member(drawn(count))], count, 1.0).evidence.tolist() == [0.0] * count


def test_after_an_alarm_only_later_changes_count() -> None:
    values = drawn(60)
    values[20:] += 8.0
    watched = watch([member(values)], 60, 1400.0)
    first = watched.alarms[0].night
    assert watched.evidence[first + 1] < 1400
    assert all(later.since > before.night for before, later in zip(watched.alarms, watched.alarms[1:], strict=False))


def test_changes_before_the_first_night_do_not_count() -> None:
    values = drawn(40)
    values[10:] += 6.0
    assert watch([member(values)], 40, 1400.0).alarms
    assert all(alarm.since >= 20 for alarm in watch([member(values)], 40, 1400.0, first=20).alarms)


def test_the_evidence_of_several_series_is_their_mean_by_share() -> None:
    parts = [member(drawn(30, seed), name=str(seed)) for seed in range(3)]
    alone = [watch([part], 30, 1e9).evidence for part in parts]
    shared = [part._replace(share=share) for part, share in zip(parts, (1.0, 1.0, 2.0), strict=True)]
    np.testing.assert_allclose(watch(shared, 30, 1e9).evidence, (alone[0] + alone[1] + 2 * alone[2]) / 4)


def test_a_series_whose_numbers_are_of_several_nights_counts_when_they_are_complete() -> None:
    values = drawn(12)
    values[8:] += 50.0
    nights = 3 * np.arange(12) + 2
    one = Member("pooled", nights, values, np.ones(12), against_past(values, np.ones(12)))
    [first, *_] = watch([one], 36, 1400.0).alarms
    assert (first.night in nights, first.since) == (True, 24)
    watched = watch([one], 36, 1e99)
    assert (np.diff(watched.evidence)[[night for night in range(35) if night + 1 not in nights]] == 0).all()


def test_e_values_without_a_past_follow_the_recursion_of_shiryaev_and_roberts() -> None:
    logs = drawn(12)[:, None]
    one = Member("bets", np.arange(12), np.ones(12), np.ones(12), against_truth(logs))
    expected, so_far = [], 0.0
    for value in np.exp(logs[:, 0]).tolist():
        so_far = value * (1 + so_far)
        expected.append(so_far)
    np.testing.assert_allclose(watch([one], 12, 1e9).evidence, expected)
