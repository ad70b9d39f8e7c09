"""Bytes of a read and of an answer, by the code that writes them."""

from typing import Final

from artwork.size.wanted import Wanted
from bandit.snapshot import NO_OVERLAY
from service.lookup.answers import Phrases, PropensityTexts, page_body, piece, single_body

_TITLE: Final = "t" * 6
_ARTWORK: Final = "a" * 6
"""Ids of so many letters."""
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1234\r\n\r\n"


def read_bytes(wanted: Wanted) -> tuple[float, float]:
    """Of the question for a row, and of its answer."""
    asked = len(b"*2\r\n$3\r\nGET\r\n$%d\r\n\r\n" % wanted.key_bytes) + wanted.key_bytes
    return float(asked), len(b"$%d\r\n\r\n" % round(wanted.row_bytes)) + wanted.row_bytes


def answer_bytes(wanted: Wanted) -> float:
    """Of the answer to a request: a pick, or a page of them."""
    phrases = Phrases.of(1000, ("thompson",), "popularity", NO_OVERLAY.revision)
    total = wanted.form.total
    middle = piece(_TITLE, _ARTWORK) + phrases.personalized[0] + PropensityTexts(total)[total // 3]
    user_id = b"u" * wanted.id_length
    body = (
        single_body(user_id, middle, phrases.tail)
        if wanted.page == 1
        else page_body(user_id, [middle] * wanted.page, phrases, phrases.tail)
    )
    return float(len(_HEAD) + len(body))
