"""Answers as the service would give them, without one."""

from dataclasses import dataclass

from artwork.demo.answers import Answers, read_picks
from artwork.demo.visits import Visits
from batch.executors import Progress
from batch.workspace.workspace import Workspace


@dataclass(frozen=True)
class OnDisk:
    """Stands in for the client of a service: answers from the files of a generation."""

    workspace: Workspace
    generation: int

    def ask(self, visits: Visits, report: Progress) -> Answers:  # noqa: ARG002 - nothing takes long
        """One look-up of each visit."""
        return read_picks(self.workspace, self.generation, visits)
