"""The two look-ups."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from bandit.snapshot import ID_PATTERN
from service.models import PageBody, PickBody, refusals
from service.problems import ProblemError
from service.state import service_of

Id = Annotated[str, Path(pattern=f"^{ID_PATTERN}$", description="an id: 1 to 64 of letters, digits, . _ ~ -")]
ListedId = Annotated[str, Query(pattern=f"^{ID_PATTERN}$")]
Signal = Annotated[str | None, Query(min_length=1, max_length=64)]


async def sign_up_signals(
    country: Signal = None,
    device: Signal = None,
    campaign: Signal = None,
    hour: Annotated[int | None, Query(ge=0, le=23, description="hour of the day where the user is")] = None,
) -> None:
    """What is known of a user without picks; checked, and not used as long as there are no segments.

    ``async`` though it awaits nothing: FastAPI runs a plain function in a thread, which doubled the time of a look-up.
    """


SIGNALS = [Depends(sign_up_signals)]
REFUSALS = refusals(status_422="a field is wrong; it is named with its limit", status_503="no catalogue is known yet")


def look_up_routes(max_titles: int) -> APIRouter:
    """The look-ups, with pages of at most ``max_titles``."""
    router = APIRouter(prefix="/v1/users/{user_id}", tags=["look-up"], dependencies=SIGNALS)
    unknown = refusals(status_404="the catalogue does not know the title")

    @router.get("/titles/{title_id}/artwork", response_model=PickBody, responses=REFUSALS | unknown)
    async def pick(request: Request, user_id: Id, title_id: Id) -> Response:
        """Which artwork of one title to show to one user."""
        service = service_of(request)
        serving = service.serving()
        if title_id not in serving.titles:
            raise ProblemError(
                404, "unknown-title", f"The catalogue of generation {serving.generation} lacks this title."
            )
        [answer] = await service.lookup.picks(serving, user_id, [title_id])
        return _json(answer)

    @router.get("/artwork", response_model=PageBody, responses=REFUSALS)
    async def page(
        request: Request, user_id: Id, title_id: Annotated[list[ListedId], Query(min_length=1, max_length=max_titles)]
    ) -> Response:
        """Which artworks to show to one user for a page of titles, from one generation and one read of the store."""
        service = service_of(request)
        serving = service.serving()
        picks = await service.lookup.picks(serving, user_id, title_id)
        return _json({"user_id": user_id, "generation": serving.generation, "picks": picks})

    return router


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
