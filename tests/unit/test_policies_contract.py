"""What every policy keeps, whatever it prefers."""

import numpy as np
import numpy.typing as npt
import pytest

from bandit.errors import InputError
from bandit.policies import POLICIES, Policy
from bandit.posterior import BetaScores, Moments

F64 = npt.NDArray[np.float64]

LEVELS = np.array([[0.2, 0.5, 0.4, 0.1], [0.3, 0.1, 0.6, 0.2], [0.4, 0.3, 0.2, 0.7]])
EVERY = pytest.mark.parametrize("policy", [policy() for policy in POLICIES.values()], ids=list(POLICIES))
SCALED = pytest.mark.parametrize("policy", [POLICIES[name]() for name in POLICIES if name != "popularity"])


def scores(policy: Policy, levels: F64) -> Moments | BetaScores:
    """Scores of the kind that a policy takes, with the given expected rewards."""
    if policy.name == "popularity":
        return BetaScores(100 * levels, 100 * (1 - levels))
    return Moments(levels, np.full(levels.shape, 0.1))


@EVERY
def test_rows_are_probabilities(policy: Policy) -> None:
    p = policy.probabilities(scores(policy, LEVELS))
    assert p.shape == LEVELS.shape
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)


@EVERY
def test_no_arm_is_chosen_less_than_a_worse_one(policy: Policy) -> None:
    p = policy.probabilities(scores(policy, LEVELS))
    by_level = np.take_along_axis(p, LEVELS.argsort(axis=1), axis=1)
    assert (np.diff(by_level, axis=1) >= -1e-12).all()


@EVERY
def test_ties_share(policy: Policy) -> None:
    p = policy.probabilities(scores(policy, np.array([[0.4, 0.1, 0.4, 0.4]])))
    np.testing.assert_allclose(p[0, [0, 2]], p[0, 3], rtol=1e-12)


@EVERY
def test_identical_arms_have_equal_shares(policy: Policy) -> None:
    np.testing.assert_allclose(policy.probabilities(scores(policy, np.full((2, 5), 0.3))), 0.2, rtol=1e-12)


@EVERY
def test_a_single_arm_has_everything(policy: Policy) -> None:
    np.testing.assert_allclose(policy.probabilities(scores(policy, np.array([[0.3]]))), 1, rtol=1e-12)


@EVERY
@pytest.mark.parametrize("masked", range(4))
def test_a_masked_arm_has_nothing_and_the_others_are_as_if_it_were_not_there(policy: Policy, masked: int) -> None:
    eligible = np.arange(4) != masked
    p = policy.probabilities(scores(policy, LEVELS), eligible)
    assert (p[:, masked] == 0).all()
    alone = policy.probabilities(scores(policy, LEVELS[:, eligible]))
    np.testing.assert_allclose(p[:, eligible], alone, rtol=1e-9)


@EVERY
def test_the_only_eligible_arm_has_everything(policy: Policy) -> None:
    p = policy.probabilities(scores(policy, LEVELS), np.array([False, False, False, True]))
    np.testing.assert_allclose(p, np.tile([0, 0, 0, 1], (3, 1)), atol=1e-12)


@EVERY
def test_users_may_have_masks_of_their_own(policy: Policy) -> None:
    eligible = np.array([[True] * 4, [True, False, True, False], [False, True, False, False]])
    p = policy.probabilities(scores(policy, LEVELS), eligible)
    for row in range(3):
        alone = policy.probabilities(scores(policy, LEVELS[row : row + 1]), eligible[row])
        np.testing.assert_allclose(p[row], alone[0], rtol=1e-12)


@EVERY
def test_no_users_have_no_probabilities(policy: Policy) -> None:
    assert policy.probabilities(scores(policy, np.empty((0, 4)))).shape == (0, 4)


@SCALED
@pytest.mark.parametrize("scale", [1e-6, 3.0, 1e6])
def test_the_unit_of_rewards_changes_nothing(policy: Policy, scale: float) -> None:
    deviations = np.full(LEVELS.shape, 0.1)
    p = policy.probabilities(Moments(LEVELS * scale, deviations * scale))
    np.testing.assert_allclose(p, policy.probabilities(Moments(LEVELS, deviations)), atol=1e-9)


@EVERY
def test_users_do_not_depend_on_each_other(policy: Policy) -> None:
    p = policy.probabilities(scores(policy, LEVELS))
    backwards = policy.probabilities(scores(policy, LEVELS[::-1]))
    assert (p == backwards[::-1]).all()


@EVERY
@pytest.mark.parametrize("shape", [(3,), (4, 3), (3, 1), (1, 4)])
def test_eligible_of_another_shape_is_refused_with_both_shapes(policy: Policy, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        policy.probabilities(scores(policy, LEVELS), np.ones(shape, dtype=np.bool_))
    assert str(shape) in str(caught.value)
    assert "(3, 4)" in str(caught.value)


@EVERY
def test_a_row_without_an_eligible_arm_is_refused_with_its_number(policy: Policy) -> None:
    eligible = np.ones((3, 4), dtype=np.bool_)
    eligible[1] = False
    with pytest.raises(InputError, match="row 1 has no eligible arm; leave out titles"):
        policy.probabilities(scores(policy, LEVELS), eligible)
