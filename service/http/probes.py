"""What operators ask: whether the process is alive, whether it is ready, and its metrics."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from service.http.models import Readiness, refusals
from service.http.state import service_of
from service.metrics.exposition import exposition

router = APIRouter(tags=["operations"])


@router.get("/livez", response_class=PlainTextResponse)
async def livez() -> str:
    """Whether the process answers. It never asks the store: restarting the service would not mend that."""
    return "alive"


@router.get("/readyz", responses=refusals(status_503="no catalogue is known yet"))
async def readyz(request: Request) -> Readiness:
    """Whether look-ups are answered; while the store is in trouble, they are answered from the catalogue alone."""
    service = service_of(request)
    degraded = service.health.degraded()
    serving = service.serving(degraded)
    return Readiness(
        status="degraded" if degraded else "ready",
        generation=serving.generation,
        identity=serving.identity,
        flip=serving.current.flip,
        revision=serving.overlay.revision,
        degraded=degraded,
    )


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """The metrics of all workers in Prometheus' text format."""
    return Response(exposition(service_of(request).metrics.blocks), media_type=CONTENT_TYPE_LATEST)
