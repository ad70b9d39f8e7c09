"""A workspace with a simulated world for tests of the whole loop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from artwork.demo.answers import Answers, ServiceClient
from artwork.demo.loop import Loop
from artwork.demo.visits import Visits
from batch.workspace.workspace import Workspace

N_USERS, N_TITLES = 100, 20


def silent(what: str, done: int, total: int) -> None:
    """A report that nobody reads."""


@dataclass(frozen=True)
class LearnedWorkspace:
    """A workspace that has learned from explore data, its embedded store, and a way to read everything by HTTP."""

    loop: Loop
    url: str

    @property
    def workspace(self) -> Workspace:
        return self.loop.workspace

    def every_pick(self, client: ServiceClient, users: Sequence[int] = range(N_USERS)) -> Answers:
        """One look-up of each (user, title), in this order."""
        titles = np.tile(np.arange(N_TITLES), (len(users), 1))
        return client.ask(Visits(np.array(users), titles), silent)
