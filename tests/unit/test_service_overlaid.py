"""Look-ups under an overlay: what is retired is not shown, what remains answers with its own propensity."""

import asyncio
import json
import struct
from dataclasses import replace
from typing import Any

import orjson
import pytest
from samples import sample

from bandit.snapshot import (
    NO_OVERLAY,
    ROW_FORMATS,
    Catalogue,
    CatalogueTitle,
    Current,
    Meta,
    Overlay,
    RowFormat,
    encode_catalogue,
    encode_row,
    keyed_hash,
    remaining_weights,
    row_key,
)
from service.lookup.look_up import LookUp
from service.lookup.overlaid import with_overlay
from service.lookup.row_reads import Unread
from service.lookup.served_generation import ServedGeneration, build_generation
from service.lookup.store import MemoryStore
from service.metrics.exposition import exposition
from service.metrics.metrics import Metrics

IDENTITY = "5" * 32
WEIGHTS = (40000, 20000, 5535)
TITLES = (
    CatalogueTitle("drawn", ("d0", "d1", "d2"), 0, WEIGHTS),
    CatalogueTitle("weightless", ("w0", "w1", "w2"), 1, ()),
    CatalogueTitle("single", ("s0", "s1"), 0, (65535, 0)),
    CatalogueTitle("whole", ("a0", "a1"), 0, (30000, 35535)),
)


def serving_under(overlay: Overlay, titles: tuple[CatalogueTitle, ...] = TITLES) -> ServedGeneration:
    digest, parts = encode_catalogue(Catalogue(titles, "beta"))
    counts = (1, len(titles), sum(len(title.artworks) for title in titles))
    meta = Meta(5, IDENTITY, 7, "manifest", digest, len(parts), *counts, ("thompson",), "2026-01-01T00:00:00Z")
    return asyncio.run(_under(Current(5, IDENTITY, 9), meta, b"".join(parts), overlay))


async def _under(current: Current, meta: Meta, packed: bytes, overlay: Overlay) -> ServedGeneration:
    return await with_overlay(await build_generation(current, meta, packed), overlay)


class Packing:
    """The row format of the rows that a test makes: every test runs in each."""

    form: RowFormat = ROW_FORMATS[0]


@pytest.fixture(autouse=True, scope="module", params=ROW_FORMATS, ids=lambda form: f"{form.number}-{form.total}")
def _packing(request: pytest.FixtureRequest) -> None:
    Packing.form = request.param


def row(*picks: tuple[int, int], indices: tuple[int, ...] = ()) -> bytes:
    listed, form = struct.pack(f"<{len(indices)}H", *indices), Packing.form
    return encode_row("ann", 5, IDENTITY, 0, form.pack(picks), listed, form)


class Asked:
    """A look-up for ann, and what was counted."""

    def __init__(self, serving: ServedGeneration, raw: bytes | None = None) -> None:
        self.serving, self.metrics = serving, Metrics()
        self._look_up = LookUp(MemoryStore({} if raw is None else {row_key(5, "ann"): raw}), self.metrics)

    def page(self, *title_ids: str, user_id: str = "ann") -> list[dict[str, Any]]:
        asked = [title_id.encode() for title_id in title_ids]
        body = self._look_up.page(self.serving, user_id.encode(), self.serving.find(asked), self._row(user_id))
        assert body == orjson.dumps(json.loads(body))
        return list(json.loads(body)["picks"])

    def single(self, title_id: str, user_id: str = "ann") -> dict[str, Any]:
        title = self.serving.titles[title_id.encode()]
        body = self._look_up.single(self.serving, user_id.encode(), title, self._row(user_id))
        assert body == orjson.dumps(json.loads(body))
        return dict(json.loads(body))

    def _row(self, user_id: str) -> bytes | Unread | None:
        return asyncio.run(self._look_up.read(self.serving, user_id.encode()))

    def counted(self, name: str, **labels: str) -> float | None:
        return sample(exposition(self.metrics.blocks), name, **labels)


RETIRED = Overlay(3, {"drawn": ("d0",)}, {})


def test_a_pick_that_is_retired_falls_back_to_popularity_among_the_remaining() -> None:
    asked = Asked(serving_under(RETIRED), row((0, 2047), (0, 0), (0, 0), (0, 0)))
    answered = asked.single("drawn")
    weight = WEIGHTS[int(answered["artwork_id"][1])]
    assert answered["artwork_id"] in {"d1", "d2"}
    assert (answered["source"], answered["policy"]) == ("popularity", "beta")
    assert answered["propensity"] == weight / (20000 + 5535)


def test_a_pick_that_is_retired_is_no_refused_row() -> None:
    asked = Asked(serving_under(RETIRED), row((0, 2047), (0, 0)))
    asked.page("drawn", "weightless")
    assert asked.counted("artwork_row_errors_total", reason="arm") is None
    assert asked.counted("artwork_picks_total", source="popularity", policy="beta") == 1


def test_a_pick_that_remains_is_answered_as_before() -> None:
    asked = Asked(serving_under(RETIRED), row((2, 1500), (0, 0)))
    answered = asked.single("drawn")
    assert (answered["artwork_id"], answered["source"], answered["policy"]) == ("d2", "personalized", "thompson")
    assert (answered["propensity"], answered["revision"]) == (1500 / Packing.form.total, 3)
    assert asked.counted("artwork_picks_total", source="personalized", policy="thompson") == 1


@pytest.mark.parametrize("pick", [(3, 1500), (15, 1)])
def test_an_arm_beyond_a_title_with_retired_artworks_is_still_a_refused_row(pick: tuple[int, int]) -> None:
    asked = Asked(serving_under(RETIRED), row(pick, (0, 0)))
    assert asked.single("drawn")["source"] == "popularity"
    assert asked.counted("artwork_row_errors_total", reason="arm") == 1


@pytest.mark.parametrize(("arm", "source"), [(0, "popularity"), (1, "personalized")])
def test_a_shortlist_is_read_at_the_titles_own_place(arm: int, source: str) -> None:
    overlay = Overlay(1, {"whole": ("a0",)}, {})
    asked = Asked(serving_under(overlay), row((1, 5), (arm, 9), indices=(1, 3)))
    answered = asked.single("whole")
    assert (answered["artwork_id"], answered["source"]) == ("a1", source)
    assert asked.single("weightless")["artwork_id"] == "w1"


def test_fallbacks_are_drawn_among_the_remaining_with_the_pinned_hash_exactly() -> None:
    serving = serving_under(Overlay(1, {"drawn": ("d1",)}, {}))
    weights, total = remaining_weights(WEIGHTS, {1})
    asked = Asked(serving)
    for number in range(2000):
        user_id = f"u{number}"
        point = (keyed_hash("fallback", 7, 5, user_id, "drawn") * total) >> 64
        arm = next(arm for arm in range(3) if sum(weights[: arm + 1]) > point)
        answered = asked.single("drawn", user_id)
        assert (answered["artwork_id"], answered["propensity"]) == (f"d{arm}", weights[arm] / total)


@pytest.mark.parametrize(
    ("title_id", "retired", "shown"),
    [
        ("weightless", ("w1",), "w0"),
        ("weightless", ("w0", "w1"), "w2"),
        ("weightless", ("w0",), "w1"),
        ("single", ("s0",), "s1"),
    ],
)
def test_a_title_without_remaining_weights_shows_its_remaining_default(
    title_id: str, retired: tuple[str, ...], shown: str
) -> None:
    asked = Asked(serving_under(Overlay(2, {title_id: retired}, {})))
    answered = asked.single(title_id)
    assert (answered["artwork_id"], answered["source"], answered["policy"]) == (shown, "default", "default")
    assert (answered["propensity"], answered["revision"]) == (1.0, 2)
    assert asked.counted("artwork_picks_total", source="default", policy="default") == 1


def test_an_added_title_answers_its_default_whatever_the_row_holds() -> None:
    asked = Asked(serving_under(Overlay(4, {}, {"fresh": "f0"})), row(*[(1, 2047)] * 100))
    answered = asked.single("fresh")
    assert (answered["artwork_id"], answered["source"], answered["policy"]) == ("f0", "default", "default")
    assert (answered["propensity"], answered["generation"], answered["revision"]) == (1.0, 5, 4)


def test_an_added_title_that_the_generation_has_is_just_its_own() -> None:
    with_added = Asked(serving_under(Overlay(4, {}, {"drawn": "x9"})))
    without = Asked(serving_under(Overlay(4)))
    assert with_added.page("drawn", "whole") == without.page("drawn", "whole")


def test_a_title_with_no_artwork_left_shows_the_added_one() -> None:
    overlay = Overlay(4, {"single": ("s0", "s1")}, {"single": "s9"})
    assert Asked(serving_under(overlay)).single("single")["artwork_id"] == "s9"


def test_a_title_with_no_artwork_left_and_none_added_is_unknown() -> None:
    serving = serving_under(Overlay(4, {"single": ("s0", "s1")}, {}))
    assert b"single" not in serving.titles
    assert Asked(serving).page("single", "whole")[0]["artwork_id"] is None


@pytest.mark.parametrize("overlay", [Overlay(9), Overlay(9, {"nobody": ("d0",), "drawn": ("gone",)}, {})])
def test_an_overlay_that_changes_no_title_copies_none(overlay: Overlay) -> None:
    serving = serving_under(overlay)
    assert serving.titles is serving.own_titles
    assert Asked(serving).single("drawn")["revision"] == 9


def test_a_title_without_retired_artworks_is_the_same_object() -> None:
    serving = serving_under(RETIRED)
    assert serving.titles[b"whole"] is serving.own_titles[b"whole"]
    assert serving.own_titles[b"drawn"].remaining is None


def test_the_next_overlay_starts_from_what_was_published() -> None:
    async def both() -> ServedGeneration:
        return await with_overlay(serving, Overlay(4, {"whole": ("a0",)}, {}))

    serving = serving_under(RETIRED)
    assert asyncio.run(both()) == serving_under(Overlay(4, {"whole": ("a0",)}, {}))


def test_a_page_says_of_each_title_what_a_single_look_up_says() -> None:
    overlay = Overlay(6, {"drawn": ("d0",), "weightless": ("w1",), "single": ("s0",)}, {"fresh": "f0"})
    rows = [row((0, 1), (1, 1), (0, 2047), (1, 9)), row((1, 1), (2, 1), (1, 7), (5, 9)), row((9, 9), (9, 9)), None]
    titles = ["drawn", "fresh", "weightless", "drawn", "single", "whole"]
    for raw in rows:
        asked = Asked(serving_under(overlay), raw)
        assert asked.page(*titles) == [asked.single(title_id) for title_id in titles]


def test_without_an_overlay_answers_carry_revision_0() -> None:
    assert Asked(serving_under(NO_OVERLAY)).single("drawn")["revision"] == 0


def test_an_overlay_of_many_titles_lets_others_have_their_turns() -> None:
    titles = tuple(replace(TITLES[0], title_id=f"t{number}") for number in range(20_000))
    overlay = Overlay(2, {title.title_id: ("d0",) for title in titles}, {})
    plain = serving_under(NO_OVERLAY, titles)

    async def turns() -> int:
        task, count = asyncio.create_task(with_overlay(plain, overlay)), 0
        while not task.done():
            await asyncio.sleep(0)
            count += 1
        assert len((await task).titles) == len(titles)
        return count

    assert asyncio.run(turns()) > 20
