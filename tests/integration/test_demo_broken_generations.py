"""Generations that are broken on purpose: the gate refuses each of them by the real publish, and what was served serves on."""

import pytest
import redis
from learned_workspace import silent
from on_disk import explore

from artwork.demo.loop import Loop
from artwork.demo.pressing.broken_generations import FAULTS, Refusal, publish_broken
from artwork.web.stage import BusyError
from bandit.errors import InputError
from batch.config import Config
from batch.executors import SerialExecutor
from batch.publishing.flips import published_current
from batch.publishing.sweep import generations_in_store
from batch.workspace.generations import read_manifest
from batch.workspace.workspace import Workspace

pytestmark = pytest.mark.faults


def played(workspace: Workspace, store: str, posterior: str = "linear", *, live: bool = True) -> Loop:
    """A loop that serves what it learned from two days of explore data."""
    loop = Loop.of(workspace, Config.of("thompson", posterior=posterior, seed=3))
    for day in range(2):
        explore(loop, day)
    loop.learn(store, silent, None if live else loop.exploring)
    return loop


def broken(loop: Loop, fault: str, client: redis.Redis, store: str) -> Refusal:
    return publish_broken(loop.workspace, fault, client, store, SerialExecutor(), silent, 4)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_generation_is_refused_for_what_was_broken_and_the_one_before_serves_on(
    workspace: Workspace, store: str, client: redis.Redis, fault: str
) -> None:
    loop = played(workspace, store)
    before = published_current(client)
    assert before is not None
    made = broken(loop, fault, client, store)
    assert FAULTS[fault].check in made.checks
    assert all(name in made.words for name in made.checks)
    assert published_current(client) == before
    assert list(generations_in_store(client)) == [before.generation]
    assert read_manifest(workspace, made.generation).parent == before.generation


@pytest.mark.parametrize("posterior", ["logistic", "shared", "beta"])
def test_a_posterior_of_any_kind_can_be_too_sure(
    workspace: Workspace, store: str, client: redis.Redis, posterior: str
) -> None:
    made = broken(played(workspace, store, posterior), "collapsed", client, store)
    assert "entropy of the weights" in made.checks


def test_a_night_after_a_broken_generation_is_as_any_other(
    workspace: Workspace, store: str, client: redis.Redis
) -> None:
    loop = played(workspace, store)
    made = broken(loop, "nan", client, store)
    after = loop.learn(store, silent)
    assert after.trained.generation == made.generation + 1
    assert after.published.gate.passes


def test_a_fault_that_there_is_not_is_refused_before_anything_is_made(
    workspace: Workspace, store: str, client: redis.Redis
) -> None:
    loop = played(workspace, store)
    with pytest.raises(InputError, match="expected one of nan, swapped, collapsed"):
        broken(loop, "rows", client, store)
    assert len(list(workspace.generations.iterdir())) == 3


def test_nothing_is_broken_while_nothing_is_served(workspace: Workspace, store: str, client: redis.Redis) -> None:
    with pytest.raises(BusyError, match="no generation is served"):
        publish_broken(workspace, "nan", client, store, SerialExecutor(), silent, 4)


def test_a_posterior_that_nobody_looks_at_cannot_be_too_sure(
    workspace: Workspace, store: str, client: redis.Redis
) -> None:
    loop = played(workspace, store, live=False)
    with pytest.raises(BusyError, match="uniform"):
        broken(loop, "collapsed", client, store)
    assert broken(loop, "nan", client, store).checks == ("finite numbers",)
    before = published_current(client)
    assert "is not published: of 7,200 picks" in broken(loop, "swapped", client, store).words  # arms are alike
    assert published_current(client) == before


def test_what_the_gate_would_let_pass_is_not_published(workspace: Workspace, store: str, client: redis.Redis) -> None:
    loop = Loop.of(
        workspace, Config.of("epsilon_greedy:epsilon=0.1", seed=3)
    )  # looks at means, not at how sure they are
    for day in range(2):
        explore(loop, day)
    loop.learn(store, silent)
    before = published_current(client)
    made = broken(loop, "collapsed", client, store)
    assert made.checks == ()
    assert "would let generation 4 pass, so it is not published: mean entropy of" in made.words
    assert published_current(client) == before
