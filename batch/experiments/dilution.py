"""How far apart the variants of a generation choose: what an effect on their users is diluted by."""

from typing import Final, NamedTuple

import numpy as np

from bandit.errors import InputError
from batch.choosing.chooser import USERS_A_PRODUCT, Chooser
from batch.choosing.variants import Places
from batch.experiments.plans.plan import Plan
from batch.linear_algebra import in_one_thread
from batch.workspace.workspace import Workspace

TITLES: Final = 20
"""Titles that are looked at, each for one block of users: what that costs is scoring some thousand pairs."""


class Apart(NamedTuple):
    """Of sampled users and titles: the share for which some treatment's weights differ from the control's, and by how much.

    ``variation`` is the mean total variation: the share of picks that would be others. It is of the treatment that is furthest.
    """

    differ: float
    variation: float
    pairs: int


def variants_apart(workspace: Workspace, plan: Plan, generation: int) -> Apart | None:
    """Compare the weights that all variants of a generation give to the same users and titles.

    Args:
        workspace: of the generation.
        plan: of the experiment.
        generation: one that was made under it.

    Returns:
        None where its files are not there any more, or no title has two artworks.
    """
    try:
        with in_one_thread():
            return _apart(Chooser(workspace, generation), plan)
    except InputError:
        return None


def _apart(chooser: Chooser, plan: Plan) -> Apart | None:
    titles = np.flatnonzero(np.diff(chooser.catalogue.starts) > 1)
    random = np.random.default_rng(chooser.manifest.generation)
    some = np.sort(random.choice(titles, min(TITLES, len(titles)), replace=False)).tolist()
    if not some:
        return None
    first = USERS_A_PRODUCT * int(random.integers(-(-chooser.users.count // USERS_A_PRODUCT)))
    count = min(USERS_A_PRODUCT, chooser.users.count - first)
    contexts = chooser.padded_contexts(first, count)
    places = [chooser.config.names.index(name) for name in plan.names]
    differ, variation = np.zeros((len(places) - 1, 2)).T
    before = chooser.previous_of_slice(first, count)
    for title in some:
        previous = before.of(title, len(contexts))
        control, *others = (_weights(chooser, title, contexts, place, previous)[:count] for place in places)
        for at, treatment in enumerate(others):
            apart = np.abs(treatment - control).sum(axis=1) / 2
            differ[at] += float((apart > 0).sum())
            variation[at] += float(apart.sum())
    pairs = len(some) * count
    return Apart(float(differ.max()) / pairs, float(variation.max()) / pairs, pairs)


def _weights(chooser: Chooser, title: int, contexts: np.ndarray, place: int, previous: np.ndarray | None) -> np.ndarray:
    """The weights of one variant for users with these contexts, as shares, (n, k)."""
    places = Places.by_row(np.full(len(contexts), place, dtype=np.uint32))
    return (
        chooser.weights(title, chooser.probabilities(title, contexts, places, previous), places) / chooser.config.total
    )
