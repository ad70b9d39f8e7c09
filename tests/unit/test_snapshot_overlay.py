import json
from collections.abc import Iterable
from typing import Any

import pytest

from bandit.errors import InputError, RowError
from bandit.snapshot import (
    MASK64,
    MAX_OVERLAY_BYTES,
    MAX_REVISION,
    NO_OVERLAY,
    Overlay,
    decode_overlay,
    encode_overlay,
    remaining_default,
    remaining_weights,
)

OVERLAY = Overlay(3, {"t1": ("a1", "a2"), "t2": ("b1",)}, {"t9": "z1"})
PLAIN: dict[str, Any] = {"revision": 3, "retired": {"t1": ["a1"]}, "added": {"t9": "z1"}}

NO_REVISION: tuple[Any, ...] = (None, True, -1, 0, 1.0, "3", MAX_REVISION + 1, [3], {})
NO_RETIRED: tuple[Any, ...] = (
    None,
    [],
    ["t1"],
    "t1",
    0,
    {"t1": []},
    {"t1": "a1"},
    {"t1": None},
    {"t1": [1]},
    {"t1": [None]},
    {"t1": [["a1"]]},
    {"t1": ["a1", "a1"]},
    {"t1": [""]},
    {"t1": ["a 1"]},
    {"t1": ["a1\n"]},
    {"t1": ["a" * 65]},
    {"t1": ["ä"]},
    {"": ["a1"]},
    {"t 1": ["a1"]},
    {"t1\n": ["a1"]},
    {"t" * 65: ["a1"]},
    {"t1": {"a1": 1}},
)
NO_ADDED: tuple[Any, ...] = (
    None,
    [],
    "t9",
    {"t9": None},
    {"t9": ["z1"]},
    {"t9": 1},
    {"t9": ""},
    {"t9": "z 1"},
    {"t9": "z" * 65},
    {"t9\n": "z1"},
    {"": "z1"},
    {"t1": "a1"},
)


def with_each(name: str, values: Iterable[Any]) -> list[bytes]:
    return [json.dumps(PLAIN | {name: value}).encode() for value in values]


def test_an_overlay_is_canonical_json() -> None:
    assert encode_overlay(OVERLAY) == (b'{"added":{"t9":"z1"},"retired":{"t1":["a1","a2"],"t2":["b1"]},"revision":3}')


@pytest.mark.parametrize("overlay", [OVERLAY, NO_OVERLAY, Overlay(MAX_REVISION), Overlay(1, {"~": ("." * 64,)}, {})])
def test_an_overlay_comes_back_as_it_was_written(overlay: Overlay) -> None:
    assert decode_overlay(encode_overlay(overlay)) == overlay


def test_the_order_of_titles_and_artworks_changes_no_byte() -> None:
    turned = Overlay(3, {"t2": ("b1",), "t1": ("a2", "a1")}, {"t9": "z1"})
    assert encode_overlay(turned) == encode_overlay(OVERLAY)


def test_retired_artworks_are_read_sorted() -> None:
    raw = json.dumps(PLAIN | {"retired": {"t1": ["b", "a"]}}).encode()
    assert decode_overlay(raw).retired == {"t1": ("a", "b")}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00",
        b"\xff\xfe",
        b"{",
        b"null",
        b"[]",
        b"3",
        b'"art"',
        b"{}",
        b'{"revision":3}',
        b'{"revision":3,"retired":{}}',
        b"[" * 100_000,
        b'{"revision":' + b"9" * 5000 + b',"retired":{},"added":{}}',
        json.dumps(PLAIN).encode()[:-1],
        json.dumps(PLAIN).encode() + b"}",
        json.dumps(PLAIN).encode() + b" " * MAX_OVERLAY_BYTES,
        b'{"revision":NaN,"retired":{},"added":{}}',
        *with_each("revision", NO_REVISION),
        *with_each("retired", NO_RETIRED),
        *with_each("added", NO_ADDED),
    ],
    ids=lambda raw: repr(raw[:60]),
)
def test_what_the_job_does_not_write_is_refused_by_one_line(raw: bytes) -> None:
    with pytest.raises(RowError, match="publish") as refused:
        decode_overlay(raw)
    assert refused.value.reason == "overlay"
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "overlay",
    [
        Overlay(-1),
        Overlay(MAX_REVISION + 1),
        Overlay(1, {"t1": ()}),
        Overlay(1, {"t 1": ("a1",)}),
        Overlay(1, {"t1": ("a1",)}, {"t1": "a1"}),
        Overlay(0, {"t1": ("a1",)}),
        Overlay(1, {"t1": tuple(f"artwork-{number:060d}"[:64] for number in range(20_000))}),
    ],
)
def test_what_a_reader_would_refuse_is_not_written(overlay: Overlay) -> None:
    with pytest.raises(RowError):
        encode_overlay(overlay)


def test_retired_arms_have_no_weight_and_the_total_is_that_of_the_others() -> None:
    assert remaining_weights([30000, 20000, 15535], {0, 2}) == ((0, 20000, 0), 20000)
    assert remaining_weights([30000, 35535], ()) == ((30000, 35535), 65535)
    assert remaining_weights([], {0}) == ((), 0)
    assert remaining_weights([0, 65535], {1}) == ((0, 0), 0)


def test_the_default_passes_to_the_lowest_arm_that_remains() -> None:
    assert remaining_default(4, 2, {0}) == 2
    assert remaining_default(4, 0, {0, 1}) == 2
    assert remaining_default(4, 3, {3}) == 0


def test_a_title_without_an_artwork_has_no_default() -> None:
    with pytest.raises(InputError, match="all 2 artworks"):
        remaining_default(2, 1, {0, 1})


def test_no_hash_draws_an_arm_beyond_the_remaining() -> None:
    weights, total = remaining_weights([1, 65533, 1], {1})
    assert [(hashed * total) >> 64 for hashed in (0, MASK64)] == [0, total - 1]
    assert weights == (1, 0, 1)
