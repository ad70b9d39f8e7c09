"""Intervals: against their formulas, and what each promises."""

from math import log, sqrt

import numpy as np
import numpy.typing as npt
import pytest
from naive_evaluation import clustered_error, lower_sequence, poisson_counts
from scipy.stats import norm, poisson

from bandit.errors import InputError
from bandit.evaluation.estimators import Terms, make_estimator
from bandit.evaluation.intervals import bootstrap
from bandit.evaluation.intervals.batches import stabilised
from bandit.evaluation.intervals.bernstein import bernstein_interval
from bandit.evaluation.intervals.bootstrap import percentile_interval, resample
from bandit.evaluation.intervals.normal import NONE, normal_interval, standard_error
from bandit.evaluation.intervals.sequence import confidence_sequence, decision_values
from bandit.evaluation.sample import Sample

F64 = npt.NDArray[np.float64]


def sample_of(m: int = 500, seed: int = 1, clusters: npt.NDArray[np.int64] | None = None) -> Sample:
    random = np.random.default_rng(seed)
    propensities = random.uniform(0.1, 0.9, m)
    rewards = (random.random(m) < 0.3).astype(float)
    return Sample(rewards, random.uniform(0.1, 0.9, m), np.zeros(m), propensities, clusters=clusters)


IPS, SNIPS = make_estimator("ips"), make_estimator("snips")


# --- normal ------------------------------------------------------------------------------------------------------------


def test_the_error_of_a_mean_of_single_impressions_is_the_textbooks() -> None:
    sample = sample_of()
    values = sample.weighted_rewards
    assert standard_error(sample, IPS.terms(sample)) == pytest.approx(values.std(ddof=1) / sqrt(500))


@pytest.mark.parametrize("estimator", [IPS, SNIPS], ids=lambda each: each.name)
def test_the_error_with_clusters_is_the_sandwich_written_out(estimator: object) -> None:
    clusters = np.sort(np.random.default_rng(2).integers(0, 80, 500))
    codes = np.unique(clusters, return_inverse=True)[1]
    sample = sample_of(clusters=codes)
    terms = IPS.terms(sample) if estimator is IPS else SNIPS.terms(sample)
    expected = clustered_error(terms.per_decision.tolist(), codes.tolist())
    assert standard_error(sample, terms) == pytest.approx(expected, rel=1e-12)


def test_a_single_decision_has_no_error_and_no_interval() -> None:
    sample = sample_of(clusters=np.zeros(500, dtype=np.int64))
    error = standard_error(sample, IPS.terms(sample))
    assert error == float("inf")
    assert normal_interval(0.3, error, 0.95) is NONE


def test_a_normal_interval_has_the_normal_quantile() -> None:
    found = normal_interval(1.0, 0.5, 0.9)
    assert found.upper - 1 == pytest.approx(0.5 * norm.ppf(0.95))


# --- bootstrap ---------------------------------------------------------------------------------------------------------


def test_resampled_values_scatter_as_the_standard_error_says() -> None:
    sample = sample_of(2000)
    terms = [IPS.terms(sample), SNIPS.terms(sample)]
    drawn = resample(sample, terms, 4000, seed=1)
    for place, each in enumerate(terms):
        assert drawn[:, place].mean() == pytest.approx(each.value, abs=4 * drawn[:, place].std() / sqrt(4000) + 1e-3)
        assert drawn[:, place].std() == pytest.approx(standard_error(sample, each), rel=0.06)


def test_decisions_are_drawn_whole() -> None:
    clusters = np.repeat(np.arange(100), 5)
    sample = sample_of(clusters=clusters)
    alone = Sample(sample.rewards, sample.target, sample.unsupported, sample.propensities)
    whole = resample(sample, [IPS.terms(sample)], 2000, 3)[:, 0].std()
    single = resample(alone, [IPS.terms(alone)], 2000, 3)[:, 0].std()
    assert whole == pytest.approx(standard_error(sample, IPS.terms(sample)), rel=0.08)
    assert single == pytest.approx(standard_error(alone, IPS.terms(alone)), rel=0.08)


def test_a_log_in_pieces_is_resampled_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = sample_of()
    terms = [IPS.terms(sample), SNIPS.terms(sample)]
    whole = resample(sample, terms, 50, 7)
    monkeypatch.setattr(bootstrap, "_NUMBERS_AT_A_TIME", 1500)  # the size of a buffer, not behaviour
    np.testing.assert_allclose(resample(sample, terms, 50, 7), whole, rtol=1e-12)


def test_estimates_on_the_same_draws_are_paired() -> None:
    sample = sample_of()
    drawn = resample(sample, [IPS.terms(sample), IPS.terms(sample)], 100, 5)
    assert (drawn[:, 0] == drawn[:, 1]).all()


def test_a_mean_of_ones_never_scatters() -> None:
    sample = sample_of()
    drawn = resample(sample, [Terms(base=np.ones(500))], 200, 1)
    np.testing.assert_allclose(drawn, 1)


def test_the_counts_are_the_twins_and_poisson() -> None:
    from bandit.kernels.resampling import poisson_counts as kernel  # noqa: PLC0415

    out = np.empty((3, 10))
    kernel(np.uint64(12345), 4, bootstrap._quantiles(), out)
    assert out.tolist() == [poisson_counts(12345, number, 10) for number in (4, 5, 6)]
    many = np.empty((200, 5000))
    kernel(np.uint64(9), 0, bootstrap._quantiles(), many)
    for count in range(6):
        assert (many == count).mean() == pytest.approx(poisson.pmf(count, 1), abs=2e-3)
    assert np.corrcoef(many[:, 0], many[:, 1])[0, 1] == pytest.approx(0, abs=0.25)


def test_percentiles_leave_out_what_is_not_a_number() -> None:
    values = np.array([np.nan, *np.arange(101.0)])
    assert percentile_interval(values, 0.9) == pytest.approx((5.0, 95.0))
    assert percentile_interval(np.array([np.nan]), 0.9) is NONE


# --- empirical Bernstein -----------------------------------------------------------------------------------------------


def test_a_bernstein_interval_is_the_theorem_written_out() -> None:
    sample = sample_of()
    terms = IPS.terms(sample)
    found = bernstein_interval(sample, terms, 9.0, 0.95)
    tail = log(4 / 0.05)
    width = sqrt(2 * terms.per_decision.var(ddof=1) * tail / 500) + 7 * 9.0 * tail / (3 * 499)
    assert found.upper - found.lower == pytest.approx(2 * width)


def test_a_range_below_what_is_there_is_refused() -> None:
    sample = sample_of()
    with pytest.raises(InputError, match="pass the largest weight that was possible"):
        bernstein_interval(sample, IPS.terms(sample), 0.5, 0.95)


# --- confidence sequences ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("least", "most"), [(0.0, 1.0), (-1.0, 4.0), (0.0, 20.0)])
def test_a_sequence_is_the_twins(least: float, most: float) -> None:
    random = np.random.default_rng(4)
    values = np.where(random.random(60) < 0.1, random.uniform(0, most, 60), least * random.random(60))
    found = confidence_sequence(values, least, most, 0.9, points=None)
    lower = np.maximum(lower_sequence(values.tolist(), least, 0.05), least)
    upper = np.minimum(-np.array(lower_sequence((-values).tolist(), -most, 0.05)), most)
    np.testing.assert_allclose(found.lower, lower, rtol=1e-9)
    np.testing.assert_allclose(found.upper, upper, rtol=1e-9)


def test_a_sequence_closes_in() -> None:
    random = np.random.default_rng(5)
    values = 4.0 * (random.random(200_000) < 0.05)
    found = confidence_sequence(values, 0.0, 4.0)
    assert found.decisions[-1] == 200_000
    widths = found.upper - found.lower
    assert (np.diff(widths[::50]) <= 0).all()
    assert found.lower[-1] < 0.2 < found.upper[-1]
    normal = 2 * 1.96 * 4 * sqrt(0.05 * 0.95 / 200_000)
    assert found.upper[-1] - found.lower[-1] < 2 * normal


def test_a_wide_range_above_costs_the_lower_end_nothing() -> None:
    values = 4.0 * (np.random.default_rng(6).random(5000) < 0.05)
    near, far = (confidence_sequence(values, 0.0, most) for most in (4.0, 400.0))
    assert (near.lower == far.lower).all()
    assert far.upper[-1] > near.upper[-1]


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_the_truth_is_inside_at_all_times_in_nearly_all_runs(rate: float) -> None:
    random = np.random.default_rng(7)
    missed = 0
    for _ in range(400):
        w = np.where(random.random(1000) < 0.25, 4.0, 0.0)  # weights of mean 1
        values = w * (random.random(1000) < rate)
        found = confidence_sequence(values, 0.0, 4.0, 0.95, points=None)
        missed += bool((found.lower > rate).any() or (found.upper < rate).any())
    assert missed / 400 <= 0.05


@pytest.mark.parametrize("change", [0.5, 3.0])
def test_a_sequence_holds_the_mean_so_far_where_expectations_change(change: float) -> None:
    random = np.random.default_rng(9)
    rates = np.where(np.arange(4000) < 2000, 0.2, 0.2 * change)
    so_far = rates.cumsum() / np.arange(1, 4001)
    missed = 0
    for _ in range(100):
        found = confidence_sequence((random.random(4000) < rates).astype(float), 0.0, 1.0, points=None)
        missed += bool(((found.lower > so_far) | (found.upper < so_far)).any())
    assert missed <= 5


def test_fewer_moments_show_the_same_interval() -> None:
    values = np.random.default_rng(8).random(3000)
    every, some = (confidence_sequence(values, 0.0, 1.0, points=points) for points in (None, 20))
    assert len(every.lower) == 3000
    assert set(some.decisions.tolist()) <= set(every.decisions.tolist())
    assert (some.lower == every.lower[some.decisions - 1]).all()
    assert (some.upper == every.upper[some.decisions - 1]).all()


@pytest.mark.parametrize("value", [-0.1, 4.1, np.nan])
def test_a_value_outside_its_range_is_refused_with_its_row(value: float) -> None:
    with pytest.raises(InputError, match=r"value 1 is \S+, expected 0 to 4; pass the largest weight"):
        confidence_sequence(np.array([0.0, value]), 0.0, 4.0)


def test_a_decision_counts_by_its_first_impression_so_that_what_comes_later_changes_no_earlier_value() -> None:
    values = np.array([1.0, 2.0, 3.0, 8.0])
    sample = Sample(values, values, values, None, clusters=np.array([0, 1, 0, 2]))
    assert decision_values(sample, sample.rewards).tolist() == [1.0, 2.0, 8.0]


# --- batches -----------------------------------------------------------------------------------------------------------


def test_batches_alike_are_weighted_alike() -> None:
    sample = sample_of(4000)
    terms = IPS.terms(sample)
    found = stabilised(sample, terms, np.repeat(np.arange(4), 1000), 0.95)
    plain = normal_interval(terms.value, standard_error(sample, terms), 0.95)
    assert found.value == pytest.approx(terms.value, abs=0.01)
    assert found.interval.upper - found.interval.lower == pytest.approx(plain.upper - plain.lower, rel=0.05)


@pytest.mark.parametrize("rewarded", [slice(0, 1000), slice(1000, 1500)])
def test_a_batch_with_large_weights_counts_less_and_rewards_have_no_say(rewarded: slice) -> None:
    # Batches of 1,000 whose target arm was shown always, or one time in ten: weights of 1, and of 10 or 0.
    m = 2000
    shown = (np.arange(m) < 1000) | (np.arange(m) % 10 == 0)
    rewards = np.zeros(m)
    rewards[rewarded] = 1.0
    propensities = np.where(np.arange(m) < 1000, 1.0, 0.1)
    sample = Sample(rewards, shown.astype(float), np.zeros(m), propensities)
    found = stabilised(sample, IPS.terms(sample), np.repeat([0, 1], 1000), 0.95)
    by_batch = sample.weighted_rewards.reshape(2, 1000).mean(axis=1)
    assert found.value == pytest.approx(np.average(by_batch, weights=[sqrt(1000), sqrt(100)]))


def test_batches_that_hardly_show_what_the_target_would_are_joined_to_their_neighbours() -> None:
    m = 3000
    target = np.where((np.arange(m) < 1000) | (np.arange(m) >= 2000), 0.5, 0.0)  # nothing of the target in the middle
    target[2990:] = 0.0
    sample = Sample((np.arange(m) % 3 == 0).astype(float), target, np.zeros(m), np.full(m, 0.5))
    terms = IPS.terms(sample)
    three = stabilised(sample, terms, np.repeat([0, 1, 2], 1000), 0.95)
    assert three == stabilised(sample, terms, np.repeat([0, 1, 1], 1000), 0.95)
    four = np.repeat([0, 1, 2], 1000)
    four[2990:] = 3
    assert stabilised(sample, terms, four, 0.95) == three


def test_the_order_of_rows_does_not_matter_to_batches() -> None:
    sample = sample_of(900)
    propensities = np.asarray(sample.propensities)
    order = np.random.default_rng(0).permutation(900)
    turned = Sample(sample.rewards[order], sample.target[order], sample.unsupported[order], propensities[order])
    batches = np.repeat([0, 1, 2], 300)
    one, other = (
        stabilised(each, IPS.terms(each), of, 0.95) for each, of in ((sample, batches), (turned, batches[order]))
    )
    assert one.value == pytest.approx(other.value, rel=1e-12)
    assert one.interval == pytest.approx(other.interval, rel=1e-9)
