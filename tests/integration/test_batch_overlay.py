"""Artwork that is added and retired between two runs: in workspace, store and the next generation."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest
import redis
from make_impressions import identity_of, log_days, make_generation, shorten, silent
from shell import assert_refused, call

from bandit.errors import InputError
from bandit.snapshot import (
    MAX_OVERLAY_BYTES,
    NO_OVERLAY,
    OVERLAY_KEY,
    Overlay,
    decode_overlay,
    encode_overlay,
    keyed_hash,
    remaining_weights,
)
from batch.choosing.explain import explain
from batch.publishing.overlays import publish_overlay
from batch.publishing.publish import publish
from batch.store.client import connect
from batch.workspace.catalogue import Catalogue
from batch.workspace.catalogue_changes import NewArtwork, NewTitle, add, retire
from batch.workspace.generations import folder_of, read_manifest
from batch.workspace.overlays import known_revisions, newest_overlay, write_overlay
from batch.workspace.tables import read_tables
from batch.workspace.workspace import Workspace

TITLE = "t0001"


@pytest.fixture
def small(workspace: Workspace) -> Workspace:
    """Contexts and features of a few numbers."""
    shorten(workspace, n_artwork_features=2)
    return workspace


def artworks_of(workspace: Workspace, title_id: str = TITLE) -> list[str]:
    own = read_tables(workspace).artworks.filter(pl.col("title_id") == title_id)
    return list(own["artwork_id"])


def new(*artwork_ids: str, features: tuple[float, ...] = (0.5, 1.0)) -> list[NewArtwork]:
    return [NewArtwork(artwork_id, features) for artwork_id in artwork_ids]


def contents(workspace: Workspace) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}


def in_store(client: redis.Redis) -> Overlay | None:
    raw: Any = client.get(OVERLAY_KEY)
    return None if raw is None else decode_overlay(raw)


# What is retired


@pytest.mark.parametrize("posterior", ["linear", "beta", "shared", "logistic"])
def test_the_next_generation_leaves_out_what_is_retired(small: Workspace, posterior: str) -> None:
    log_days(small, 2, 1000)
    default = read_tables(small).artworks.filter(pl.col("title_id") == TITLE, "is_default")["artwork_id"][0]
    before = artworks_of(small)
    retire(small, TITLE, default)
    number = make_generation(small, "thompson", posterior=posterior)
    frame = Catalogue.read(folder_of(small, number) / "catalogue.parquet").frame.filter(pl.col("title_id") == TITLE)
    left = [own for own in before if own != default]
    assert list(frame["artwork_id"]) == left
    assert list(frame.filter("is_default")["artwork_id"]) == left[:1]
    assert read_manifest(small, number).revision == 1
    assert artworks_of(small) == before


def test_a_generation_without_an_overlay_is_what_it_was_before_there_were_any(small: Workspace) -> None:
    manifest = read_manifest(small, make_generation(small))
    assert manifest.revision == 0
    assert "revision" not in json.loads((folder_of(small, 1) / "manifest.json").read_text())


def test_the_revision_is_part_of_a_generations_identity(small: Workspace) -> None:
    make_generation(small)
    path = folder_of(small, 1) / "manifest.json"
    before = identity_of(small, 1)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"revision": 1}))
    assert identity_of(small, 1) != before


@pytest.mark.parametrize("revision", [-1, 1.5, "1", None, True, 2**32])
def test_a_manifest_with_a_revision_that_is_none_is_refused(small: Workspace, revision: object) -> None:
    make_generation(small)
    path = folder_of(small, 1) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"revision": revision}))
    with pytest.raises(InputError, match="revision"):
        read_manifest(small, 1)


def test_the_last_artwork_of_a_title_cannot_be_retired(small: Workspace) -> None:
    *others, last = artworks_of(small)
    for artwork_id in others:
        retire(small, TITLE, artwork_id)
    with pytest.raises(InputError, match=f"artwork {last} is the last one that title {TITLE} has left"):
        retire(small, TITLE, last)
    assert newest_overlay(small).retired == {TITLE: tuple(others)}


def test_retiring_twice_changes_nothing(small: Workspace) -> None:
    first = retire(small, TITLE, artworks_of(small)[0])
    again = retire(small, TITLE, artworks_of(small)[0])
    assert (again.overlay, again.is_revised, again.written) == (first.overlay, False, ())
    assert known_revisions(small) == [1]


def test_an_artwork_whose_row_is_gone_can_be_retired_while_a_generation_has_it(small: Workspace) -> None:
    gone = artworks_of(small)[0]
    make_generation(small)
    pl.read_parquet(small.artworks).filter(
        ~((pl.col("title_id") == TITLE) & (pl.col("artwork_id") == gone))
    ).write_parquet(small.artworks)
    assert retire(small, TITLE, gone).overlay.retired == {TITLE: (gone,)}


def test_where_a_generation_has_none_left_the_added_artwork_answers(small: Workspace) -> None:
    make_generation(small)
    old = artworks_of(small)
    add(small, TITLE, None, new("zz"))
    assert newest_overlay(small) == NO_OVERLAY
    for artwork_id in old:
        retire(small, TITLE, artwork_id)
    assert newest_overlay(small).added == {TITLE: "zz"}


# What is added


def test_an_added_title_is_shown_by_its_first_artwork_and_learned_of_by_the_next_run(small: Workspace) -> None:
    make_generation(small)
    change = add(small, "fresh", NewTitle("New film", 2026, ("Drama",)), new("f2", "f1"))
    assert (change.overlay, change.is_revised) == (Overlay(1, {}, {"fresh": "f2"}), True)
    tables = read_tables(small)
    row = tables.titles.filter(pl.col("title_id") == "fresh").row(0, named=True)
    assert row == {"title_id": "fresh", "name": "New film", "year": 2026, "genres": ["Drama"]}
    number = make_generation(small)
    assert "fresh" in Catalogue.read(folder_of(small, number) / "catalogue.parquet").title_ids


def test_an_artwork_of_a_title_that_is_there_waits_for_the_next_run(small: Workspace) -> None:
    make_generation(small)
    change = add(small, TITLE, None, new("zz"))
    assert (change.is_revised, known_revisions(small), artworks_of(small)[-1]) == (False, [], "zz")


def test_a_retired_default_of_an_added_title_passes_on(small: Workspace) -> None:
    make_generation(small)
    add(small, "fresh", NewTitle("New film"), new("f1", "f2", "f3"))
    retire(small, "fresh", "f1")
    assert newest_overlay(small) == Overlay(2, {"fresh": ("f1",)}, {"fresh": "f2"})


def test_columns_that_tables_have_besides_are_kept(small: Workspace) -> None:
    pl.read_parquet(small.artworks).with_columns(note=pl.lit("mine")).write_parquet(small.artworks)
    add(small, TITLE, None, new("zz"))
    frame = pl.read_parquet(small.artworks)
    assert list(frame["note"][-2:]) == ["mine", None]


@pytest.mark.parametrize(
    ("title_id", "title", "artworks", "named"),
    [
        ("nobody", None, new("zz"), ("no title nobody", "--name")),
        (TITLE, NewTitle("again"), new("zz"), (f"title {TITLE}", "already")),
        (TITLE, None, new("a01"), ("artwork a01", "already")),
        (TITLE, None, new("a02"), ("was retired", "another id")),
        (TITLE, None, new("zz", "zz"), ("none twice",)),
        (TITLE, None, [], ("at least one",)),
        (TITLE, None, new("z z"), ("'z z' is no id",)),
        (TITLE, None, new(""), ("'' is no id",)),
        (TITLE, None, new("z\n"), ("is no id",)),
        ("t/9", NewTitle("x"), new("zz"), ("'t/9' is no id",)),
        (TITLE, None, new("zz", features=(1.0,)), ("1 numbers", "2")),
        (TITLE, None, new("zz", features=()), ("0 numbers", "2")),
        (TITLE, None, new("zz", features=(1.0, float("nan"))), ("finite",)),
        (TITLE, None, new("zz", features=(1.0, 1e39)), ("finite",)),
        ("fresh", NewTitle("x", -1), new("zz"), ("year is -1",)),
        ("fresh", NewTitle("x", 2**40), new("zz"), ("year is",)),
        (TITLE, None, new(*(f"z{number}" for number in range(256))), ("at most 256 artworks",)),
    ],
)  # fmt: skip
def test_what_cannot_be_added_is_refused_and_nothing_is_written(
    small: Workspace, title_id: str, title: NewTitle | None, artworks: list[NewArtwork], named: tuple[str, ...]
) -> None:
    retire(small, TITLE, "a02")
    before = contents(small)
    with pytest.raises(InputError) as refused:
        add(small, title_id, title, artworks)
    assert all(name in str(refused.value) for name in named), refused.value
    assert contents(small) == before


# The store


def test_publish_brings_the_overlay(small: Workspace, client: redis.Redis, store: str) -> None:
    make_generation(small)
    retire(small, TITLE, "a01")
    assert publish(small, 1, client, store, silent).revision == 1
    assert in_store(client) == newest_overlay(small)


def test_a_workspace_without_an_overlay_writes_no_key(small: Workspace, client: redis.Redis, store: str) -> None:
    make_generation(small)
    assert publish(small, 1, client, store, silent).revision == 0
    assert not client.exists(OVERLAY_KEY)
    assert not small.overlays.exists()


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (None, Overlay(2, {TITLE: ("a01", "a02")}, {})),
        (Overlay(1, {TITLE: ("a01",)}, {}), Overlay(2, {TITLE: ("a01", "a02")}, {})),
        (Overlay(2, {TITLE: ("a01", "a02")}, {}), Overlay(2, {TITLE: ("a01", "a02")}, {})),
        (Overlay(7, {}, {}), Overlay(8, {TITLE: ("a01", "a02")}, {})),
        (Overlay(2, {}, {}), Overlay(3, {TITLE: ("a01", "a02")}, {})),
        (Overlay(2, {"foreign": ("x",)}, {"foreign": "y"}), Overlay(3, {TITLE: ("a01", "a02")}, {})),
        (Overlay(5, {TITLE: ("a03",)}, {}), Overlay(6, {TITLE: ("a01", "a02", "a03")}, {})),
        (Overlay(1, {TITLE: ("a03",)}, {}), Overlay(3, {TITLE: ("a01", "a02", "a03")}, {})),
    ],
)
def test_a_store_that_knows_another_overlay_gets_one_above_both(
    small: Workspace, client: redis.Redis, stored: Overlay | None, expected: Overlay
) -> None:
    retire(small, TITLE, "a01")
    retire(small, TITLE, "a02")
    if stored is not None:
        client.set(OVERLAY_KEY, encode_overlay(stored))
    assert publish_overlay(small, client) == expected
    assert (in_store(client), newest_overlay(small)) == (expected, expected)


def test_what_a_store_retired_does_not_take_the_last_artwork_of_a_title(small: Workspace, client: redis.Redis) -> None:
    client.set(OVERLAY_KEY, encode_overlay(Overlay(4, {TITLE: tuple(artworks_of(small))}, {})))
    assert publish_overlay(small, client) == Overlay(5)


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"[]", b" " * (MAX_OVERLAY_BYTES + 1)])
def test_a_damaged_overlay_in_the_store_is_written_over(small: Workspace, client: redis.Redis, raw: bytes) -> None:
    retire(small, TITLE, "a01")
    client.set(OVERLAY_KEY, raw)
    publish_overlay(small, client)
    assert in_store(client) == newest_overlay(small)


def test_a_key_that_holds_no_string_is_written_over(small: Workspace, client: redis.Redis) -> None:
    retire(small, TITLE, "a01")
    client.rpush(OVERLAY_KEY, "x")
    publish_overlay(small, client)
    assert in_store(client) == newest_overlay(small)


def test_a_workspace_whose_overlay_is_damaged_is_neither_trained_nor_published(
    small: Workspace, client: redis.Redis, store: str
) -> None:
    make_generation(small)
    retire(small, TITLE, "a01").written[0].write_bytes(b"{")
    with pytest.raises(InputError, match="is damaged"):
        make_generation(small)
    with pytest.raises(InputError, match="is damaged"):
        publish(small, 1, client, store, silent)
    assert not client.keys()


# The commands


def test_a_retirement_is_in_workspace_and_store_without_a_generation(
    small: Workspace, client: redis.Redis, store: str
) -> None:
    answer = call("catalogue", "retire", TITLE, "a01", "-w", str(small.root), "--json", ARTWORK_REDIS_URL=store)
    assert (answer.code, answer.err) == (0, "")
    told = json.loads(answer.out)
    assert (told["revision"], told["artwork_ids"]) == (1, ["a01"])
    assert told["written"] == [str(small.overlays / "000001.json")]
    assert in_store(client) == newest_overlay(small) == Overlay(1, {TITLE: ("a01",)}, {})


def test_a_store_that_is_down_is_told_with_what_was_written_and_the_next_publish_brings_it(
    small: Workspace, client: redis.Redis, store: str
) -> None:
    make_generation(small)
    down = "unix:///tmp/no-store-at-all.sock"
    answer = call("catalogue", "retire", TITLE, "a01", "-w", str(small.root), ARTWORK_REDIS_URL=down)
    assert_refused(answer, 3, "000001.json", "not written: the store", "artwork publish")
    assert newest_overlay(small).retired == {TITLE: ("a01",)}
    assert publish(small, 1, client, store, silent).revision == 1


def test_retiring_again_tells_a_store_that_was_down(small: Workspace, client: redis.Redis, store: str) -> None:
    retire(small, TITLE, "a01")
    answer = call("catalogue", "retire", TITLE, "a01", "-w", str(small.root), ARTWORK_REDIS_URL=store)
    assert (answer.code, "retired already" in answer.out) == (0, True)
    assert in_store(client) == newest_overlay(small)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("retire", "nobody", "a01"), ("no title nobody",)),
        (("retire", TITLE, "a99"), ("no artwork a99", f"title {TITLE}")),
        (("add", TITLE, "zz"), ("--features", "0 times")),
        (("add", TITLE, "zz", "--features", "1,two"), ("1,two",)),
        (("add", TITLE, "zz", "--features", "1,2", "--year", "2000"), ("--name",)),
        (("add", TITLE, "zz", "--features", "1,2", "--image-url", "x", "--image-url", "y"), ("--image-url",)),
        (("add", "fresh", "zz", "--features", "1,2"), ("no title fresh", "--name")),
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_is_refused_in_plain_words(
    small: Workspace, store: str, words: tuple[str, ...], named: tuple[str, ...]
) -> None:
    answer = call("catalogue", *words, "-w", str(small.root), ARTWORK_REDIS_URL=store)
    assert_refused(answer, 2, *named)
    assert known_revisions(small) == []


def test_the_commands_add_a_title_and_show_the_catalogue(small: Workspace, store: str) -> None:
    make_generation(small)

    def ask(*words: str) -> Any:
        answer = call("catalogue", *words, "-w", str(small.root), "--json", ARTWORK_REDIS_URL=store)
        assert (answer.code, answer.err) == (0, "")
        return json.loads(answer.out)

    title = ("fresh", "f1", "--features", "-0.5,1", "--name", "New film", "--year", "2026", "--genres", "Drama, War")
    assert ask("add", *title)["revision"] == 1
    ask("retire", TITLE, "a01")
    assert ask("show") == {
        "revision": 2,
        "revisions": 2,
        "in_store": 2,
        "retired": [{"title_id": TITLE, "artwork_id": "a01"}],
        "added": [{"title_id": "fresh", "artwork_id": "f1"}],
    }
    assert list(read_tables(small).titles.filter(pl.col("title_id") == "fresh")["genres"][0]) == ["Drama", "War"]


def test_show_tells_of_a_store_that_is_behind(small: Workspace, store: str) -> None:
    write_overlay(small, Overlay(3, {TITLE: ("a01",)}, {}))
    answer = call("catalogue", "show", "-w", str(small.root), ARTWORK_REDIS_URL=store)
    assert (answer.code, "revision 3 (no store is reached, or it does not know it)" in answer.out) == (0, True)


# What is explained


def test_a_retired_pick_is_explained_by_what_is_answered_instead(small: Workspace, store: str) -> None:
    number = make_generation(small, "thompson", seed=4)
    user, before = "u0001", explain(small, "u0001", TITLE, None)
    retire(small, TITLE, before.shown)
    made = explain(small, user, TITLE, None)
    frame = Catalogue.read(folder_of(small, number) / "catalogue.parquet").frame.filter(pl.col("title_id") == TITLE)
    ids = list(frame["artwork_id"])
    weights, total = remaining_weights(list(frame["popularity_weight"]), {ids.index(before.shown)})
    point = (keyed_hash("fallback", 4, number, user, TITLE) * total) >> 64
    arm = next(arm for arm in range(len(ids)) if sum(weights[: arm + 1]) > point)
    assert (made.instead_of, made.shown, made.source) == (before.shown, ids[arm], "popularity")
    assert (made.shown_propensity, made.revision, made.retired) == (weights[arm] / total, 1, (before.shown,))
    assert [artwork.weight for artwork in made.artworks] == [artwork.weight for artwork in before.artworks]
    words = ("explain", "--user", user, "--title", TITLE, "-w", str(small.root))
    text = call(*words, ARTWORK_REDIS_URL=store).out
    assert f"has the pick {before.shown}" in text
    assert f"popularity draws {ids[arm]} instead" in " ".join(text.split())


def test_a_title_that_was_added_since_is_explained_in_a_line(small: Workspace, store: str) -> None:
    make_generation(small)
    add(small, "fresh", NewTitle("New film"), new("f1"))
    with pytest.raises(InputError, match="everybody is shown f1"):
        explain(small, "u0001", "fresh", None)


# Several at once, and the end


def test_retirements_at_once_are_all_kept_in_revisions_of_their_own(
    small: Workspace, client: redis.Redis, store: str
) -> None:
    artworks = [(TITLE, own) for own in artworks_of(small)[1:]] + [
        ("t0002", own) for own in artworks_of(small, "t0002")[1:]
    ]

    def one(pair: tuple[str, str]) -> None:
        retire(small, *pair)
        with connect(store) as own:
            publish_overlay(small, own)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, artworks))
    assert known_revisions(small) == list(range(1, len(artworks) + 1))
    overlay = newest_overlay(small)
    assert {(title, own) for title, gone in overlay.retired.items() for own in gone} == set(artworks)
    assert in_store(client) == overlay


def test_an_overlay_that_is_full_is_refused_in_plain_words(small: Workspace) -> None:
    def retire_all() -> None:
        for number in range(1, 13):
            for own in artworks_of(small, f"t{number:04d}")[1:]:
                retire(small, f"t{number:04d}", own)

    fits = (MAX_OVERLAY_BYTES - 100) // 67  # with quotes and a comma
    write_overlay(small, Overlay(1, {"full": tuple(f"{number:064d}" for number in range(fits))}, {}))
    with pytest.raises(InputError, match="ever retired, in at most"):
        retire_all()
