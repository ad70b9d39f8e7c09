"""Which users the other policy chooses for: a share, the same ones in every generation, whoever explores."""

from dataclasses import replace

import naive
import numpy as np
import pytest

from bandit.hashing import hash_ids
from batch.choosing.variants import explore, on_other_side, places_of
from batch.config import Config

USERS = [f"u{number:05d}" for number in range(20_000)]
HASHED = hash_ids(USERS)
BOTH = Config(policy="thompson", other_policy="greedy", seed=3)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_the_other_policy_chooses_for_its_share_of_the_users(share: float) -> None:
    found = on_other_side(replace(BOTH, other_share=share), HASHED).mean()
    assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / len(USERS))


def test_who_they_are_is_the_keyed_hash_of_seed_and_user_alone() -> None:
    found = on_other_side(replace(BOTH, other_share=0.25), HASHED[:500])
    drawn = [naive.keyed_hash("other", BOTH.seed, 0, user, "") for user in USERS[:500]]
    assert found.tolist() == [hashed < 2**62 for hashed in drawn]


def test_a_user_stays_on_his_side_in_all_generations_of_a_seed() -> None:
    first = places_of(BOTH, 1, HASHED)
    assert set(first.tolist()) == {0, 1}
    for generation in (2, 3, 1000):
        assert (places_of(BOTH, generation, HASHED) == first).all()
    assert (places_of(replace(BOTH, seed=4), 1, HASHED) != first).mean() == pytest.approx(0.5, abs=0.02)


def test_a_larger_share_keeps_those_who_were_there() -> None:
    small, large = (on_other_side(replace(BOTH, other_share=share), HASHED) for share in (0.2, 0.6))
    assert large[small].all()
    assert large.sum() > small.sum()


def test_whoever_explores_comes_from_both_sides_alike_and_anew_every_generation() -> None:
    config = replace(BOTH, explore_share=0.3)
    other = on_other_side(config, HASHED)
    for generation in (1, 2):
        places = places_of(config, generation, HASHED)
        explores = explore(config, generation, HASHED)
        assert config.policies == ("thompson", "greedy", "uniform")
        assert (places == 2).tolist() == explores.tolist()
        assert (places[~explores] == other[~explores]).all()
        assert abs(explores[other].mean() - explores[~other].mean()) < 4 * np.sqrt(4 * 0.3 * 0.7 / len(USERS))
    assert (explore(config, 1, HASHED) != explore(config, 2, HASHED)).any()


def test_explore_data_and_a_live_uniform_policy_are_one_place() -> None:
    config = Config(policy="thompson", other_policy="uniform", explore_share=0.3, seed=3)
    assert config.policies == ("thompson", "uniform")
    places = places_of(config, 1, HASHED)
    expected = on_other_side(config, HASHED) | explore(config, 1, HASHED)
    assert (places == expected).all()


def test_without_another_policy_everybody_has_the_first() -> None:
    assert not places_of(Config(), 1, HASHED).any()
    assert not on_other_side(Config(), HASHED).any()
