"""A catalogue is read and released in slices, between which the event loop serves others."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

from bandit.snapshot import Catalogue, CatalogueTitle, Current, Meta, encode_catalogue
from service.lookup.served_generation import ServedGeneration, build_generation, release

IDENTITY = "1" * 32
N_TITLES = 4000
ARTWORKS = tuple(f"artwork-{number}" for number in range(10))
WEIGHTS = (65535 - 9 * 6000, *[6000] * 9)


def building() -> Coroutine[Any, Any, ServedGeneration]:
    titles = tuple(CatalogueTitle(f"t{number}", ARTWORKS, 0, WEIGHTS) for number in range(N_TITLES))
    digest, parts = encode_catalogue(Catalogue(titles, "beta"))
    described = (1, N_TITLES, N_TITLES * len(ARTWORKS), ("thompson",), "2026-01-01T00:00:00Z")
    meta = Meta(1, IDENTITY, 7, "manifest", digest, len(parts), *described)
    return build_generation(Current(1, IDENTITY, 1), meta, b"".join(parts))


async def turns_beside(work: Coroutine[Any, Any, Any]) -> int:
    """How often another task has its turn while something runs."""
    task, turns = asyncio.create_task(work), 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    await task
    return turns


async def turns_of_reading_and_releasing() -> tuple[int, int, int]:
    building_turns = await turns_beside(building())
    titles = dict((await building()).titles)
    releasing_turns = await turns_beside(release(titles, after_seconds=0.0))
    return building_turns, releasing_turns, len(titles)


def test_reading_and_releasing_a_catalogue_let_others_have_their_turns() -> None:
    reading, releasing, left = asyncio.run(turns_of_reading_and_releasing())
    assert reading > 20
    assert releasing > 1
    assert left == 0


def test_every_title_is_found_at_its_place() -> None:
    serving = asyncio.run(building())
    assert [title.place for title in serving.titles.values()] == list(range(N_TITLES))
    assert serving.titles[b"t17"].pieces[9] == b'"title_id":"t17","artwork_id":"artwork-9"'
    assert list(serving.titles[b"t17"].cumulated) == [sum(WEIGHTS[: arm + 1]) for arm in range(10)]


def test_the_garbage_collector_is_left_as_it_was() -> None:
    asyncio.run(building())
    assert gc.isenabled()
