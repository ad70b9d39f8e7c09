"""A preference within users, pooled over splits: by hand, and how often its intervals and its carry-over test are wrong."""

from math import sqrt

import numpy as np
import pytest

from bandit.errors import InputError
from bandit.experiments import Effect, Interleaved, interleaved_effect, paired_effect, ratio_effect

SHARES = (0.5, 0.1)
SIMULATIONS = 400


def simulated(random: np.random.Generator, *, users: int = 150, gain: float = 0.0, carry: float = 0.0) -> Interleaved:
    """Users who differ in how much they take: of 40 impressions a split's share is of the second side, which gains.

    ``carry`` is what each of the first side's impressions loses per share of the second's.
    """
    effects = []
    for share in SHARES:
        rates = random.beta(2, 8, size=users)
        shown = random.poisson(40, size=users) + 1
        second = random.binomial(shown, share)
        takes = [
            random.binomial(count, np.clip(rates + change, 0, 1))
            for count, change in ((second, gain), (shown - second, -carry * share))
        ]
        effects.append(paired_effect((takes[0], second), (takes[1], shown - second)))
    return interleaved_effect(effects, SHARES)


def test_two_splits_are_pooled_by_hand() -> None:
    one = paired_effect(([2, 1, 3, 2], [4, 4, 4, 4]), ([1, 1, 2, 0], [4, 4, 4, 4]))
    other = paired_effect(([2, 1, 3], [2, 2, 4]), ([1, 1, 0], [4, 6, 2]))
    made = interleaved_effect([one, other], [0.5, 0.1])
    first, second = 4 * 0.25, 3 * 0.09
    weights = first / (first + second), second / (first + second)
    assert made.preference.value == pytest.approx(weights[0] * one.value + weights[1] * other.value)
    expected = sqrt((weights[0] * one.standard_error) ** 2 + (weights[1] * other.standard_error) ** 2)
    assert made.preference.standard_error == pytest.approx(expected)
    assert made.preference.users == (7, 7)
    assert made.carry_over is not None
    apart = (one.value - other.value) ** 2 / (one.standard_error**2 + other.standard_error**2)
    assert made.carry_over.statistic == pytest.approx(apart)


def test_one_split_is_itself_and_tells_nothing_of_carry_over() -> None:
    one = paired_effect(([2, 1, 3, 2], [4, 4, 4, 4]), ([1, 1, 2, 0], [4, 4, 4, 4]))
    made = interleaved_effect([one], [0.5])
    assert made.preference.value == one.value
    assert made.preference.standard_error == pytest.approx(one.standard_error)
    assert made.preference.degrees == pytest.approx(one.degrees)
    assert made.carry_over is None


def test_intervals_hold_the_truth_and_carry_over_is_alarmed_of_at_its_rate() -> None:
    random = np.random.default_rng(5)
    made = [simulated(random, gain=0.03) for _ in range(SIMULATIONS)]
    covered = np.mean([one.preference.lower <= 0.03 <= one.preference.upper for one in made])
    assert 0.92 <= covered <= 0.975
    alarmed = np.mean([one.carry_over.p_value < 0.05 for one in made if one.carry_over])
    assert 0.02 <= alarmed <= 0.085


def test_carry_over_is_seen_where_there_is_much_of_it() -> None:
    random = np.random.default_rng(6)
    made = [simulated(random, carry=0.25) for _ in range(50)]
    assert np.mean([one.carry_over.p_value < 0.01 for one in made if one.carry_over]) > 0.7


@pytest.mark.parametrize(
    ("effects", "shares", "said"),
    [(0, [], "0 effects"), (1, [0.5, 0.1], "1 effects and 2 shares"), (2, [0.5, 1.0], "1.0"), (1, [0.0], "0.0")],
)
def test_what_is_no_interleaving_is_refused(effects: int, shares: list[float], said: str) -> None:
    one: Effect = paired_effect(([2, 1, 3, 2], [4, 4, 4, 4]), ([1, 1, 2, 0], [4, 4, 4, 4]))
    with pytest.raises(InputError, match=said):
        interleaved_effect([one] * effects, shares)


PAGE, VISITS = 40, 60
ENGAGED = (0.7, 0.45)
"""Share of plays that are takes, of both variants: artworks of the second are clicked more, and watched less."""


def one_play(
    random: np.random.Generator, clicks: tuple[float, float], share: float, users: int = 300
) -> tuple[np.ndarray, np.ndarray]:
    """Takes and impressions (users, 2) of both variants, where a visit plays one of the titles that would be clicked."""
    shown = np.array([PAGE - round(PAGE * share), round(PAGE * share)])
    clicked = random.binomial(shown, clicks, size=(users, VISITS, 2))
    total = clicked.sum(axis=2)
    is_second = random.random((users, VISITS)) * np.maximum(total, 1) < clicked[..., 1]
    takes = (total > 0) & (random.random((users, VISITS)) < np.where(is_second, ENGAGED[1], ENGAGED[0]))
    both = np.stack([(takes & ~is_second).sum(axis=1), (takes & is_second).sum(axis=1)], axis=1)
    return both, np.broadcast_to(VISITS * shown, both.shape)


@pytest.mark.parametrize(
    ("clicks", "said", "alarm"),
    [
        ((0.04, 0.1), (-0.3104, -0.3356, -0.2853, 0.6564, 0.61, 0.7028), True),
        ((0.015, 0.04), (0.099, 0.0743, 0.1238, 0.4864, 0.4469, 0.526), False),
    ],
    ids=["another sign", "five times the lift"],
)
def test_where_a_visit_plays_one_title_a_preference_is_no_lift(
    clicks: tuple[float, float], said: tuple[float, ...], alarm: bool
) -> None:
    """The case in which an interleaving misleads: the figures, in points, are those of docs/experiments.md."""
    random = np.random.default_rng(7)
    control, treated = (one_play(random, clicks, share) for share in (0.0, 1.0))
    ab = ratio_effect((treated[0][:, 1], treated[1][:, 1]), (control[0][:, 0], control[1][:, 0]))
    effects = []
    for share in SHARES:
        takes, shown = one_play(random, clicks, share)
        effects.append(paired_effect((takes[:, 1], shown[:, 1]), (takes[:, 0], shown[:, 0])))
    mix = interleaved_effect(effects, SHARES)
    told = [100 * value for one in (ab, mix.preference) for value in (one.value, one.lower, one.upper)]
    assert told == pytest.approx(said, abs=0.0001)
    assert mix.carry_over is not None
    assert (mix.carry_over.p_value < 0.01) is alarm
