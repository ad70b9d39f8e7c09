"""What an entry of an event stream holds: written by the service, read by ``artwork ingest``.

An entry is one request: the fields ``v``, ``received`` (microseconds since 1970) and ``events``, a JSON array. An event there has
``event_id``, ``type``, ``user_id``, ``title_id``, ``artwork_id``, ``generation``, ``revision``, ``source``, ``segment`` and
``at`` (when it happened, in microseconds since 1970), and a play has ``watch_fraction``.
"""

from typing import Final

EVENTS_VERSION: Final = "1"
MAX_EVENTS: Final = 1000
"""Of one request."""
LAST_MICROSECOND: Final = 253_402_300_799_999_999
"""Of the year 9999, since 1970; the first one is 0."""
SOURCES: Final = ("personalized", "segment", "popularity", "default")
"""Where an answer came from."""
