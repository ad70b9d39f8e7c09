"""A workspace with a simulated world behind its users, and days that are played from the picks on disk: no store, no service."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from make_impressions import make_generation

from bandit.rewards import EngagedTake
from bandit.simulation.seasons.visits import VISITS_A_USER, draw_titles
from bandit.simulation.world import World
from bandit.snapshot import SIMULATION, hash_base
from batch.config import Config
from batch.datasets.dataset import DataSet, write
from batch.workspace.catalogue import Catalogue
from batch.workspace.files import read_parquet
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.impressions import append_impressions
from batch.workspace.picks import RecordedPicks
from batch.workspace.workspace import Workspace

FIRST_DAY = date(2026, 1, 1)


@dataclass(frozen=True)
class Played:
    """A day's take rate, and what the world expects of uniform choice and of the best on the same visits."""

    take_rate: float
    uniform: float
    best: float

    @property
    def closed(self) -> float:
        """Share of the way from uniform to the best."""
        return (self.take_rate - self.uniform) / (self.best - self.uniform)


@dataclass(frozen=True)
class SimulatedWorkspace:
    """The workspace, its world, and how its artworks are chosen."""

    workspace: Workspace
    world: World
    config: Config

    @classmethod
    def build(cls, root: Path, dataset: DataSet, config: Config) -> "SimulatedWorkspace":
        """A new one of a data set."""
        write(Workspace(root), dataset)
        return cls.of(root, config)

    @classmethod
    def of(cls, root: Path, config: Config) -> "SimulatedWorkspace":
        """One that is there."""
        return cls(Workspace(root), World.load(Workspace(root).truth), config)

    def explore(self, day: int) -> Played:
        """A day of uniform picks."""
        return self.play(day, make_generation(self.workspace, "uniform", seed=self.config.seed))

    def play(self, day: int, generation: int) -> Played:
        """A day of a generation's picks; its impressions are added to the log, with the contexts of the generation."""
        random = np.random.Generator(np.random.Philox(hash_base(SIMULATION, self.config.seed, day)))
        n_users = len(self.world.tastes)
        visitors = random.integers(n_users, size=VISITS_A_USER * n_users)
        pages = draw_titles(self.world.title_appeal, len(visitors), random)
        users, titles = np.repeat(visitors, pages.shape[1]), pages.ravel()
        catalogue = Catalogue.read(folder_of(self.workspace, generation) / "catalogue.parquet")
        manifest = read_manifest(self.workspace, generation)
        picks = RecordedPicks(self.workspace, manifest).frame()
        place = users * len(catalogue.title_ids) + titles
        arms, weights = (picks[name].to_numpy()[place].astype(np.int64) for name in ("arm", "weight"))
        artworks = catalogue.starts[titles] + arms
        uniforms = random.uniform(np.finfo(np.float64).tiny, 1.0, size=(len(users), 2))
        clicked, watched = self.world.respond(users, artworks, uniforms)
        known = read_parquet(folder_of(self.workspace, generation) / "contexts" / "part-000000.parquet")
        eligible = pl.Series([list(range(size)) for size in np.diff(catalogue.starts).tolist()])
        taken = EngagedTake().rewards(clicked, watched)
        at = FIRST_DAY + timedelta(days=day)
        seconds = np.linspace(0, 86_399, len(users)).astype("timedelta64[s]")
        shown_at = pl.Series(np.datetime64(at, "us") + seconds).dt.replace_time_zone("UTC")
        frame = pl.DataFrame(
            {
                "event_id": [f"d{day:04d}-{row:07d}" for row in range(len(users))],
                "shown_at": shown_at,
                "user_id": known["user_id"].gather(users),
                "title_id": pl.Series(catalogue.title_ids).gather(titles),
                "artwork_id": catalogue.frame["artwork_id"].gather(artworks),
                "arm": arms,
                "eligible": eligible.gather(titles),
                "generation": np.full(len(users), generation),
                "revision": np.zeros(len(users), dtype=np.int64),
                "policy": picks["policy"].cast(pl.String).gather(place),
                "source": ["personalized"] * len(users),
                "segment": pl.Series([None] * len(users), dtype=pl.String),
                "propensity": weights / manifest.row_format.total,
                "context": known["context"].gather(users),
                "clicked": clicked,
                "watch_fraction": watched,
                "reward": taken,
            }
        )
        append_impressions(self.workspace, at, frame)
        uniform, best = self.world.uniform_and_best(users, titles)
        return Played(float(taken.mean()), float(uniform.mean()), float(best.mean()))
