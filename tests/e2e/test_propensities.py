"""The propensity that is served is the probability with which the artwork was drawn: from the posterior to the HTTP answer."""

import shutil
from contextlib import closing
from dataclasses import replace

import naive
import numpy as np
import numpy.typing as npt
import pytest
from learned_workspace import N_TITLES, N_USERS, LearnedWorkspace, silent
from make_impressions import identity_of
from scipy.stats import kstest

from artwork.demo.answers import ServiceClient
from bandit.snapshot import decode_row, row_key
from batch.choosing.precompute import precompute
from batch.executors import SerialExecutor
from batch.publishing.publish import publish
from batch.store.client import connect
from batch.workspace.generations import claim, folder_of, read_manifest, write_manifest

pytestmark = pytest.mark.simulations

SEEDS = 40
USERS = range(0, N_USERS, 2)
"""Rows of the users who are looked at."""

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def generation(learned: LearnedWorkspace) -> int:
    """A trained and published generation of Thompson sampling."""
    return learned.loop.learn(learned.url, silent).trained.generation


@pytest.fixture(scope="module")
def true_weights(learned: LearnedWorkspace, generation: int) -> list[list[int]]:
    """The weight vector of each (user, title), computed independently from the generation's posterior and contexts."""
    folder = folder_of(learned.workspace, generation)
    return [naive.weights_from_files(folder, user, title) for user in USERS for title in range(N_TITLES)]


@pytest.fixture(scope="module")
def served(learned: LearnedWorkspace, generation: int, address: str) -> list[I64]:
    """The arms that the service answered for each (user, title): one array a seed, all from the same posterior."""
    with closing(learned.loop.client(address)) as client:
        return [_serve_with_seed(learned, generation, seed, client) for seed in range(SEEDS)]


def test_every_stored_weight_is_the_independent_one_within_a_unit(
    learned: LearnedWorkspace, generation: int, true_weights: list[list[int]]
) -> None:
    users = learned.loop.tables.users["user_id"].gather(list(USERS)).to_list()
    identity = identity_of(learned.workspace, generation)
    with connect(learned.url) as client:
        rows = [client.get(row_key(generation, user)) for user in users]
    off = []
    for place, (user, raw) in enumerate(zip(users, rows, strict=True)):
        assert isinstance(raw, bytes)
        row = decode_row(raw, user, generation, identity)
        for title in range(N_TITLES):
            pick = row.pick(title)
            assert pick is not None
            off.append(abs(pick.weight - true_weights[place * N_TITLES + title][pick.arm]))
    assert max(off) <= 1


def test_the_posterior_is_neither_flat_nor_certain(true_weights: list[list[int]]) -> None:
    """Else the tests beside this one would hold for trivial weights."""
    shares = np.array([max(weights) / sum(weights) for weights in true_weights])
    assert 0.1 < np.median(shares) < 0.9
    assert np.ptp(shares) > 0.5


def test_served_arms_agree_with_the_weights_over_many_seeds(served: list[I64], true_weights: list[list[int]]) -> None:
    assert kstest(_p_values(served, true_weights), "uniform").pvalue > 0.01


def test_the_same_check_finds_weights_that_are_shifted_by_five_percent(
    served: list[I64], true_weights: list[list[int]]
) -> None:
    assert kstest(_p_values(served, [_shifted(weights) for weights in true_weights]), "uniform").pvalue < 1e-6


def _serve_with_seed(learned: LearnedWorkspace, generation: int, seed: int, client: ServiceClient) -> I64:
    number = _reseeded(learned, generation, seed)
    precompute(learned.workspace, number, SerialExecutor(), silent, shard_size=1)
    with connect(learned.url) as store:
        publish(learned.workspace, number, store, learned.url, silent)
    client.wait_for(number)
    answers = learned.every_pick(client, USERS)
    assert set(answers.sources) == {"personalized"}
    assert set(answers.generations.tolist()) == {number}
    return answers.arms


def _reseeded(learned: LearnedWorkspace, generation: int, seed: int) -> int:
    """A new trained generation with the posterior of another and a seed of its own."""
    manifest = read_manifest(learned.workspace, generation)
    number = claim(learned.workspace)
    source, target = folder_of(learned.workspace, generation), folder_of(learned.workspace, number)
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("picks", "manifest.json"))
    checksums = {name: digest for name, digest in manifest.checksums.items() if not name.startswith("picks")}
    config = replace(manifest.config, seed=seed)
    write_manifest(
        learned.workspace, replace(manifest, generation=number, config=config, checksums=checksums, stage="trained")
    )
    return number


def _p_values(served: list[I64], weights: list[list[int]]) -> F64:
    """One p-value a seed: are the arms' randomised probability integral transforms uniform?

    u = (w_0 + ... + w_{arm-1} + V·w_arm) / Σw with V uniform is uniform exactly if arms follow the weights
    (Brockwell 2007, equation 2), in whatever order the arms are taken: the heaviest first, so that errors add up.
    """
    random = np.random.default_rng(11)
    return np.array([kstest(_transforms(arms, weights, random), "uniform").pvalue for arms in served])


def _transforms(arms: I64, weights: list[list[int]], random: np.random.Generator) -> F64:
    before = [_heavier(row, arm) for row, arm in zip(weights, arms, strict=True)]
    own = np.array([row[arm] for row, arm in zip(weights, arms, strict=True)])
    totals = np.array([sum(row) for row in weights])
    return np.asarray((np.array(before) + random.random(len(arms)) * own) / totals)


def _heavier(weights: list[int], arm: int) -> int:
    """The weight of all arms that come before one, the heaviest first and equal ones in their order."""
    own = weights[arm]
    return sum(weight for place, weight in enumerate(weights) if weight > own or (weight == own and place < arm))


def _shifted(weights: list[int]) -> list[int]:
    """Weights with 5 % of all mass moved from the largest to the smallest."""
    moved = sum(weights) * 5 // 100
    changed = list(weights)
    largest, smallest = int(np.argmax(weights)), int(np.argmin(weights))
    changed[largest] -= min(moved, weights[largest] - 1)
    changed[smallest] += min(moved, weights[largest] - 1)
    return changed
