import json
from dataclasses import asdict

import pytest

from bandit.errors import RowError
from bandit.snapshot import (
    Current,
    Meta,
    decode_current,
    decode_meta,
    digest_of_key,
    encode_json,
    generation_of_key,
    is_id,
    meta_key,
    part_key,
    row_key,
    row_prefix,
)

META = Meta(17, 7, "aa", "bb", 2, 943, 200, ("thompson",), "2026-01-01T00:00:00+00:00")


def test_the_keys_are_those_of_the_store_layout() -> None:
    keys = (meta_key(17), row_key(17, "u1"), part_key("abc", 2))
    assert keys == ("art:g:17:meta", "art:g:17:u:u1", "art:c:abc:2")


def test_a_row_key_starts_with_the_prefix_of_its_generation_alone() -> None:
    assert row_key(17, "u1").startswith(row_prefix(17))
    assert not row_key(171, "u1").startswith(row_prefix(17))


@pytest.mark.parametrize("key", [meta_key(17), row_key(17, "u1"), row_key(17, "17")])
def test_a_key_tells_its_generation(key: str) -> None:
    assert generation_of_key(key) == 17


@pytest.mark.parametrize("key", ["art:current", "art:g:", "art:g:x:meta", "art:g:17"])
def test_a_key_of_another_form_has_no_generation(key: str) -> None:
    assert generation_of_key(key) is None


def test_a_part_key_tells_its_catalogue() -> None:
    assert digest_of_key(part_key("abc", 2)) == "abc"


@pytest.mark.parametrize("text", ["u", "A" * 64, "a.b_c~d-9"])
def test_an_id_of_allowed_letters_is_an_id(text: str) -> None:
    assert is_id(text)


@pytest.mark.parametrize("text", ["", "A" * 65, "a b", "a:b", "a/b", "é", "u1\n", "u*"])
def test_a_text_that_is_unsafe_in_keys_or_paths_is_no_id(text: str) -> None:
    assert not is_id(text)


@pytest.mark.parametrize("previous", [None, 16])
def test_current_comes_back_as_it_was(previous: int | None) -> None:
    current = Current(17, 3, previous)
    assert decode_current(encode_json(current)) == current


def test_meta_comes_back_as_it_was() -> None:
    assert decode_meta(encode_json(META)) == META


def test_the_same_value_has_the_same_bytes() -> None:
    assert encode_json(Current(17, 3)) == b'{"flip":3,"generation":17,"previous":null}'


@pytest.mark.parametrize("raw", [b"", b"17", b"null", b"[{}]", b'{"generation":17}', b"\xff"])
def test_a_damaged_current_is_refused(raw: bytes) -> None:
    with pytest.raises(RowError) as caught:
        decode_current(raw)
    assert caught.value.reason == "current"


@pytest.mark.parametrize("field", sorted(asdict(META)))
def test_a_meta_that_lacks_a_field_is_refused_with_its_name(field: str) -> None:
    value = asdict(META)
    del value[field]
    with pytest.raises(RowError, match=field):
        decode_meta(json.dumps(value).encode())


def test_a_meta_of_a_future_format_is_refused() -> None:
    with pytest.raises(RowError, match="format 2"):
        decode_meta(json.dumps(asdict(META) | {"format": 2}).encode())
