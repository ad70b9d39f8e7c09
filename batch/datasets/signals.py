"""Simulated sign-up signals, for users of data sets that have none."""

from typing import Final

import numpy as np
import polars as pl

from bandit.arrays import F64
from bandit.snapshot import hash_base

COUNTRIES = {"US": 0.42, "BR": 0.13, "GB": 0.12, "DE": 0.11, "IN": 0.12, "JP": 0.10}
DEVICES = {"tv": 0.55, "mobile": 0.25, "web": 0.12, "tablet": 0.08}
CAMPAIGNS = {"spring_trial": 0.06, "partner_bundle": 0.05, "friend_code": 0.04}
"""Shares of users whose tastes are average; most came by no campaign."""

FAVOURITES: Final = 2
"""Genres of which the users of a country, of a device and of a campaign are fonder than others."""
TILT: Final = 2.0
"""By how much the log-odds of a value grow with a standard deviation of the taste in its favourites, summed and scaled to 1.
An assumption, as is the rest of the world: without it signals would say nothing of what users like."""


def make_signals(n_users: int, seed: int, tastes: F64 | None = None) -> pl.DataFrame:
    """Country, device and campaign (null for most) of n users, drawn by seed.

    Args:
        n_users: n.
        seed: draws the signals, and which genres the users of each value are fonder of.
        tastes: z-scores of how much each user likes each genre, (n, g); None draws signals that say nothing of users.
    """
    random = np.random.Generator(np.random.Philox(hash_base("signals", seed, 0)))
    chooser = np.random.Generator(np.random.Philox(hash_base("signals", seed, 1)))
    return pl.DataFrame(
        {
            name: _draw(shares, random.random(n_users), _fondness(shares, tastes, chooser))
            for name, shares in (("country", COUNTRIES), ("device", DEVICES), ("campaign", CAMPAIGNS))
        }
    )


def _fondness(shares: dict[str, float], tastes: F64 | None, random: np.random.Generator) -> F64 | None:
    """How much each user's tastes speak for each value, (n, v); 0 for none of them, which is the last."""
    if tastes is None:
        return None
    loading = np.zeros((tastes.shape[1], len(shares) + 1))
    for value in range(len(shares)):
        loading[random.choice(tastes.shape[1], FAVOURITES, replace=False), value] = 1 / np.sqrt(FAVOURITES)
    return np.asarray(TILT * (tastes @ loading))


def _draw(shares: dict[str, float], uniforms: F64, fondness: F64 | None) -> pl.Series:
    """Values by their shares; what the shares leave of 1 is null."""
    values = pl.Series([*shares, None], dtype=pl.String)
    if fondness is None:
        return values.gather(np.searchsorted(np.cumsum([*shares.values()]), uniforms, side="right"))
    whole = np.array([*shares.values(), max(1.0 - sum(shares.values()), 0.0)])
    odds = whole * np.exp(fondness)
    edges = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)[:, :-1]  # (n, v - 1)
    return values.gather((uniforms[:, None] >= edges).sum(axis=1))
