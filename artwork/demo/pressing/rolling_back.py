"""An earlier generation is served again, out of the store or from the disk."""

import contextlib
import time
from collections.abc import Callable
from typing import Final

from artwork.demo.player import Player
from bandit.errors import InputError
from batch.executors import Progress
from batch.publishing.flips import activate, rollback
from batch.publishing.publish import publish
from batch.store.client import connect, store_errors

_EFFECT_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.2


def serve_earlier(player: Player, number: int | None, progress: Progress, is_ended: Callable[[], bool]) -> str:
    """Serve generation ``number``, or without one the generation before; a line that says when the service did.

    Raises:
        InputError: there is none before.
        SurroundingsError: the store does not take it.
        EndedError: the watcher ended the demo.
    """
    began = time.monotonic()
    with connect(player.url) as client, store_errors(player.url):
        if number is None:
            served = rollback(client).generation
        else:
            try:
                served = activate(client, number).generation
            except InputError:  # the store keeps two; the others come from the disk
                served = publish(player.workspace, number, client, player.url, progress, forward_only=False).generation
    with contextlib.closing(player.loop.client(player.address)) as asked:
        while not is_ended() and time.monotonic() - began < _EFFECT_SECONDS:
            if asked.ready()[0] == served:
                return f"the service answers from generation {served} after {time.monotonic() - began:.1f} s"
            player.pace.check()
            time.sleep(_LOOK_SECONDS)
    return f"generation {served} is current in the store; the service does not follow yet"
