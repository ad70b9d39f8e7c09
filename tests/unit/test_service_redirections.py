"""Where a node of a cluster sends a reader: a place that can be, or none."""

import pytest
from hiredis import ReplyError

from service.lookup.row_reads import redirection


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("MOVED 0 10.0.0.1:6379", ("MOVED", 0, ("10.0.0.1", 6379))),
        ("MOVED 16383 host.example:65535", ("MOVED", 16383, ("host.example", 65535))),
        ("ASK 7 ::1:6379", ("ASK", 7, ("::1", 6379))),
    ],
)
def test_a_node_names_the_place_of_a_slot(said: str, expected: object) -> None:
    assert redirection(ReplyError(said)) == expected


@pytest.mark.parametrize(
    "said",
    [
        "",
        "MOVED",
        "MOVED 1",
        "MOVED 1 host:6379 more",
        "MOVED  1 host:6379",
        "moved 1 host:6379",
        "ERR 1 host:6379",
        "MOVED 1 :6379",
        "MOVED 1 host",
        "MOVED 1 host:",
        "MOVED 1 host:port",
        "MOVED 1 host:-1",
        "MOVED 1 host:0",
        "MOVED 1 host:65536",
        "MOVED 1 host:99999",
        "MOVED 1 host:" + "9" * 5000,
        "ASK 16384 host:6379",
        "ASK -1 host:6379",
        "ASK one host:6379",
        "ASK " + "9" * 5000 + " host:6379",
        "ASK 1.0 host:6379",
        "MOVED ² host:6379",
        "MOVED 1 host:²",
    ],
)
def test_what_names_no_place_is_a_refusal_like_any_other(said: str) -> None:
    assert redirection(ReplyError(said)) is None
