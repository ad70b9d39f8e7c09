"""A workspace of one's own and the service that serves it: nobody plays here, so there is no truth and nothing to press."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from artwork.web.access import new_token
from artwork.web.stage import BusyError, Figures, Mark
from bandit.simulation.world import World
from batch.workspace.workspace import Workspace


class ServedWorkspace:
    """The stage of ``artwork web``."""

    demo = False
    world: World | None = None
    controls: Sequence[str] = ()
    origin: str | None = None

    def __init__(self, workspace: Workspace, service: str) -> None:
        self.workspace = workspace
        self.service = service
        self.token = new_token()
        self.seed = 0

    def figures(self) -> Figures:
        """What is known without a player: the time."""
        return Figures(now=datetime.now(UTC), phase="served")

    def press(self, action: str, arguments: dict[str, Any]) -> Mark:
        """Nothing can be pressed.

        Raises:
            BusyError: always.
        """
        del arguments
        raise BusyError(f"{action} is a control of the demo; this page shows a workspace that others run")
