"""``POST /v1/events`` as a FastAPI route.

The body is read here and not by FastAPI, because a browser that leaves a page can only send a beacon of ``text/plain``: the body
is taken for what it is, whatever its type.
"""

import time
from typing import Any, Final, cast

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from bandit.snapshot import MAX_EVENTS
from service.events.appending import EventLog, NotAppendedError
from service.events.models import WrongEventsError, body_schema, read_events
from service.http.calls import EVENTS
from service.http.models import key_security, refusals
from service.http.problems import ProblemError, invalid_request
from service.http.state import LifespanState, service_of
from service.keys import EVENTS as EVENTS_SCOPE
from service.settings import Settings

_MICROSECONDS: Final = 1_000_000


class State(LifespanState):
    """What the lifespan yields to each request: the service, and where events go."""

    events: EventLog


class Accepted(BaseModel):
    """How many events were stored."""

    accepted: int = Field(ge=1, le=MAX_EVENTS)


def event_routes(settings: Settings) -> APIRouter:
    """The route of events."""
    router = APIRouter(tags=["events"], dependencies=key_security(settings, EVENTS_SCOPE))
    max_skew = int(settings.max_skew_seconds * _MICROSECONDS)
    trust_time = settings.trust_event_time
    content = {"application/json": {"schema": body_schema()}}

    @router.post(
        EVENTS,
        status_code=202,
        response_model=Accepted,
        responses=_refused(settings),
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )
    async def events(request: Request) -> Response:
        """Store what users saw and played: all events of a request, or none of them.

        202 is answered once they are stored. After any other answer, or none, send them again with the same ids: each id counts
        once. The body is a JSON array in UTF-8 whatever its Content-Type says.
        """
        service = service_of(request)
        received = time.time_ns() // 1000
        try:
            given = await read_events(await request.body(), received, max_skew, trust_time=trust_time)
        except WrongEventsError as wrong:
            service.metrics.events_refused("invalid")
            return invalid_request(wrong.errors, left_out=wrong.left_out)
        except ClientDisconnect:
            return Response(status_code=400)  # which nobody reads: the client is gone, or was refused
        try:
            await cast("EventLog", request.state.events).append(received, given)
        except NotAppendedError as error:
            service.metrics.events_refused(error.reason)
            raise _not_accepted(error) from error
        service.metrics.events_accepted(len(given))
        return Response(b'{"accepted":%d}' % len(given), 202, media_type="application/json")

    return router


def _not_accepted(error: NotAppendedError) -> ProblemError:
    stored = "They may have been stored all the same" if error.may_be_stored else "None of the events was stored"
    detail = f"{error}. {stored}; send them again with the same ids in a while: each id counts once."
    return ProblemError(503, "events-not-accepted", detail, headers={"Retry-After": "1"})


def _refused(settings: Settings) -> dict[int | str, dict[str, Any]]:
    keyed = refusals(status_401="no key, or one that is not known", status_403="the key may not send events")
    foreign = refusals(status_403="a page of another origin, or a key that may not send events")
    return (
        (keyed if settings.keys_file else {})
        | foreign
        | refusals(
            status_413=f"the body has more than {settings.max_body_bytes} bytes",
            status_414=f"the query has more than {settings.max_query_bytes} bytes",
            status_422=f"an event is wrong, or there are more than {MAX_EVENTS}; it is named with the field and the limit",
            status_503="the store does not take events now, or the worker has all the requests that it takes: send them again",
        )
    )
