"""The weights that the service draws with for each segment: those of a user whose context is the segment's.

Such a user explores only what sets the segment apart from everybody. How well an artwork does with everybody is learned from the
users who have rows, and what the posterior does not know of that yet is not tried out on those who are new.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, U16
from bandit.deploying import Deployed
from bandit.policies import parse_policy
from bandit.scores import Draws, Moments, Scores, expected_rewards
from bandit.snapshot import TOTAL_WEIGHT
from batch.choosing.chooser import Chooser, padded
from batch.choosing.variants import LiveVariant, Scoring
from batch.executors import Executor, Progress

_TITLES: Final = 512  # of a task


def weigh_segments(
    chooser_of: Callable[[], Chooser],
    contexts: F64,
    users: npt.NDArray[np.number],
    n_titles: int,
    executor: Executor,
    report: Progress,
) -> U16:
    """The weight of every artwork for each segment, (s, a): full vectors that add up to 65,535 in each title.

    The policy and the posterior are those of the first variant, and so are the floors.

    Args:
        chooser_of: gives the generation's chooser in whichever process it is called.
        contexts: of the segments, (s, d).
        users: of each segment, (s,); the mean context by these is everybody's.
        n_titles: of the catalogue.
        executor: runs the titles.
        report: told how far it is.
    """
    cuts = [*range(0, n_titles, _TITLES), n_titles]
    everybody = np.average(contexts, axis=0, weights=users)  # (d,)
    parts = []
    for done, part in zip(
        cuts[1:], executor.map(partial(_weigh, chooser_of, contexts, everybody), list(pairwise(cuts))), strict=True
    ):
        parts.append(part)
        report("weighing segments", done, n_titles)
    return np.concatenate(parts, axis=1)


def _weigh(chooser_of: Callable[[], Chooser], contexts: F64, everybody: F64, titles: tuple[int, int]) -> U16:
    chooser = chooser_of()
    first, config, starts = chooser.variants[0], chooser.config, chooser.catalogue.starts.tolist()
    policy = parse_policy(config.variants[0].policy)
    deployed = Deployed(policy, chooser.impressions, starts, config.floors[0], TOTAL_WEIGHT)
    variant, popularity = LiveVariant(deployed, first.scoring), chooser.catalogue.frame["popularity_weight"].to_numpy()
    out = np.empty((len(contexts), starts[titles[1]] - starts[titles[0]]), dtype=np.uint16)  # (s, a of these titles)
    for title in range(*titles):
        scores = _apart(first.scoring, title, contexts, everybody) if first.scoring.knows_contexts else None
        probabilities = variant.probabilities(title, scores)
        weights = deployed.quantised(title, probabilities)
        if scores is not None:
            weights = _worth_more(weights, scores, popularity[starts[title] : starts[title + 1]])
        own = slice(starts[title] - starts[titles[0]], starts[title + 1] - starts[titles[0]])
        out[:, own] = weights[: len(contexts)] if len(weights) > 1 else weights
    return out


def _worth_more(weights: U16, scores: Scores, popularity: U16) -> U16:
    """A segment's own weights (s, k), or those of popularity (k,) where the posterior expects more of them.

    What is expected of weights that are given is their sum of posterior means: exploring costs what it is expected to cost. With
    little evidence that is more than a segment's own means are expected to bring.
    """
    rewards = expected_rewards(scores)  # (s, k)
    is_own = np.einsum("sk,sk->s", rewards, weights.astype(np.float64)) >= rewards @ popularity.astype(np.float64)
    return np.where(is_own[:, None], weights, popularity)


def _apart(scoring: Scoring, title: int, contexts: F64, everybody: F64) -> Scores:
    """Scores of contexts (s, d) as if everybody's (d,) were known for certain, (padded s, k).

    Every model is linear in contexts, on its link's scale. So the deviation of a difference of contexts is that of the scores'
    difference; of joint draws, each is moved by what it says of everybody.
    """
    own = scoring.scores(title, padded(contexts))
    if isinstance(own, Draws):
        level = scoring.scores(title, padded(everybody[None]))
        assert isinstance(level, Draws)  # noqa: S101 - the same scorer gives the same type
        return Draws(own.values - level.values[:, :1] + level.means[:1], own.means)
    assert isinstance(own, Moments)  # noqa: S101 - Betas know no context
    return Moments(own.means, scoring.scores(title, padded(contexts - everybody)).deviations, own.link)
