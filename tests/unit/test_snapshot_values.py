import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import pytest

from bandit.errors import OldFormatError, RowError
from bandit.snapshot import (
    Current,
    Meta,
    decode_any_current,
    decode_current,
    decode_meta,
    digest_of_key,
    encode_json,
    generation_of_key,
    is_id,
    meta_key,
    parse_key,
    part_key,
    row_key,
    row_prefix,
    rows_pattern,
)

IDENTITY = "0123456789abcdef" * 2
META = Meta(17, IDENTITY, 7, "manifest", "b" * 32, 1, 943, 200, 2000, ("thompson",), "2026-01-01T00:00:00+00:00")
WRITTEN_META: dict[str, Any] = json.loads(encode_json(META))
CURRENT = Current(17, IDENTITY, 3, 16)
OLD_CURRENT = b'{"flip":3,"generation":17,"previous":16}'
OLD_META = (
    b'{"catalogue_digest":"bb","catalogue_parts":2,"created_at":"2026-01-01T00:00:00+00:00","format":1,"generation":17,'
    b'"manifest_digest":"aa","policies":["thompson"],"seed":7,"titles":200,"users":943}'
)


def test_the_keys_are_those_of_the_store_layout() -> None:
    keys = (meta_key(17), row_key(17, "u1"), part_key("abc", 2))
    assert keys == ("art:g:17:meta", "art:g:17:u:{u1}", "art:c:abc:2")


def test_a_row_key_starts_with_the_prefix_of_its_generation_alone() -> None:
    assert row_key(17, "u1").startswith(row_prefix(17))
    assert not row_key(171, "u1").startswith(row_prefix(17))


@pytest.mark.parametrize("key", [meta_key(17), row_key(17, "u1"), row_key(17, "17")])
def test_a_key_tells_its_generation(key: str) -> None:
    assert generation_of_key(key) == 17


@pytest.mark.parametrize(
    "key",
    [
        *(
            "art:current",
            "art:g:",
            "art:g:x:meta",
            "art:g:17",
            "art:g:17:",
            "art:g:17:meta:x",
            "art:g:17:u:",
            "art:g:17:u:{}",
        ),
        *("art:g:17:u:{u1", "art:g:17:u:u1}", "art:g:17:u:{u 1}", "art:g:17:u:{u1}\n", "art:g:-1:meta", "art:g:0:meta"),
        *("art:g:017:meta", "art:g:\u0661:meta", f"art:g:{'9' * 5000}:meta", "art:g:17:v:{u1}", "xart:g:17:meta"),
    ],
)
def test_a_key_of_another_form_has_no_generation(key: str) -> None:
    assert generation_of_key(key) is None


def test_a_key_tells_its_kind_and_its_user() -> None:
    assert parse_key(meta_key(17)) == (17, "meta", "")
    assert parse_key(row_key(17, "u.1")) == (17, "row", "u.1")
    assert parse_key("art:g:17:u:u.1") == (17, "row of format 1", "u.1")


def test_the_braces_of_a_row_key_are_around_the_user_alone() -> None:
    assert row_key(17, "u1").partition("{")[2] == "u1}"
    assert rows_pattern(17) == row_key(17, "*")


def test_a_part_key_tells_its_catalogue() -> None:
    assert digest_of_key(part_key("a" * 32, 2)) == "a" * 32


@pytest.mark.parametrize(
    "key", ["art:c:", "art:c:abc:0", f"art:c:{'a' * 32}", f"art:c:{'A' * 32}:0", f"art:c:{'a' * 32}:x"]
)
def test_a_key_that_is_no_part_has_no_catalogue(key: str) -> None:
    assert digest_of_key(key) is None


@pytest.mark.parametrize("text", ["u", "A" * 64, "a.b_c~d-9"])
def test_an_id_of_allowed_letters_is_an_id(text: str) -> None:
    assert is_id(text)


@pytest.mark.parametrize("text", ["", "A" * 65, "a b", "a:b", "a/b", "é", "u1\n", "u*"])
def test_a_text_that_is_unsafe_in_keys_or_paths_is_no_id(text: str) -> None:
    assert not is_id(text)


@pytest.mark.parametrize("previous", [None, 16, 18])
def test_current_comes_back_as_it_was(previous: int | None) -> None:
    current = Current(17, IDENTITY, 3, previous)
    assert decode_current(encode_json(current)) == current


def test_meta_comes_back_as_it_was() -> None:
    assert decode_meta(encode_json(META)) == META


def test_the_same_value_has_the_same_bytes() -> None:
    assert encode_json(Current(17, "a" * 32, 3)) == (
        b'{"flip":3,"generation":17,"identity":"%s","previous":null}' % (b"a" * 32)
    )


def test_two_generations_of_one_number_are_two_values() -> None:
    assert Current(17, "a" * 32, 3) != Current(17, "b" * 32, 3)


def each(name: str, values: Iterable[Any]) -> list[tuple[str, Any]]:
    return [(name, value) for value in values]


NO_OBJECTS = {
    "nothing": b"",
    "a number": b"17",
    "null": b"null",
    "a list": b"[{}]",
    "a text": b'"art"',
    "cut short": b'{"generation":17',
    "not UTF-8": b"\xff",
    "UTF-16": encode_json(CURRENT).decode().encode("utf-16"),
    "two": encode_json(CURRENT) * 2,
    "followed by a byte": encode_json(CURRENT) + b"\0",
    "nested deeply": b"[" * 2000 + b"]" * 2000,
    "nested deeply in a member": b'{"generation":' + b"[" * 1990 + b"]" * 1990 + b"}",
    "NaN": b'{"generation":NaN}',
    "Infinity": b'{"generation":-Infinity}',
    "a number of many digits": b'{"generation":' + b"9" * 4000 + b"}",
    "a number of too many digits": b'{"generation":' + b"9" * 60_000 + b"}",
    "100 MB": b" " * 100_000_000,
}
NO_NUMBERS: list[object] = [None, True, False, 1.0, 1e999, "1", "", [1], {"1": 1}, -1, -(2**70), 2**64]
NO_TEXTS: list[object] = [None, 1, True, [], {}, "", "a\nb", "é", "\0", "\ud800", "x" * 257]
NO_DIGESTS: list[object] = [
    *NO_TEXTS,
    "a" * 31,
    "a" * 33,
    "A" * 32,
    "g" * 32,
    "a" * 32 + "\n",
    "*" * 32,
    "../" + "a" * 29,
]
WRONG_CURRENT = [
    *each("generation", [*NO_NUMBERS, 0, 2**32]),
    *each("flip", [*NO_NUMBERS, 0, 2**53]),
    *each("identity", NO_DIGESTS),
    *each("previous", [*NO_NUMBERS[1:], 0, 2**32, 17]),
]
WRONG_META = [
    *each("format", NO_NUMBERS),
    *each("generation", [*NO_NUMBERS, 0, 2**32]),
    *each("identity", NO_DIGESTS),
    *each("seed", NO_NUMBERS),
    *each("manifest_digest", NO_TEXTS),
    *each("catalogue_digest", NO_DIGESTS),
    *each("catalogue_parts", [*NO_NUMBERS, 0, 10**12]),
    *each("users", [*NO_NUMBERS, 2**32]),
    *each("titles", [*NO_NUMBERS, 0, 2001, 65537]),
    *each("artworks", [*NO_NUMBERS, 0, 199, 200 * 256 + 1]),
    *each("segments", [*NO_NUMBERS, 65]),
    *each("variants", [None, 1, "thompson", [], {}, [1], [None], ["a", "a"], ["a\nb"], ["x" * 257], [["a"]]]),
    *each("variants", [[1, None], ["a", True], [f"p{number}" for number in range(257)]]),
    *each("created_at", NO_TEXTS),
    *each("total", [*NO_NUMBERS, 0, 65534, 4095]),
]


@pytest.mark.parametrize("raw", NO_OBJECTS.values(), ids=NO_OBJECTS.keys())
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    for decode, reason in ((decode_current, "current"), (decode_any_current, "current"), (decode_meta, "meta")):
        with pytest.raises(RowError) as caught:
            decode(raw)
        assert caught.value.reason == reason
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("name", "value"), WRONG_CURRENT)
def test_a_current_with_a_member_of_another_type_range_or_size_is_refused(name: str, value: object) -> None:
    raw = json.dumps(asdict(CURRENT) | {name: value}).encode()
    for decode in (decode_current, decode_any_current):
        with pytest.raises(RowError) as caught:
            decode(raw)
        assert caught.value.reason == "current"
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("name", "value"), WRONG_META)
def test_a_meta_with_a_member_of_another_type_range_or_size_is_refused(name: str, value: object) -> None:
    with pytest.raises(RowError) as caught:
        decode_meta(json.dumps(WRITTEN_META | {name: value}).encode())
    assert caught.value.reason in {"meta", "format"}
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("field", ["generation", "flip", "previous"])
def test_a_current_that_lacks_a_field_is_refused_with_its_name(field: str) -> None:
    value = asdict(CURRENT)
    del value[field]
    with pytest.raises(RowError, match=f"art:current lacks {field}; remove it, then publish again"):
        decode_current(json.dumps(value).encode())


@pytest.mark.parametrize("field", sorted(WRITTEN_META))
def test_a_meta_that_lacks_a_field_is_refused_with_its_name(field: str) -> None:
    value = dict(WRITTEN_META)
    del value[field]
    with pytest.raises(RowError, match=field):
        decode_meta(json.dumps(value).encode())


def test_a_member_that_is_not_known_is_left_alone() -> None:
    assert decode_current(json.dumps(asdict(CURRENT) | {"later": 1}).encode()) == CURRENT


@pytest.mark.parametrize(("number", "total"), [(2, 65535), (3, 4095), (3, 2047)])
def test_a_meta_names_the_row_format_and_its_total(number: int, total: int) -> None:
    meta = decode_meta(json.dumps(WRITTEN_META | {"format": number, "total": total}).encode())
    assert (meta.row_format.number, meta.row_format.total) == (number, total)
    assert decode_meta(encode_json(meta)) == meta


@pytest.mark.parametrize(
    ("number", "total"),
    [(2, 4095), (2, 2047), (3, 65535), (3, 4094), (3, 3000), (3, 0), (3, None), (2, None), (3, "4095"), (3, 4095.0)],
)
def test_a_total_that_the_row_format_does_not_have_is_refused(number: int, total: object) -> None:
    with pytest.raises(RowError, match=r"has total .*, expected") as caught:
        decode_meta(json.dumps(WRITTEN_META | {"format": number, "total": total}).encode())
    assert caught.value.reason == "meta"


def test_a_meta_of_a_future_format_is_refused() -> None:
    with pytest.raises(RowError, match=r"row format 4, this reader knows 2 and 3; upgrade it") as caught:
        decode_meta(json.dumps(WRITTEN_META | {"format": 4}).encode())
    assert not isinstance(caught.value, OldFormatError)
    assert caught.value.reason == "format"


def test_current_and_meta_of_format_1_are_refused_with_what_to_run() -> None:
    said = r"row format 1, .*; run `artwork publish` .*, or `artwork run`"
    with pytest.raises(OldFormatError, match=said):
        decode_current(OLD_CURRENT)
    with pytest.raises(OldFormatError, match=said):
        decode_meta(OLD_META)


def test_a_publisher_sees_which_generation_of_format_1_is_served() -> None:
    assert decode_any_current(OLD_CURRENT) == Current(17, "", 3)


@pytest.mark.parametrize("wrong", [Current(0, IDENTITY, 1), Current(1, "x", 1), Current(1, IDENTITY, 2**53)])
def test_what_a_reader_would_refuse_is_not_written(wrong: Current) -> None:
    with pytest.raises(RowError):
        encode_json(wrong)


SPLIT_META = replace(META, variants=("a", "b"), salt="mix", splits=(0.5, 0.1))


def test_a_meta_with_splits_is_read_as_written_and_one_without_has_no_member_of_them() -> None:
    assert decode_meta(encode_json(SPLIT_META)) == SPLIT_META
    assert not {"salt", "splits"} & json.loads(encode_json(META)).keys()


@pytest.mark.parametrize(
    "changed",
    [
        {"splits": [0.5, 1.0]},
        {"splits": [0.0]},
        {"splits": []},
        {"splits": [True]},
        {"splits": [1]},
        {"splits": ["0.5"]},
        {"splits": [[0.5]]},
        {"splits": 0.5},
        {"splits": None},
        {"splits": [0.5] * 9},
        {"variants": ["a"]},
        {"salt": ""},
        {"salt": None},
        {"salt": "x" * 5000},
    ],
    ids=str,
)
def test_a_meta_whose_splits_are_none_is_refused(changed: dict[str, object]) -> None:
    raw = json.dumps(json.loads(encode_json(SPLIT_META)) | changed).encode()
    with pytest.raises(RowError, match="the generation's meta"):
        decode_meta(raw)
