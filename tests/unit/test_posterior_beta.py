import re
from typing import Any

import naive
import numpy as np
import numpy.typing as npt
import pytest

from bandit.errors import InputError
from bandit.posterior import BetaEvidence, BetaPosterior

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

TITLES = np.array([0, 0, 0, 1, 1, 2])


def posterior(title_strength: float = 50.0, catalogue_strength: float = 200.0) -> BetaPosterior:
    """Three titles; the last has no impressions, and neither has the third arm of the first."""
    made = BetaPosterior(TITLES, title_strength, catalogue_strength)
    arms, takes = [0, 1, 3, 4], [30, 10, 4, 2]
    for arm, taken in zip(arms, takes, strict=True):
        made.observe(np.full(100, arm), np.arange(100) < taken)
    return made


def test_two_arms_worked_by_hand() -> None:
    # Catalogue (1 + 1) / (3 + 20), title (1 + 10 * 2/23) / (3 + 10); arm 0 (1 + 10 * title) / (2 + 10), arm 1 without the 1.
    made = BetaPosterior([0, 0], title_strength=10, catalogue_strength=10)
    made.observe([0, 0, 1], [1, 0, 0])
    title = (1 + 20 / 23) / 13
    np.testing.assert_allclose(made.title_rates, [title])
    np.testing.assert_allclose(made.rates, [(1 + 10 * title) / 12, 10 * title / 11])


def test_the_parameters_are_prior_and_counts_worked_by_hand() -> None:
    made = BetaPosterior([0], title_strength=10, catalogue_strength=10)
    made.observe([0, 0], [1, 0])
    rate = (1 + 10 * 2 / 22) / 12
    scores = made.scores([0])
    np.testing.assert_allclose([scores.successes[0, 0], scores.failures[0, 0]], [1 + 10 * rate, 1 + 10 * (1 - rate)])


@pytest.mark.parametrize(("title_strength", "catalogue_strength"), [(100, 100), (1, 1000), (1000, 1), (0.1, 0.1)])
def test_rates_are_the_naive_ones(title_strength: float, catalogue_strength: float) -> None:
    made = posterior(title_strength, catalogue_strength)
    wanted = naive.beta_rates(
        TITLES.tolist(),
        made.evidence.takes.tolist(),
        made.evidence.impressions.tolist(),
        title_strength,
        catalogue_strength,
    )
    np.testing.assert_allclose(made.rates, wanted, rtol=1e-12)


def test_arms_approach_their_own_rates_as_the_title_counts_for_less() -> None:
    np.testing.assert_allclose(posterior(title_strength=1e-9).rates[[0, 1, 3, 4]], [0.3, 0.1, 0.04, 0.02], rtol=1e-6)


def test_arms_approach_their_title_as_it_counts_for_more() -> None:
    made = posterior(title_strength=1e9)
    np.testing.assert_allclose(made.rates, made.title_rates[TITLES], rtol=1e-5)


def test_titles_approach_the_catalogue_as_it_counts_for_more() -> None:
    np.testing.assert_allclose(posterior(catalogue_strength=1e9).title_rates, 47 / 420, rtol=1e-5)


def test_titles_approach_their_own_rates_as_the_catalogue_counts_for_less() -> None:
    np.testing.assert_allclose(posterior(catalogue_strength=1e-9).title_rates[:2], [0.2, 0.03], rtol=1e-6)


def test_an_arm_without_impressions_has_the_rate_of_its_title() -> None:
    made = posterior()
    np.testing.assert_allclose(made.rates[2], made.title_rates[0])


def test_a_title_without_impressions_has_the_rate_of_the_catalogue() -> None:
    np.testing.assert_allclose(posterior().rates[5], 47 / 420)


def test_a_catalogue_without_impressions_takes_one_in_twenty() -> None:
    np.testing.assert_allclose(BetaPosterior(TITLES).rates, 0.05)


def test_a_rate_lies_between_what_was_seen_and_the_title() -> None:
    made = posterior()
    seen, title = np.array([0.3, 0.1, 0.04, 0.02]), made.title_rates[TITLES[[0, 1, 3, 4]]]
    rates = made.rates[[0, 1, 3, 4]]
    assert ((rates > np.minimum(seen, title)) & (rates < np.maximum(seen, title))).all()


def test_impressions_are_counted_by_title() -> None:
    assert posterior().title_impressions.tolist() == [200, 200, 0]


def random_log(seed: int) -> tuple[I64, F64]:
    random = np.random.default_rng(seed)
    return random.integers(0, len(TITLES), 300), random.random(300)


def test_merging_equals_one_pass() -> None:
    one, other, both = BetaPosterior(TITLES), BetaPosterior(TITLES), BetaPosterior(TITLES)
    one.observe(*random_log(1))
    other.observe(*random_log(2))
    both.observe(*(np.concatenate(sides) for sides in zip(random_log(1), random_log(2), strict=True)))
    one.merge(other)
    np.testing.assert_allclose(one.rates, both.rates, rtol=1e-12)


def test_the_order_of_rows_changes_no_more_than_rounding() -> None:
    one, other = BetaPosterior(TITLES), BetaPosterior(TITLES)
    arms, rewards = random_log(1)
    one.observe(arms, rewards)
    other.observe(arms[::-1], rewards[::-1])
    np.testing.assert_allclose(one.rates, other.rates, rtol=1e-12)


@pytest.mark.parametrize(
    ("arms", "rewards", "said"),
    [
        ([0, 6], [0, 1], "row 1 has the arm 6, expected 0 to 5"),
        ([0, 1], [0, 2], "row 1 has the reward 2.0, expected 0 to 1"),
        ([0, 1], [0], "rewards have the shape (1,), expected (2,)"),
        ([0.5], [0], "arms are (1,) float64"),
    ],
)
def test_wrong_impressions_are_refused_and_change_nothing(arms: Any, rewards: Any, said: str) -> None:
    made = posterior()
    with pytest.raises(InputError, match=re.escape(said)):
        made.observe(arms, rewards)
    assert (made.rates == posterior().rates).all()


@pytest.mark.parametrize(
    ("titles", "strengths", "said"),
    [
        ([[0]], (1, 1), "titles are (1, 1) int64, expected (k,) indices from 0"),
        ([0.5], (1, 1), "titles are (1,) float64"),
        ([0, -1], (1, 1), "titles are (2,) int64"),
        ([0], (0, 1), "title_strength is 0, expected a number of impressions above 0"),
        ([0], (1, float("nan")), "catalogue_strength is nan"),
    ],
)
def test_wrong_titles_or_strengths_are_refused(titles: Any, strengths: tuple[float, float], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        BetaPosterior(titles, *strengths)


def test_evidence_of_other_arms_is_not_merged() -> None:
    made = posterior()
    with pytest.raises(InputError, match="evidence of 2 arms cannot be merged into evidence of 6 arms"):
        made.merge(BetaEvidence.empty(2))
    assert (made.rates == posterior().rates).all()
