"""Answers from rows that hold picks of two variants: each title's names the policy that chose it, on both paths alike."""

import asyncio
import json
import struct
from typing import Any

import naive
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bandit.snapshot import (
    ROW_FORMATS,
    Catalogue,
    CatalogueTitle,
    Current,
    Meta,
    Overlay,
    RowFormat,
    encode_catalogue,
    encode_row,
)
from service.lookup.look_up import LookUp
from service.lookup.overlaid import with_overlay
from service.lookup.served_generation import ServedGeneration, build_generation
from service.lookup.store import MemoryStore
from service.metrics.exposition import exposition
from service.metrics.metrics import Metrics

IDENTITY, SEED, SALT, SPLITS = "5" * 32, 7, "mix", (0.5, 0.1)
NAMES = ("first", "second", "uniform")
TITLES = [f"t{number:02d}" for number in range(40)]
CATALOGUE = Catalogue(
    tuple(CatalogueTitle(title, ("a", "b", "c"), 0, (40000, 20000, 5535)) for title in TITLES), "popularity"
)


def serving_of(salt: str = SALT, splits: tuple[float, ...] = SPLITS) -> ServedGeneration:
    digest, parts = encode_catalogue(CATALOGUE)
    described = len(TITLES), 3 * len(TITLES), NAMES, "2026-01-01T00:00:00Z"
    meta = Meta(5, IDENTITY, SEED, "manifest", digest, len(parts), 1, *described, salt=salt, splits=splits)
    return asyncio.run(build_generation(Current(5, IDENTITY, 9), meta, b"".join(parts)))


SERVING = serving_of()


@pytest.fixture(params=ROW_FORMATS, ids=lambda form: f"{form.number}-{form.total}")
def form(request: pytest.FixtureRequest) -> RowFormat:
    return request.param  # type: ignore[no-any-return]


def row(form: RowFormat, variant: int, *, by_title: bool = True, places: list[int] | None = None) -> bytes:
    """A row of ann with arm ``place % 3`` and weight ``1 + place`` for each title, or for some."""
    own = list(range(len(TITLES))) if places is None else places
    indices = b"" if places is None else struct.pack(f"<{len(own)}H", *own)
    picks = form.pack([(place % 3, 1 + place) for place in own])
    return encode_row("ann", 5, IDENTITY, variant, picks, indices, form, by_title=by_title)


def page(raw: bytes, serving: ServedGeneration = SERVING, metrics: Metrics | None = None) -> list[dict[str, Any]]:
    look_up = LookUp(MemoryStore(), metrics or Metrics())
    titles = serving.find([title.encode() for title in TITLES])
    picks = json.loads(look_up.page(serving, b"ann", titles, raw))["picks"]
    known = [title for title in titles if not isinstance(title, bytes)]
    singles = [json.loads(look_up.single(serving, b"ann", title, raw)) for title in known]
    assert picks == singles
    return list(picks)


def chosen_by(split: int, title: str) -> str:
    hashed = naive.absorbed("interleave", SEED, SALT, "ann", title)
    return "second" if hashed < SPLITS[split] * 2**64 else "first"


@pytest.mark.parametrize("split", [0, 1])
@pytest.mark.parametrize("places", [None, list(range(0, 40, 3))], ids=["dense", "shortlist"])
def test_each_title_names_the_policy_that_the_hash_gave_it_to(
    form: RowFormat, split: int, places: list[int] | None
) -> None:
    answers = page(row(form, split, places=places))
    for place, answer in enumerate(answers):
        if places is not None and place not in places:
            assert answer["source"] == "popularity"
            continue
        assert (answer["source"], answer["artwork_id"]) == ("personalized", "abc"[place % 3])
        assert answer["policy"] == chosen_by(split, TITLES[place])
        assert answer["propensity"] == (1 + place) / form.total
    named = [answer["policy"] for answer in answers if answer["source"] == "personalized"]
    assert places is not None or 0 < named.count("second") < len(named)


def test_a_row_of_one_variant_in_the_same_generation_names_it_for_all_titles(form: RowFormat) -> None:
    assert {answer["policy"] for answer in page(row(form, 2, by_title=False))} == {"uniform"}


def test_each_policy_is_counted_for_its_own_answers(form: RowFormat) -> None:
    metrics = Metrics()
    look_up = LookUp(MemoryStore(), metrics)
    titles = SERVING.find([title.encode() for title in TITLES])
    answers = json.loads(look_up.page(SERVING, b"ann", titles, row(form, 0)))["picks"]
    counted = {
        (sample.labels["source"], sample.labels["policy"]): sample.value
        for family in text_string_to_metric_families(exposition(metrics.blocks).decode())
        for sample in family.samples
        if sample.name == "artwork_picks_total"
    }
    named = [answer["policy"] for answer in answers]
    assert counted == {("personalized", policy): named.count(policy) for policy in ("first", "second")}


@pytest.mark.parametrize(("split", "serving"), [(2, SERVING), (0, serving_of("", ()))], ids=["no split", "no splits"])
def test_a_row_whose_split_the_meta_lacks_is_answered_by_popularity(
    form: RowFormat, split: int, serving: ServedGeneration
) -> None:
    assert {answer["source"] for answer in page(row(form, split), serving)} == {"popularity"}


def test_what_stands_of_a_title_with_retired_artworks_names_its_policy_too(form: RowFormat) -> None:
    overlay = Overlay(revision=1, retired=dict.fromkeys(TITLES, ("a",)), added={})
    serving = asyncio.run(with_overlay(SERVING, overlay))
    for place, answer in enumerate(page(row(form, 0), serving)):
        stands = place % 3 != 0
        assert answer["source"] == ("personalized" if stands else "popularity")
        assert answer["policy"] == (chosen_by(0, TITLES[place]) if stands else "popularity")
