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


def posterior(title_strength: float = 50.0, catalogue_strength: float = 200.0, pessimism: float = 1.0) -> BetaPosterior:
    """Three titles; the last has no impressions, and neither has the third arm of the first."""
    made = BetaPosterior(TITLES, title_strength, catalogue_strength, pessimism=pessimism)
    arms, takes = [0, 1, 3, 4], [30, 10, 4, 2]
    for arm, taken in zip(arms, takes, strict=True):
        made.observe(None, np.full(100, arm), np.arange(100) < taken)
    return made


def test_two_arms_worked_by_hand() -> None:
    # Catalogue (1 + 1) / (3 + 20), title (1 + 10 * 2/23) / (3 + 10); arm 0 (1 + 10 * title) / (2 + 10), arm 1 without the 1.
    made = BetaPosterior([0, 0], title_strength=10, catalogue_strength=10, pessimism=1)
    made.observe(None, [0, 0, 1], [1, 0, 0])
    title = (1 + 20 / 23) / 13
    np.testing.assert_allclose(made.title_rates, [title])
    np.testing.assert_allclose(made.rates, [(1 + 10 * title) / 12, 10 * title / 11])


def test_the_parameters_are_prior_and_counts_worked_by_hand() -> None:
    made = BetaPosterior([0], title_strength=10, catalogue_strength=10, pessimism=1)
    made.observe(None, [0, 0], [1, 0])
    rate = (1 + 10 * 2 / 22) / 12
    scores = made.scores(None, [0])
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
    np.testing.assert_allclose(BetaPosterior(TITLES, pessimism=1).rates, 0.05)


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
    one.observe(None, *random_log(1))
    other.observe(None, *random_log(2))
    both.observe(None, *(np.concatenate(sides) for sides in zip(random_log(1), random_log(2), strict=True)))
    one.merge(other)
    np.testing.assert_allclose(one.rates, both.rates, rtol=1e-12)


def test_the_order_of_rows_changes_no_more_than_rounding() -> None:
    one, other = BetaPosterior(TITLES), BetaPosterior(TITLES)
    arms, rewards = random_log(1)
    one.observe(None, arms, rewards)
    other.observe(None, arms[::-1], rewards[::-1])
    np.testing.assert_allclose(one.rates, other.rates, rtol=1e-12)


@pytest.mark.parametrize(
    ("arms", "rewards", "said"),
    [
        ([0, 6], [0, 1], "row 1 has the arm 6, expected 0 to 5"),
        ([0, 1], [0, 2], "row 1 has the reward 2.0, expected 0 to 1"),
        ([0, 1], [0], "rewards have the shape (1,), expected (2,)"),
        ([0.5], [0], "row 0 of the arms is 0.5"),
    ],
)
def test_wrong_impressions_are_refused_and_change_nothing(arms: Any, rewards: Any, said: str) -> None:
    made = posterior()
    with pytest.raises(InputError, match=re.escape(said)):
        made.observe(None, arms, rewards)
    assert (made.rates == posterior().rates).all()


@pytest.mark.parametrize(
    ("titles", "strengths", "said"),
    [
        ([[0]], (1, 1), "titles are (1, 1) int64, expected (k,) indices from 0"),
        ([0.5], (1, 1), "row 0 of the titles is 0.5"),
        ([0, -1], (1, 1), "titles are (2,) int64"),
        ([0], (0, 1), "title_strength is 0, expected a number of impressions above 0"),
        ([0], (1, float("nan")), "catalogue_strength is nan"),
        ([0], (float("inf"), 1), "title_strength is inf"),
        ([0], (1, 1, -2), "arm_strength is -2, expected a number of impressions above 0"),
        ([0], (1, 1, 1, 65), "there are 65 segments, expected at most 64"),
        ([0], (1, 1, 1, -1), "there are -1 segments"),
        ([0], (1, 1, 1, 0, 0.0), "pessimism is 0.0, expected above 0 and at most 1"),
        ([0], (1, 1, 1, 0, 1.5), "pessimism is 1.5"),
        ([0], (1, 1, 1, 0, 1.0, [0.5, 0.5]), "prior_rates have the shape (2,), expected (1,): one per arm"),
        ([0, 0], (1, 1, 1, 0, 1.0, [0.5, 1.0]), "arm 1 has the prior rate 1.0, expected between 0 and 1"),
        ([0], (1, 1, 1, 0, 1.0, [float("nan")]), "arm 0 has the prior rate nan"),
    ],
)
def test_wrong_titles_or_strengths_are_refused(titles: Any, strengths: tuple[Any, ...], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        BetaPosterior(titles, *strengths)


def test_evidence_of_other_arms_is_not_merged() -> None:
    made = posterior()
    with pytest.raises(
        InputError, match=re.escape("evidence of (0, 2) (segments, arms) cannot be merged into evidence of (0, 6)")
    ):
        made.merge(BetaEvidence.empty(2))
    assert (made.rates == posterior().rates).all()


SEGMENTS = 3


def segmented(arm_strength: float = 20.0, pessimism: float = 0.5) -> BetaPosterior:
    """The last segment has no impressions, and neither has the last arm."""
    made = BetaPosterior(TITLES, 50.0, 200.0, arm_strength, SEGMENTS, pessimism)
    random = np.random.default_rng(4)
    made.observe(random.integers(0, SEGMENTS - 1, 500), random.integers(0, len(TITLES) - 1, 500), random.random(500))
    return made


def test_a_segment_worked_by_hand() -> None:
    # Arm over segments: 2 takes in 3, prior 10 impressions at 0.2, so 4 / 13; segment 0 has 1 take in 1.
    made = BetaPosterior([0], 10.0, arm_strength=13.0, n_segments=2, prior_rates=[0.2])
    made.observe([0, 1, 1], [0, 0, 0], [1, 1, 0])
    scores = made.scores([0], [0])
    np.testing.assert_allclose([scores.successes[0, 0], scores.failures[0, 0]], [1 + 4, 9])


def test_the_parameters_of_segments_are_the_naive_ones() -> None:
    made = segmented()
    sums = made.evidence.takes.tolist(), made.evidence.impressions.tolist()
    wanted = np.array(naive.beta_cells(TITLES.tolist(), *sums, 50.0, 200.0, 20.0, 0.5))
    found = made.scores(np.arange(SEGMENTS), np.arange(len(TITLES)))
    np.testing.assert_allclose(np.stack([found.successes, found.failures], axis=-1), wanted, rtol=1e-12)


def test_segments_are_answered_in_the_order_asked_for() -> None:
    every = segmented().scores([0, 1, 2], range(6))
    some = segmented().scores([2, 0, 2], [5, 1])
    np.testing.assert_array_equal(some.successes, every.successes[[2, 0, 2]][:, [5, 1]])


def test_a_segment_without_impressions_has_the_rates_of_the_arms() -> None:
    made = segmented()
    np.testing.assert_allclose(made.scores([2], range(6)).expected[0], made.rates)


def test_segments_approach_their_own_rates_as_the_arm_counts_for_less() -> None:
    made = segmented(arm_strength=1e-9)
    own = made.evidence.takes[:2, :5] / made.evidence.impressions[:2, :5]
    np.testing.assert_allclose(made.scores([0, 1], range(5)).expected, own, rtol=1e-6)


def test_segments_approach_the_arm_as_it_counts_for_more() -> None:
    made = segmented(arm_strength=1e9)
    np.testing.assert_allclose(made.scores([0, 1], range(6)).expected, np.tile(made.rates, (2, 1)), rtol=1e-5)


def test_over_all_segments_arms_have_the_rates_that_they_have_without_segments() -> None:
    made = segmented()
    flat = BetaPosterior(TITLES, 50.0, 200.0, pessimism=0.5)
    flat.merge(made.evidence.over_segments())
    np.testing.assert_allclose(made.rates, flat.rates, rtol=1e-12)
    np.testing.assert_allclose(made.scores(None, range(6)).failures, flat.scores(None, range(6)).failures, rtol=1e-12)


@pytest.mark.parametrize(
    ("segments", "said"),
    [
        ([0, 3], "row 1 has the segment 3, expected 0 to 2"),
        ([0, -1], "row 1 has the segment -1"),
        ([0.5, 1.0], "row 0 of the segments is 0.5"),
        ([0], "segments are (1,) int64, expected (2,)"),
        (None, "contexts are None and the posterior has 3 segments"),
    ],
)
def test_wrong_segments_are_refused_and_change_nothing(segments: Any, said: str) -> None:
    made = segmented()
    with pytest.raises(InputError, match=re.escape(said)):
        made.observe(segments, [0, 1], [0, 1])
    assert (made.evidence.takes == segmented().evidence.takes).all()


def test_segments_are_refused_where_there_are_none() -> None:
    with pytest.raises(InputError, match="contexts are given and the posterior has 0 segments"):
        posterior().scores([0], [0])


def test_evidence_with_segments_is_not_merged_into_evidence_without() -> None:
    with pytest.raises(InputError, match=re.escape("evidence of (3, 6) (segments, arms)")):
        posterior().merge(segmented())


def test_a_new_artwork_of_a_pessimist_starts_below_its_title() -> None:
    made = posterior(pessimism=0.5)
    np.testing.assert_allclose(made.rates[2], 0.5 * made.title_rates[0])


def test_pessimism_wears_off_with_impressions() -> None:
    made = BetaPosterior([0], title_strength=100, pessimism=0.5)
    hopeful = BetaPosterior([0], title_strength=100, pessimism=1)
    gaps = []
    for _ in range(3):
        for other in (made, hopeful):
            other.observe(None, np.zeros(1000, dtype=np.int64), np.arange(1000) % 10 == 0)
        gaps.append(1 - made.rates[0] / hopeful.rates[0])
    assert gaps[0] < 0.1
    assert gaps == sorted(gaps, reverse=True)


def test_a_new_artwork_of_a_pessimist_does_not_lead_a_title_whose_shown_artworks_have_its_rate() -> None:
    shown = np.repeat([0, 1], [1900, 100]), np.concatenate([np.arange(1900) % 20 == 0, np.arange(100) % 25 == 0])
    leads = []
    for pessimism in (0.8, 1.0):
        made = BetaPosterior([0, 0, 0, 1], pessimism=pessimism)
        made.observe(None, *shown)
        made.observe(None, np.full(5000, 3), np.arange(5000) % 10 == 0)  # another title lifts the catalogue's rate
        leads.append(int(made.rates[:3].argmax()))
    assert leads == [0, 2]


def test_an_explicit_prior_takes_the_place_of_the_title() -> None:
    made = BetaPosterior([0, 0], title_strength=10, prior_rates=[0.1, 0.3])
    made.observe(None, [0, 0], [1, 0])
    np.testing.assert_allclose(made.rates, [(1 + 1) / 12, 0.3])


def test_forgetting_discounts_takes_and_impressions_alike() -> None:
    made = segmented()
    made.forget(0.25)
    np.testing.assert_allclose(made.evidence.takes, 0.25 * segmented().evidence.takes)
    np.testing.assert_allclose(made.evidence.impressions, 0.25 * segmented().evidence.impressions)
