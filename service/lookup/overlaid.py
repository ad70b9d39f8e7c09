"""A generation under the overlay: without what is retired, and with a default artwork for each title that was added."""

import asyncio
import gc
from array import array
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from time import perf_counter
from typing import Final

from bandit.snapshot import MAX_TITLES, Overlay, id64, remaining_default, remaining_weights
from service.lookup.answers import Phrases, default_answer, piece, popularity_answer
from service.lookup.served_generation import REST_SECONDS, SLICE_SECONDS, Remaining, ServedGeneration, ServedTitle

_NO_PLACE: Final = MAX_TITLES
"""Beyond every row: where no pick is found there, a look-up asks what remains of the title. So it costs the others nothing."""

_NO_WEIGHTS: Final = array("H")


async def with_overlay(serving: ServedGeneration, overlay: Overlay) -> ServedGeneration:
    """The same generation under an overlay; what the overlay before had changed is as it was published.

    Titles are copied, a slice at a time, only where the overlay changes some.
    """
    titles = serving.own_titles
    variants, segments = serving.meta.variants, serving.segments.segments
    phrases = Phrases.of(serving.generation, variants, serving.fallback_policy, overlay.revision, segments)
    changed = await _changed(titles, overlay, phrases)
    if changed:
        titles = await _replaced(titles, changed)
        gc.freeze()  # as after a generation is built: the collector would walk through all titles again and again
    return replace(serving, titles=titles, overlay=overlay, phrases=phrases)


async def _changed(
    titles: Mapping[bytes, ServedTitle], overlay: Overlay, phrases: Phrases
) -> dict[bytes, ServedTitle | None]:
    """What stands in the place of titles; None where nothing does."""
    changed: dict[bytes, ServedTitle | None] = {}
    turn = _Turn()
    for title_id, artworks in overlay.retired.items():
        title = titles.get(title_id.encode())
        if title is None:
            continue
        gone = {piece(title_id, artwork_id) for artwork_id in artworks}
        retired = frozenset(arm for arm, own in enumerate(title.pieces) if own in gone)
        if len(retired) == len(title.pieces):
            changed[title_id.encode()] = None
        elif retired:
            changed[title_id.encode()] = _without(title, retired, phrases)
        await turn.may_end()
    for title_id, artwork_id in overlay.added.items():
        name = title_id.encode()
        if name not in titles or (name in changed and changed[name] is None):
            changed[name] = ServedTitle(_NO_PLACE, (piece(title_id, artwork_id),), 0, id64(title_id), _NO_WEIGHTS)
        await turn.may_end()
    return changed


def _without(title: ServedTitle, retired: frozenset[int], phrases: Phrases) -> ServedTitle:
    published = [after - before for before, after in zip((0, *title.cumulated), title.cumulated, strict=False)]
    weights, total = remaining_weights(published, retired)
    if total:
        answers = tuple(
            popularity_answer(own, weight / total, phrases) for own, weight in zip(title.pieces, weights, strict=True)
        )
        cumulated = array("H", accumulate(weights))
    else:
        default = remaining_default(len(title.pieces), title.default, retired)
        answers, cumulated = (default_answer(title.pieces[default], phrases),), _NO_WEIGHTS
    remaining = Remaining(title.place, retired, cumulated, answers)
    return title._replace(place=_NO_PLACE, cumulated=_NO_WEIGHTS, remaining=remaining)


async def _replaced(
    titles: Mapping[bytes, ServedTitle], changed: Mapping[bytes, ServedTitle | None]
) -> dict[bytes, ServedTitle]:
    copied: dict[bytes, ServedTitle] = {}
    turn = _Turn()
    for title_id, title in titles.items():
        copied[title_id] = title
        await turn.may_end()
    for title_id, other in changed.items():
        if other is None:
            copied.pop(title_id, None)
        else:
            copied[title_id] = other
    return copied


class _Turn:
    """Holds the event loop for a slice at a time."""

    def __init__(self) -> None:
        self._until = perf_counter() + SLICE_SECONDS

    async def may_end(self) -> None:
        """Let others have their turn where this one has been long enough."""
        if perf_counter() > self._until:
            await asyncio.sleep(REST_SECONDS)
            self._until = perf_counter() + SLICE_SECONDS
