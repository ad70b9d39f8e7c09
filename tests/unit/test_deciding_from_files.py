"""Picks on disk are those of the naive twin, computed from the generation's posterior and context files alone."""

from collections.abc import Iterable

import naive
import polars as pl
import pytest
from make_impressions import log_days, make_generation, picks_of, shorten

from bandit.snapshot import keyed_hash
from batch.config import Config, Variant
from batch.workspace.generations import folder_of
from batch.workspace.workspace import Workspace

SEED = 4
USERS = range(0, 600, 75)  # of three products
POLICIES = [
    "thompson",
    "epsilon_greedy",
    "epsilon_greedy:epsilon=0.4,halving=300",
    "epsilon_greedy:epsilon=0.4,total_halving=3000",
    "greedy",
    "softmax:temperature=0.05",
    "linucb:alpha=0.5",
]


def assert_picks_are_the_naive_ones(workspace: Workspace, generation: int, users: Iterable[int] = USERS) -> None:
    folder = folder_of(workspace, generation)
    n_titles = pl.read_parquet(workspace.titles).height
    picks = picks_of(workspace, generation)
    for user in users:
        name = naive.variant_of(folder, user)["name"]
        for title in range(user % 2, n_titles, 2):
            pick = picks.row(user * n_titles + title, named=True)
            weights = naive.weights_from_files(folder, user, title)
            assert pick["policy"] == name
            assert abs(pick["weight"] - weights[pick["arm"]]) <= 1
            hashed = keyed_hash("draw", SEED, generation, pick["user_id"], pick["title_id"])
            # A unit of rounding moves the edges of an arm by at most one unit an arm before it.
            edges = [sum(weights[:arm]) for arm in (pick["arm"], pick["arm"] + 1)]
            assert edges[0] - len(weights) <= hashed * naive.total_of(folder) >> 64 < edges[1] + len(weights)


@pytest.mark.parametrize("policy", ["popularity", "uniform", *POLICIES])
@pytest.mark.parametrize(("days", "form"), [(0, None), (3, None), (3, 2)])
def test_every_policy_draws_with_the_naive_weights(
    workspace: Workspace, policy: str, days: int, form: int | None
) -> None:
    shorten(workspace)
    log_days(workspace, days, 4000)
    generation = make_generation(workspace, policy, seed=SEED, row_format=form)
    assert naive.total_of(folder_of(workspace, generation)) == (65535 if form == 2 else 4095)
    assert_picks_are_the_naive_ones(workspace, generation)


@pytest.mark.parametrize("posterior", ["beta", "logistic", "shared"])
def test_every_posterior_is_drawn_from_with_the_naive_weights(workspace: Workspace, posterior: str) -> None:
    shorten(workspace)
    log_days(workspace, 3, 4000)
    for policy in POLICIES[:1] + POLICIES[-2:]:
        generation = make_generation(workspace, policy, posterior=posterior, seed=SEED, retention=0.8)
        assert_picks_are_the_naive_ones(workspace, generation)


@pytest.mark.parametrize("posterior", ["beta", "linear", "shared"])
def test_users_who_explore_are_drawn_for_with_uniform_weights(workspace: Workspace, posterior: str) -> None:
    shorten(workspace)
    log_days(workspace, 1, 4000)
    generation = make_generation(workspace, "thompson", posterior=posterior, seed=SEED, explore_share=0.4)
    explore = [naive.explores(folder_of(workspace, generation), user) for user in USERS]
    assert 0 < sum(explore) < len(explore)
    assert_picks_are_the_naive_ones(workspace, generation)


@pytest.mark.parametrize(
    ("policy", "other", "posterior"),
    [
        ("thompson", "epsilon_greedy:epsilon=0.4,halving=300", "linear"),
        ("thompson", "linucb:alpha=0.5", "shared"),
        ("softmax:temperature=0.05", "greedy", "logistic"),
        ("popularity", "thompson", "linear"),
        ("thompson", "popularity", "shared"),
        ("thompson", "uniform", "beta"),
        ("uniform", "popularity", "linear"),
    ],
)
def test_both_variants_are_drawn_for_with_the_naive_weights_of_their_policy(
    workspace: Workspace, policy: str, other: str, posterior: str
) -> None:
    shorten(workspace)
    log_days(workspace, 2, 4000)
    generation = make_generation(workspace, policy, other, posterior=posterior, seed=SEED, share=0.4, explore_share=0.2)
    folder = folder_of(workspace, generation)
    assert {naive.word_of(folder, user) for user in USERS} == {policy, other, "uniform"}
    assert_picks_are_the_naive_ones(workspace, generation)


def test_variants_of_other_posteriors_rewards_and_floors_are_drawn_for_with_their_own(workspace: Workspace) -> None:
    shorten(workspace)
    log_days(workspace, 2, 4000)
    variants = (
        Variant("usual", share=0.3),
        Variant("clicks", reward="click", floor=0.1, new_floor=0.0, share=0.2),
        Variant("bold", "linucb:alpha=2", "shared", share=0.2),
        Variant("popular-clicks", "popularity", reward="click", floor=0.0, share=0.1),
        Variant("logits", "softmax:temperature=0.05", "logistic", "weighted_sum:take=0.5,click=0.5", new_floor=0.2),
    )
    config = Config(variants, seed=SEED, explore_share=0.25, salt="autumn", new_arm_impressions=350)
    folder = folder_of(workspace, make_generation(workspace, config=config))
    names = {naive.variant_of(folder, user)["name"] for user in range(0, 600, 30)}
    assert names == {*(variant.name for variant in variants), "uniform"}
    assert_picks_are_the_naive_ones(workspace, 1, range(0, 600, 30))
    files = ["beta", "beta-2", "linear", "linear-2", "logistic-3", "shared"]
    assert sorted(path.stem for path in (folder / "posterior").iterdir()) == files
