"""What a request may measure: one place for the code that refuses and for the OpenAPI document that tells it beforehand.

Limits that depend on what is served are settings; their defaults stand here. Those of the protocol are the same everywhere.
"""

from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from bandit.snapshot import ID_PATTERN

MAX_TITLES: Final = 200
MAX_QUERY_BYTES: Final = 16_384
"""200 titles with ids of 64 characters are 14,800 bytes of query."""
MAX_BODY_BYTES: Final = 1 << 20
"""1,000 events of some 400 bytes, twice over."""
MAX_HEAD_BYTES: Final = 65_536
"""Request line and header fields together, the query among them."""
HEAD_SECONDS: Final = 10.0
"""How long a request's head may take to arrive, and a new connection to send its first one."""
BODY_SECONDS: Final = 10.0
"""How long its body may take to arrive after that: the largest one needs 0.1 MB a second."""
LINGER_SECONDS: Final = 2.0
"""How long a client who was refused is heard out, so that the refusal reaches it while it still sends."""
MAX_CONNECTIONS: Final = 2048
"""Open connections of a worker; an idle one takes some 12 KB."""
MAX_CLIENT_CONNECTIONS: Final = 1024
"""Of one client's address: twice what the largest pools of proxies hold, half of what there is."""
WRITE_SECONDS: Final = 10.0
"""How long a client may leave answers unread once they fill its socket and the service's buffer."""
MAX_SIGNAL_CHARS: Final = 64
LAST_HOUR: Final = 23

DOTS: Final = (".", "..")
"""Ids that no path can name: clients and proxies take them for steps through the path, and remove them."""

_ID = f"^{ID_PATTERN}$"


def _not_dots(path_id: str) -> str:
    if path_id in DOTS:
        raise PydanticCustomError(
            "dots", "A path cannot name an id of one or two dots; clients and proxies remove them"
        )
    return path_id


PathId = Annotated[
    str,
    Path(pattern=_ID, description="an id: 1 to 64 of letters, digits, . _ ~ - but neither . nor .. alone"),
    AfterValidator(_not_dots),
]
ListedId = Annotated[str, Field(pattern=_ID)]
Signal = Annotated[str | None, Query(min_length=1, max_length=MAX_SIGNAL_CHARS)]
Hour = Annotated[int | None, Query(ge=0, le=LAST_HOUR, description="hour of the day where the user is")]
