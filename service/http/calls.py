"""The calls under ``/v1``, as metrics and routes name them."""

from typing import Final

from service.metrics.metrics import UNMATCHED

INTERFACE: Final = "/v1/"
SINGLE: Final = "/v1/users/{user_id}/titles/{title_id}/artwork"
PAGE: Final = "/v1/users/{user_id}/artwork"
EVENTS: Final = "/v1/events"


def route_of(raw_path: bytes) -> str:
    """The route that a path asks for, whether its ids are right or not; ``UNMATCHED`` if none."""
    match raw_path.split(b"/"):
        case [b"", b"v1", b"users", _, b"titles", _, b"artwork"]:
            return SINGLE
        case [b"", b"v1", b"users", _, b"artwork"]:
            return PAGE
        case [b"", b"v1", b"events"]:
            return EVENTS
    return UNMATCHED
