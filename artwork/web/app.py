"""The controller of the page: its files, what it asks of the workspace, live figures and the controls."""

import mimetypes
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
from fastapi import FastAPI, Query, Request
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles

from artwork.reports.health_page import told_health
from artwork.web.access import Access, content_policy
from artwork.web.drawing.posters import PosterArtwork, PosterTitle, poster
from artwork.web.figures.health import KeptHealth
from artwork.web.kept import NotFoundError, NotReadyError
from artwork.web.live import JSON, Live
from artwork.web.page_data import MOST_FOUND, PageData
from artwork.web.stage import BusyError, Stage
from bandit.errors import InputError, SurroundingsError
from bandit.snapshot import ID_PATTERN
from service.http.problems import ProblemError, problem

STATIC: Final = Path(__file__).parent / "static"
PAGES: Final = {"/": "index.html", "/control": "control.html", "/tour": "tour.html"}
MAX_BODY_BYTES: Final = 16_384
POSTERS_KEPT: Final = 4096
"""Of at most 5 KB each."""
_FRESH: Final = {"Cache-Control": "no-store"}
_FOREVER: Final = {"Cache-Control": "private, max-age=31536000, immutable"}
_READING: Final = ["GET", "HEAD"]

Id = Annotated[str, PathParameter(pattern=f"^{ID_PATTERN}$")]


def build_app(stage: Stage, image_hosts: Sequence[str] = ()) -> FastAPI:
    """The controller's application.

    Args:
        stage: what it shows.
        image_hosts: origins such as https://images.example whose images may be shown instead of drawn posters.
    """
    data = PageData(stage, image_hosts)
    live = Live(stage, data.days, data.generations)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with live.running():
            yield

    app = FastAPI(title="artwork", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.live = live
    _install_problems(app)
    _install_pages(app)
    _install_reading(app, stage, data, live)
    _install_reading_of_days(app, stage, data, live)
    _install_report(app, stage)
    _install_posters(app, data)
    _install_live(app, stage, live)
    app.add_middleware(Access, token=stage.token, policy=lambda: content_policy(stage.service, image_hosts))
    return app


def _install_pages(app: FastAPI) -> None:
    mimetypes.add_type("text/javascript", ".js")
    for path, name in PAGES.items():
        app.add_api_route(path, partial(_file, STATIC / name), methods=_READING)
    app.mount("/static", _Files(directory=STATIC))


class _Files(StaticFiles):
    """Files that a browser asks about each time, so that a newer release shows at once."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, or that it has not changed."""
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def _file(path: Path) -> Response:
    if not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, headers={"Cache-Control": "no-cache"})


def _install_reading(app: FastAPI, stage: Stage, data: PageData, live: Live) -> None:
    """What is read of the workspace; functions that are not coroutines run in threads of their own."""

    @app.get("/api/session")
    def session() -> Response:
        return as_json(
            {
                "demo": stage.demo,
                "truth": stage.world is not None,
                "controls": list(stage.controls),
                "service": stage.service,
                "workspace": str(stage.workspace.root),
                "origin": stage.origin,
                "now": stage.figures().now,
                "seed": stage.seed,
            }
        )

    @app.get("/api/catalogue")
    def catalogue() -> Response:
        return as_json({"generation": live.generation, **data.catalogue()})

    @app.get("/api/users")
    def users(
        search: Annotated[str, Query(max_length=200)] = "", limit: Annotated[int, Query(ge=1, le=MOST_FOUND)] = 20
    ) -> Response:
        return as_json({"users": data.shelf().search(search, limit)})

    @app.get("/api/users/random")
    def any_user() -> Response:
        return as_json(data.shelf().any_user())

    @app.get("/api/users/{user_id}")
    def user(user_id: Id) -> Response:
        return as_json(data.shelf().user(user_id))

    @app.get("/api/rows/{user_id}")
    def rows(user_id: Id) -> Response:
        return as_json({"rows": data.rows(user_id)})

    @app.get("/api/explain/{user_id}/{title_id}")
    def explain(user_id: Id, title_id: Id, generation: Annotated[int | None, Query(ge=1)] = None) -> Response:
        return as_json(data.explanation(user_id, title_id, generation, live.own_generation))


def _install_reading_of_days(app: FastAPI, stage: Stage, data: PageData, live: Live) -> None:
    """What is read of generations and of days."""

    @app.get("/api/title/{title_id}/history")
    def history(title_id: Id) -> Response:
        return as_json({"days": data.history(title_id)})

    @app.get("/api/generations")
    def generations() -> Response:
        seconds = {night.generation: night.seconds for night in stage.figures().nights}
        shown = data.generations.shown(live.own_generation, live.previous, seconds)
        return as_json({"current": live.own_generation, "generations": shown})

    @app.get("/api/gates")
    def gates() -> Response:
        return as_json({"gates": data.gates.get()})

    @app.get("/api/calibration")
    def calibration() -> Response:
        return as_json(data.calibration.get())


def _install_report(app: FastAPI, stage: Stage) -> None:
    def today() -> date:
        return stage.figures().now.date()

    kept = KeptHealth(stage.workspace, today, lambda: stage.service)

    @app.get("/api/report")
    def report() -> Response:
        made = kept.get()
        on = ("--on", made.figures.on) if stage.demo else ()  # days of a demo are in the past
        again = shlex.join(("artwork", "report", "--workspace", str(stage.workspace.root), *on))
        return as_json(told_health(made, again))


def _install_posters(app: FastAPI, data: PageData) -> None:
    drawn = lru_cache(maxsize=POSTERS_KEPT)(poster)

    @app.get("/posters/{title_id}/{artwork_id}.svg")
    def draw(title_id: Id, artwork_id: Id, v: Annotated[str, Query(max_length=64)] = "") -> Response:
        shown, title = data.artwork(title_id, artwork_id)
        svg = drawn(
            PosterTitle(title_id, title["name"]),
            PosterArtwork(artwork_id, shown.theme, shown.look, bool(shown.clickbait)),
        )
        is_this = shown.poster.endswith(f"?v={v}")
        return Response(svg, headers=_FOREVER if is_this else _FRESH, media_type="image/svg+xml")


def _install_live(app: FastAPI, stage: Stage, live: Live) -> None:
    @app.get("/api/live.json")
    async def live_now(history: bool = False) -> Response:
        return Response(live.document(history=history), media_type="application/json", headers=_FRESH)

    @app.get("/api/live")
    async def live_stream() -> Response:
        return StreamingResponse(live.open_stream(), media_type="text/event-stream", headers=_FRESH)

    @app.post("/api/control/{action}")
    async def control(action: str, request: Request) -> Response:
        if action not in stage.controls:
            raise ProblemError(404, "no-such-control", "There is no such control here.")
        mark = await run_in_threadpool(stage.press, action, await _arguments(request))
        return as_json(mark, status=202)


async def _arguments(request: Request) -> dict[str, Any]:
    """The JSON object of a body; an empty one has no arguments."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise ProblemError(413, "body-too-large", f"The body may have {MAX_BODY_BYTES} bytes at most.")
    try:
        arguments = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as error:
        raise ProblemError(422, "no-json", f"The body is not JSON: {error}.") from error
    if not isinstance(arguments, dict):
        raise ProblemError(422, "no-object", "The body is not a JSON object.")
    return arguments


def as_json(value: Any, status: int = 200) -> Response:
    """An answer of plain values, dataclasses, times and numpy's numbers."""
    return Response(orjson.dumps(value, option=JSON), status, _FRESH, "application/json")


def _install_problems(app: FastAPI) -> None:
    @app.exception_handler(ProblemError)
    async def refused(_request: Request, error: ProblemError) -> Response:
        return problem(error.status, error.detail, error.kind, error.errors, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        wrong = [{"field": ".".join(map(str, item["loc"][1:])), "detail": item["msg"]} for item in error.errors()]
        return problem(422, f"The request is wrong in: {', '.join(item['field'] for item in wrong)}.", None, wrong)

    @app.exception_handler(InputError)
    async def wrong(_request: Request, error: InputError) -> Response:
        return problem(422, str(error), "wrong-input")

    @app.exception_handler(NotFoundError)
    async def missing(_request: Request, error: NotFoundError) -> Response:
        return problem(404, str(error), "not-found")

    @app.exception_handler(NotReadyError)
    async def not_ready(_request: Request, error: NotReadyError) -> Response:
        return problem(503, str(error), "not-ready", headers={"Retry-After": "1"})

    @app.exception_handler(BusyError)
    async def busy(_request: Request, error: BusyError) -> Response:
        return problem(409, str(error), "not-now")

    @app.exception_handler(OSError)
    @app.exception_handler(SurroundingsError)
    async def away(_request: Request, error: Exception) -> Response:
        return problem(503, str(error), "surroundings", headers={"Retry-After": "1"})

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> Response:
        detail = "There is nothing here." if error.status_code == 404 else f"{error.detail}."
        return problem(error.status_code, detail, headers=error.headers)

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, _error: Exception) -> Response:
        return problem(500, "The controller met an unexpected error; its log has the details.")
