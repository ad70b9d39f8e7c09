"""What a request may measure: one place for the code that refuses and for the OpenAPI document that tells it beforehand.

Limits that depend on what is served are settings; their defaults stand here. Those of the protocol are the same everywhere.
"""

from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import Field

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
WRITE_SECONDS: Final = 10.0
"""How long a client may leave answers unread once they fill its socket and the service's buffer."""
MAX_SIGNAL_CHARS: Final = 64
LAST_HOUR: Final = 23

_ID = f"^{ID_PATTERN}$"

PathId = Annotated[str, Path(pattern=_ID, description="an id: 1 to 64 of letters, digits, . _ ~ -")]
ListedId = Annotated[str, Field(pattern=_ID)]
Signal = Annotated[str | None, Query(min_length=1, max_length=MAX_SIGNAL_CHARS)]
Hour = Annotated[int | None, Query(ge=0, le=LAST_HOUR, description="hour of the day where the user is")]
