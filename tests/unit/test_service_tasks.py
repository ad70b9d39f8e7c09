"""A task ends, even one in which a cancellation is lost."""

import asyncio
from contextlib import suppress

from service.lookup.row_reads import end


async def deaf_once() -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    await asyncio.sleep(3600)


async def ended(task: "asyncio.Task[None]") -> bool:
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end(task)
    return task.cancelled()


def test_a_cancellation_that_was_lost_is_sent_again() -> None:
    async def scenario() -> bool:
        return await ended(asyncio.create_task(deaf_once()))

    assert asyncio.run(scenario())


def test_a_task_that_failed_has_ended() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    async def scenario() -> "asyncio.Task[None]":
        task = asyncio.create_task(fail())
        await ended(task)
        return task

    assert isinstance(asyncio.run(scenario()).exception(), ZeroDivisionError)
