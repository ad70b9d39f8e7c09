"""The loop of the demo: visit, respond, learn, choose, publish, and again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from artwork.demo.answers import Answers, ServiceClient, read_picks
from artwork.demo.days import FIRST_DAY, DayResult, impressions_of, judge, respond
from artwork.demo.newcomers import bring_back, judge_newcomers, newcomers, world_of
from artwork.demo.visits import Visits, day_random, draw_visits
from bandit.arrays import Bool
from bandit.errors import InputError
from bandit.simulation.world import World
from batch.choosing.precompute import precompute
from batch.config import Config
from batch.executors import Executor, Progress, SerialExecutor
from batch.job import Ran, run
from batch.learning.train import train
from batch.workspace.catalogue import Catalogue
from batch.workspace.impressions import append_impressions
from batch.workspace.tables import Tables, read_tables
from batch.workspace.workspace import Workspace

EXPLORE_DAYS = 4
"""Days of explore data under the uniform policy before the policy takes over."""

JOIN_DAY = 3
"""The live day on which artworks that were held back join the catalogue."""

_SHARD_SIZE = 4


@dataclass(frozen=True)
class Loop:
    """A workspace with a simulated world behind its users, and how its artworks are chosen.

    ``world`` has the artworks of ``catalogue``, row by row; ``new`` (a,) marks those that have joined it late.
    """

    workspace: Workspace
    config: Config
    tables: Tables
    catalogue: Catalogue
    world: World
    new: Bool
    executor: Executor

    @classmethod
    def of(cls, workspace: Workspace, config: Config) -> "Loop":
        """The loop of a workspace that has tables and a world.

        Raises:
            InputError: it lacks one of them, they are not as they should be, or there is but one user.
        """
        tables = read_tables(workspace)
        if tables.users.height < 2:
            raise InputError(f"{workspace.root} has one user; the verdict compares users, so the demo needs at least 2")
        catalogue = Catalogue.of(tables)
        world = world_of(workspace, catalogue)
        _check_fit(workspace, tables, world)
        nothing_new = np.zeros(catalogue.n_artworks, dtype=np.bool_)
        return cls(workspace, config, tables, catalogue, world, nothing_new, SerialExecutor())

    def with_newcomers(self) -> "Loop":
        """The loop goes on with the artworks that were held back."""
        bring_back(self.workspace)
        whole = Loop.of(self.workspace, self.config)
        return replace(whole, new=newcomers(whole.catalogue, self.catalogue))

    def explore(self, day: int, progress: Progress) -> DayResult:
        """A day of visits that are shown uniform picks, taken from a generation that is not published."""
        uniform = replace(self.config.variants[0], name="", policy="uniform", share=None)
        config = replace(self.config, variants=(uniform,))
        made = train(self.workspace, config, self.executor, progress, shard_size=_SHARD_SIZE)
        precompute(self.workspace, made.generation, self.executor, progress, shard_size=_SHARD_SIZE)
        return self._day(day, lambda visits: read_picks(self.workspace, made.generation, visits))

    def learn(self, url: str, progress: Progress) -> Ran:
        """A night: a generation from all impressions so far, published."""
        return run(self.workspace, self.config, self.executor, url, progress, shard_size=_SHARD_SIZE)

    def live(self, day: int, client: ServiceClient, progress: Progress) -> DayResult:
        """A day of visits that ask the running service for every artwork."""
        return self._day(day, lambda visits: client.ask(visits, progress))

    def client(self, address: str) -> ServiceClient:
        """A client of the service at an address."""
        return ServiceClient(address, self.tables.users["user_id"].to_list(), self.catalogue)

    def _day(self, day: int, answer: Callable[[Visits], Answers]) -> DayResult:
        random = day_random(self.config.seed, day)
        visits = draw_visits(self.world, random)
        answers = answer(visits)
        responses = respond(self.world, self.catalogue, visits, answers, random)
        tables = read_tables(self.workspace)  # nights give users contexts of what they have played
        frame = impressions_of(day, tables, self.catalogue, visits, answers, responses)
        append_impressions(self.workspace, FIRST_DAY + timedelta(days=day), frame)
        result = judge(day, self.world, self.catalogue, visits, answers, responses)
        if not self.new.any():
            return result
        return replace(result, newcomers=judge_newcomers(self.world, self.catalogue, self.new, visits, answers))


def _check_fit(workspace: Workspace, tables: Tables, world: World) -> None:
    if tables.candidates is not None:
        raise InputError(
            f"{workspace.candidates} limits what users may see, which the simulated visits do not know; remove it"
        )
    held = tables.users.height, tables.titles.height
    simulated = len(world.tastes), len(world.title_appeal)
    if held != simulated:
        raise InputError(
            f"{workspace.truth} simulates {simulated} users and titles, the tables hold {held};"
            " make tables and world together by `artwork data`"
        )
