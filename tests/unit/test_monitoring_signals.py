"""Nights as numbers: what counts of a user, nights that are too small, features that die, and what there is nothing of."""

import numpy as np
import pytest

from bandit.arrays import F64
from bandit.monitoring import context_numbers, contrast_numbers, ratio_numbers, user_shares
from bandit.monitoring.numbers import LEAST_EXPECTED, MOST_IMPRESSIONS
from bandit.monitoring.signals import (
    BEST,
    CLICKS,
    CONTEXTS,
    EVERYBODY,
    IS_BEST,
    NOT_BEST,
    PROPENSITIES,
    RATE,
    SIGNALS,
    THRESHOLD,
    Bets,
    Explored,
    Feature,
    Night,
    Ratio,
    explored_ratios,
    watch_nights,
)

DAYS = np.arange(740_000, 740_020)


def test_a_user_who_sees_thousands_counts_as_much_as_one_who_sees_twenty() -> None:
    users = np.concatenate((np.zeros(5000, dtype=np.int64), [1, 1, 2]))
    shares = user_shares(users)
    assert np.bincount(users, weights=shares).tolist() == pytest.approx([MOST_IMPRESSIONS, 2, 1])


def test_nobody_has_no_shares() -> None:
    assert user_shares(np.empty(0, dtype=np.int64)).tolist() == []


def test_nights_are_taken_together_until_they_let_expect_enough() -> None:
    expected = np.full(20, LEAST_EXPECTED / 2.5)
    numbers = ratio_numbers("x", DAYS, expected, expected)
    assert numbers.nights.tolist() == [2, 5, 8, 11, 14, 17]
    np.testing.assert_allclose(numbers.weights, 3 * LEAST_EXPECTED / 2.5)


def test_what_befalls_all_alike_is_no_contrast() -> None:
    expected = np.full((2, 20), 1e6)
    moods = np.linspace(0.2, 3.0, 20)
    same = contrast_numbers("x", DAYS, expected * moods, expected)
    level = contrast_numbers("x", DAYS, expected, expected)
    np.testing.assert_allclose(same.values, level.values, atol=1e-6)
    np.testing.assert_allclose(same.weights, 5e5)


def test_a_contrast_waits_for_the_smaller_part() -> None:
    expected = np.stack([np.full(20, LEAST_EXPECTED / 3.5), np.full(20, 100 * LEAST_EXPECTED)])
    assert contrast_numbers("x", DAYS, expected, expected).nights.tolist() == [3, 7, 11, 15, 19]
    expected[1] = 0.0  # everybody is in one class: there are no others
    assert contrast_numbers("x", DAYS, expected, expected).nights.tolist() == []


@pytest.mark.parametrize("expected", [0.0, 1e-9, LEAST_EXPECTED / 21])
def test_nights_that_let_expect_nothing_give_no_number(expected: float) -> None:
    assert ratio_numbers("x", DAYS, np.ones(20), np.full(20, expected)).nights.tolist() == []


def test_numbers_are_the_same_whenever_they_are_made() -> None:
    observed, expected = np.arange(20.0), np.full(20, 30.0)
    once, again = (ratio_numbers("x", DAYS, observed, expected).values for _ in range(2))
    assert once.tolist() == again.tolist()
    first = ratio_numbers("x", DAYS[:8], observed[:8], expected[:8]).values
    assert first.tolist() == once[:8].tolist()


def test_a_feature_that_never_differed_is_not_watched() -> None:
    numbers = context_numbers("x", DAYS, np.ones(20), np.zeros(20), np.full(20, 50))
    assert [len(own.values) for own in numbers] == [0, 0]


def test_a_feature_that_dies_at_its_mean_shows_in_its_variance() -> None:
    variances = np.where(np.arange(20) < 15, 1.0, 0.0)
    _, spread = context_numbers("x", DAYS, np.zeros(20), variances, np.full(20, 50))
    assert spread.values[15:].max() < -5 < spread.values[:15].min()


def explored(**changes: object) -> Explored:
    night = Explored(
        users=np.array([0, 0, 1]),
        rewards=np.array([1.0, 0.0, 1.0]),
        predicted=np.array([0.2, 0.1, -0.5]),
        is_best=np.array([True, False, True]),
        classes=np.array([0, 0, -1]),
        class_names=["PT phone"],
        clicked=np.array([True, True, True]),
    )
    return night._replace(**changes)  # type: ignore[arg-type]


def test_ratios_of_a_night_are_of_everybody_of_classes_and_of_predicted_best_artworks() -> None:
    made = explored_ratios(explored())
    assert made[RATE, EVERYBODY] == pytest.approx((2.0, 0.3))  # a prediction below 0 is none
    assert made["rewards by class of users", "PT phone"] == pytest.approx((1.0, 0.3))
    assert made[BEST, IS_BEST] == pytest.approx((2.0, 0.2))
    assert made[BEST, NOT_BEST] == pytest.approx((0.0, 0.1))
    assert made[CLICKS, EVERYBODY] == pytest.approx((2.0, 3.0))


def test_without_clicks_takes_per_click_are_left_out() -> None:
    assert (CLICKS, EVERYBODY) not in explored_ratios(explored(clicked=None))


def test_nights_of_which_nothing_is_known_are_not_watched_and_say_so() -> None:
    for nights in ([], [Night(day=1)], [Night(day=day) for day in range(30)]):
        signals = watch_nights(nights)
        assert [signal.name for signal in signals] == list(SIGNALS)
        assert all(signal.watched is None and signal.why for signal in signals)


def quiet(day: int, random: np.random.Generator, rate: float = 1.0) -> Night:
    seen = float(random.poisson(60 * rate))
    return Night(day, {(RATE, EVERYBODY): Ratio(seen, 60.0)}, users=0)


def nights_of(rates: list[float], seed: int = 0) -> list[Night]:
    random = np.random.default_rng(seed)
    return [quiet(740_000 + place, random, rate) for place, rate in enumerate(rates)]


def test_a_rate_that_halves_is_found_within_a_week() -> None:
    signals = {signal.name: signal for signal in watch_nights(nights_of([1.0] * 30 + [0.5] * 7))}
    watched = signals[RATE].watched
    assert watched is not None
    assert watched.threshold == THRESHOLD == 200 * len(SIGNALS)
    assert [alarm.night >= 30 for alarm in watched.alarms[:1]] == [True]
    assert signals[CONTEXTS].watched is None


def test_a_taste_that_shifts_is_seen_beside_the_others_whatever_the_mood_of_all() -> None:
    random = np.random.default_rng(3)
    nights = []
    for place in range(37):
        mood, best = float(np.exp(random.normal(scale=0.3))), 0.5 if place >= 30 else 1.0
        seen, others = (float(random.poisson(200 * mood * factor)) for factor in (best, 1.0))
        ratios = {
            (RATE, EVERYBODY): Ratio(seen + others, 400.0),
            (BEST, IS_BEST): Ratio(seen, 200.0),
            (BEST, NOT_BEST): Ratio(others, 200.0),
        }
        nights.append(Night(740_000 + place, ratios))
    signals = {signal.name: signal.watched for signal in watch_nights(nights)}
    shifted, rate = signals[BEST], signals[RATE]
    assert shifted is not None
    assert rate is not None
    assert (shifted.alarms[0].night >= 30, rate.alarms) == (True, ())
    assert (shifted.alarms[0].after / shifted.alarms[0].before) ** 2 == pytest.approx(0.5, abs=0.15)


def test_nights_without_explorers_in_between_change_nothing_but_the_dates() -> None:
    busy = nights_of([1.0] * 30 + [0.5] * 7)
    spread = [own for night in busy for own in (night, Night(night.day + 100_000))]
    [first, *_] = watch_nights(busy)[0].watched.alarms  # type: ignore[union-attr]
    [later, *_] = watch_nights(spread)[0].watched.alarms  # type: ignore[union-attr]
    assert (later.night // 2, later.evidence) == (first.night, pytest.approx(first.evidence, rel=0.5))


def test_bets_of_a_night_without_decisions_leave_the_evidence_of_before() -> None:
    logs: F64 = np.log([1.5, 1.2, 1.1, 0.9, 0.8, 0.7])
    night = Night(1, bets={"arm 0": Bets(logs, 9.0, 12.0)})
    signals = watch_nights([night, Night(2)])
    watched = next(signal.watched for signal in signals if signal.name == PROPENSITIES)
    assert watched is not None
    assert watched.evidence.tolist() == pytest.approx([np.exp(logs).mean(), np.exp(logs).mean() + 1])


def test_a_feature_that_comes_and_goes_is_watched_on_the_nights_that_have_it() -> None:
    random = np.random.default_rng(2)
    nights = [
        Night(day, features={"age": Feature(random.normal() / 20, 1.0)} if day % 3 else {}, users=400)
        for day in range(40)
    ]
    signals = {signal.name: signal for signal in watch_nights(nights)}
    assert signals[CONTEXTS].numbers == sum(day % 3 > 0 for day in range(40))


@pytest.mark.parametrize(("users", "share"), [(300, 0.5), (30, 0.5), (30, 0.02)])
def test_users_who_come_again_night_after_night_are_no_change_of_the_contexts(users: int, share: float) -> None:
    alarms = 0
    for seed in range(3):
        random = np.random.default_rng(seed)
        values = (random.random((users, 4)) < share) * 1.0
        nights = []
        for day in range(60):
            new = random.random(users) < 0.1
            values[new] = random.random((int(new.sum()), 4)) < share
            means, variances = values.mean(axis=0), values.var(axis=0)
            fourth = ((values - means) ** 4).mean(axis=0)
            kurtoses = fourth / np.where(variances > 0, variances, 1.0) ** 2
            moments = np.stack([means, variances, kurtoses], axis=1).tolist()
            nights.append(
                Night(739_000 + day, features={f"f{i}": Feature(*own) for i, own in enumerate(moments)}, users=users)
            )
        [contexts] = [signal for signal in watch_nights(nights) if signal.name == CONTEXTS]
        alarms += len(contexts.watched.alarms) if contexts.watched else 0
    assert alarms <= 1  # of 180 nights
