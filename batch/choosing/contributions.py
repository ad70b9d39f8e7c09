"""What each feature of a context adds to the score of an artwork."""

import numpy as np

from bandit.arrays import F64
from batch.choosing.chooser import Chooser
from batch.choosing.explanation import Contribution
from batch.choosing.variants import Scoring
from batch.datasets.contexts import FEATURES
from batch.workspace.tables import context_matrix
from batch.workspace.workspace import Workspace

LARGEST = 5
"""Contributions that are shown of each artwork."""


def feature_names(workspace: Workspace, n_features: int) -> tuple[str, ...]:
    """What stands at each place of a context: of data sets made here, the names; of others, the places."""
    if workspace.truth.exists() and n_features == len(FEATURES):
        return FEATURES
    return tuple(f"feature {place}" for place in range(n_features))


def contributions(
    chooser: Chooser, scoring: Scoring, title: int, context: F64, names: tuple[str, ...]
) -> list[tuple[float, list[Contribution]]]:
    """Level and largest contributions of each artwork at a context (d,), by one of the chooser's models.

    Expected scores are affine in the context, so those at d + 1 contexts tell all. Features that are 1 for everybody are in
    the level, whichever weight the posterior gave them.
    """
    constant = (context_matrix(chooser.users) == 1).all(axis=0)  # (d,)
    base = np.where(constant, 1.0, 0.0)
    corners = np.vstack([base, base + np.diag(~constant)])  # (d + 1, d)
    expected = scoring.scores(title, corners).expected
    if len(expected) == 1:  # it knows no context
        return [(float(mean), []) for mean in expected[0]]
    weights = expected[1:] - expected[0]  # (d, k)
    added = context[:, None] * weights
    largest = np.argsort(-np.abs(added), axis=0, kind="stable")[:LARGEST]  # (5, k)
    return [
        (
            float(expected[0, arm]),
            [
                Contribution(names[j], float(context[j]), float(weights[j, arm]), float(added[j, arm]))
                for j in largest[:, arm]
                if added[j, arm]
            ],
        )
        for arm in range(expected.shape[1])
    ]
