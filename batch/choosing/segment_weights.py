"""The weights that the service draws with for each segment: those of a user whose context is the segment's."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np

from bandit.arrays import F64, U16
from bandit.deploying import Deployed
from bandit.policies import parse_policy
from bandit.snapshot import TOTAL_WEIGHT
from batch.choosing.chooser import Chooser, padded
from batch.choosing.variants import LiveVariant
from batch.executors import Executor, Progress

_TITLES: Final = 512  # of a task


def weigh_segments(
    chooser_of: Callable[[], Chooser], contexts: F64, n_titles: int, executor: Executor, report: Progress
) -> U16:
    """The weight of every artwork for each segment, (s, a): full vectors that add up to 65,535 in each title.

    The policy and the posterior are those of the first variant, and so are the floors.

    Args:
        chooser_of: gives the generation's chooser in whichever process it is called.
        contexts: of the segments, (s, d).
        n_titles: of the catalogue.
        executor: runs the titles.
        report: told how far it is.
    """
    cuts = [*range(0, n_titles, _TITLES), n_titles]
    parts = []
    for done, part in zip(
        cuts[1:], executor.map(partial(_weigh, chooser_of, contexts), list(pairwise(cuts))), strict=True
    ):
        parts.append(part)
        report("weighing segments", done, n_titles)
    return np.concatenate(parts, axis=1)


def _weigh(chooser_of: Callable[[], Chooser], contexts: F64, titles: tuple[int, int]) -> U16:
    chooser = chooser_of()
    first, config, starts = chooser.variants[0], chooser.config, chooser.catalogue.starts.tolist()
    policy = parse_policy(config.variants[0].policy)
    deployed = Deployed(policy, chooser.impressions, starts, config.floors[0], TOTAL_WEIGHT)
    variant = LiveVariant(deployed, first.scoring)
    every = padded(contexts)
    out = np.empty((len(contexts), starts[titles[1]] - starts[titles[0]]), dtype=np.uint16)  # (s, a of these titles)
    for title in range(*titles):
        scores = first.scoring.scores(title, every) if first.scoring.knows_contexts else None
        probabilities = variant.probabilities(title, scores)
        weights = deployed.quantised(title, probabilities)
        own = slice(starts[title] - starts[titles[0]], starts[title + 1] - starts[titles[0]])
        out[:, own] = weights[: len(contexts)] if len(weights) > 1 else weights
    return out
