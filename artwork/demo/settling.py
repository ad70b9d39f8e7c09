"""Whether the demo's service has taken up what its store says is current."""

import contextlib
from collections.abc import Callable
from typing import Final

from artwork.demo.answers import ServiceClient
from artwork.demo.pace import Pace
from bandit.errors import SurroundingsError
from batch.publishing.flips import published_current
from batch.store.client import connect, store_errors
from batch.workspace.overlays import newest_overlay
from batch.workspace.workspace import Workspace

_LOOK_SECONDS: Final = 0.05
_LOOKS: Final = 600


def settle(client: ServiceClient, workspace: Workspace, url: str, pace: Pace, is_up: Callable[[], bool]) -> bool:
    """Wait until the service answers from what the store at ``url`` says is current; whether it does.

    It ends with False as soon as ``is_up`` says that the store is not.

    Raises:
        EndedError: the watcher ended the demo.
        SurroundingsError: the service does not, though the store is up.
    """
    for _ in range(_LOOKS):
        if not is_up():
            return False
        current = _current(url)
        if current is not None and client.ready() == (current, newest_overlay(workspace).revision):
            return True
        pace.rest(_LOOK_SECONDS)
    raise SurroundingsError(f"the service at {client.address} does not take up what its store says is current")


def _current(url: str) -> int | None:
    """The generation that the store says is current; None where it does not answer."""
    with contextlib.suppress(SurroundingsError), connect(url) as client, store_errors(url):
        now = published_current(client)
        return None if now is None else now.generation
    return None
