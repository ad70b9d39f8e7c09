"""``artwork explain``: for people and for machines, and without starting a store."""

import json
import re

import pytest
from make_impressions import log_days, make_generation, shorten
from shell import assert_refused, call, runtime_folder

from batch.workspace.workspace import Workspace

WORDS = ("explain", "--user", "u0001", "--title", "t0001")


@pytest.fixture
def made(workspace: Workspace) -> Workspace:
    shorten(workspace)
    log_days(workspace, 2, 2000)
    make_generation(workspace, "thompson", posterior="shared")
    return workspace


def test_it_is_told_which_generation_the_store_serves(made: Workspace, store: str) -> None:
    root = str(made.root)
    before = call(*WORDS, "--json", "-w", root, ARTWORK_REDIS_URL=store)
    assert json.loads(before.out)["current"] is None
    assert call("publish", "-w", root, ARTWORK_REDIS_URL=store).code == 0
    after = json.loads(call(*WORDS, "--json", "-w", root, ARTWORK_REDIS_URL=store).out)
    assert after["current"] == after["generation"] == 1


def test_no_store_is_started_for_it(made: Workspace) -> None:
    with runtime_folder() as folder:
        answer = call(*WORDS, "-w", str(made.root), XDG_RUNTIME_DIR=folder)
    assert answer.code == 0
    assert "no store runs" in answer.out
    assert not (made.root / "store").exists()


def test_people_read_every_artwork_with_its_propensity(made: Workspace) -> None:
    with runtime_folder() as folder:
        text = call(*WORDS, "-w", str(made.root), XDG_RUNTIME_DIR=folder).out
        told = json.loads(call(*WORDS, "--json", "-w", str(made.root), XDG_RUNTIME_DIR=folder).out)
    assert f"is shown {told['shown']}, drawn by thompson over the shared posterior" in text
    for artwork in told["artworks"]:
        assert re.search(rf" {artwork['artwork_id']} .* {artwork['propensity']:.4f} +{artwork['weight']}\b", text)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--user", "nobody", "--title", "t0001"), ("no user 'nobody'", "600")),
        (("--user", "u0001", "--title", "t01"), ("no title 't01'", "which has 12", "t0012")),
        (("--user", "u0001", "--title", "t0001", "--generation", "7"), ("generation 7", "precomputed are 1")),
    ],
)
def test_what_is_not_known_is_wrong_input(made: Workspace, words: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert_refused(call("explain", *words, "-w", str(made.root)), 2, *names)
