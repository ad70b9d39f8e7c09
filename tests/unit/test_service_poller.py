"""Following art:current, and the catalogue kept on disk, against a store in memory."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import pytest
from samples import sample
from without_rights import without_rights

from bandit.errors import RowError
from bandit.snapshot import (
    CURRENT_KEY,
    MAX_OVERLAY_BYTES,
    OVERLAY_KEY,
    Catalogue,
    CatalogueTitle,
    Current,
    Meta,
    Overlay,
    encode_catalogue,
    encode_json,
    encode_overlay,
    meta_key,
    part_key,
)
from service.lookup.kept_catalogue import MAGIC, load_kept
from service.lookup.poller import Poller
from service.lookup.store import MemoryStore, StoreUnavailableError
from service.metrics.exposition import exposition
from service.metrics.health import Health
from service.metrics.metrics import Metrics


def publish(store: MemoryStore, generation: int, flip: int, artwork: str = "a", identity: str = "1" * 32) -> str:
    digest, parts = encode_catalogue(Catalogue((CatalogueTitle("t", (artwork,), 0, (65535,)),), "beta"))
    described = ("manifest", digest, len(parts), 1, 1, 1, ("thompson",), "2026-01-01T00:00:00Z")
    meta = Meta(generation, identity, 7, *described)
    store.values |= {part_key(digest, number): part for number, part in enumerate(parts)}
    current = Current(generation, identity, flip)
    store.values |= {meta_key(generation): encode_json(meta), CURRENT_KEY: encode_json(current)}
    return part_key(digest, 0)


class Followed:
    """A poller with everything around it."""

    def __init__(self, store: MemoryStore, kept: Path | None = None, load_seconds: float = 30.0) -> None:
        self.store, self.metrics, self.health = store, Metrics(), Health()
        self.poller = Poller(store, self.metrics, self.health, kept=kept, load_seconds=load_seconds)

    def start(self) -> "Followed":
        asyncio.run(self.poller.start())
        return self

    def poll(self) -> None:
        asyncio.run(self.poller.poll())

    @property
    def generation(self) -> int | None:
        return self.poller.serving.generation if self.poller.serving else None

    def load_errors(self, reason: str) -> float | None:
        return sample(exposition(self.metrics.blocks), "artwork_load_errors_total", reason=reason)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    publish(store, 1, 1)
    return store


def test_a_flip_is_followed_with_the_next_poll(store: MemoryStore) -> None:
    followed = Followed(store).start()
    publish(store, 2, 2, "b")
    followed.poll()
    assert followed.generation == 2
    assert followed.poller.serving is not None
    assert followed.poller.serving.titles[b"t"].pieces == (b'"title_id":"t","artwork_id":"b"',)


def behind(followed: Followed) -> bool:
    assert (followed.metrics.longest_behind() > 0) == (followed.health.behind_since is not None)
    return followed.health.behind_since is not None


def test_a_worker_is_behind_from_the_poll_that_names_another_generation_until_it_is_taken(store: MemoryStore) -> None:
    followed = Followed(store).start()
    assert not behind(followed)
    part = publish(store, 2, 2, "b")
    kept = store.values.pop(part)
    followed.poll()
    assert (followed.generation, behind(followed)) == (1, True)
    assert followed.health.named == Current(2, "1" * 32, 2)
    since = followed.health.behind_since
    publish(store, 3, 3, "b")
    del store.values[part]
    followed.poll()
    assert (followed.generation, followed.health.behind_since) == (1, since)
    store.values[part] = kept
    followed.poll()
    assert (followed.generation, behind(followed)) == (3, False)


def test_a_worker_is_not_behind_any_more_when_the_store_goes_back_to_what_it_serves(store: MemoryStore) -> None:
    followed = Followed(store).start()
    kept = store.values[CURRENT_KEY]
    store.values[CURRENT_KEY] = encode_json(Current(7, "7" * 32, 2))
    followed.poll()
    assert behind(followed)
    store.values[CURRENT_KEY] = kept
    followed.poll()
    assert not behind(followed)


def test_a_worker_that_starts_from_an_older_generation_on_disk_is_behind(store: MemoryStore, tmp_path: Path) -> None:
    Followed(store, tmp_path / "kept").start()
    del store.values[publish(store, 2, 2, "b")]
    followed = Followed(store, tmp_path / "kept").start()
    assert (followed.generation, behind(followed)) == (1, True)


def test_nothing_lags_while_nothing_is_served_or_the_store_does_not_answer(store: MemoryStore) -> None:
    without = MemoryStore(store.values | {CURRENT_KEY: encode_json(Current(7, "7" * 32, 2))})
    followed = Followed(without).start()
    assert (followed.generation, behind(followed), followed.health.named) == (None, False, Current(7, "7" * 32, 2))
    followed = Followed(store).start()
    publish(store, 2, 2, "b")
    store.available = False
    followed.poll()
    assert (behind(followed), followed.health.named) == (False, Current(1, "1" * 32, 1))


def test_a_rollback_is_followed_like_any_flip(store: MemoryStore) -> None:
    publish(store, 2, 2)
    followed = Followed(store).start()
    store.values[CURRENT_KEY] = encode_json(Current(1, "1" * 32, 3, 2))
    followed.poll()
    assert followed.generation == 1


@pytest.mark.parametrize("flip", [1, 2])
def test_another_generation_of_the_same_number_is_followed_whatever_its_flip(store: MemoryStore, flip: int) -> None:
    publish(store, 1, 2, "a", "1" * 32)
    followed = Followed(store).start()
    publish(store, 1, flip, "b", "2" * 32)
    followed.poll()
    assert followed.poller.serving is not None
    assert (followed.poller.serving.identity, followed.poller.serving.current.flip) == ("2" * 32, flip)
    assert followed.poller.serving.titles[b"t"].pieces == (b'"title_id":"t","artwork_id":"b"',)


def test_a_meta_of_another_identity_than_current_names_is_not_taken(store: MemoryStore) -> None:
    followed = Followed(store).start()
    store.values[CURRENT_KEY] = encode_json(Current(1, "2" * 32, 2))
    followed.poll()
    assert followed.poller.serving is not None
    assert followed.poller.serving.identity == "1" * 32
    assert followed.load_errors("identity") == 1


def test_a_catalogue_of_the_same_digest_is_read_again_where_meta_says_that_there_is_more_in_it(
    store: MemoryStore,
) -> None:
    followed = Followed(store).start()
    publish(store, 2, 2)
    store.values[meta_key(2)] = store.values[meta_key(2)].replace(b'"artworks":1', b'"artworks":2')
    followed.poll()
    assert (followed.generation, followed.load_errors("catalogue")) == (1, 1)


def test_a_store_of_format_1_is_refused_with_what_to_run(store: MemoryStore) -> None:
    store.values[CURRENT_KEY] = b'{"flip":3,"generation":1,"previous":null}'
    followed = Followed(store).start()
    assert (followed.generation, followed.load_errors("format")) == (None, 1)
    assert "is of row format 1" in followed.health.degraded()[0]
    assert "run `artwork publish`" in followed.health.degraded()[0]


def test_a_generation_that_never_ends_loading_is_given_up_and_tried_again(store: MemoryStore) -> None:
    class Endless(MemoryStore):
        """Never gives a part while ``is_slow``."""

        is_slow = True

        async def get(self, key: str, max_bytes: int) -> bytes | None:
            while self.is_slow and key.startswith("art:c:"):
                await asyncio.sleep(0.001)
            return await super().get(key, max_bytes)

    endless = Endless(store.values)
    followed = Followed(endless, load_seconds=0.05).start()
    assert (followed.generation, followed.load_errors("deadline")) == (None, 1)
    assert "was not loaded within 0.05 s" in followed.health.degraded()[0]
    endless.is_slow = False
    followed.poll()
    assert (followed.generation, followed.health.degraded()) == (1, [])


def test_a_poll_without_a_flip_reads_two_keys(store: MemoryStore) -> None:
    followed = Followed(store).start()
    reads = store.reads
    followed.poll()
    assert store.reads == reads + 2


def test_an_unchanged_catalogue_is_not_read_again(store: MemoryStore) -> None:
    followed = Followed(store).start()
    part = publish(store, 2, 2)
    del store.values[part]
    followed.poll()
    assert followed.generation == 2


def test_a_generation_without_meta_is_not_taken(store: MemoryStore) -> None:
    followed = Followed(store).start()
    store.values[CURRENT_KEY] = encode_json(Current(2, "1" * 32, 2))
    followed.poll()
    assert followed.generation == 1
    assert followed.load_errors("meta") == 1
    assert "generation 2 has no meta" in followed.health.degraded()[0]


def test_a_missing_part_keeps_the_old_catalogue(store: MemoryStore) -> None:
    followed = Followed(store).start()
    del store.values[publish(store, 2, 2, "b")]
    followed.poll()
    assert followed.generation == 1
    assert followed.load_errors("catalogue") == 1


def test_a_damaged_part_keeps_the_old_catalogue_until_it_is_mended(store: MemoryStore) -> None:
    followed = Followed(store).start()
    part = publish(store, 2, 2, "b")
    good, store.values[part] = store.values[part], b"damaged"
    followed.poll()
    assert followed.generation == 1
    store.values[part] = good
    followed.poll()
    assert (followed.generation, followed.health.degraded()) == (2, [])


@pytest.mark.parametrize("value", [b"", b"[]", b"{", b'{"generation": "1", "flip": 1}', b" " * 100_000_000])
def test_a_damaged_current_keeps_what_is_served(store: MemoryStore, value: bytes) -> None:
    followed = Followed(store).start()
    store.values[CURRENT_KEY] = value
    followed.poll()
    assert followed.generation == 1
    assert followed.health.load_trouble


def test_an_emptied_store_keeps_what_is_served(store: MemoryStore) -> None:
    followed = Followed(store).start()
    store.values.clear()
    followed.poll()
    assert followed.generation == 1
    assert "run artwork publish" in followed.health.degraded()[0]


def test_a_store_that_goes_and_comes_is_told(store: MemoryStore) -> None:
    followed = Followed(store).start()
    store.available = False
    followed.poll()
    assert followed.health.degraded()[0].startswith("store unreachable since")
    assert sample(exposition(followed.metrics.blocks), "artwork_store_up") == 0
    store.available = True
    followed.poll()
    assert followed.health.degraded() == []
    assert sample(exposition(followed.metrics.blocks), "artwork_store_up") == 1


def test_a_start_without_a_store_serves_the_kept_catalogue(store: MemoryStore, tmp_path: Path) -> None:
    kept = tmp_path / "deep" / "catalogue.bin"
    first = Followed(store, kept).start()
    dead = MemoryStore()
    dead.available = False
    assert Followed(dead, kept).start().poller.serving == first.poller.serving


def test_what_the_store_has_wins_over_the_kept_catalogue(store: MemoryStore, tmp_path: Path) -> None:
    kept = tmp_path / "catalogue.bin"
    Followed(store, kept).start()
    publish(store, 2, 2, "b")
    assert Followed(store, kept).start().generation == 2


def test_a_kept_catalogue_is_the_only_file_left_behind(store: MemoryStore, tmp_path: Path) -> None:
    Followed(store, tmp_path / "catalogue.bin").start()
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue.bin"]


def refused_at_the_start(store: MemoryStore, kept: Path) -> None:
    """A start is none the worse for the file, with a store and without; with one, the file is written again if it can be."""
    dead = MemoryStore()
    dead.available = False
    assert Followed(dead, kept).start().generation is None
    followed = Followed(store, kept).start()
    assert (followed.generation, followed.load_errors("kept")) == (1, 1)


@pytest.mark.parametrize(
    "content", [b"", b"a\nb\nc", b"\n\n", b"\n\n\n", b"\0" * 1000, MAGIC, MAGIC + b"0" * 32 + b"\n"]
)
def test_a_damaged_kept_catalogue_is_refused_and_replaced(store: MemoryStore, tmp_path: Path, content: bytes) -> None:
    kept = tmp_path / "catalogue.bin"
    kept.write_bytes(content)
    with pytest.raises(RowError):
        asyncio.run(load_kept(kept))
    refused_at_the_start(store, kept)
    assert asyncio.run(load_kept(kept)) is not None


def test_a_kept_catalogue_with_any_byte_changed_or_cut_short_is_refused(store: MemoryStore, tmp_path: Path) -> None:
    kept = tmp_path / "catalogue.bin"
    Followed(store, kept).start()
    content = kept.read_bytes()
    changed = [content[:place] + bytes([byte ^ 1]) + content[place + 1 :] for place, byte in enumerate(content)]
    shorter = [content[:length] for length in range(len(content))]
    for wrong in (*changed, *shorter, content + b"\0", content + content):
        kept.write_bytes(wrong)
        with pytest.raises(RowError):
            asyncio.run(load_kept(kept))


def sealed(*lines: bytes) -> bytes:
    """A kept catalogue of any content under the digest that fits."""
    content = b"\n".join(lines)
    return MAGIC + blake2b(content, digest_size=16).hexdigest().encode() + b"\n" + content


def kept_lines(store: MemoryStore, kept: Path) -> tuple[bytes, bytes, bytes, bytes]:
    Followed(store, kept).start()
    _, current, meta, overlay, packed = kept.read_bytes().split(b"\n", 4)
    return current, meta, overlay, packed


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("wrong", [b"", b"[]", b'{"generation":1}', b"[" * 2000, b"\xff" * 100, b"x" * 100_000])
def test_a_kept_catalogue_with_a_wrong_line_never_stops_a_start_though_its_digest_fits(
    store: MemoryStore, tmp_path: Path, place: int, wrong: bytes
) -> None:
    kept = tmp_path / "catalogue.bin"
    lines = list(kept_lines(store, kept))
    lines[place] = wrong
    kept.write_bytes(sealed(*lines))
    refused_at_the_start(store, kept)


def test_a_kept_catalogue_of_before_is_refused_and_replaced(store: MemoryStore, tmp_path: Path) -> None:
    kept = tmp_path / "catalogue.bin"
    _, meta, _, packed = kept_lines(store, kept)
    kept.write_bytes(b"\n".join((b'{"flip":1,"generation":1,"previous":null}', meta, packed)))
    refused_at_the_start(store, kept)
    assert asyncio.run(load_kept(kept)) is not None


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


NO_FILES: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "link to nowhere": lambda path: path.symlink_to(path.parent / "nowhere" / "at all"),
    "link to itself": lambda path: path.symlink_to(path),
    "device that never ends": lambda path: path.symlink_to("/dev/zero"),
    "socket": bind,
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_in_the_place_of_the_kept_catalogue_never_stops_a_start(store: MemoryStore, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # a short path, for the socket
        kept = Path(folder) / "catalogue.bin"
        NO_FILES[kind](kept)
        assert Followed(store, kept).start().generation == 1


def test_a_kept_catalogue_that_may_not_be_read_never_stops_a_start(store: MemoryStore, tmp_path: Path) -> None:
    kept = tmp_path / "catalogue.bin"
    Followed(store, kept).start()
    kept.chmod(0)
    with without_rights():
        refused_at_the_start(store, kept)


def test_a_disk_that_refuses_costs_no_answer(store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    followed = Followed(store, tmp_path / "file" / "catalogue.bin").start()
    assert followed.generation == 1
    assert followed.health.degraded()[0].startswith("catalogue not kept on disk")


@pytest.mark.parametrize("time", [b"yesterday", b"0001-01-01"])
def test_a_creation_time_that_is_no_time_gives_an_unknown_age(store: MemoryStore, time: bytes) -> None:
    meta = store.values[meta_key(1)]
    store.values[meta_key(1)] = meta.replace(b"2026-01-01T00:00:00Z", time)
    followed = Followed(store).start()
    age = sample(exposition(followed.metrics.blocks), "artwork_catalogue_age_seconds")
    assert age == pytest.approx(float("nan"), nan_ok=True)


def test_a_disk_that_refused_is_asked_again_with_the_next_poll(store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    followed = Followed(store, tmp_path / "file" / "catalogue.bin").start()
    (tmp_path / "file").unlink()
    followed.poll()
    assert followed.health.degraded() == []
    assert asyncio.run(load_kept(tmp_path / "file" / "catalogue.bin")) == followed.poller.serving


def test_what_is_kept_is_not_written_again(store: MemoryStore, tmp_path: Path) -> None:
    followed = Followed(store, tmp_path / "catalogue.bin").start()
    written = (tmp_path / "catalogue.bin").stat().st_ino
    followed.poll()
    assert (tmp_path / "catalogue.bin").stat().st_ino == written


def titled(store: MemoryStore, generation: int, flip: int, *artworks: str) -> None:
    """Publish a generation of one title with several artworks, the first its default."""
    weights = (65535 - len(artworks) + 1, *[1] * (len(artworks) - 1))
    digest, parts = encode_catalogue(Catalogue((CatalogueTitle("t", artworks, 0, weights),), "beta"))
    described = ("manifest", digest, len(parts), 1, 1, len(artworks), ("thompson",), "2026-01-01T00:00:00Z")
    meta = Meta(generation, "1" * 32, 7, *described)
    store.values |= {part_key(digest, number): part for number, part in enumerate(parts)}
    store.values |= {
        meta_key(generation): encode_json(meta),
        CURRENT_KEY: encode_json(Current(generation, "1" * 32, flip)),
    }


def retire(store: MemoryStore, revision: int, *artworks: str) -> None:
    store.values[OVERLAY_KEY] = encode_overlay(Overlay(revision, {"t": artworks} if artworks else {}, {}))


def obeyed(followed: Followed) -> tuple[int, set[int]]:
    """The revision that is obeyed, and the retired arms of the one title."""
    serving = followed.poller.serving
    assert serving is not None
    remaining = serving.titles[b"t"].remaining
    return serving.overlay.revision, set(remaining.retired if remaining else ())


@pytest.fixture
def titles(store: MemoryStore) -> MemoryStore:
    titled(store, 1, 1, "a", "b", "c")
    return store


def test_an_overlay_is_obeyed_with_the_next_poll(titles: MemoryStore) -> None:
    followed = Followed(titles).start()
    retire(titles, 1, "a")
    followed.poll()
    assert obeyed(followed) == (1, {0})
    assert sample(exposition(followed.metrics.blocks), "artwork_revision", worker="0") == 1


def test_a_start_obeys_the_overlay_before_the_first_answer(titles: MemoryStore) -> None:
    retire(titles, 7, "b")
    assert obeyed(Followed(titles).start()) == (7, {1})


def test_a_new_generation_stands_under_the_overlay_that_is_known(titles: MemoryStore) -> None:
    retire(titles, 2, "b")
    followed = Followed(titles).start()
    titled(titles, 2, 2, "b", "c")
    followed.poll()
    assert (followed.generation, obeyed(followed)) == (2, (2, {0}))


def test_a_rollback_to_a_generation_with_what_is_retired_does_not_show_it(titles: MemoryStore) -> None:
    retire(titles, 2, "b")
    titled(titles, 2, 2, "a", "c")
    followed = Followed(titles).start()
    assert obeyed(followed) == (2, set())
    titles.values[CURRENT_KEY] = encode_json(Current(1, "1" * 32, 3, 2))
    followed.poll()
    assert (followed.generation, obeyed(followed)) == (1, (2, {1}))


def test_an_overlay_is_obeyed_while_a_generation_cannot_be_loaded(titles: MemoryStore) -> None:
    followed = Followed(titles).start()
    titles.values[CURRENT_KEY] = b"damaged"
    retire(titles, 1, "a")
    followed.poll()
    assert obeyed(followed) == (1, {0})


def test_an_overlay_is_obeyed_while_a_generation_is_still_loading(titles: MemoryStore) -> None:
    class Slow(MemoryStore):
        """Gives no part of a catalogue until it may."""

        may = asyncio.Event()

        async def get(self, key: str, max_bytes: int) -> bytes | None:
            if key.startswith("art:c:"):
                await self.may.wait()
            return await super().get(key, max_bytes)

    async def obeyed_meanwhile() -> list[tuple[int, int]]:
        poller, served = Poller(slow, Metrics(), Health(), kept=None, poll_seconds=0.001, load_seconds=5.0), []
        slow.may.set()
        await poller.start()
        slow.may.clear()
        titled(slow, 2, 2, "b", "c", "d")
        polling = asyncio.create_task(poller.poll())
        await asyncio.sleep(0)
        retire(slow, 1, "a")
        assert poller.serving is not None
        while poller.serving.overlay.revision != 1 and not polling.done():
            await asyncio.sleep(0)
        served.append((poller.serving.generation, poller.serving.overlay.revision))
        slow.may.set()
        await polling
        return [*served, (poller.serving.generation, poller.serving.overlay.revision)]

    slow = Slow(titles.values)
    assert asyncio.run(obeyed_meanwhile()) == [(1, 1), (2, 1)]


@pytest.mark.parametrize("revision", [1, 4])
def test_a_lower_revision_is_refused_and_told(titles: MemoryStore, revision: int) -> None:
    retire(titles, 5, "a")
    followed = Followed(titles).start()
    retire(titles, revision)
    followed.poll()
    assert obeyed(followed) == (5, {0})
    assert "revision 5 is obeyed" in followed.health.degraded()[0]
    assert followed.load_errors("overlay") == 1


def test_another_content_of_the_same_revision_is_refused(titles: MemoryStore) -> None:
    retire(titles, 5, "a")
    followed = Followed(titles).start()
    retire(titles, 5, "b")
    followed.poll()
    assert (obeyed(followed), followed.load_errors("overlay")) == ((5, {0}), 1)


def test_the_same_overlay_written_otherwise_is_no_other(titles: MemoryStore) -> None:
    retire(titles, 5, "a")
    followed = Followed(titles).start()
    titles.values[OVERLAY_KEY] = b" " + titles.values[OVERLAY_KEY]
    followed.poll()
    assert (obeyed(followed), followed.health.degraded()) == ((5, {0}), [])


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b"null", b"\xff" * 9, b'{"revision":6}', b" " * (MAX_OVERLAY_BYTES + 1), b"[" * 100_000]
)
def test_a_damaged_overlay_keeps_the_one_that_is_obeyed(titles: MemoryStore, raw: bytes) -> None:
    retire(titles, 5, "a")
    followed = Followed(titles).start()
    titles.values[OVERLAY_KEY] = raw
    titled(titles, 2, 2, "a", "b")
    followed.poll()
    assert (followed.generation, obeyed(followed)) == (2, (5, {0}))
    assert followed.health.degraded()[0].startswith("overlay refused, revision 5 is obeyed")
    retire(titles, 6, "b")
    followed.poll()
    assert (obeyed(followed), followed.health.degraded()) == ((6, {1}), [])


def test_a_missing_overlay_keeps_the_one_that_is_obeyed(titles: MemoryStore) -> None:
    retire(titles, 5, "a")
    followed = Followed(titles).start()
    del titles.values[OVERLAY_KEY]
    followed.poll()
    assert (obeyed(followed), followed.health.degraded()) == ((5, {0}), [])


def test_a_start_without_a_store_shows_nothing_that_is_retired(titles: MemoryStore, tmp_path: Path) -> None:
    kept = tmp_path / "catalogue.bin"
    followed = Followed(titles, kept).start()
    retire(titles, 5, "a")
    followed.poll()
    dead = MemoryStore()
    dead.available = False
    assert obeyed(Followed(dead, kept).start()) == (5, {0})


def test_a_start_from_disk_obeys_its_overlay_where_the_store_has_none(titles: MemoryStore, tmp_path: Path) -> None:
    kept = tmp_path / "catalogue.bin"
    retire(titles, 5, "a")
    Followed(titles, kept).start()
    del titles.values[OVERLAY_KEY]
    titled(titles, 2, 2, "a", "b")
    assert obeyed(Followed(titles, kept).start()) == (5, {0})


def test_a_kept_catalogue_without_an_overlay_is_refused_and_replaced(titles: MemoryStore, tmp_path: Path) -> None:
    kept = tmp_path / "catalogue.bin"
    current, meta, _, packed = kept_lines(titles, kept)
    content = b"\n".join((current, meta, packed))
    kept.write_bytes(b"artwork catalogue 2 " + blake2b(content, digest_size=16).hexdigest().encode() + b"\n" + content)
    refused_at_the_start(titles, kept)
    assert asyncio.run(load_kept(kept)) is not None


def test_titles_that_an_overlay_copied_are_released_and_the_published_ones_stay(titles: MemoryStore) -> None:
    async def released() -> tuple[int, int]:
        poller = Poller(titles, Metrics(), Health(), kept=None)
        await poller.start()
        retire(titles, 1, "a")
        await poller.poll()
        assert poller.serving is not None
        own, copied = poller.serving.own_titles, poller.serving.titles
        retire(titles, 2, "a", "b")
        await poller.poll()
        await asyncio.wait(poller._releasing)
        return len(own), len(copied)

    assert asyncio.run(released()) == (1, 0)


def test_a_store_that_refuses_the_overlay_alone_still_gives_generations(titles: MemoryStore) -> None:
    class Forbidding(MemoryStore):
        """Refuses one key, as to a user without the right to it."""

        async def get(self, key: str, max_bytes: int) -> bytes | None:
            if key == OVERLAY_KEY:
                raise StoreUnavailableError("reply", "the store answered with an error: NOPERM")
            return await super().get(key, max_bytes)

    followed = Followed(Forbidding(titles.values)).start()
    assert followed.generation == 1
    assert "let the service's user read art:catalogue" in followed.health.degraded()[0]


def test_an_overlay_that_was_there_before_the_first_generation_is_obeyed_with_it(titles: MemoryStore) -> None:
    current = titles.values.pop(CURRENT_KEY)
    retire(titles, 3, "a")
    followed = Followed(titles).start()
    assert followed.generation is None
    titles.values[CURRENT_KEY] = current
    followed.poll()
    assert obeyed(followed) == (3, {0})
