"""Ids, and the keys of the store.

A user's row has braces around the user: in a cluster they alone decide the slot, so that rows of a generation spread over the
nodes and those of a user stay on one. Rows of format 1 have none; a publisher knows them by that and sweeps them.
"""

import re
from typing import Final, Literal, NamedTuple

ID_PATTERN: Final = r"[A-Za-z0-9._~-]{1,64}"
"""What a user, title or artwork id looks like: safe in a key, in a URL path and in a file."""

is_id: Final = re.compile(ID_PATTERN).fullmatch

CURRENT_KEY: Final = "art:current"
OVERLAY_KEY: Final = "art:catalogue"
KEYS_PATTERN: Final = "art:*"
"""Every key of ours."""
METAS_PATTERN: Final = "art:g:*:meta"
DEAD_EVENTS_KEY: Final = "art:events:dead"
"""The stream of entries that could not be read as events, each with its reason and where it came from."""
EVENT_STREAMS_PATTERN: Final = "art:events:*"
MAX_EVENT_PARTITIONS: Final = 256
ROW_END: Final = "}"
"""What every row key ends with."""

_of_generation: Final = re.compile(
    rf"art:g:([1-9][0-9]{{0,9}}):(?:meta|u:(?P<braced>\{{)?(?P<user>{ID_PATTERN})(?(braced)\}}))"
).fullmatch
_of_event_stream: Final = re.compile(r"art:events:(0|[1-9][0-9]{0,2})").fullmatch
_of_part: Final = re.compile(r"art:c:([0-9a-f]{32}):[0-9]{1,9}").fullmatch


def meta_key(generation: int) -> str:
    """The key of a generation's description."""
    return f"art:g:{generation}:meta"


def row_prefix(generation: int) -> str:
    """What every row key of a generation starts with; the user and ``ROW_END`` follow."""
    return f"art:g:{generation}:u:{{"


def row_key(generation: int, user_id: str) -> str:
    """The key of one user's row in a generation."""
    return f"{row_prefix(generation)}{user_id}{ROW_END}"


def rows_pattern(generation: int) -> str:
    """The pattern of a generation's row keys."""
    return f"{row_prefix(generation)}*{ROW_END}"


def part_key(digest: str, part: int) -> str:
    """The key of one part of a catalogue, addressed by the catalogue's content."""
    return f"art:c:{digest}:{part}"


def event_stream_key(partition: int) -> str:
    """The key of one of the streams that events are appended to."""
    return f"art:events:{partition}"


def partition_of_key(key: str) -> int | None:
    """The partition of a key of ``EVENT_STREAMS_PATTERN``; None for one that is no stream of events."""
    match = _of_event_stream(key)
    return int(match[1]) if match and int(match[1]) < MAX_EVENT_PARTITIONS else None


class KeyOfGeneration(NamedTuple):
    """What a key of a generation says: whose it is, and of which kind; ``user_id`` is empty for a meta."""

    generation: int
    kind: Literal["meta", "row", "row of format 1"]
    user_id: str = ""


def parse_key(key: str) -> KeyOfGeneration | None:
    """Read a key of a generation; None for one that is none."""
    match = _of_generation(key)
    if match is None:
        return None
    generation, user_id = int(match[1]), match["user"]
    if user_id is None:
        return KeyOfGeneration(generation, "meta")
    return KeyOfGeneration(generation, "row" if match["braced"] else "row of format 1", user_id)


def generation_of_key(key: str) -> int | None:
    """The generation that a key belongs to; None for one that is none of a generation's."""
    parsed = parse_key(key)
    return parsed.generation if parsed else None


def digest_of_key(key: str) -> str | None:
    """The digest in the key of a part of a catalogue; None for one that is none."""
    match = _of_part(key)
    return match[1] if match else None
