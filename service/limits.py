"""How large, slow and many requests may be: one place for the code that refuses and for the OpenAPI document.

Limits that depend on what is served are settings; their defaults stand here. Those of the protocol are the same everywhere.
"""

from typing import Final

MAX_TITLES: Final = 200
MAX_QUERY_BYTES: Final = 16_384
"""200 titles with ids of 64 characters are 14,800 bytes of query."""
MAX_BODY_BYTES: Final = 1 << 20
"""Twice what 1,000 events of some 400 bytes take."""
MAX_HEAD_BYTES: Final = 65_536
"""Request line and header fields together, the query among them."""
MAX_FIELDS: Final = 256
"""Header fields of a request, those after a body in chunks included: 64 KiB of the shortest take more than a megabyte parsed."""
MAX_EVENT_REQUESTS: Final = 64
"""Requests with events in progress at a worker, beside the look-ups: 64 MiB of bodies."""
MAX_STREAM_ENTRIES: Final = 100_000
"""Of each stream: eight of them, with one event in each entry, take some 0.3 GB of the store's memory, with 100 some 20 GB."""
HEAD_SECONDS: Final = 10.0
"""How long a request's head may take to arrive, and a new connection to send its first one."""
BODY_SECONDS: Final = 10.0
"""How long its body may take to arrive after that: the largest one needs 0.1 MB per second."""
LINGER_SECONDS: Final = 2.0
"""How long a client that was refused may go on sending: closed at once, it might never read the refusal."""
MAX_CONNECTIONS: Final = 2048
"""Open connections of a worker; an idle one takes some 12 KB."""
MAX_CLIENT_CONNECTIONS: Final = 1024
"""Of one client's address: twice what the largest pools of proxies hold, half of what there is."""
WRITE_SECONDS: Final = 10.0
"""How long a client may leave answers unread once they fill its socket and the service's buffer."""
MAX_TARGET_BYTES: Final = 65_535
"""Path and query together: what the parser of targets can count."""
