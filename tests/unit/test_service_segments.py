"""Look-ups of users without a row: a segment draws for whoever sends the signals of one."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from asgi import Client, published
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import sample
from scipy.stats import chisquare

from bandit.snapshot import (
    FORMAT_2,
    NO_OVERLAY,
    NO_SIGNALS,
    SEGMENT,
    TOTAL_WEIGHT,
    Catalogue,
    CatalogueTitle,
    Current,
    Meta,
    Overlay,
    Segment,
    Signals,
    draw,
    encode_catalogue,
    encode_row,
    keyed_hash,
    pack_weights,
)
from service.lookup.kept_catalogue import keep, load_kept
from service.lookup.look_up import LookUp
from service.lookup.overlaid import with_overlay
from service.lookup.row_reads import UNREAD, Unread
from service.lookup.served_generation import ServedGeneration, build_generation
from service.lookup.store import MemoryStore
from service.metrics.exposition import exposition
from service.metrics.metrics import Metrics

IDENTITY = "5" * 32
SEGMENTS = (Segment("US-tv", Signals("US", "tv")), Segment("US", Signals("US")))
POPULAR = (40000, 20000, 5535)
OF_US_TV, OF_US = (1000, 60000, 4535), (5000, 535, 60000)
TITLES = (
    CatalogueTitle("drawn", ("d0", "d1", "d2"), 0, POPULAR, pack_weights((OF_US_TV, OF_US))),
    CatalogueTitle("weightless", ("w0", "w1"), 1, (), pack_weights(((1, 65534), (65534, 1)))),
    CatalogueTitle("single", ("s0", "s1"), 0, (65535, 0), pack_weights(((65535, 0), (65535, 0)))),
)
US, US_TV = Signals("US"), Signals("US", "tv")


def serving_under(
    overlay: Overlay = NO_OVERLAY,
    titles: Sequence[CatalogueTitle] = TITLES,
    segments: Sequence[Segment] = SEGMENTS,
) -> ServedGeneration:
    digest, parts = encode_catalogue(Catalogue(tuple(titles), "beta", tuple(segments)))
    counts = (1, len(titles), sum(len(title.artworks) for title in titles), ("thompson", "uniform"))
    meta = Meta(5, IDENTITY, 7, "manifest", digest, len(parts), *counts, "2026-01-01T00:00:00Z", len(segments))
    return asyncio.run(_under(Current(5, IDENTITY, 9), meta, b"".join(parts), overlay))


async def _under(current: Current, meta: Meta, packed: bytes, overlay: Overlay) -> ServedGeneration:
    return await with_overlay(await build_generation(current, meta, packed), overlay)


def page_of(
    serving: ServedGeneration,
    title_ids: Sequence[str],
    signals: Signals,
    raw: bytes | Unread | None = None,
    metrics: Metrics | None = None,
    user_id: str = "new",
) -> list[dict[str, Any]]:
    asked = serving.find([title_id.encode() for title_id in title_ids])
    body = LookUp(MemoryStore(), metrics or Metrics()).page(serving, user_id.encode(), asked, raw, lambda: signals)
    assert body == orjson.dumps(json.loads(body))
    return list(json.loads(body)["picks"])


def row(*picks: tuple[int, int]) -> bytes:
    return encode_row("new", 5, IDENTITY, 0, FORMAT_2.pack(picks), b"", FORMAT_2)


@pytest.mark.parametrize(("signals", "name", "weights"), [(US_TV, "US-tv", OF_US_TV), (US, "US", OF_US)])
@pytest.mark.parametrize(
    "raw", [None, UNREAD, b"", b"AB", row((0, 65535))[:-1]], ids=["none", "unread", "0", "2", "cut"]
)
def test_a_user_without_a_row_gets_a_draw_of_the_segment(
    signals: Signals, name: str, weights: Sequence[int], raw: bytes | Unread | None
) -> None:
    [picked] = page_of(serving_under(), ["drawn"], signals, raw)
    arm = draw(weights, keyed_hash(SEGMENT, 7, 5, "new", "drawn"))
    assert picked == {
        "user_id": "new",
        "title_id": "drawn",
        "artwork_id": f"d{arm}",
        "source": "segment",
        "policy": "thompson",
        "propensity": weights[arm] / TOTAL_WEIGHT,
        "generation": 5,
        "revision": 0,
        "segment": name,
    }


@pytest.mark.parametrize("signals", [NO_SIGNALS, Signals("NL"), Signals(device="tv"), Signals("US\u00e9")])
def test_without_the_signals_of_a_segment_popularity_answers(signals: Signals) -> None:
    [picked] = page_of(serving_under(), ["drawn"], signals)
    assert (picked["source"], picked["policy"], picked["segment"]) == ("popularity", "beta", None)


def test_where_there_is_a_row_popularity_answers_for_what_it_lacks() -> None:
    picks = page_of(serving_under(), ["drawn", "weightless", "single"], US, row((1, 65535), (0, 0), (0, 0)))
    assert [picked["source"] for picked in picks] == ["personalized", "default", "popularity"]
    assert {picked["segment"] for picked in picks} == {None}


def test_a_pick_that_is_retired_is_answered_by_popularity_whatever_signals_are_sent() -> None:
    serving = serving_under(Overlay(3, {"drawn": ("d0",)}, {}))
    without, sent = (page_of(serving, ["drawn"], signals, row((0, 65535))) for signals in (NO_SIGNALS, US))
    assert sent == without
    assert sent[0]["source"] == "popularity"


def test_a_segment_draws_among_what_remains_of_a_title() -> None:
    serving = serving_under(Overlay(3, {"drawn": ("d2",)}, {}))
    for number in range(50):
        user = f"u{number}"
        [picked] = page_of(serving, ["drawn"], US, user_id=user)
        arm = draw((5000, 535, 0), keyed_hash(SEGMENT, 7, 5, user, "drawn"), 5535)
        assert (picked["artwork_id"], picked["propensity"]) == (f"d{arm}", (5000, 535)[arm] / 5535)
        assert (picked["source"], picked["revision"]) == ("segment", 3)


def test_where_a_segment_has_no_weight_left_popularity_and_then_the_default_answer() -> None:
    overlay = Overlay(3, {"single": ("s0",)}, {"added": "image", "drawn": "d9"})
    picks = page_of(serving_under(overlay), ["single", "added", "drawn", "nope"], US)
    assert [picked["source"] for picked in picks] == ["default", "default", "segment", None]
    assert [picked["artwork_id"] for picked in picks[:2]] == ["s1", "image"]
    assert [picked["segment"] for picked in picks] == [None, None, "US", None]
    assert {picked["revision"] for picked in picks} == {3}


def test_a_page_of_titles_that_nobody_knows_is_answered_with_nulls() -> None:
    [picked] = page_of(serving_under(), ["nope"], US)
    assert (picked["artwork_id"], picked["source"], picked["segment"]) == (None, None, None)


def test_a_single_look_up_and_a_page_agree() -> None:
    serving, look_up = serving_under(), LookUp(MemoryStore(), Metrics())
    body = look_up.single(serving, b"new", serving.titles[b"drawn"], None, lambda: US)
    assert [json.loads(body)] == page_of(serving, ["drawn"], US)


def test_picks_of_segments_are_counted() -> None:
    metrics = Metrics()
    page_of(serving_under(Overlay(3, {"single": ("s0",)}, {})), ["drawn", "single", "weightless"], US, metrics=metrics)
    text = exposition(metrics.blocks)
    assert sample(text, "artwork_picks_total", source="segment", policy="thompson") == 2
    assert sample(text, "artwork_picks_total", source="default", policy="default") == 1


def test_signals_are_not_asked_of_users_who_have_a_row() -> None:
    serving, look_up = serving_under(), LookUp(MemoryStore(), Metrics())

    def refused() -> Signals:
        raise AssertionError

    title = serving.titles[b"drawn"]
    assert b'"personalized"' in look_up.single(serving, b"new", title, row((1, 65535), (0, 0), (0, 0)), refused)


WEIGHTS = (40000, 20000, 5000, 500, 35, 0)


@pytest.mark.parametrize("retired", [(), ("a0",), ("a1", "a3")])
def test_propensities_of_segments_are_calibrated_over_200_000_decisions(retired: tuple[str, ...]) -> None:
    names, artworks = [f"t{number}" for number in range(200)], tuple(f"a{arm}" for arm in range(6))
    titles = [CatalogueTitle(name, artworks, 0, WEIGHTS[::-1], pack_weights([WEIGHTS])) for name in names]
    overlay = Overlay(1, dict.fromkeys(names, retired), {}) if retired else NO_OVERLAY
    serving = serving_under(overlay, titles, SEGMENTS[1:])
    drawn: Counter[str] = Counter()
    stated: dict[str, float] = {}
    asked, look_up = serving.find([name.encode() for name in names]), LookUp(MemoryStore(), Metrics())
    for user in range(1000):
        for picked in orjson.loads(look_up.page(serving, b"u%d" % user, asked, None, lambda: US))["picks"]:
            drawn[picked["artwork_id"]] += 1
            assert stated.setdefault(picked["artwork_id"], picked["propensity"]) == picked["propensity"]
    assert drawn.total() == 200_000
    assert "a5" not in drawn
    remaining = [arm for arm in artworks[:5] if arm not in retired]
    assert sum(stated.values()) == pytest.approx(1.0)
    assert chisquare([drawn[arm] for arm in remaining], [200_000 * stated[arm] for arm in remaining]).pvalue > 0.001


@given(st.text(min_size=1, max_size=64))
@settings(deadline=None, max_examples=50)
def test_any_signal_is_answered(country: str) -> None:
    [picked] = page_of(serving_under(), ["drawn"], Signals(country))
    assert picked["source"] == ("segment" if country == "US" else "popularity")


@pytest.mark.parametrize(
    ("params", "segment"),
    [
        ({"country": "NL"}, "NL"),
        ({"country": "NL", "device": "tv", "hour": 3}, "NL-tv"),
        ({"hour": 5, "campaign": "x"}, "night"),
        ({"hour": 6}, None),
        ({"country": "nl"}, None),
        ({}, None),
    ],
)
def test_signals_of_a_request_reach_the_segment(params: dict[str, Any], segment: str | None) -> None:
    with Client(MemoryStore(published())) as client:
        picked = client.get("/v1/users/cold/titles/t0/artwork", params).json()
        assert picked["segment"] == segment
        assert picked["source"] == ("segment" if segment else "popularity")
        page = client.get("/v1/users/cold/artwork", {**params, "title_id": ["t0", "t1"]}).json()
        assert page["picks"][0] == picked


def test_segments_are_kept_on_disk_with_the_catalogue(tmp_path: Path) -> None:
    serving = serving_under(Overlay(3, {"drawn": ("d2",)}, {}))
    keep(tmp_path / "kept", serving)
    again = asyncio.run(load_kept(tmp_path / "kept"))
    assert again is not None
    assert again == serving
    assert page_of(again, ["drawn", "single"], US) == page_of(serving, ["drawn", "single"], US)


def test_a_generation_is_not_written_out_where_a_task_is_shown() -> None:
    assert len(repr(serving_under())) < 200  # asyncio shows the result of a task that has ended
