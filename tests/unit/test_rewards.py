from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.errors import InputError
from bandit.rewards import Click, EngagedTake, Reward, WatchedFraction, WeightedSum, parse_reward

CLICKED = np.array([True, True, True, False, False])
WATCHED = np.array([1.0, 0.7, 0.69, 0.9, 0.0])

REWARDS = [
    EngagedTake(),
    EngagedTake(0.8),
    EngagedTake(1 / 3),
    Click(),
    WatchedFraction(),
    WeightedSum(((EngagedTake(), 0.7), (Click(), 0.3))),
    WeightedSum(((WatchedFraction(), 0.2), (Click(), 0.1), (EngagedTake(0.5), 0.7))),
    WeightedSum(((Click(), 1.0),)),
]
EVERY = pytest.mark.parametrize("reward", REWARDS, ids=str)


def test_a_take_is_played_and_watched_to_the_engaged_fraction() -> None:
    assert EngagedTake().rewards(CLICKED, WATCHED).tolist() == [1, 1, 0, 0, 0]


def test_the_engaged_fraction_can_be_set() -> None:
    assert EngagedTake(0.5).rewards(CLICKED, WATCHED).tolist() == [1, 1, 1, 0, 0]


def test_a_fraction_of_one_asks_for_the_whole_title() -> None:
    assert EngagedTake(1.0).rewards(CLICKED, WATCHED).tolist() == [1, 0, 0, 0, 0]


def test_a_click_counts_however_little_was_watched() -> None:
    assert Click().rewards(CLICKED, WATCHED).tolist() == [1, 1, 1, 0, 0]


def test_the_watched_fraction_counts_where_a_play_began() -> None:
    assert WatchedFraction().rewards(CLICKED, WATCHED).tolist() == [1, 0.7, 0.69, 0, 0]


def test_a_sum_weighs_its_objectives() -> None:
    both = WeightedSum(((EngagedTake(), 0.75), (WatchedFraction(), 0.25)))
    assert both.rewards(np.array([True, True, False]), np.array([1.0, 0.5, 0.0])).tolist() == [1, 0.125, 0]


@EVERY
def test_rewards_stay_between_0_and_1(reward: Reward) -> None:
    found = reward.rewards(CLICKED, WATCHED)
    assert found.dtype == np.float64
    assert ((found >= 0) & (found <= 1)).all()


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_the_rounding_of_weights_never_lifts_a_sum_above_1(shares: list[float]) -> None:
    weights = [share / sum(shares) for share in shares]
    reward = WeightedSum(tuple(zip((EngagedTake(), Click(), WatchedFraction()), weights, strict=True)))
    assert 1 - 1e-9 <= reward.rewards([True], [1.0])[0] <= 1


@EVERY
def test_no_impressions_have_no_rewards(reward: Reward) -> None:
    assert reward.rewards(CLICKED[:0], WATCHED[:0]).shape == (0,)
    assert reward.rewards([], []).shape == (0,)


@EVERY
@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1, np.inf])
def test_a_watched_fraction_that_is_no_share_is_refused_with_its_row(reward: Reward, wrong: float) -> None:
    with pytest.raises(InputError, match=f"row 1 has the watch_fraction {wrong}, expected 0 to 1"):
        reward.rewards(np.array([True, False]), np.array([0.5, wrong]))


@EVERY
@pytest.mark.parametrize(
    ("clicked", "watched"), [(CLICKED, WATCHED[:4]), (CLICKED[:, None], WATCHED[:, None]), (np.True_, np.float64(1))]
)
def test_other_shapes_are_refused_with_both(
    reward: Reward, clicked: npt.NDArray[np.bool_], watched: npt.NDArray[np.float64]
) -> None:
    with pytest.raises(InputError) as caught:
        reward.rewards(clicked, watched)
    assert str(clicked.shape) in str(caught.value)
    assert str(watched.shape) in str(caught.value)


@EVERY
@pytest.mark.parametrize("watched", [["much", "none"], [0.5, None], [0.5j, 0.1]], ids=str)
def test_watched_fractions_that_are_no_numbers_are_refused_with_their_row(reward: Reward, watched: Any) -> None:
    with pytest.raises(
        InputError, match=r"row \d of the watch_fraction is (missing|\S+ \(\w+\), expected real numbers)"
    ):
        reward.rewards([True, False], watched)


@EVERY
def test_ragged_lists_are_refused_by_name(reward: Reward) -> None:
    ragged: Any = [[0.5], [0.5, 0.1]]
    with pytest.raises(InputError, match="watch_fraction makes no array"):
        reward.rewards([True, False], ragged)
    with pytest.raises(InputError, match="clicked makes no array"):
        reward.rewards(ragged, [0.5, 0.1])


@pytest.mark.parametrize("nonsense", ["most", None, 1j], ids=str)
def test_parameters_that_are_no_numbers_are_refused(nonsense: Any) -> None:
    with pytest.raises(InputError, match=r"engaged_fraction is .*, expected above 0"):
        EngagedTake(nonsense)
    with pytest.raises(InputError, match=r"the weights are .* and add up to nan"):
        WeightedSum(((EngagedTake(), 0.5), (Click(), nonsense)))


def test_clicks_that_are_counts_are_refused() -> None:
    with pytest.raises(InputError, match="clicked is an array of int64, expected booleans"):
        Click().rewards(np.array([0, 2], dtype=np.int64), np.array([0.0, 1.0]))


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1, float("nan")])
def test_an_engaged_fraction_that_is_no_share_is_refused(fraction: float) -> None:
    with pytest.raises(InputError, match=f"engaged_fraction is {fraction}, expected above 0 and at most 1"):
        EngagedTake(fraction)


@pytest.mark.parametrize("weights", [(0.7, 0.2), (0.7, 0.7), (1.5, -0.5), (float("nan"), 0.5), (0.0, 0.0)])
def test_weights_that_do_not_share_out_one_are_refused(weights: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=f"the weights are {weights[0]}, {weights[1]} and add up to .*, expected"):
        WeightedSum(((EngagedTake(), weights[0]), (Click(), weights[1])))


def test_a_sum_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="the objectives are none"):
        WeightedSum(())


def test_an_objective_that_appears_twice_is_refused() -> None:
    with pytest.raises(InputError, match="the objectives are take, take, expected each of take, click"):
        WeightedSum(((EngagedTake(), 0.5), (EngagedTake(0.9), 0.5)))


def test_a_sum_of_sums_is_refused() -> None:
    with pytest.raises(InputError, match="the objectives are weighted_sum"):
        WeightedSum(((WeightedSum(((Click(), 1.0),)), 1.0),))


@EVERY
def test_the_text_of_a_reward_reads_back_as_the_reward(reward: Reward) -> None:
    assert parse_reward(reward.text) == reward
    assert parse_reward(str(reward)).text == reward.text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("take", "take:engaged_fraction=0.7"),
        ("take:engaged_fraction=.80", "take:engaged_fraction=0.8"),
        ("click", "click"),
        ("watched_fraction", "watched_fraction"),
        ("weighted_sum:take=0.7,click=0.3", "weighted_sum:take=0.7,take.engaged_fraction=0.7,click=0.3"),
        (
            "weighted_sum:take.engaged_fraction=0.8,take=0.7,click=0.3",
            "weighted_sum:take=0.7,take.engaged_fraction=0.8,click=0.3",
        ),
    ],
)
def test_the_text_names_every_parameter(text: str, canonical: str) -> None:
    assert parse_reward(text).text == canonical


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("likes", "no reward 'likes'; choose one of take, click, watched_fraction, weighted_sum"),
        ("", "no reward ''"),
        ("click:engaged_fraction=1", "click has no parameter 'engaged_fraction'; it takes none"),
        ("take:fraction=1", "take has no parameter 'fraction'; it takes engaged_fraction"),
        ("take:engaged_fraction=most", "engaged_fraction of take is 'most', expected a number"),
        ("take:engaged_fraction=0", "engaged_fraction is 0.0, expected above 0"),
        ("weighted_sum", "the objectives are none"),
        ("weighted_sum:likes=1", "weighted_sum has no parameter 'likes'; it takes click, take, watched_fraction"),
        ("weighted_sum:take=1,take=1", "take of weighted_sum is given twice, 1.0 and 1; give it once"),
        ("weighted_sum:click=1,take.engaged_fraction=0.8", "sets take.engaged_fraction and has no objective 'take'"),
        ("weighted_sum:take=1,take.fraction=0.8", "take has no parameter 'fraction'"),
        ("weighted_sum:take=0.6,click=0.3", "the weights are 0.6, 0.3 and add up to 0.8999"),
    ],
)
def test_a_wrong_word_is_refused_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_reward(text)
