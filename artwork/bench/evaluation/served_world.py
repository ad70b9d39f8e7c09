"""A world whose truth is known, with the generations that are served in it."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from bandit.arrays import F64, Bool
from bandit.snapshot import NO_OVERLAY, Overlay
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.executors import SerialExecutor
from batch.learning.train import train
from batch.workspace.files import write_parquet
from batch.workspace.generations import CONTEXTS, claim, digest_of, folder_of, read_manifest, write_manifest
from batch.workspace.impressions import append_impressions, day_folder
from batch.workspace.tables import Tables, write_tables
from batch.workspace.workspace import Workspace

N_USERS, N_COLD, N_TITLES, N_ARMS, N_KINDS = 150, 10, 3, 4, 5000
DAY: Final = date(2026, 3, 1)
RETIRED: Final[tuple[Overlay, ...]] = (
    NO_OVERLAY,
    Overlay(1, {"t0": ("t0-a0",)}),  # the title's default
    Overlay(2, {"t0": ("t0-a0", "t0-a3"), "t1": ("t1-a2",)}),
)
"""What is served under, in turn; a revision is written when it begins."""

_CONFIG: Final = Config.of(
    "thompson", "softmax:temperature=0.1", share=0.4, seed=4, floor=0.2, explore_share=0.2, new_floor=0.0
)


class World(NamedTuple):
    """Kinds of users: contexts (5000, 3) and expected rewards (5000, 3, 4), which are linear in them."""

    contexts: F64
    rates: F64

    @classmethod
    def drawn(cls) -> "World":
        """One world for all runs."""
        random = np.random.default_rng(2026)
        contexts = np.column_stack([np.ones(N_KINDS), random.uniform(-1.5, 1.5, (N_KINDS, 2))])
        base = random.uniform(0.2, 0.45, (N_TITLES, N_ARMS))
        slopes = random.uniform(-0.13, 0.13, (2, N_TITLES, N_ARMS))
        rates = np.clip(base + np.einsum("nd,dta->nta", contexts[:, 1:], slopes), 0.01, 0.99)
        return cls(np.asarray(contexts, dtype=np.float32).astype(np.float64), rates)

    @property
    def remaining(self) -> Bool:
        """Which artworks are never retired, (3, 4)."""
        gone = [artwork for artworks in RETIRED[-1].retired.values() for artwork in artworks]
        return np.array([[artwork_id(t, a) not in gone for a in range(N_ARMS)] for t in range(N_TITLES)])

    def target(self, name: str) -> F64:
        """The probabilities of a target policy, (3, 4), over the artworks that remain."""
        able = self.remaining
        if name == "uniform":
            return np.asarray(able / able.sum(axis=1, keepdims=True), dtype=np.float64)
        best = np.where(able, self.rates.mean(axis=0), -1.0).argmax(axis=1)
        return np.asarray(np.eye(N_ARMS)[best], dtype=np.float64)

    def truth(self, name: str) -> float:
        """What a target policy is worth, per impression."""
        return float((self.target(name) * self.rates.mean(axis=0)).sum() / N_TITLES)


def redrawn(workspace: Workspace, model: int, contexts: F64, seed: int) -> int:
    """A generation with the posterior of another, users and a seed of its own: no two runs draw with the same numbers."""
    number, manifest = claim(workspace), read_manifest(workspace, model)
    source, folder = folder_of(workspace, model), folder_of(workspace, number)
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("picks", "manifest.json"))
    path = folder / CONTEXTS
    write_parquet(path, pl.read_parquet(path).with_columns(context=_vectors(contexts)))
    checksums = manifest.checksums | {CONTEXTS: digest_of(path)}
    config = replace(manifest.config, seed=seed)
    write_manifest(workspace, replace(manifest, generation=number, checksums=checksums, config=config))
    precompute(workspace, number, SerialExecutor(), silent, shard_size=1)
    return number


def trained(workspace: Workspace, world: World) -> int:
    """A trained generation that knows something: 3,000 impressions of uniform artworks."""
    random = np.random.default_rng(3)
    kinds, titles, arms = (random.integers(0, most, 3000) for most in (N_KINDS, N_TITLES, N_ARMS))
    workspace.root.mkdir(parents=True)
    write_tables(workspace, _tables(world.contexts[:N_USERS]))
    taken = random.random(3000) < world.rates[kinds, titles, arms]
    day = DAY - timedelta(days=20)
    frame = pl.DataFrame(
        {
            "event_id": [f"learned-{number}" for number in range(3000)],
            "shown_at": [datetime(day.year, day.month, day.day, 12, tzinfo=UTC)] * 3000,
            "user_id": [user_id(number % N_USERS) for number in range(3000)],
            "title_id": [f"t{title}" for title in titles],
            "artwork_id": [artwork_id(title, arm) for title, arm in zip(titles, arms, strict=True)],
            "arm": arms,
            "eligible": [list(range(N_ARMS))] * 3000,
            "generation": np.zeros(3000, dtype=np.int64),
            "revision": np.zeros(3000, dtype=np.int64),
            "policy": ["uniform"] * 3000,
            "source": ["personalized"] * 3000,
            "segment": pl.Series([None] * 3000, dtype=pl.String),
            "propensity": np.full(3000, 1 / N_ARMS),
            "context": _vectors(world.contexts[kinds]),
            "clicked": taken,
            "watch_fraction": taken.astype(np.float64),
            "reward": taken.astype(np.float64),
        }
    )
    append_impressions(workspace, day, frame)
    made = train(workspace, _CONFIG, SerialExecutor(), silent, shard_size=1)
    shutil.rmtree(day_folder(workspace, day))
    return made.generation


def _tables(contexts: F64) -> Tables:
    """Every third user has a shortlist of two titles: for the third, the store has no pick."""
    users, titles = [user_id(number) for number in range(N_USERS)], [f"t{title}" for title in range(N_TITLES)]
    pairs = [(title, arm) for title in range(N_TITLES) for arm in range(N_ARMS)]
    nothing = pl.Series([None] * N_USERS, dtype=pl.String)
    return Tables(
        pl.DataFrame(
            {
                "user_id": users,
                "context": _vectors(contexts),
                "country": nothing,
                "device": nothing,
                "campaign": nothing,
                "sessions": [1] * N_USERS,
            }
        ),
        pl.DataFrame({"title_id": titles, "name": titles, "year": [2000] * N_TITLES, "genres": [["drama"]] * N_TITLES}),
        pl.DataFrame(
            {
                "title_id": [f"t{title}" for title, _ in pairs],
                "artwork_id": [artwork_id(*pair) for pair in pairs],
                "features": _vectors(np.eye(N_ARMS)[[arm for _, arm in pairs]]),
                "theme": ["plain"] * len(pairs),
                "look": ["plain"] * len(pairs),
                "image_url": pl.Series([None] * len(pairs), dtype=pl.String),
                "is_default": [arm == 0 for _, arm in pairs],
                "added_at": [datetime(2026, 1, 1, tzinfo=UTC)] * len(pairs),
            }
        ),
        pl.DataFrame(
            {"user_id": users, "title_ids": [titles[:2] if place % 3 == 0 else titles for place in range(N_USERS)]}
        ),
    )


def _vectors(values: F64) -> pl.Series:
    return pl.Series(values.tolist(), dtype=pl.List(pl.Float32))


def user_id(number: int) -> str:
    """The id of a user by number."""
    return f"u{number:03d}"


def artwork_id(title: int, arm: int) -> str:
    """The id of an artwork by its title's number and its place in it."""
    return f"t{title}-a{arm}"


def silent(what: str, done: int, total: int) -> None:
    """Nobody reads it."""
