"""A store that holds row format 1: refused in one line that says what to run, and swept by the first publish."""

import struct
import zlib
from pathlib import Path

import polars as pl
import pytest
import redis
from faults import running_service, until
from make_impressions import Served, make_generation, served, silent, stored_rows
from shell import call

from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import decode_current, meta_key, row_key
from batch.publishing.flips import activate, read_current, rollback
from batch.publishing.publish import publish
from batch.store.client import URL_VARIABLE
from batch.workspace.workspace import Workspace

OLD_PART = "art:c:0123456789abcdef0123456789abcdef:0"
SAID = "of row format 1, .*; run `artwork publish` .*, or `artwork run`"


def row_of_format_1(user_id: str, generation: int, picks: int) -> bytes:
    header = struct.pack("<2sBBHHI", b"AB", 1, 0, 0, picks, generation)
    body = struct.pack("<BH", 0, 65535) * picks
    checksum = zlib.crc32(f"{generation}:{user_id}:".encode() + header + body)
    return header + struct.pack("<I", checksum) + body


def fill_with_format_1(client: redis.Redis, current: int = 3, previous: int = 2) -> None:
    """What publishing two generations left in a store until November 2026."""
    for generation in (current, previous):
        users = [f"u{number:04d}" for number in range(1, 601)]
        client.mset({f"art:g:{generation}:u:{user}": row_of_format_1(user, generation, 12) for user in users})
        client.set(
            meta_key(generation),
            b'{"catalogue_digest":"0123456789abcdef0123456789abcdef","catalogue_parts":1,"created_at":"2026-01-01T00:00:00Z",'
            b'"format":1,"generation":%d,"manifest_digest":"aa","policies":["thompson"],"seed":7,"titles":12,"users":600}'
            % generation,
        )
    client.set(OLD_PART, b"a catalogue")
    client.set("art:current", b'{"flip":9,"generation":%d,"previous":%d}' % (current, previous))


def generations(workspace: Workspace, number: int) -> Workspace:
    for _ in range(number):
        make_generation(workspace)
    return workspace


def test_what_is_served_in_format_1_is_refused_with_what_to_run(client: redis.Redis) -> None:
    fill_with_format_1(client)
    for ask in (read_current, rollback, lambda client: activate(client, 3)):
        with pytest.raises(SurroundingsError, match=SAID):
            ask(client)


def test_the_first_publish_sweeps_what_is_of_format_1_and_the_flips_count_on(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    fill_with_format_1(client)
    generations(workspace, 4)
    made = publish(workspace, 4, client, store, silent)
    assert made.swept == 2 * 601 + 1
    assert served(client) == Served(4, 10, None)
    left = {key.decode() for key in client.scan_iter("*")}
    assert [key for key in left if key.startswith("art:g:") and not key.startswith("art:g:4:")] == []
    assert OLD_PART not in left
    assert None not in stored_rows(client, workspace, 4).values()


def test_the_generation_that_was_served_in_format_1_can_be_published_again_under_its_number(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    fill_with_format_1(client)
    generations(workspace, 3)
    assert publish(workspace, None, client, store, silent).generation == 3
    assert served(client) == Served(3, 10, None)
    assert None not in stored_rows(client, workspace, 3).values()
    assert len(list(client.scan_iter("art:g:*"))) == 601


def test_what_is_of_format_1_is_swept_where_nothing_says_what_is_served(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    fill_with_format_1(client)
    client.delete("art:current")
    generations(workspace, 3)
    publish(workspace, 3, client, store, silent)
    assert served(client) == Served(3, 1, None)
    assert len(list(client.scan_iter("art:g:*"))) == 601


def test_an_older_generation_than_one_of_format_1_is_refused_as_any_older_one(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    fill_with_format_1(client)
    generations(workspace, 1)
    keys = client.dbsize()
    with pytest.raises(InputError, match=r"generation 3 is served, which is newer than 1; nothing was written"):
        publish(workspace, 1, client, store, silent)
    assert client.dbsize() == keys


def test_the_command_line_says_what_to_run_in_one_line_and_lists_what_is_on_disk(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    fill_with_format_1(client)
    generations(workspace, 3)
    variables = {URL_VARIABLE: store}
    where = ("-w", str(workspace.root))
    for words in (("generations", "rollback"), ("generations", "activate", "3")):
        refused = call(*words, *where, **variables)
        assert refused.code == 3
        assert "row format 1" in refused.err
        assert "`artwork publish`" in refused.err
        assert len(refused.err.strip().splitlines()) == 1
    listed = call("generations", "list", *where, "--json", **variables)
    assert listed.code == 0
    assert '"in_store": true' not in listed.out
    assert '"current": true' not in listed.out
    assert call("publish", *where, **variables).code == 0
    assert call("generations", "list", *where, **variables).code == 0
    assert decode_current(bytes(client.get("art:current") or b"")).generation == 3  # type: ignore[arg-type]


def test_a_service_on_a_store_of_format_1_says_what_to_run_until_it_is_published(
    workspace: Workspace, client: redis.Redis, store: str, tmp_path: Path
) -> None:
    fill_with_format_1(client)
    generations(workspace, 3)
    (tmp_path / "service").mkdir(exist_ok=True)
    with running_service(tmp_path, store, store_deadline_ms="5000") as service:
        told = service.get("/readyz")
        assert told.status_code == 503
        assert "row format 1" in told.json()["detail"]
        assert "run `artwork publish`" in told.json()["detail"]
        publish(workspace, 3, client, store, silent)
        until(lambda: service.get("/readyz").status_code == 200, "ready")
        title = pl.read_parquet(workspace.titles)["title_id"][0]
        user = pl.read_parquet(workspace.users)["user_id"][0]
        assert service.get(f"/v1/users/{user}/titles/{title}/artwork").json()["source"] == "personalized"


@pytest.mark.parametrize("value", [b"17", b"[" * 2000, b"{" + b" " * 100_000])
def test_a_current_that_no_publisher_wrote_is_refused_by_every_command_in_one_line(
    workspace: Workspace, client: redis.Redis, store: str, value: bytes
) -> None:
    generations(workspace, 1)
    client.set("art:current", value)
    for words in (("publish",), ("generations", "list"), ("generations", "rollback"), ("generations", "activate", "1")):
        refused = call(*words, "-w", str(workspace.root), **{URL_VARIABLE: store})
        if words == ("generations", "activate", "1"):
            assert "generation 1 is not whole" in refused.err
        else:
            assert refused.code == 3
            assert "holds what no publisher wrote: art:current" in refused.err
        assert len(refused.err.strip().splitlines()) == 1
    client.delete("art:current")
    assert call("publish", "-w", str(workspace.root), **{URL_VARIABLE: store}).code == 0


def test_a_meta_that_no_publisher_wrote_is_refused_and_told_how_to_mend_it(
    workspace: Workspace, client: redis.Redis, store: str
) -> None:
    generations(workspace, 2)
    publish(workspace, 1, client, store, silent)
    publish(workspace, 2, client, store, silent)
    client.set(meta_key(2), encode_json_with_null(client))
    for words in (("publish",), ("generations", "activate", "2")):
        refused = call(*words, "-w", str(workspace.root), **{URL_VARIABLE: store})
        assert refused.code == 3
        assert "variants" in refused.err
    listed = call("generations", "list", "-w", str(workspace.root), **{URL_VARIABLE: store})
    assert listed.code == 0
    client.delete(meta_key(2))
    assert call("publish", "-w", str(workspace.root), **{URL_VARIABLE: store}).code == 0


def encode_json_with_null(client: redis.Redis) -> bytes:
    raw = client.get(meta_key(2))
    assert isinstance(raw, bytes)
    return raw.replace(b'"variants":["uniform"]', b'"variants":["uniform",null]')


def test_keys_that_are_no_keys_of_ours_are_left_alone(workspace: Workspace, client: redis.Redis, store: str) -> None:
    generations(workspace, 2)
    others = {b"art:g:\xff:u:{x}": b"1", b"art:g:1": b"1", b"art:g:" + b"9" * 400 + b":meta": b"1", b"art:c:x:0": b"1"}
    client.mset(others)
    publish(workspace, 1, client, store, silent)
    publish(workspace, 2, client, store, silent)
    assert [client.get(key) for key in others] == list(others.values())
    assert row_key(2, "u0001").encode() in set(client.scan_iter("art:g:2:*"))
