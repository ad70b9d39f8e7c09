"""The fallback chain, against a store in memory."""

import asyncio
import struct
from collections import Counter
from dataclasses import asdict, replace

import pytest
from scipy.stats import chisquare

from bandit.snapshot import (
    TOTAL_WEIGHT,
    Catalogue,
    CatalogueTitle,
    Current,
    Meta,
    draw,
    encode_catalogue,
    encode_row,
    keyed_hash,
    row_key,
)
from service.catalogue import PlacedTitle, Serving, build_serving
from service.health import Health
from service.lookup import Lookup, ServedPick, fallback
from service.metrics import Metrics
from service.store import MemoryStore

WEIGHTS = (40000, 20000, 5535)
TITLES = (
    CatalogueTitle("drawn", ("d0", "d1", "d2"), 0, WEIGHTS),
    CatalogueTitle("weightless", ("w0", "w1", "w2"), 1, ()),
)


def serving_of(titles: tuple[CatalogueTitle, ...] = TITLES) -> Serving:
    digest, parts = encode_catalogue(Catalogue(titles, "beta"))
    meta = Meta(5, 7, "manifest", digest, len(parts), 1, len(titles), ("thompson", "uniform"), "2026-01-01T00:00:00Z")
    return build_serving(Current(5, 9), meta, b"".join(parts))


def row(user_id: str, *picks: tuple[int, int], policy: int = 0) -> bytes:
    return encode_row(user_id, 5, policy, b"".join(struct.pack("<BH", *pick) for pick in picks))


def look_up(store: MemoryStore, title_id: str, lookup: Lookup | None = None) -> ServedPick:
    lookup = lookup or Lookup(store, Metrics(), Health())
    return asyncio.run(lookup.picks(serving_of(), "ann", [title_id]))[0]


def test_a_pick_of_the_row_is_answered_with_its_policy_and_propensity() -> None:
    store = MemoryStore({row_key(5, "ann"): row("ann", (2, 30000), (0, 65535), policy=1)})
    assert look_up(store, "drawn") == ServedPick("ann", "drawn", "d2", "personalized", "uniform", 30000 / 65535, 5)


def test_the_fields_of_a_pick_stand_in_the_order_of_the_interface() -> None:
    names = "user_id title_id artwork_id source policy propensity generation revision segment"
    assert list(asdict(look_up(MemoryStore(), "drawn"))) == names.split()


def test_a_user_without_a_row_gets_a_draw_from_the_popularity_weights() -> None:
    pick = look_up(MemoryStore(), "drawn")
    assert (pick.source, pick.policy, pick.segment, pick.revision) == ("popularity", "beta", None, 0)
    assert pick.artwork_id is not None
    assert pick.propensity == WEIGHTS[int(pick.artwork_id[1])] / TOTAL_WEIGHT


def test_the_fallback_is_drawn_with_the_pinned_hash() -> None:
    serving = serving_of()
    hashed = (keyed_hash("fallback", 7, 5, f"u{user}", "drawn") for user in range(50))
    expected = [f"d{draw(WEIGHTS, number)}" for number in hashed]
    assert [fallback(serving, f"u{user}", serving.titles["drawn"]).artwork_id for user in range(50)] == expected


def test_a_title_without_weights_gets_its_default_artwork() -> None:
    expected = ServedPick("ann", "weightless", "w1", "default", "default", 1.0, 5)
    assert look_up(MemoryStore(), "weightless") == expected


@pytest.mark.parametrize("weights", [(1, 2, 3), (65535,), (65536, -1, 0)], ids=["sum", "length", "negative"])
def test_unusable_weights_count_as_none(weights: tuple[int, ...]) -> None:
    serving = serving_of((replace(TITLES[0], weights=weights),))
    assert fallback(serving, "ann", serving.titles["drawn"]).source == "default"


def test_a_pick_of_weight_zero_is_no_pick() -> None:
    store = MemoryStore({row_key(5, "ann"): row("ann", (2, 0), (2, 1))})
    assert look_up(store, "drawn").source == "popularity"


def test_a_title_outside_the_users_shortlist_falls_back() -> None:
    shortlist = encode_row("ann", 5, 0, struct.pack("<BH", 2, 9), struct.pack("<H", 1))
    store = MemoryStore({row_key(5, "ann"): shortlist})
    assert look_up(store, "drawn").source == "popularity"
    assert look_up(store, "weightless").artwork_id == "w2"


CORRUPT = {
    "truncated": row("ann", (0, 1), (0, 1))[:-1],
    "magic": b"XX" + row("ann", (0, 1), (0, 1))[2:],
    "format": b"AB\x63" + row("ann", (0, 1), (0, 1))[3:],
    "generation": encode_row("ann", 4, 0, struct.pack("<BH", 0, 1)),
    "checksum": row("bob", (0, 1), (0, 1)),
    "policy": row("ann", (0, 1), (0, 1), policy=2),
    "arm": row("ann", (3, 1), (0, 1)),
}


@pytest.mark.parametrize("reason", CORRUPT)
def test_an_unusable_row_falls_back_and_is_counted_by_reason(reason: str) -> None:
    store, metrics = MemoryStore({row_key(5, "ann"): CORRUPT[reason]}), Metrics()
    assert look_up(store, "drawn", Lookup(store, metrics, Health())).source == "popularity"
    assert metrics.registry.get_sample_value("artwork_row_errors_total", {"reason": reason}) == 1


def test_a_bit_flipped_in_a_row_falls_back() -> None:
    raw = bytearray(row("ann", (2, 30000), (0, 65535)))
    raw[-2] ^= 1
    assert look_up(MemoryStore({row_key(5, "ann"): bytes(raw)}), "drawn").source == "popularity"


def test_a_dead_store_falls_back_and_is_told_by_health_and_counter() -> None:
    store, metrics, health = MemoryStore(), Metrics(), Health()
    store.available = False
    assert look_up(store, "drawn", Lookup(store, metrics, health)).source == "popularity"
    assert metrics.registry.get_sample_value("artwork_store_read_errors_total", {"reason": "connection"}) == 1
    assert health.degraded()[0].startswith("row reads failing since")


def test_a_page_reads_one_row() -> None:
    store = MemoryStore()
    asyncio.run(Lookup(store, Metrics(), Health()).picks(serving_of(), "ann", ["drawn", "weightless", "drawn"]))
    assert store.reads == 1


def test_a_page_of_unknown_titles_reads_no_row() -> None:
    store = MemoryStore()
    [pick] = asyncio.run(Lookup(store, Metrics(), Health()).picks(serving_of(), "ann", ["nope"]))
    assert pick == ServedPick("ann", "nope", None, None, None, None, 5)
    assert store.reads == 0


def test_fallback_draws_over_users_agree_with_the_weights() -> None:
    serving = serving_of()
    drawn = Counter(_drawn(serving, serving.titles["drawn"], user) for user in range(20_000))
    expected = [20_000 * weight / TOTAL_WEIGHT for weight in WEIGHTS]
    assert chisquare([drawn[f"d{arm}"] for arm in range(3)], expected).pvalue > 0.001


def _drawn(serving: Serving, placed: PlacedTitle, user: int) -> str | None:
    return fallback(serving, f"user-{user}", placed).artwork_id
