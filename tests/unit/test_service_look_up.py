"""The fallback chain, against a store in memory."""

import asyncio
import json
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import sample
from scipy.stats import chisquare

from bandit.errors import RowError
from bandit.snapshot import (
    ROW_FORMATS,
    TOTAL_WEIGHT,
    Catalogue,
    CatalogueTitle,
    Current,
    Meta,
    RowFormat,
    draw,
    encode_catalogue,
    encode_row,
    keyed_hash,
    row_key,
)
from service.lookup.look_up import LookUp
from service.lookup.row_reads import UNREAD
from service.lookup.served_generation import ServedGeneration, build_generation
from service.lookup.store import MemoryStore
from service.metrics.exposition import exposition
from service.metrics.metrics import Metrics

IDENTITY = "5" * 32
WEIGHTS = (40000, 20000, 5535)
TITLES = (
    CatalogueTitle("drawn", ("d0", "d1", "d2"), 0, WEIGHTS),
    CatalogueTitle("weightless", ("w0", "w1", "w2"), 1, ()),
)


def serving_of(titles: tuple[CatalogueTitle, ...] = TITLES) -> ServedGeneration:
    digest, parts = encode_catalogue(Catalogue(titles, "beta"))
    described = (1, len(titles), 3 * len(titles), ("thompson", "uniform"), "2026-01-01T00:00:00Z")
    meta = Meta(5, IDENTITY, 7, "manifest", digest, len(parts), *described)
    return asyncio.run(build_generation(Current(5, IDENTITY, 9), meta, b"".join(parts)))


class Packing:
    """The row format of the rows that a test makes: every test runs in each."""

    form: RowFormat = ROW_FORMATS[0]


@pytest.fixture(autouse=True, scope="module", params=ROW_FORMATS, ids=lambda form: f"{form.number}-{form.total}")
def _packing(request: pytest.FixtureRequest) -> None:
    Packing.form = request.param


def row(
    user_id: str,
    *picks: tuple[int, int],
    variant: int = 0,
    identity: str = IDENTITY,
    generation: int = 5,
    indices: tuple[int, ...] = (),
) -> bytes:
    listed, form = struct.pack(f"<{len(indices)}H", *indices), Packing.form
    return encode_row(user_id, generation, identity, variant, form.pack(picks), listed, form)


def page_of(
    title_ids: Sequence[str],
    rows: dict[str, bytes] | None = None,
    metrics: Metrics | None = None,
    user_id: str = "ann",
    serving: ServedGeneration | None = None,
) -> list[dict[str, Any]]:
    """The picks of a page, the row of each user given by their id."""
    asked = [title_id.encode() for title_id in title_ids]
    look_up = LookUp(MemoryStore(), metrics or Metrics())
    serving = serving or serving_of()
    page = json.loads(look_up.page(serving, user_id.encode(), serving.find(asked), (rows or {}).get(user_id)))
    assert (page["user_id"], page["generation"]) == (user_id, 5)
    return list(page["picks"])


def look_up(title_id: str, raw: bytes | None = None, metrics: Metrics | None = None) -> dict[str, Any]:
    """The pick of one title for ann, whose row may be given."""
    serving = serving_of()
    look_up = LookUp(MemoryStore(), metrics or Metrics())
    return dict(json.loads(look_up.single(serving, b"ann", serving.titles[title_id.encode()], raw)))


def pick(title_id: str, artwork_id: str, source: str, policy: str, propensity: float) -> dict[str, Any]:
    """A pick for ann, its fields in the order of the interface."""
    return {
        "user_id": "ann",
        "title_id": title_id,
        "artwork_id": artwork_id,
        "source": source,
        "policy": policy,
        "propensity": propensity,
        "generation": 5,
        "revision": 0,
        "segment": None,
    }


def test_a_pick_of_the_row_is_answered_with_its_policy_and_propensity() -> None:
    expected = pick("drawn", "d2", "personalized", "uniform", 1500 / Packing.form.total)
    assert look_up("drawn", row("ann", (2, 1500), (0, 2047), variant=1)) == expected


def test_a_body_is_what_a_json_library_would_have_written() -> None:
    serving, raw = serving_of(), row("ann", (2, 1500), (0, 0), variant=1)
    look_up = LookUp(MemoryStore(), Metrics())
    body = look_up.page(serving, b"ann", serving.find([b"drawn", b"nope", b"weightless"]), raw)
    assert body == orjson.dumps(json.loads(body))
    single = look_up.single(serving, b"ann", serving.titles[b"drawn"], raw)
    assert single == orjson.dumps(pick("drawn", "d2", "personalized", "uniform", 1500 / Packing.form.total))


@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from((0, 1, 1500, 2047))), min_size=0, max_size=2),
    st.lists(st.sampled_from(("drawn", "weightless", "nope")), min_size=1, max_size=6),
)
def test_a_page_says_of_each_title_what_a_single_look_up_says(
    picks: list[tuple[int, int]], title_ids: list[str]
) -> None:
    raw = row("ann", *picks)
    for answered, title_id in zip(page_of(title_ids, {"ann": raw}), title_ids, strict=True):
        if title_id == "nope":
            assert (answered["title_id"], answered["artwork_id"], answered["generation"]) == ("nope", None, 5)
        else:
            assert answered == look_up(title_id, raw)


def test_a_user_without_a_row_gets_a_draw_from_the_popularity_weights() -> None:
    answered = look_up("drawn")
    weight = WEIGHTS[int(answered["artwork_id"][1])]
    assert answered == pick("drawn", answered["artwork_id"], "popularity", "beta", weight / TOTAL_WEIGHT)


def test_the_fallback_is_drawn_with_the_pinned_hash() -> None:
    serving = serving_of()
    hashed = (keyed_hash("fallback", 7, 5, f"u{user}", "drawn") for user in range(50))
    expected = [f"d{draw(WEIGHTS, number)}" for number in hashed]
    assert [_drawn(serving, f"u{user}") for user in range(50)] == expected


def test_an_arm_of_weight_zero_is_never_drawn_by_the_fallback() -> None:
    serving = serving_of((replace(TITLES[0], weights=(0, 65535, 0)),))
    assert {_drawn(serving, f"u{user}") for user in range(200)} == {"d1"}


def test_a_title_without_weights_gets_its_default_artwork() -> None:
    assert look_up("weightless") == pick("weightless", "w1", "default", "default", 1.0)


@pytest.mark.parametrize("weights", [(1, 2, 3), (65535,), (65536, -1, 0)], ids=["sum", "length", "negative"])
def test_a_catalogue_with_unusable_weights_is_not_served(weights: tuple[int, ...]) -> None:
    with pytest.raises(RowError, match="of the sum 65535"):
        serving_of((replace(TITLES[0], weights=weights),))


def test_a_pick_of_weight_zero_is_no_pick() -> None:
    assert look_up("drawn", row("ann", (2, 0), (2, 1)))["source"] == "popularity"


def test_a_title_outside_the_users_shortlist_falls_back() -> None:
    shortlist = row("ann", (2, 9), indices=(1,))
    assert look_up("drawn", shortlist)["source"] == "popularity"
    assert look_up("weightless", shortlist)["artwork_id"] == "w2"


CORRUPT: dict[str, Callable[[], bytes]] = {
    "truncated": lambda: row("ann", (0, 1), (0, 1))[:-1],
    "magic": lambda: b"XX" + row("ann", (0, 1), (0, 1))[2:],
    "format": lambda: b"AB\x63" + row("ann", (0, 1), (0, 1))[3:],
    "generation": lambda: row("ann", (0, 1), generation=4),
    "checksum": lambda: row("bob", (0, 1), (0, 1)),
    "size": lambda: row("ann", (0, 1), (0, 1)) + b"\0" * 9000,
    "variant": lambda: row("ann", (0, 1), (0, 1), variant=2),
    "arm": lambda: row("ann", (3, 1), (0, 1)),
}


@pytest.mark.parametrize("reason", CORRUPT)
def test_an_unusable_row_falls_back_and_is_counted_by_reason(reason: str) -> None:
    metrics = Metrics()
    assert look_up("drawn", CORRUPT[reason](), metrics)["source"] == "popularity"
    assert sample(exposition(metrics.blocks), "artwork_row_errors_total", reason=reason) == 1


@pytest.mark.parametrize("form", [4, 5, 255])
def test_a_row_of_a_format_to_come_falls_back_and_is_counted(form: int) -> None:
    metrics, raw = Metrics(), row("ann", (0, 1), (0, 1))
    changed = raw[:2] + bytes([form]) + raw[3:]
    seal = zlib.crc32(f"{IDENTITY}:ann:".encode() + changed[:12] + changed[16:]).to_bytes(4, "little")
    assert look_up("drawn", changed[:12] + seal + changed[16:], metrics)["source"] == "popularity"
    assert sample(exposition(metrics.blocks), "artwork_row_errors_total", reason="format") == 1


def test_rows_of_every_format_are_answered_side_by_side() -> None:
    """A look-up goes by the row's own flags, whatever it read before, and whatever meta says."""
    answered = []
    for form in ROW_FORMATS:
        raw = encode_row("ann", 5, IDENTITY, 0, form.pack([(2, 1500), (0, 0)]), b"", form)
        answered.append(look_up("drawn", raw)["propensity"])
    assert answered == [1500 / form.total for form in ROW_FORMATS]


@given(st.sets(st.integers(0, 299), min_size=1, max_size=40), st.lists(st.integers(0, 299), min_size=1, max_size=50))
@settings(max_examples=25)
def test_a_page_of_a_shortlist_says_of_each_title_what_a_single_look_up_says(own: set[int], asked: list[int]) -> None:
    raw = row("ann", *((title % 3, 1 + title) for title in sorted(own)), indices=tuple(sorted(own)))
    answered = page_of([f"t{title}" for title in asked], {"ann": raw}, serving=many())
    assert [pick["source"] == "personalized" for pick in answered] == [title in own for title in asked]
    look_up = LookUp(MemoryStore(), Metrics())
    for title, pick in zip(asked, answered, strict=True):
        body = look_up.single(many(), b"ann", many().titles[f"t{title}".encode()], raw)
        assert json.loads(body) == pick
        if title in own:
            assert pick["propensity"] == (1 + title) / Packing.form.total


@cache
def many() -> ServedGeneration:
    """A generation of 300 titles."""
    return serving_of(tuple(CatalogueTitle(f"t{n:d}", ("a", "b", "c"), 0, WEIGHTS) for n in range(300)))


def test_a_row_of_another_workspace_under_the_same_number_falls_back() -> None:
    metrics = Metrics()
    assert look_up("drawn", row("ann", (2, 1500), (0, 2047), identity="6" * 32), metrics)["source"] == "popularity"
    assert sample(exposition(metrics.blocks), "artwork_row_errors_total", reason="checksum") == 1


def test_a_bit_flipped_in_a_row_falls_back() -> None:
    raw = bytearray(row("ann", (2, 1500), (0, 2047)))
    raw[-2] ^= 1
    assert look_up("drawn", bytes(raw))["source"] == "popularity"


def test_a_row_that_the_store_did_not_give_falls_back() -> None:
    store = MemoryStore({row_key(5, "ann"): row("ann", (2, 1500), (0, 2047))})
    store.available = False
    serving = serving_of()
    look_up = LookUp(store, Metrics())
    raw = asyncio.run(look_up.read(serving, b"ann"))
    assert raw is UNREAD
    assert json.loads(look_up.single(serving, b"ann", serving.titles[b"drawn"], raw))["source"] == "popularity"


def test_picks_are_counted_by_source_and_policy() -> None:
    metrics = Metrics()
    page_of(["drawn", "weightless", "drawn"], {"ann": row("ann", (2, 1500), (0, 0), variant=1)}, metrics)
    page_of(["drawn"], {}, metrics)
    text = exposition(metrics.blocks)
    counted = {
        ("personalized", "uniform"): 2,
        ("popularity", "beta"): 1,
        ("default", "default"): 1,
    }
    for (source, policy), count in counted.items():
        assert sample(text, "artwork_picks_total", source=source, policy=policy) == count


def test_a_title_that_is_not_known_is_answered_with_nulls() -> None:
    [answered] = page_of(["nope"])
    names = ("artwork_id", "source", "policy", "propensity", "segment")
    assert ([answered[name] for name in names], answered["title_id"]) == ([None] * 5, "nope")


def test_fallback_draws_over_users_agree_with_the_weights() -> None:
    serving = serving_of()
    look_up = LookUp(MemoryStore(), Metrics())
    bodies = [_body(look_up, serving, f"user-{user}") for user in range(20_000)]
    drawn = Counter(json.loads(body)["artwork_id"] for body in bodies)
    expected = [20_000 * weight / TOTAL_WEIGHT for weight in WEIGHTS]
    assert chisquare([drawn[f"d{arm}"] for arm in range(3)], expected).pvalue > 0.001


def _body(look_up: LookUp, serving: ServedGeneration, user_id: str) -> bytes:
    return look_up.single(serving, user_id.encode(), serving.titles[b"drawn"], None)


def _drawn(serving: ServedGeneration, user_id: str) -> str:
    return str(json.loads(_body(LookUp(MemoryStore(), Metrics()), serving, user_id))["artwork_id"])
