"""Which users have which variant: its share of them, the same ones in every generation, whoever explores."""

from dataclasses import replace
from fractions import Fraction

import naive
import numpy as np
import pytest

from bandit.hashing import hash_ids
from batch.choosing.variants import explore, places_of, variants_of
from batch.config import MAX_VARIANTS, Config, Variant

USERS = [f"u{number:05d}" for number in range(20_000)]
HASHED = hash_ids(USERS)
BOTH = Config.of("thompson", "greedy", seed=3)


def of_shares(*shares: float, salt: str = "") -> Config:
    return Config(tuple(Variant(f"v{place}", share=share) for place, share in enumerate(shares)), seed=3, salt=salt)


@pytest.mark.parametrize(
    "shares", [(0.95, 0.05), (0.5, 0.5), (0.1, 0.9), (0.1, 0.2, 0.3, 0.4), (0.97, 0.01, 0.02), (1.0,)]
)
def test_every_variant_has_its_share_of_the_users(shares: tuple[float, ...]) -> None:
    counts = np.bincount(variants_of(of_shares(*shares), HASHED), minlength=len(shares))
    for count, share in zip(counts / len(USERS), shares, strict=True):
        assert abs(count - share) < 4 * np.sqrt(share * (1 - share) / len(USERS)) + 1e-9


@pytest.mark.parametrize("salt", ["", "autumn-2026"])
def test_who_they_are_is_the_keyed_hash_of_seed_salt_and_user_between_sums_of_shares(salt: str) -> None:
    config = of_shares(0.25, 0.125, 0.5, 0.125, salt=salt)
    drawn = [Fraction(naive.keyed_hash("other", 3, 0, user, salt), 2**64) for user in USERS[:500]]
    expected = [3 if h < 0.125 else 2 if h < 0.625 else 1 if h < 0.75 else 0 for h in drawn]
    assert variants_of(config, HASHED[:500]).tolist() == expected


@pytest.mark.parametrize("share", [0.3, 0.1, 1 / 3, 0.999999, 1e-300])
def test_two_variants_have_the_users_that_two_policies_had(share: float) -> None:
    config = Config.of("thompson", "greedy", share=share, seed=3)
    drawn = [naive.keyed_hash("other", 3, 0, user, "") for user in USERS[:2000]]
    assert variants_of(config, HASHED[:2000]).tolist() == [hashed < int(share * 2.0**64) for hashed in drawn]


def test_users_keep_their_variant_in_all_generations_of_a_seed_and_a_salt() -> None:
    first = places_of(BOTH, 1, HASHED).rows
    assert set(first.tolist()) == {0, 1}
    for generation in (2, 3, 1000):
        assert (places_of(BOTH, generation, HASHED).rows == first).all()
    for other in (replace(BOTH, seed=4), replace(BOTH, salt="s")):
        assert (places_of(other, 1, HASHED).rows != first).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ((0.8, 0.2), (0.4, 0.6), 0.4),
        ((0.5, 0.3, 0.2), (0.4, 0.4, 0.2), 0.1),
        ((0.5, 0.3, 0.2), (0.5, 0.2, 0.3), 0.1),
        ((0.25, 0.25, 0.25, 0.25), (0.2, 0.3, 0.25, 0.25), 0.05),
    ],
)
def test_shares_that_change_move_the_users_between_old_and_new_sums_alone(
    before: tuple[float, ...], after: tuple[float, ...], moved: float
) -> None:
    changed = variants_of(of_shares(*before), HASHED) != variants_of(of_shares(*after), HASHED)
    assert changed.mean() == pytest.approx(moved, abs=0.015)


def test_whoever_explores_comes_from_all_variants_alike_and_anew_every_generation() -> None:
    config = replace(BOTH, explore_share=0.3)
    other = variants_of(config, HASHED) == 1
    for generation in (1, 2):
        places = places_of(config, generation, HASHED).rows
        explores = explore(config, generation, HASHED)
        assert config.names == ("thompson", "greedy", "uniform")
        assert (places == 2).tolist() == explores.tolist()
        assert (places[~explores] == other[~explores]).all()
        assert abs(explores[other].mean() - explores[~other].mean()) < 4 * np.sqrt(4 * 0.3 * 0.7 / len(USERS))
    assert (explore(config, 1, HASHED) != explore(config, 2, HASHED)).any()


def test_explore_data_and_a_live_uniform_policy_are_one_place() -> None:
    config = Config.of("thompson", "uniform", explore_share=0.3, seed=3)
    assert config.names == ("thompson", "uniform")
    expected = (variants_of(config, HASHED) == 1) | explore(config, 1, HASHED)
    assert (places_of(config, 1, HASHED).rows == expected).all()


def test_a_single_variant_has_everybody() -> None:
    assert not places_of(Config(), 1, HASHED).rows.any()


def test_as_many_variants_as_a_row_can_name_have_users_and_explore_data_beside_them() -> None:
    config = replace(of_shares(*[1 / MAX_VARIANTS] * MAX_VARIANTS), explore_share=0.1)
    places = places_of(config, 1, HASHED).rows
    assert set(places.tolist()) == set(range(256))
    assert config.names[255] == "uniform"


def test_shares_that_miss_one_by_rounding_leave_no_user_without_a_variant() -> None:
    places = variants_of(of_shares(1e-12, 0.5 + 4e-10, 0.5), HASHED)
    assert set(places.tolist()) == {1, 2}
