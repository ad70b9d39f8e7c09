import json
from typing import Any

import pytest

from loadtest.answers import check_page, check_single

KNOWN = {"m1", "m2"}


def pick(title_id: str, **other: Any) -> dict[str, Any]:
    known = title_id in KNOWN
    return {
        "user_id": "u1",
        "title_id": title_id,
        "artwork_id": "a1" if known else None,
        "source": "personalized" if known else None,
    } | other


def page(*picks: Any, user_id: str = "u1") -> bytes:
    return json.dumps({"user_id": user_id, "generation": 17, "picks": picks}).encode()


def test_a_right_single_answer_has_no_fault_and_one_source() -> None:
    checked = check_single(200, json.dumps(pick("m1")).encode(), "u1", "m1", KNOWN)
    assert checked == (None, ("personalized",))


def test_404_is_the_right_answer_for_an_unknown_title() -> None:
    assert check_single(404, b"", "u1", "m9", KNOWN).fault is None


@pytest.mark.parametrize(
    ("status", "body", "title_id", "fault"),
    [
        (404, b"", "m1", "status 404, expected 200"),
        (200, json.dumps(pick("m9")).encode(), "m9", "status 200, expected 404"),
        (503, b"", "m1", "status 503, expected 200"),
        (200, b"<html>", "m1", "not a JSON object"),
        (200, b"[]", "m1", "not a JSON object"),
        (200, json.dumps(pick("m1", user_id="u2")).encode(), "m1", "user_id"),
        (200, json.dumps(pick("m2")).encode(), "m1", "title_ids"),
        (200, json.dumps(pick("m1", artwork_id=None)).encode(), "m1", "artwork_id is null"),
    ],
)
def test_a_wrong_single_answer_is_a_fault(status: int, body: bytes, title_id: str, fault: str) -> None:
    assert fault in str(check_single(status, body, "u1", title_id, KNOWN).fault)


def test_a_right_page_names_the_source_of_every_known_title() -> None:
    checked = check_page(
        200, page(pick("m2"), pick("m9"), pick("m1", source="default")), "u1", ["m2", "m9", "m1"], KNOWN
    )
    assert checked == (None, ("personalized", "default"))


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (500, b"", "status 500, expected 200"),
        (200, b"null", "not a JSON object"),
        (200, page(pick("m1"), pick("m2"), user_id="u2"), "user_id"),
        (200, b'{"user_id": "u1"}', "picks is not a list"),
        (200, page("m1", "m2"), "picks is not a list of objects"),
        (200, page(pick("m1")), "title_ids"),
        (200, page(pick("m2"), pick("m1")), "in order"),
        (200, page(pick("m1"), pick("m2", artwork_id=None)), "artwork_id is null for a known title"),
    ],
)
def test_a_wrong_page_is_a_fault(status: int, body: bytes, fault: str) -> None:
    assert fault in str(check_page(status, body, "u1", ["m1", "m2"], KNOWN).fault)


def test_an_artwork_for_an_unknown_title_is_a_fault() -> None:
    checked = check_page(200, page(pick("m9", artwork_id="a1")), "u1", ["m9"], KNOWN)
    assert "given for an unknown one" in str(checked.fault)


def test_faults_carry_no_ids_so_that_they_group() -> None:
    one, other = (check_page(200, page(pick("m1")), "u1", [title], KNOWN).fault for title in ("m2", "m9"))
    assert one == other
