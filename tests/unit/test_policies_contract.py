"""What every policy keeps for every kind of scores, whatever it prefers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from bandit.errors import InputError
from bandit.policies import POLICIES, Policy, Softmax
from bandit.scores import BetaScores, Draws, Moments, Scores

F64 = npt.NDArray[np.float64]
Maker = Callable[[F64], Scores]

LEVELS = np.array([[0.2, 0.5, 0.4, 0.1], [0.3, 0.1, 0.6, 0.2], [0.4, 0.3, 0.2, 0.7]])
N_DRAWS = 64


def gaussian(levels: F64) -> Scores:
    """Rewards with equal deviations."""
    return Moments(levels, np.full(levels.shape, 0.1))


def logit(levels: F64) -> Scores:
    """Scores on the linear scale of a logistic model."""
    return Moments(5 * levels - 2, np.full(levels.shape, 0.5), link="logit")


def beta(levels: F64) -> Scores:
    """Rates of 100 impressions an arm; a deviation falls off from a rate of 1/2, so the levels stay below."""
    return BetaScores(50 * levels, 100 - 50 * levels)


def draws(levels: F64) -> Scores:
    """Arms that share all their noise, as correlated as arms can be: equal ones tie in every draw."""
    noise = 0.2 * np.sin(np.arange(N_DRAWS))[:, None, None]
    return Draws(levels + noise * np.ones(levels.shape), levels)


class Case(NamedTuple):
    """A policy with a kind of scores that it takes."""

    policy: Policy
    scores: Maker


CASES = {
    f"{name}-{made.__name__}": Case(policy(), made)
    for name, policy in POLICIES.items()
    for made in (gaussian, logit, beta, draws)
    if name != "popularity" or made is beta
}
EVERY = pytest.mark.parametrize("case", list(CASES.values()), ids=list(CASES))


def chosen(case: Case, levels: F64, eligible: npt.NDArray[np.bool_] | None = None) -> F64:
    return case.policy.probabilities(case.scores(levels), eligible)


@EVERY
def test_rows_are_probabilities(case: Case) -> None:
    p = chosen(case, LEVELS)
    assert p.shape == LEVELS.shape
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)


@EVERY
def test_no_arm_is_chosen_less_than_a_worse_one(case: Case) -> None:
    p = chosen(case, LEVELS)
    by_level = np.take_along_axis(p, LEVELS.argsort(axis=1), axis=1)
    assert (np.diff(by_level, axis=1) >= -1e-12).all()


@EVERY
def test_ties_share(case: Case) -> None:
    p = chosen(case, np.array([[0.4, 0.1, 0.4, 0.4]]))
    np.testing.assert_allclose(p[0, [0, 2]], p[0, 3], rtol=1e-9)


@EVERY
def test_identical_arms_have_equal_shares(case: Case) -> None:
    np.testing.assert_allclose(chosen(case, np.full((2, 5), 0.3)), 0.2, rtol=1e-9)


@EVERY
def test_a_single_arm_has_everything(case: Case) -> None:
    np.testing.assert_allclose(chosen(case, np.array([[0.3]])), 1, rtol=1e-12)


@EVERY
@pytest.mark.parametrize("masked", range(4))
def test_a_masked_arm_has_nothing_and_the_others_are_as_if_it_were_not_there(case: Case, masked: int) -> None:
    eligible = np.arange(4) != masked
    p = chosen(case, LEVELS, eligible)
    assert (p[:, masked] == 0).all()
    np.testing.assert_allclose(p[:, eligible], chosen(case, LEVELS[:, eligible]), rtol=1e-9)


@EVERY
def test_the_only_eligible_arm_has_everything(case: Case) -> None:
    p = chosen(case, LEVELS, np.array([False, False, False, True]))
    np.testing.assert_allclose(p, np.tile([0, 0, 0, 1], (3, 1)), atol=1e-12)


@EVERY
def test_users_may_have_masks_of_their_own(case: Case) -> None:
    eligible = np.array([[True] * 4, [True, False, True, False], [False, True, False, False]])
    p = chosen(case, LEVELS, eligible)
    for row in range(3):
        np.testing.assert_allclose(p[row], chosen(case, LEVELS[row : row + 1], eligible[row])[0], rtol=1e-12)


@EVERY
def test_no_users_have_no_probabilities(case: Case) -> None:
    assert chosen(case, np.empty((0, 4))).shape == (0, 4)


@EVERY
def test_users_do_not_depend_on_each_other(case: Case) -> None:
    assert (chosen(case, LEVELS) == chosen(case, LEVELS[::-1])[::-1]).all()


@EVERY
def test_the_scores_are_left_as_they_were(case: Case) -> None:
    levels = LEVELS.copy()
    scores = case.scores(levels)
    first = case.policy.probabilities(scores)
    assert (case.policy.probabilities(scores) == first).all()
    assert (levels == LEVELS).all()


@pytest.mark.parametrize("kind", [gaussian, draws])
@pytest.mark.parametrize("name", [name for name in POLICIES if name != "popularity"])
@pytest.mark.parametrize("scale", [1e-6, 3.0, 1e6])
def test_the_unit_of_rewards_changes_nothing(name: str, kind: Maker, scale: float) -> None:
    policy = POLICIES[name]()
    scaled = Softmax(policy.temperature * scale) if isinstance(policy, Softmax) else policy  # its unit is the rewards'
    np.testing.assert_allclose(
        scaled.probabilities(times(scale, kind(LEVELS))), policy.probabilities(kind(LEVELS)), atol=1e-9
    )


def times(scale: float, scores: Scores) -> Scores:
    """Scores in another unit."""
    if isinstance(scores, Draws):
        return Draws(scale * scores.values, scale * scores.means)
    assert isinstance(scores, Moments)
    return Moments(scale * scores.means, scale * scores.deviations)


UNSEEN: dict[str, Scores] = {
    "gaussian": Moments(np.array([[0.05, 0.08, 0.05]]), np.array([[0.001, 0.001, 10.0]])),
    "logit": Moments(np.array([[-3.0, -2.5, -3.0]]), np.array([[0.1, 0.1, 30.0]]), link="logit"),
    "beta": BetaScores(np.array([[500.0, 800.0, 0.05]]), np.array([[9500.0, 9200.0, 0.95]])),
    "draws": Draws(
        np.array([0.05, 0.08, 0.05]) + np.sin(np.arange(N_DRAWS))[:, None, None] * np.array([0.001, 0.001, 10.0]),
        np.array([[0.05, 0.08, 0.05]]),
    ),
}


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name in POLICIES for kind in UNSEEN if name != "popularity" or kind == "beta"]
)
def test_an_unseen_arm_is_explored_by_what_explores_and_left_by_what_does_not(name: str, kind: str) -> None:
    p = POLICIES[name]().probabilities(UNSEEN[kind])[0]
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-12)
    assert (p[2] == 0) == (name in {"greedy", "popularity"})
    if name == "linucb":
        assert p[2] == 1


@EVERY
@pytest.mark.parametrize("shape", [(3,), (4, 3), (3, 1), (1, 4)])
def test_eligible_of_another_shape_is_refused_with_both_shapes(case: Case, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        chosen(case, LEVELS, np.ones(shape, dtype=np.bool_))
    assert str(shape) in str(caught.value)
    assert "(3, 4)" in str(caught.value)


@EVERY
def test_a_row_without_an_eligible_arm_is_refused_with_its_number(case: Case) -> None:
    eligible = np.ones((3, 4), dtype=np.bool_)
    eligible[1] = False
    with pytest.raises(InputError, match="row 1 has no eligible arm; leave out titles"):
        chosen(case, LEVELS, eligible)


@EVERY
@pytest.mark.parametrize(
    "mask", [[0, 1, 2, 3], [1.0, np.nan, 0.0, 1.0], ["yes", "no", "yes", "no"], [True, None, True, True]], ids=str
)
def test_eligible_that_is_not_boolean_is_refused_with_its_type(case: Case, mask: list[Any]) -> None:
    with pytest.raises(
        InputError,
        match=r"eligible is an array of \S+, expected booleans; of indices make np.isin|row 1 of the eligible is missing",
    ):
        chosen(case, LEVELS, np.array(mask))


@EVERY
def test_eligible_of_ragged_rows_is_refused(case: Case) -> None:
    ragged: Any = [[True], [True, False], [True]]
    with pytest.raises(InputError, match="eligible makes no array"):
        chosen(case, LEVELS, ragged)
