from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.errors import InputError
from bandit.rewards import (
    Click,
    Diversity,
    EngagedTake,
    Freshness,
    Reward,
    WatchedFraction,
    WeightedSum,
    page_diversity,
    parse_reward,
)

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
    Freshness(),
    Diversity(),
    WeightedSum(((EngagedTake(), 0.6), (Freshness(3.5), 0.1), (Diversity(), 0.3))),
]
EVERY = pytest.mark.parametrize("reward", REWARDS, ids=str)
AGES = np.array([0.0, 3.5, 7.0, 1e9, np.inf])
ELSE = np.array([1.0, 0.5, 0.0, 0.25, 1.0])


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
    found = reward.rewards(CLICKED, WATCHED, AGES, ELSE)
    assert found.dtype == np.float64
    assert ((found >= 0) & (found <= 1)).all()


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_the_rounding_of_weights_never_lifts_a_sum_above_1(shares: list[float]) -> None:
    weights = [share / sum(shares) for share in shares]
    reward = WeightedSum(tuple(zip((EngagedTake(), Click(), WatchedFraction()), weights, strict=True)))
    assert 1 - 1e-9 <= reward.rewards([True], [1.0])[0] <= 1


@EVERY
def test_no_impressions_have_no_rewards(reward: Reward) -> None:
    assert reward.rewards(CLICKED[:0], WATCHED[:0], AGES[:0], ELSE[:0]).shape == (0,)
    assert reward.rewards([], [], [], []).shape == (0,)


@EVERY
@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1, np.inf])
def test_a_watched_fraction_that_is_no_share_is_refused_with_its_row(reward: Reward, wrong: float) -> None:
    with pytest.raises(InputError, match=f"row 1 has the watch_fraction {wrong}, expected 0 to 1"):
        reward.rewards(np.array([True, False]), np.array([0.5, wrong]), AGES[:2], ELSE[:2])


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
        ("freshness", "freshness:half_life=14.0"),
        ("diversity", "diversity"),
        (
            "weighted_sum:take=0.5,freshness=0.25,freshness.half_life=7,diversity=0.25",
            "weighted_sum:take=0.5,take.engaged_fraction=0.7,freshness=0.25,freshness.half_life=7.0,diversity=0.25",
        ),
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
        ("likes", "no reward 'likes'; choose one of take, click, watched_fraction, freshness, diversity, weighted_sum"),
        ("", "no reward ''"),
        ("click:engaged_fraction=1", "click has no parameter 'engaged_fraction'; it takes none"),
        ("take:fraction=1", "take has no parameter 'fraction'; it takes engaged_fraction"),
        ("take:engaged_fraction=most", "engaged_fraction of take is 'most', expected a number"),
        ("take:engaged_fraction=0", "engaged_fraction is 0.0, expected above 0"),
        ("freshness:half_life=0", "half_life is 0.0, expected a number of days above 0"),
        ("freshness:half_life=nan", "half_life is nan, expected a number of days above 0"),
        ("diversity:themes=3", "diversity has no parameter 'themes'; it takes none"),
        ("weighted_sum", "the objectives are none"),
        (
            "weighted_sum:likes=1",
            "weighted_sum has no parameter 'likes'; it takes click, diversity, freshness, take, watched_fraction",
        ),
        ("weighted_sum:take=1,take=1", "take of weighted_sum is given twice, 1.0 and 1; give it once"),
        ("weighted_sum:click=1,take.engaged_fraction=0.8", "sets take.engaged_fraction and has no objective 'take'"),
        ("weighted_sum:take=1,take.fraction=0.8", "take has no parameter 'fraction'"),
        ("weighted_sum:take=0.6,click=0.3", "the weights are 0.6, 0.3 and add up to 0.8999"),
    ],
)
def test_a_wrong_word_is_refused_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_reward(text)


def naive_diversity(pages: list[int], titles: list[int], artworks: list[int], themes: list[int]) -> list[float]:
    """Row by row, from the definition."""
    shown = list(zip(pages, titles, artworks, themes, strict=True))
    found = []
    for page, title, _, theme in shown:
        rest = {(other[1], other[2], other[3]) for other in shown if other[0] == page and other[1] != title}
        others = sum(1 for other in rest if other[2] != theme or theme < 0)
        found.append(others / len(rest) if rest else 1.0)
    return found


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 2)), max_size=40),
    st.lists(st.integers(-1, 3), min_size=15, max_size=15),
)
def test_page_diversity_is_that_of_its_definition(places: list[tuple[int, int, int]], of_artworks: list[int]) -> None:
    pages, titles = [place[0] for place in places], [place[1] for place in places]
    artworks = [place[2] for place in places]
    themes = [of_artworks[3 * title + artwork] for _, title, artwork in places]
    expected = naive_diversity(pages, titles, artworks, themes)
    assert page_diversity(pages, titles, artworks, themes) == pytest.approx(expected, abs=1e-12)


def test_the_mean_over_a_page_is_its_index_of_simpson() -> None:
    random = np.random.default_rng(4)
    themes = random.integers(5, size=30)
    shares = page_diversity(np.zeros(30, dtype=int), np.arange(30), np.zeros(30, dtype=int), themes)
    counts = np.bincount(themes)
    assert shares.mean() == pytest.approx(1 - (counts * (counts - 1)).sum() / (30 * 29), abs=1e-12)


def test_one_more_title_of_a_theme_moves_the_page_by_twice_its_own_share() -> None:
    """What learning a title alone sees of a page: half of what its pick does to the sum over the page."""
    themes = np.array([0, 0, 0, 1, 2, 2])
    other = np.where(np.arange(6) == 0, 1, themes)

    def shares(of: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return page_diversity(np.zeros(6, dtype=int), np.arange(6), of, of)

    own = shares(other)[0] - shares(themes)[0]
    assert own == pytest.approx((2 - 1) / 5)
    assert shares(other).sum() - shares(themes).sum() == pytest.approx(2 * own)


def test_freshness_halves_every_half_life_whatever_the_user_did() -> None:
    assert Freshness(3.5).rewards(CLICKED, WATCHED, AGES).tolist() == [1, 0.5, 0.25, 0, 0]


def test_a_sum_of_all_objectives_is_the_sum_of_each() -> None:
    reward = parse_reward("weighted_sum:take=0.4,watched_fraction=0.2,click=0.1,freshness=0.2,diversity=0.1")
    found = reward.rewards(CLICKED, WATCHED, AGES, ELSE)
    for row in range(len(CLICKED)):
        clicked, watched = bool(CLICKED[row]), float(WATCHED[row])
        plain = 0.4 * (clicked and watched >= 0.7) + 0.2 * clicked * watched + 0.1 * clicked
        assert found[row] == pytest.approx(plain + 0.2 * 2 ** (-AGES[row] / 14) + 0.1 * ELSE[row], abs=1e-12)


@pytest.mark.parametrize(
    ("reward", "given", "said"),
    [
        ("freshness", {}, "needs ages, which are not given"),
        ("weighted_sum:take=0.5,diversity=0.5", {"ages": AGES}, "needs diversity, which are not given"),
        ("freshness", {"ages": AGES[:3]}, r"ages has the shape \(3,\), expected \(5,\)"),
        ("freshness", {"ages": -AGES - 1}, "row 0 has the ages -1.0, expected days of at least 0"),
        ("freshness", {"ages": AGES * np.nan}, "row 0 has the ages nan, expected days of at least 0"),
        ("diversity", {"diversity": ELSE * 1.5}, "row 0 has the diversity 1.5, expected 0 to 1"),
    ],
)
def test_what_a_reward_needs_is_asked_for(reward: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_reward(reward).rewards(CLICKED, WATCHED, **given)


def test_columns_of_a_page_that_differ_in_length_are_refused_with_their_shapes() -> None:
    with pytest.raises(InputError, match=r"pages \(2,\), titles \(1,\), artworks \(2,\), themes \(2,\): expected all"):
        page_diversity([0, 0], [0], [0, 1], [0, 1])
