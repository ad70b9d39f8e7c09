"""Ending a task for sure."""

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 0.1


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended; whatever it ended with is not raised.

    Once is not always enough: a cancellation that arrives while a library cleans up after a reply or a timeout can be lost
    there, and a task that loops would then be waited for without end.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=AGAIN_SECONDS)
