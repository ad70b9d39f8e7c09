"""Alive, ready, and how much of everything."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from service.http.models import Readiness, refusals
from service.metrics.exposition import exposition
from service.state import service_of

router = APIRouter(tags=["operations"])


@router.get("/livez", response_class=PlainTextResponse)
async def livez() -> str:
    """The process answers. Never asks the store: restarting a service does not mend one."""
    return "alive"


@router.get("/readyz", responses=refusals(status_503="no catalogue is known yet"))
async def readyz(request: Request) -> Readiness:
    """Look-ups are answered; with a store in trouble that is so from the catalogue alone."""
    service = service_of(request)
    degraded = service.health.degraded()
    serving = service.serving(degraded)
    return Readiness(
        status="degraded" if degraded else "ready",
        generation=serving.generation,
        identity=serving.identity,
        flip=serving.current.flip,
        degraded=degraded,
    )


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    return Response(exposition(service_of(request).metrics.blocks), media_type=CONTENT_TYPE_LATEST)
