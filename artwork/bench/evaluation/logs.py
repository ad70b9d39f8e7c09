"""Logs that are drawn to be compared on: small like a sample of the Open Bandit Dataset, and large like a workspace of ours."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from bandit.impressions import ImpressionLog


@dataclass(frozen=True)
class LogSize:
    """Impressions of some titles, arms a title, features of a context; ``showings`` of a decision at most."""

    name: str
    impressions: int
    titles: int
    arms: int
    features: int
    showings: int


SMALL: Final = LogSize("10,000 impressions of 80 arms", 10_000, 1, 80, 30, 1)
LARGE: Final = LogSize("1,000,000 impressions of 200 titles", 1_000_000, 200, 8, 23, 2)


def draw_log(size: LogSize) -> ImpressionLog:
    """A uniform log in which some arms are better, for some users; decisions in a row are shown up to ``showings`` times."""
    random = np.random.default_rng(5)
    count, n_arms = size.impressions, size.titles * size.arms
    decisions = np.arange(count) // size.showings
    n_decisions = int(decisions[-1]) + 1
    contexts = random.normal(size=(n_decisions, size.features)).astype(np.float32)
    contexts[:, 0] = 1.0
    arms = random.integers(0, n_arms, n_decisions)
    taste = random.normal(scale=0.02, size=(n_arms, size.features))
    expected = np.clip(0.05 + np.einsum("nd,nd->n", contexts, taste[arms]), 0.001, 0.9)[decisions]
    return ImpressionLog(
        contexts=contexts[decisions],
        arms=arms[decisions],
        rewards=(random.random(count) < expected).astype(np.float64),
        propensities=np.full(count, 1 / size.arms),
        n_arms=n_arms,
        starts=None if size.titles == 1 else np.arange(0, n_arms + 1, size.arms),
        clusters=None if size.showings == 1 else decisions,
    )
