"""The two look-ups as FastAPI routes: what OpenAPI documents, and the slow path of requests that are not plain."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from bandit.snapshot import Signals
from service.http.models import (
    Hour,
    ListedId,
    PageBody,
    PathId,
    PickBody,
    Signal,
    key_security,
    look_up_refusals,
    refusals,
)
from service.http.problems import ProblemError
from service.http.state import service_of
from service.keys import LOOKUP
from service.settings import Settings


class Segment(StringConvertor):
    """One segment of a path, which may be empty: a missing id is refused with its name, as a wrong one is."""

    regex = "[^/]*"


async def sign_up_signals(
    country: Signal = None, device: Signal = None, campaign: Signal = None, hour: Hour = None
) -> Signals:
    """What is known of a user without picks.

    ``async`` though it awaits nothing: FastAPI runs a plain function in a thread.
    """
    return Signals.of(country, device, campaign, hour)


Given = Annotated[Signals, Depends(sign_up_signals)]


def look_up_routes(settings: Settings) -> APIRouter:
    """The look-ups, with pages of at most ``settings.max_titles``."""
    register_url_convertor("segment", Segment())
    dependencies = key_security(settings, LOOKUP)
    router = APIRouter(prefix="/v1/users/{user_id:segment}", tags=["look-up"], dependencies=dependencies)
    refused = look_up_refusals(settings)
    unknown = refusals(status_404="the catalogue does not know the title")

    @router.get("/titles/{title_id:segment}/artwork", response_model=PickBody, responses=refused | unknown)
    async def pick(request: Request, user_id: PathId, title_id: PathId, signals: Given) -> Response:
        """Which artwork of one title to show to one user."""
        service = service_of(request)
        serving = service.serving()
        title = serving.titles.get(title_id.encode())
        if title is None:
            detail = f"The catalogue of generation {serving.generation} lacks this title."
            raise ProblemError(404, "unknown-title", detail, field="title_id")
        user = user_id.encode()
        raw = await service.look_up.read(serving, user)
        return _json(service.look_up.single(serving, user, title, raw, lambda: signals))

    @router.get("/artwork", response_model=PageBody, responses=refused)
    async def page(
        request: Request,
        user_id: PathId,
        title_id: Annotated[list[ListedId], Query(min_length=1, max_length=settings.max_titles)],
        signals: Given,
    ) -> Response:
        """Which artworks to show to one user for a page of titles, from one generation and one read of the store."""
        service = service_of(request)
        serving, user = service.serving(), user_id.encode()
        titles = serving.find([title.encode() for title in title_id])
        is_known = not all(isinstance(title, bytes) for title in titles)
        raw = await service.look_up.read(serving, user) if is_known else None
        return _json(service.look_up.page(serving, user, titles, raw, lambda: signals))

    return router


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
