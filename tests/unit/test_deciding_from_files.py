"""Picks on disk are those of the naive twin, computed from the generation's posterior and context files alone."""

import naive
import polars as pl
import pytest
from drawn import log_days, make_generation

from bandit.snapshot import keyed_hash
from batch.generations import folder_of
from batch.workspace import Workspace

SEED = 4
USERS = range(0, 600, 40)  # of three blocks


@pytest.mark.parametrize(
    "policy",
    [
        "thompson",
        "epsilon_greedy",
        "epsilon_greedy:epsilon=0.4,halving=300",
        "greedy",
        "popularity",
        "uniform",
    ],
)
@pytest.mark.parametrize("days", [0, 3])
def test_every_policy_draws_with_the_naive_weights(workspace: Workspace, policy: str, days: int) -> None:
    log_days(workspace, days, 4000)
    folder = folder_of(workspace, generation := make_generation(workspace, policy, seed=SEED))
    n_titles = pl.read_parquet(workspace.titles).height
    picks = pl.read_parquet(folder / "picks" / "part-000000.parquet")
    for user in USERS:
        for title in range(n_titles):
            pick = picks.row(user * n_titles + title, named=True)
            weights = naive.weights_from_files(folder, user, title)
            assert abs(pick["weight"] - weights[pick["arm"]]) <= 1
            hashed = keyed_hash("draw", SEED, generation, pick["user_id"], pick["title_id"])
            # A unit of rounding moves the edges of an arm by at most one unit an arm before it.
            edges = [sum(weights[:arm]) for arm in (pick["arm"], pick["arm"] + 1)]
            assert edges[0] - len(weights) <= hashed * 65535 >> 64 < edges[1] + len(weights)
