import numpy as np
import pytest

from bandit.errors import InputError
from bandit.rewards import EngagedTake

CLICKED = np.array([True, True, True, False, False])
WATCHED = np.array([1.0, 0.7, 0.69, 0.9, 0.0])


def test_a_take_is_played_and_watched_to_the_engaged_fraction() -> None:
    assert EngagedTake().rewards(CLICKED, WATCHED).tolist() == [1, 1, 0, 0, 0]


def test_the_engaged_fraction_can_be_set() -> None:
    assert EngagedTake(0.5).rewards(CLICKED, WATCHED).tolist() == [1, 1, 1, 0, 0]


def test_a_fraction_of_one_asks_for_the_whole_title() -> None:
    assert EngagedTake(1.0).rewards(CLICKED, WATCHED).tolist() == [1, 0, 0, 0, 0]


def test_a_watched_fraction_that_is_not_a_number_is_no_take() -> None:
    assert EngagedTake().rewards(np.array([True]), np.array([np.nan])).tolist() == [0]


def test_no_impressions_have_no_rewards() -> None:
    assert EngagedTake().rewards(CLICKED[:0], WATCHED[:0]).shape == (0,)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1, float("nan")])
def test_an_engaged_fraction_that_is_no_share_is_refused(fraction: float) -> None:
    with pytest.raises(InputError, match=f"engaged_fraction is {fraction}, expected above 0 and at most 1"):
        EngagedTake(fraction)
