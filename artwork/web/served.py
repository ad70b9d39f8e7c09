"""A workspace of one's own and the service that serves it: nobody plays here, so there is no truth and nothing to press."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from artwork.web.access import new_token
from artwork.web.stage import BusyError, Figures, Mark
from bandit.errors import InputError
from bandit.simulation.world import World
from batch.workspace.generations import claimed, find_manifest
from batch.workspace.workspace import Workspace


class ServedWorkspace:
    """The stage of ``artwork web``.

    Raises:
        InputError: there is no such workspace.
    """

    demo = False
    world: World | None = None
    controls: Sequence[str] = ()
    origin: str | None = None

    def __init__(self, workspace: Workspace, service: str) -> None:
        if not workspace.root.is_dir():
            raise InputError(f"{workspace.root} is not a folder; expected a workspace; name it by --workspace")
        self.workspace = workspace
        self.service = service
        self.token = new_token()

    @property
    def seed(self) -> int:
        """That of the newest generation; 0 before there is one."""
        manifests = (find_manifest(self.workspace, number) for number in reversed(claimed(self.workspace)))
        return next((manifest.config.seed for manifest in manifests if manifest is not None), 0)

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
