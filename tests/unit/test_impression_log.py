import re
from typing import Any

import numpy as np
import pytest

from bandit.errors import InputError
from bandit.impressions import ImpressionLog

GOOD: dict[str, Any] = {
    "contexts": np.ones((3, 2), dtype=np.float32),
    "arms": np.array([0, 4, 2]),
    "rewards": np.array([0.0, 1.0, 0.5]),
    "propensities": np.array([0.1, 1.0, 1e-6]),
    "n_arms": 5,
}


def with_nan() -> Any:
    contexts = np.ones((3, 2), dtype=np.float32)
    contexts[2, 1] = np.nan
    return contexts


def test_a_good_log_is_kept_as_it_is() -> None:
    assert ImpressionLog(**GOOD).arms.tolist() == [0, 4, 2]


def test_an_empty_log_is_a_log() -> None:
    empty = {name: value[:0] for name, value in GOOD.items() if name != "n_arms"}
    assert len(ImpressionLog(**empty, n_arms=5).rewards) == 0


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("contexts", np.ones((2, 2)), "2 contexts and 3 arms"),
        ("contexts", np.ones(3), "contexts have the shape (3,)"),
        ("contexts", with_nan(), "row 2 of the contexts has a feature that is not finite"),
        ("arms", np.array([0, 5, 2]), "row 1 has the arm 5, expected 0 to 4"),
        ("arms", np.array([0, 1, -1]), "row 2 has the arm -1, expected 0 to 4"),
        ("arms", np.array([0.0, 1.5, 2.0]), "row 1 of the arms is 1.5, expected a whole number"),
        ("rewards", np.array([0.0, 1.0]), "rewards have the shape (2,), expected (3,)"),
        ("rewards", np.array([0.0, 1.0, np.inf]), "row 2 has the reward inf, expected a number up to 1e+50"),
        ("rewards", np.array([0.0, -1e60, 1.0]), "row 1 has the reward -1e+60, expected a number up to 1e+50"),
        ("propensities", np.array([0.5, 0.5]), "propensities have the shape (2,), expected (3,)"),
        ("propensities", np.array([0.5, 0.0, 0.5]), "row 1 has the propensity 0.0, expected above 0 and at most 1"),
        ("propensities", np.array([1.5, 0.5, 0.5]), "row 0 has the propensity 1.5"),
        ("propensities", np.array([0.5, 0.5, np.nan]), "row 2 has no propensity"),
    ],
)
def test_a_wrong_log_is_refused_with_its_first_bad_row(field: str, value: object, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        ImpressionLog(**GOOD | {field: value})


def test_users_stay_beside_their_impressions() -> None:
    log = ImpressionLog(**GOOD, users=np.array([7, 3, 7]))
    assert log.take(np.array([2, 1])).users.tolist() == [7, 3]  # type: ignore[union-attr]


def test_users_are_one_integer_an_impression() -> None:
    with pytest.raises(
        InputError, match=re.escape("users are (2,) int64, expected (3,) numbers or text: one per impression")
    ):
        ImpressionLog(**GOOD, users=np.array([7, 3]))
