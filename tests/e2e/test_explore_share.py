"""Users of the explore share get uniform picks, and the service says so."""

from contextlib import closing
from dataclasses import replace

import naive
import numpy as np
import pytest
from learned_workspace import N_TITLES, N_USERS, LearnedWorkspace, silent

from artwork.demo.answers import Answers
from batch.config import Config
from batch.workspace.generations import folder_of

pytestmark = pytest.mark.faults

SHARE = 0.3


@pytest.fixture(scope="module")
def generation(learned: LearnedWorkspace) -> int:
    config = Config.of(posterior="shared", explore_share=SHARE, seed=learned.loop.config.seed)
    loop = replace(learned.loop, config=config)
    return loop.learn(learned.url, silent).trained.generation


@pytest.fixture(scope="module")
def answers(learned: LearnedWorkspace, generation: int, address: str) -> Answers:
    with closing(learned.loop.client(address)) as client:
        client.wait_for(generation)
        return learned.every_pick(client)


@pytest.fixture(scope="module")
def explores(learned: LearnedWorkspace, generation: int) -> list[bool]:
    """Whether each user explores, computed independently."""
    folder = folder_of(learned.workspace, generation)
    return [naive.explores(folder, user) for user in range(N_USERS)]


def test_some_users_explore_and_the_answer_names_their_policy(answers: Answers, explores: list[bool]) -> None:
    assert 0.15 * N_USERS < sum(explores) < 0.45 * N_USERS
    named = ["uniform" if exploring else "thompson" for exploring in explores for _ in range(N_TITLES)]
    assert answers.policies == named
    assert set(answers.sources) == {"personalized"}


def test_the_propensity_of_whoever_explores_is_one_in_the_number_of_artworks(
    learned: LearnedWorkspace, generation: int, answers: Answers, explores: list[bool]
) -> None:
    total = naive.total_of(folder_of(learned.workspace, generation))
    sizes = np.tile(np.diff(learned.loop.catalogue.starts), N_USERS)
    uniform = np.repeat(explores, N_TITLES)
    # Every artwork has more impressions than a new one by now, so that floors change nothing but the last unit.
    assert np.abs(answers.propensities[uniform] - 1 / sizes[uniform]).max() <= 1 / total
    assert np.abs(answers.propensities[~uniform] - 1 / sizes[~uniform]).max() > 0.1


def test_every_propensity_is_the_independent_one(learned: LearnedWorkspace, generation: int, answers: Answers) -> None:
    folder = folder_of(learned.workspace, generation)
    weights = [
        naive.weights_from_files(folder, user, title)[answers.arms[user * N_TITLES + title]]
        for user in range(0, N_USERS, 5)
        for title in range(N_TITLES)
    ]
    served = answers.propensities.reshape(N_USERS, N_TITLES)[::5].ravel() * naive.total_of(folder)
    assert np.abs(served - weights).max() <= 1.001
