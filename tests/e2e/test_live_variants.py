"""Two variants are live, each for its users, and the service says which."""

from contextlib import closing
from dataclasses import replace

import naive
import numpy as np
import polars as pl
import pytest
from learned_workspace import N_TITLES, N_USERS, LearnedWorkspace, silent
from make_impressions import picks_of

from artwork.demo.answers import Answers
from batch.config import Config
from batch.workspace.generations import folder_of

OTHER = "epsilon_greedy:epsilon=0.4"


@pytest.fixture(scope="module")
def generations(learned: LearnedWorkspace) -> list[int]:
    """Two nights."""
    config = Config.of("thompson", OTHER, explore_share=0.2, seed=learned.loop.config.seed)
    loop = replace(learned.loop, config=config)
    return [loop.learn(learned.url, silent).trained.generation for _ in range(2)]


@pytest.fixture(scope="module")
def answers(learned: LearnedWorkspace, generations: list[int], address: str) -> Answers:
    with closing(learned.loop.client(address)) as client:
        client.wait_for(generations[-1])
        return learned.every_pick(client)


def words_of(learned: LearnedWorkspace, generation: int) -> list[str]:
    """The policy of each user, found out independently."""
    folder = folder_of(learned.workspace, generation)
    return [naive.word_of(folder, user) for user in range(N_USERS)]


def test_every_answer_names_the_policy_of_its_user(
    learned: LearnedWorkspace, generations: list[int], answers: Answers
) -> None:
    words = words_of(learned, generations[-1])
    assert {word: words.count(word) > N_USERS / 10 for word in words} == dict.fromkeys(
        ("thompson", OTHER, "uniform"), True
    )
    named = [word.partition(":")[0] for word in words for _ in range(N_TITLES)]
    assert answers.policies == named
    assert set(answers.sources) == {"personalized"}


def test_nobody_changes_sides_overnight_but_for_exploring(learned: LearnedWorkspace, generations: list[int]) -> None:
    nights = []
    for generation in generations:
        picks = picks_of(learned.workspace, generation)
        nights.append(picks.group_by("user_id").agg(pl.col("policy").cast(pl.String).unique()).explode("policy"))
    both = nights[0].join(nights[1], on="user_id", suffix="_later")
    assert both.height == N_USERS
    changed = both.filter(pl.col("policy") != pl.col("policy_later"))
    assert changed.height > 0
    assert changed.select((pl.col("policy") == "uniform") ^ (pl.col("policy_later") == "uniform")).to_series().all()


def test_every_propensity_is_the_independent_one_of_the_policy_that_is_named(
    learned: LearnedWorkspace, generations: list[int], answers: Answers
) -> None:
    folder = folder_of(learned.workspace, generations[-1])
    weights = [
        naive.weights_from_files(folder, user, title)[answers.arms[user * N_TITLES + title]]
        for user in range(0, N_USERS, 5)
        for title in range(N_TITLES)
    ]
    served = answers.propensities.reshape(N_USERS, N_TITLES)[::5].ravel() * naive.total_of(folder)
    assert np.abs(served - weights).max() <= 1.001
