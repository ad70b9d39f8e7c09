"""Users have picks of two variants: service, events and join say of each title which one chose it."""

from contextlib import closing
from dataclasses import replace

import naive
import numpy as np
import polars as pl
import pytest
from learned_workspace import N_TITLES, N_USERS, LearnedWorkspace, silent

from artwork.demo.answers import Answers
from batch.config import Config, Variant
from batch.workspace.generations import CATALOGUE, CONTEXTS, folder_of

SALT, SPLITS = "mix", (0.5, 0.1)
NAMES = ("first", "second")


@pytest.fixture(scope="module")
def generation(learned: LearnedWorkspace) -> int:
    variants = Variant("first", "thompson"), Variant("second", "epsilon_greedy:epsilon=0.4")
    config = Config(variants, seed=learned.loop.config.seed, salt=SALT, splits=SPLITS)
    loop = replace(learned.loop, config=config)
    return loop.learn(learned.url, silent).trained.generation


@pytest.fixture(scope="module")
def answers(learned: LearnedWorkspace, generation: int, address: str) -> Answers:
    with closing(learned.loop.client(address)) as client:
        client.wait_for(generation)
        return learned.every_pick(client)


def chosen_by(learned: LearnedWorkspace, user_id: str, title_id: str) -> str:
    return NAMES[naive.chose_second(learned.loop.config.seed, SALT, SPLITS, user_id, title_id)]


def test_every_answer_names_the_variant_of_its_title(
    learned: LearnedWorkspace, generation: int, answers: Answers
) -> None:
    folder = folder_of(learned.workspace, generation)
    users = pl.read_parquet(folder / CONTEXTS)["user_id"].to_list()
    titles = pl.read_parquet(folder / CATALOGUE)["title_id"].unique(maintain_order=True).to_list()
    assert (len(users), len(titles)) == (N_USERS, N_TITLES)
    assert answers.policies == [chosen_by(learned, user, title) for user in users for title in titles]
    assert set(answers.sources) == {"personalized"}


def test_every_propensity_is_the_independent_one_of_the_variant_that_is_named(
    learned: LearnedWorkspace, generation: int, answers: Answers
) -> None:
    folder = folder_of(learned.workspace, generation)
    weights = [
        naive.weights_from_files(folder, user, title)[answers.arms[user * N_TITLES + title]]
        for user in range(0, N_USERS, 5)
        for title in range(N_TITLES)
    ]
    served = answers.propensities.reshape(N_USERS, N_TITLES)[::5].ravel() * naive.total_of(folder)
    assert np.abs(served - weights).max() <= 1.001
