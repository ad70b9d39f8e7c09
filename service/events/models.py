"""What an event is, how a body of events is checked, and what of it is stored.

The body is parsed and checked by pydantic's own parser, in slices between which look-ups are answered: 1,000 events take several
milliseconds, which is the whole deadline of a row read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json
from typing_extensions import TypedDict

from bandit.snapshot import ID_PATTERN, LAST_MICROSECOND, MAX_EVENTS, MAX_GENERATION, MAX_REVISION
from service.http.problems import LIMITS

SLICE_EVENTS: Final = 100
"""Checked in one go: some 0.3 ms."""
MAX_ERRORS: Final = 20
"""Complaints in one answer; a client whose every event is wrong learns nothing more from a thousand."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INSTANT: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})$"
)

Id = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]


def _whole(number: object) -> object:
    """JSON does not tell 5.0 from 5, and some languages write the one for the other."""
    return int(number) if type(number) is float and number.is_integer() else number


def _as_date_time(schema: dict[str, Any]) -> None:
    """What JSON Schema calls such a text; the pattern is a little wider, and knows no calendar."""
    del schema["pattern"]
    schema["format"] = "date-time"


class _Event(TypedDict):
    """What a client saw.

    All but ``event_id``, ``type``, ``occurred_at`` and ``watch_fraction`` stand in the answer of the look-up and come back as
    they are. ``policy`` and ``propensity`` may come back too, and are not used: what is learned is computed anew.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[misc]  # a typo would lose data

    event_id: Annotated[Id, Field(description="made by the client, once per event; sent again, it counts once")]
    user_id: Id
    title_id: Id
    artwork_id: Id
    generation: Annotated[int, Field(ge=1, le=MAX_GENERATION), BeforeValidator(_whole)]
    revision: NotRequired[
        Annotated[int, Field(ge=0, le=MAX_REVISION, description="0 where absent"), BeforeValidator(_whole)]
    ]
    source: Literal["personalized", "segment", "popularity", "default"]
    segment: NotRequired[Annotated[Id | None, Field(description="null where absent")]]
    occurred_at: Annotated[
        str,
        Field(
            pattern=_INSTANT,
            description="ISO 8601 with an offset, such as 2026-11-28T09:30:00.250Z",
            json_schema_extra=_as_date_time,
        ),
    ]
    policy: NotRequired[Annotated[str | None, Field(pattern=r"^[ -~]{1,256}$")]]
    propensity: NotRequired[Annotated[float | None, Field(gt=0, le=1, allow_inf_nan=False)]]


class Impression(_Event):
    """An artwork was shown."""

    type: Literal["impression"]
    watch_fraction: NotRequired[None]


class Play(_Event):
    """The title was played after an artwork of it was shown."""

    type: Literal["play"]
    watch_fraction: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, description="how much of it was watched")]


Event = Annotated[Impression | Play, Field(discriminator="type")]

_EVENTS: Final = TypeAdapter(list[Event])


class WrongEventsError(Exception):
    """A body that is refused; ``errors`` are the entries of a problem document."""

    def __init__(self, errors: Sequence[Mapping[str, Any]], left_out: int = 0) -> None:
        super().__init__("the events are wrong")
        self.errors = errors
        self.left_out = left_out


def body_schema() -> dict[str, Any]:
    """The JSON schema of a body, for the OpenAPI document: without references, which would have to point into that."""
    schema = _EVENTS.json_schema()
    kinds = schema.pop("$defs")
    schema["items"] = {"oneOf": [kinds[kind.__name__] for kind in (Impression, Play)]}
    return schema | {"minItems": 1, "maxItems": MAX_EVENTS}


async def read_events(body: bytes, received: int, max_skew: int, *, trust_time: bool) -> list[dict[str, Any]]:
    """The events of a body as they are stored, each with ``at``, when it happened, in microseconds since 1970.

    Args:
        body: JSON.
        received: when it came, in microseconds since 1970.
        max_skew: how much earlier, in microseconds, a client may say that it happened.
        trust_time: whether a client's times are taken as they are.

    Raises:
        WrongEventsError: naming the event, the field and the limit.
    """
    given = _list_of(body)
    bounds = (0, LAST_MICROSECOND) if trust_time else (max(received - max_skew, 0), received)
    stored: list[dict[str, Any]] = []
    errors: list[Mapping[str, Any]] = []
    for first in range(0, len(given), SLICE_EVENTS):
        if first:
            await asyncio.sleep(0)
        try:
            events = _EVENTS.validate_python(given[first : first + SLICE_EVENTS])
        except ValidationError as error:
            errors.extend(
                _complaint(dict(item), first) for item in error.errors(include_url=False, include_input=False)
            )
            continue
        for place, event in enumerate(events, first):
            taken = _stored(event, place, bounds)
            (stored if "at" in taken else errors).append(taken)
    if errors:
        raise WrongEventsError(errors[:MAX_ERRORS], len(errors[MAX_ERRORS:]))
    return stored


def _list_of(body: bytes) -> list[Any]:
    try:
        given = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise WrongEventsError([{"field": "body", "detail": f"It is not JSON in UTF-8: {str(error)[:200]}."}]) from None
    if not isinstance(given, list):
        raise WrongEventsError([{"field": "events", "detail": f"It has to be an array of 1 to {MAX_EVENTS} events."}])
    if not 1 <= len(given) <= MAX_EVENTS:
        limit = MAX_EVENTS if given else 1
        detail = f"The array has {len(given)} events, expected 1 to {MAX_EVENTS}."
        raise WrongEventsError([{"field": "events", "detail": detail, "limit": limit}])
    return given


def _stored(event: Impression | Play, place: int, bounds: tuple[int, int]) -> dict[str, Any]:
    """An event as it is stored, or the complaint about it, which has no ``at``."""
    try:
        at = (datetime.fromisoformat(event["occurred_at"]) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return {"field": f"events[{place}].occurred_at", "detail": "There is no such day or time of day."}
    stored = {
        "event_id": event["event_id"],
        "type": event["type"],
        "user_id": event["user_id"],
        "title_id": event["title_id"],
        "artwork_id": event["artwork_id"],
        "generation": event["generation"],
        "revision": event.get("revision", 0),
        "source": event["source"],
        "segment": event.get("segment"),
        "at": min(max(at, bounds[0]), bounds[1]),
    }
    if event["type"] == "play":
        stored["watch_fraction"] = event["watch_fraction"]
    return stored


def _complaint(item: Mapping[str, Any], first: int) -> dict[str, Any]:
    place, *names = item["loc"]
    if item["type"].startswith("union_tag_"):
        names, detail = ["type"], "It has to be impression or play."
    else:
        names, detail = names[1:], item["msg"]  # the first one is the kind of event
    if item["type"] == "none_required":
        detail = "Only a play has one; leave it out."
    # A name that is not known is the client's own text, however long.
    field = ".".join((f"events[{first + place}]", *(str(name)[:64] for name in names)))
    limit = next((value for name, value in item.get("ctx", {}).items() if name in (*LIMITS, "gt", "expected")), None)
    error = {"field": field, "detail": detail}
    return error if limit is None or "type" in names else error | {"limit": limit}
