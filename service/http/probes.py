"""What operators ask: whether the process is alive, whether it is ready, and its metrics."""

from typing import Annotated

from fastapi import APIRouter, Query
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from service.http.models import Readiness, refusals
from service.http.problems import ProblemError
from service.http.state import service_of
from service.metrics.exposition import exposition

router = APIRouter(tags=["operations"])


@router.get("/livez", response_class=PlainTextResponse)
async def livez() -> str:
    """Whether the process answers. It never asks the store: restarting the service would not mend that."""
    return "alive"


MaxBehind = Annotated[
    float | None,
    Query(
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="refuse with 503 while a worker of this service has been behind the store for more seconds than this",
    ),
]


@router.get(
    "/readyz",
    responses=refusals(
        status_422="max_behind_seconds is no number of seconds",
        status_503="no catalogue is known yet, or a worker is behind the store for longer than max_behind_seconds",
    ),
)
async def readyz(request: Request, max_behind_seconds: MaxBehind = None) -> Readiness:
    """Whether look-ups are answered; while the store is in trouble, they are answered from the catalogue alone.

    A worker that is behind the store answers rightly, from an older generation: it is ready, unless the query says otherwise.
    """
    service = service_of(request)
    degraded = service.health.degraded()
    serving, named = service.serving(degraded), service.health.named
    behind_seconds = service.metrics.longest_behind()
    if max_behind_seconds is not None and behind_seconds > max_behind_seconds:
        raise ProblemError(
            503,
            "behind",
            f"A worker has been behind the store for {behind_seconds:.1f} s; expected {max_behind_seconds:g} s at most. The one"
            f" that answers serves generation {serving.generation} (flip {serving.current.flip})"
            + (f", the store names generation {named.generation} (flip {named.flip})." if named else "."),
            headers={"Retry-After": "1"},
        )
    return Readiness(
        status="degraded" if degraded else "ready",
        generation=serving.generation,
        identity=serving.identity,
        flip=serving.current.flip,
        revision=serving.overlay.revision,
        named_generation=named.generation if named else None,
        named_flip=named.flip if named else None,
        behind_seconds=round(behind_seconds, 3),
        degraded=degraded,
    )


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """The metrics of all workers in Prometheus' text format."""
    return Response(exposition(service_of(request).metrics.blocks), media_type=CONTENT_TYPE_LATEST)
