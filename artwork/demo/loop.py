"""The loop of the demo: visit, respond, learn, choose, publish, and again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from artwork.demo.answers import Answers, Client, ServiceClient, Waiting
from artwork.demo.days import FIRST_DAY, DayResult, judge, respond
from artwork.demo.events import Span, events_of
from artwork.demo.newcomers import bring_back, judge_newcomers, newcomers, world_of
from artwork.demo.tastes import with_tastes
from artwork.demo.visits import day_random, draw_visits
from bandit.arrays import I64, Bool
from bandit.errors import InputError
from bandit.simulation.world import Responses, World
from batch.config import Config
from batch.events.ingest import ingest
from batch.events.join import Joined, join
from batch.executors import Executor, Progress, SerialExecutor
from batch.experiments.listing import experiments_of
from batch.job import Ran, run
from batch.workspace.catalogue import Catalogue
from batch.workspace.overlays import newest_overlay, remaining_tables
from batch.workspace.tables import Tables, read_tables
from batch.workspace.workspace import Workspace

EXPLORE_DAYS = 4
"""Days of explore data under the uniform policy before the policy takes over."""

JOIN_DAY = 3
"""The live day on which artworks that were held back join the catalogue."""

_SHARD_SIZE = 4

Between = Callable[[int, int, Answers, Responses], None]


@dataclass(frozen=True)
class Loop:
    """A workspace with a simulated world behind its users, and how its artworks are chosen.

    ``world`` has the artworks of ``catalogue``, row by row; ``new`` (a,) marks those that have joined it late. ``genres`` (g,)
    says whose taste of the world on disk each genre's is by now; None is each its own.
    """

    workspace: Workspace
    config: Config
    tables: Tables
    catalogue: Catalogue
    world: World
    new: Bool
    executor: Executor
    genres: I64 | None = None

    @classmethod
    def of(cls, workspace: Workspace, config: Config, genres: I64 | None = None) -> "Loop":
        """The loop of a workspace that has tables and a world, with tastes that have moved to ``genres`` (g,).

        Raises:
            InputError: it lacks one of them, they are not as they should be, or there is but one user.
        """
        tables = remaining_tables(read_tables(workspace), newest_overlay(workspace))
        if tables.users.height < 2:
            raise InputError(f"{workspace.root} has one user; the verdict compares users, so the demo needs at least 2")
        catalogue = Catalogue.of(tables)
        world = world_of(workspace, catalogue)
        _check_fit(workspace, tables, world)
        nothing_new = np.zeros(catalogue.n_artworks, dtype=np.bool_)
        moved = world if genres is None else with_tastes(world, genres)
        return cls(workspace, config, tables, catalogue, moved, nothing_new, SerialExecutor(), genres)

    def with_newcomers(self) -> "Loop":
        """The loop goes on with the artworks that were held back."""
        bring_back(self.workspace)
        whole = Loop.of(self.workspace, self.config, self.genres)
        return replace(whole, new=newcomers(whole.catalogue, self.catalogue))

    def with_tables(self) -> "Loop":
        """The loop goes on with the tables as they are by now."""
        return Loop.of(self.workspace, self.config, self.genres)

    def shifted(self, genres: I64) -> "Loop":
        """The loop goes on with users who like genre g as much as they liked ``genres[g]`` until now, (g,)."""
        moved = genres if self.genres is None else self.genres[genres]
        return replace(self, world=with_tastes(self.world, genres), genres=moved)

    @property
    def exploring(self) -> Config:
        """The settings of the explore days: everybody's picks are drawn under uniform."""
        return replace(
            self.config, variants=(replace(self.config.variants[0], name="", policy="uniform", share=None),), splits=()
        )

    def collect(self, url: str, progress: Progress) -> Joined:
        """Take the events that were posted out of the store, and join them into impressions."""
        ingest(self.workspace, url, progress)
        return join(self.workspace, self.executor, progress)

    def learn(self, url: str, progress: Progress, config: Config | None = None) -> Ran:
        """A night: a generation from everything that was posted so far, published."""
        chosen = config or self.config
        return run(
            self.workspace,
            chosen,
            self.executor,
            url,
            progress,
            shard_size=_SHARD_SIZE,
            experiments=experiments_of(self.workspace, chosen),
        )

    def live(
        self,
        day: int,
        client: Client,
        progress: Progress,
        span: Span | None = None,
        *,
        parts: int = 1,
        between: Between | None = None,
    ) -> DayResult:
        """A day of visitors who ask the running service for every artwork, and post what they saw and played.

        Args:
            day: its number, which draws it together with the seed of the loop.
            client: of the service.
            progress: told of pages and of events.
            span: when it happens; None for the simulated day of its number.
            parts: in which it is played, one after the other; the visits are the same.
            between: called after each part with its number, from 1, how many there are, and what came of it.
        """
        random = day_random(self.config.seed, day)
        visits = draw_visits(self.world, random)
        when = span or Span.of(FIRST_DAY + timedelta(days=day))
        prefix = f"s{self.config.seed}-d{day:04d}"
        pieces = list(zip(visits.parts(parts), when.parts(parts), strict=True))
        played: list[tuple[Answers, Responses]] = []
        for number, (own, at) in enumerate(pieces, start=1):
            answers = client.ask(own, progress)
            responses = respond(self.world, self.catalogue, own, answers, random)
            name = prefix if len(pieces) == 1 else f"{prefix}-{number:03d}"
            client.post(list(events_of(name, at, self.tables, self.catalogue, own, answers, responses)), progress)
            played.append((answers, responses))
            if between is not None:
                between(number, len(pieces), answers, responses)
        answers = Answers.of([part for part, _ in played])
        responses = Responses(*map(np.concatenate, zip(*(own for _, own in played), strict=True)))
        result = judge(day, self.world, self.catalogue, visits, answers, responses)
        if not self.new.any():
            return result
        return replace(result, newcomers=judge_newcomers(self.world, self.catalogue, self.new, visits, answers))

    def client(self, address: str, waiting: Waiting | None = None) -> ServiceClient:
        """A client of the service at an address."""
        users = self.tables.users
        signals = users.select("country", "device", "campaign").to_dicts()
        return ServiceClient(address, users["user_id"].to_list(), self.catalogue, waiting, signals)


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
