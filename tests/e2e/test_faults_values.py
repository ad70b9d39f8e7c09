"""Values in the store that no publisher wrote: each is refused with its reason, what was served before is served on."""

import json
import os
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from faults import Service, new_store, running_service, until
from visitors import Visitor

from artwork.bench.testbed.breakable_store import BreakableStore
from artwork.bench.testbed.store_fixture import StoreFixture, identity_of, make_current, publish
from bandit.snapshot import (
    CURRENT_KEY,
    PART_BYTES,
    Catalogue,
    CatalogueTitle,
    Current,
    Meta,
    decode_meta,
    encode_catalogue,
    encode_json,
    meta_key,
    pack_weights,
    part_key,
    row_key,
)

pytestmark = pytest.mark.faults

GROUND = StoreFixture(users=60, titles=40)
TITLES = [3, 0, 39]
PATIENT = {"store_deadline_ms": "2000"}
GOOD = Current(1, identity_of(1), 1)
Attack = Callable[[redis.Redis], object]


def meta_of(generation: int) -> Meta:
    return decode_meta(GROUND.described(generation)[meta_key(generation)])


def current(value: bytes) -> Attack:
    return lambda client: client.set(CURRENT_KEY, value)


def current_with(**changes: Any) -> Attack:
    """``art:current`` with other members; one that is None goes."""
    value = asdict(GOOD) | {"flip": 2} | changes
    return current(
        json.dumps({name: each for name, each in value.items() if name == "previous" or each is not None}).encode()
    )


def written(made: Meta) -> dict[str, Any]:
    """A meta as it is written where nothing is interleaved; whatever it says."""
    return {name: value for name, value in asdict(made).items() if name not in {"salt", "splits"}}


def meta(**changes: Any) -> Attack:
    """Generation 2 is current, its meta has other members."""

    def attack(client: redis.Redis) -> None:
        client.mset(GROUND.described(2))
        client.set(meta_key(2), json.dumps(written(meta_of(2)) | changes))
        make_current(client, 2, 2)

    return attack


def raw_meta(value: bytes) -> Attack:
    def attack(client: redis.Redis) -> None:
        client.mset(GROUND.described(2))
        client.set(meta_key(2), value)
        make_current(client, 2, 2)

    return attack


def parts(*values: bytes | None, digest: str = "c" * 32, **changes: Any) -> Attack:
    """Generation 2 is current, its catalogue has these parts."""

    def attack(client: redis.Redis) -> None:
        made = replace(meta_of(2), catalogue_digest=digest, catalogue_parts=len(values))
        client.set(meta_key(2), json.dumps(written(made) | changes))
        for number, value in enumerate(values):
            if value is not None:
                client.set(part_key(digest, number), value)
        make_current(client, 2, 2)

    return attack


def rules(*countries: str) -> list[dict[str, Any]]:
    """Segments as the first line of a catalogue has them."""
    return [{"name": f"s{place}", "rule": {"country": country}} for place, country in enumerate(countries)]


def weights_of(*weights: int) -> str:
    """Of segments, as a title of a catalogue has them."""
    return b64encode(pack_weights([weights])).decode()


def lines(*changed: dict[str, Any], segments: list[dict[str, Any]] | None = None) -> Attack:
    """Generation 2 is current, the first titles of its catalogue have other members; digest and sizes fit."""
    names = [GROUND.title_id(n) for n in range(GROUND.titles)]
    own = segments or []
    packed = weights_of(*(65535, 0, 0, 0) * len(own)) if own else []
    made = [
        {
            "title_id": name,
            "artworks": GROUND.artwork_ids(2, name),
            "default": 0,
            "weights": [65535, 0, 0, 0],
            "segments": packed,
        }
        for name in names
    ]
    header = {"format": 2 if own else 1, "titles": len(made), "fallback_policy": "popularity", "segments": own}
    for title, changes in zip(made, changed, strict=False):
        title.update(changes)
    plain = "\n".join(json.dumps(line) for line in (header, *made)).encode()
    return parts(zlib.compress(plain), digest=blake2b(plain, digest_size=16).hexdigest(), segments=len(own))


def odd(key: str) -> Attack:
    """A key holds a list."""

    def attack(client: redis.Redis) -> None:
        client.mset(GROUND.described(2))
        client.delete(key)
        client.rpush(key, b"1")
        if key != CURRENT_KEY:
            make_current(client, 2, 2)

    return attack


def later(make: Callable[[], Attack]) -> Attack:
    """An attack whose values take seconds or 100 MB to make, made where it is used: every process imports this file."""

    def attack(client: redis.Redis) -> None:
        make()(client)

    return attack


@cache
def large() -> tuple[str, list[bytes], dict[str, int]]:
    """A catalogue of several parts: its digest, the parts, and its sizes."""
    named = [CatalogueTitle(os.urandom(20).hex(), (os.urandom(20).hex(),), 0, (65535,)) for _ in range(4000)]
    catalogue = Catalogue(tuple(named), "popularity")
    digest, values = encode_catalogue(catalogue)
    return digest, values, {"titles": catalogue.counts.titles, "artworks": catalogue.counts.artworks}


def large_parts(order: Callable[[list[bytes]], list[bytes | None]]) -> Attack:
    """Generation 2 is current, the parts of the large catalogue are not as they were made."""

    def make() -> Attack:
        digest, values, sizes = large()
        return parts(*order(values), digest=digest, **sizes)

    return later(make)


@cache
def bomb() -> list[bytes]:
    """1 GB of zeros, compressed, in parts."""
    value = zlib.compress(bytes(1_000_000_000), 9)
    return [value[start : start + PART_BYTES] for start in range(0, len(value), PART_BYTES)]


PART = next(value for key, value in GROUND.described(2).items() if key.startswith("art:c:"))
DIGEST = meta_of(2).catalogue_digest

ATTACKS: dict[str, tuple[str, Attack]] = {
    "current is a list": ("type", odd(CURRENT_KEY)),
    "current is gone": ("current", lambda client: client.delete(CURRENT_KEY)),
    "current is empty": ("current", current(b"")),
    "current is 100 MB": ("current", later(lambda: current(b"{" + b" " * 100_000_000))),
    "current is nested": ("current", current(b"[" * 2000 + b"]" * 2000)),
    "current is no UTF-8": ("current", current(b"\xff")),
    "current is of format 1": ("format", current(b'{"flip":7,"generation":1,"previous":null}')),
    "flip is 2^64": ("current", current_with(flip=2**64)),
    "flip is true": ("current", current_with(flip=True)),
    "flip is a text": ("current", current_with(flip="2")),
    "flip is not a number": ("current", current(b'{"flip":NaN,"generation":1,"identity":"%032x"}' % 1)),
    "generation is 0": ("current", current_with(generation=0)),
    "generation is negative": ("current", current_with(generation=-1)),
    "generation is a part": ("current", current_with(generation=1.5)),
    "generation is huge": ("current", current_with(generation=10**30)),
    "previous is itself": ("current", current_with(previous=1)),
    "previous is a text": ("current", current_with(previous="x")),
    "identity is a number": ("current", current_with(identity=1)),
    "identity is short": ("current", current_with(identity="1")),
    "identity is another": ("identity", current_with(identity="f" * 32)),
    "no meta": ("meta", lambda client: make_current(client, 3, 2)),
    "meta is a list": ("type", odd(meta_key(2))),
    "meta is 100 MB": ("meta", later(lambda: raw_meta(b"{" + b" " * 100_000_000))),
    "meta is nothing": ("meta", raw_meta(b"")),
    "meta is a list of JSON": ("meta", raw_meta(b"[1]")),
    "meta is of format 1": ("format", raw_meta(b'{"format":1,"generation":2,"policies":["a"]}')),
    "meta is of format 4": ("format", meta(format=4)),
    "meta is of another generation": ("identity", meta(generation=1)),
    "meta is of another identity": ("identity", meta(identity="f" * 32)),
    "variants hold null": ("meta", meta(variants=[1, None])),
    "variants are a text": ("meta", meta(variants="thompson")),
    "variants are none": ("meta", meta(variants=[])),
    "a variant is twice": ("meta", meta(variants=["a", "a"])),
    "a variant has a line feed": ("meta", meta(variants=["a\nb"])),
    "10^12 parts": ("meta", meta(catalogue_parts=10**12)),
    "-1 parts": ("meta", meta(catalogue_parts=-1)),
    "parts are true": ("meta", meta(catalogue_parts=True)),
    "more parts than the counts allow": ("meta", meta(catalogue_parts=2)),
    "digest is a pattern": ("meta", meta(catalogue_digest="*")),
    "digest is a path": ("meta", meta(catalogue_digest="../../x")),
    "seed is negative": ("meta", meta(seed=-1)),
    "total is another": ("meta", meta(total=4095)),
    "10^6 titles": ("meta", meta(titles=10**6)),
    "fewer artworks than titles": ("meta", meta(artworks=1)),
    "more artworks than there are": ("catalogue", meta(artworks=10_000)),
    "fewer titles than there are": ("catalogue", meta(titles=39)),
    "users are a part": ("meta", meta(users=0.5)),
    "made at a number": ("meta", meta(created_at=0)),
    "a part is a list": ("type", odd(part_key(DIGEST, 0))),
    "a part is gone": ("catalogue", parts(None, digest=DIGEST)),
    "a part in the middle is gone": ("catalogue", large_parts(lambda made: [made[0], None, *made[2:]])),
    "parts in another order": ("catalogue", large_parts(lambda made: [*made[1::-1], *made[2:]])),
    "a part is 100 MB": ("catalogue", later(lambda: parts(bytes(100_000_000), digest=DIGEST))),
    "a part is cut": ("catalogue", parts(PART[:-1], digest=DIGEST)),
    "a part has a byte more": ("catalogue", parts(PART + b"x", digest=DIGEST)),
    "a part is rubbish": ("catalogue", parts(b"rubbish", digest=DIGEST)),
    "a part is another's": ("catalogue", parts(PART, digest="c" * 32)),
    "1 MB that inflates to 1 GB": ("catalogue", later(lambda: parts(*bomb(), titles=2000, artworks=20_000))),
    "weights of another sum": ("catalogue", lines({"weights": [1, 2, 3, 4]})),
    "weights that are negative": ("catalogue", lines({"weights": [65536, -1, 0, 0]})),
    "weights that are texts": ("catalogue", lines({"weights": ["65535", 0, 0, 0]})),
    "more weights than artworks": ("catalogue", lines({"weights": [65535, 0, 0, 0, 0]})),
    "a default beyond the artworks": ("catalogue", lines({"default": 4})),
    "a default that is true": ("catalogue", lines({"default": True})),
    "an id with a quote": ("catalogue", lines({"artworks": ['a"', "b", "c", "d"]})),
    "an id with a line feed": ("catalogue", lines({"title_id": "t\n0"})),
    "an id of another script": ("catalogue", lines({"title_id": "é"})),
    "an artwork that is twice": ("catalogue", lines({"artworks": ["a", "a", "b", "c"]})),
    "an artwork that is a number": ("catalogue", lines({"artworks": [1, 2, 3, 4]})),
    "a title that is twice": ("catalogue", lines({}, {"title_id": "t0"})),
    "segments that nobody knows": ("catalogue", lines({"segments": [[65535, 0, 0, 0]]})),
    "a segment of another sum": ("catalogue", lines({"segments": weights_of(1, 2, 3, 4)}, segments=rules("NL"))),
    "a segment of five artworks": (
        "catalogue",
        lines({"segments": weights_of(1, 0, 0, 0, 65534)}, segments=rules("NL")),
    ),
    "a segment that is no base64": ("catalogue", lines({"segments": "AQD+/w=!"}, segments=rules("NL"))),
    "a title without segments": ("catalogue", lines({"segments": []}, segments=rules("NL"))),
    "a rule that is twice": ("catalogue", lines(segments=rules("NL", "US", "NL"))),
    "a rule of no id": ("catalogue", lines(segments=rules("N L"))),
}


@pytest.fixture(scope="module")
def store() -> Iterator[BreakableStore]:
    with new_store() as store, store.client() as client:
        publish(client, GROUND, 1, 1)
        yield store


@pytest.fixture(scope="module")
def service(store: BreakableStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), store.url, **PATIENT) as service:
        until(lambda: service.get("/readyz").status_code == 200 and not service.degraded(), "ready")
        yield service


@pytest.fixture
def client(store: BreakableStore) -> Iterator[redis.Redis]:
    with store.client() as client:
        yield client
        client.flushdb()
        publish(client, GROUND, 1, 1)


def mend(client: redis.Redis) -> None:
    client.delete(CURRENT_KEY, meta_key(2))
    client.set(CURRENT_KEY, encode_json(GOOD))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_wrong_value_is_refused_with_its_reason_while_what_was_there_is_served_on(
    name: str, service: Service, client: redis.Redis
) -> None:
    reason, attack = ATTACKS[name]
    before = service.total("artwork_load_errors_total", reason=reason)
    attack(client)
    until(lambda: service.total("artwork_load_errors_total", reason=reason) > before, f"refused for {reason}")
    [told] = service.degraded()
    assert len(told) < 400
    assert "\n" not in told
    with closing(Visitor(service.address, GROUND)) as visitor:
        found = [visitor.ask(user, titles) for user in range(5) for titles in (TITLES, TITLES[:1])]
    assert [(one.status, one.complaint, one.generation, one.sources) for one in found] == [
        (200, None, 1, frozenset({"personalized"}))
    ] * len(found)
    mend(client)
    until(lambda: service.degraded() == [], "mended")


STARTS = ("current is a list", "current is of format 1", "variants hold null", "10^12 parts", "weights of another sum")


@pytest.mark.parametrize("name", [*STARTS, "1 MB that inflates to 1 GB"])
def test_a_start_on_a_wrong_value_answers_503_with_the_reason_until_it_is_mended(
    name: str, store: BreakableStore, client: redis.Redis, tmp_path: Path
) -> None:
    ATTACKS[name][1](client)
    with running_service(tmp_path, store.url, **PATIENT) as service:
        ready, look_up = service.get("/readyz"), service.get("/v1/users/u1/titles/t1/artwork")
        assert (ready.status_code, look_up.status_code) == (503, 503)
        assert look_up.headers["retry-after"] == "1"
        assert len(ready.json()["detail"]) > len(look_up.json()["detail"])  # it says why
        mend(client)
        until(lambda: service.get("/readyz").status_code == 200, "mended")
        assert service.get("/v1/users/u1/titles/t1/artwork").json()["source"] == "personalized"


def test_the_memory_of_a_service_is_none_the_larger_for_what_it_refuses(service: Service, client: redis.Redis) -> None:
    def resident_mb() -> float:
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in workers(service)]
        return max(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

    before = resident_mb()
    for name in ("current is 100 MB", "meta is 100 MB", "a part is 100 MB", "1 MB that inflates to 1 GB"):
        reason, attack = ATTACKS[name]
        enough = service.total("artwork_load_errors_total", reason=reason) + 4
        attack(client)
        until(partial(has_refused, service, reason, enough), name)
        mend(client)
        until(lambda: service.degraded() == [], "mended")
    assert resident_mb() - before < 60


def has_refused(service: Service, reason: str, times: float) -> bool:
    return service.total("artwork_load_errors_total", reason=reason) >= times


def workers(service: Service) -> list[str]:
    """The processes that have the address of a service on their command line, or whose parent has it."""
    port = httpx.URL(service.address).port
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if f"--port\0{port}".encode() in command:
            found.append(folder.name)
    return found


def test_a_row_of_100_mb_costs_its_user_the_pick_and_the_others_no_answer(
    service: Service, client: redis.Redis
) -> None:
    client.set(row_key(1, GROUND.user_id(50)), GROUND.row(1, 50) + bytes(100_000_000))
    with closing(Visitor(service.address, GROUND)) as visitor:
        for _ in range(3):
            spoiled = visitor.ask(50, TITLES)
            assert (spoiled.status, spoiled.complaint, spoiled.sources) == (200, None, frozenset({"popularity"}))
            until(lambda: visitor.ask(7, TITLES).sources == {"personalized"}, "the others")
