"""Simulated sign-up signals, for users of data sets that have none."""

import numpy as np
import polars as pl

from bandit.snapshot import hash_base

COUNTRIES = {"US": 0.42, "BR": 0.13, "GB": 0.12, "DE": 0.11, "IN": 0.12, "JP": 0.10}
DEVICES = {"tv": 0.55, "mobile": 0.25, "web": 0.12, "tablet": 0.08}
CAMPAIGNS = {"spring_trial": 0.06, "partner_bundle": 0.05, "friend_code": 0.04}
"""Shares of users; most came by no campaign."""


def make_signals(n_users: int, seed: int) -> pl.DataFrame:
    """Country, device and campaign (null for most) of n users, drawn by seed, independent of everything else."""
    random = np.random.Generator(np.random.Philox(hash_base("signals", seed, 0)))
    return pl.DataFrame(
        {
            "country": _draw(COUNTRIES, n_users, random),
            "device": _draw(DEVICES, n_users, random),
            "campaign": _draw(CAMPAIGNS, n_users, random),
        }
    )


def _draw(shares: dict[str, float], n_users: int, random: np.random.Generator) -> pl.Series:
    """Values by their shares; what the shares leave of 1 is null."""
    place = np.searchsorted(np.cumsum([*shares.values()]), random.random(n_users), side="right")
    return pl.Series([*shares, None], dtype=pl.String).gather(place)
