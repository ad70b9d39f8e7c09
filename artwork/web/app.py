"""The controller of the page: its files, what it asks of the workspace, live figures and the controls."""

import mimetypes
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles

from artwork.web.access import Access, content_policy
from artwork.web.live import Live
from artwork.web.stage import BusyError, Stage
from bandit.errors import InputError, SurroundingsError
from service.http.problems import ProblemError, problem

STATIC: Final = Path(__file__).parent / "static"
PAGES: Final = {"/": "index.html", "/control": "control.html", "/tour": "tour.html"}
MAX_BODY_BYTES: Final = 16_384


def build_app(stage: Stage, image_hosts: Sequence[str] = ()) -> FastAPI:
    """The controller's application.

    Args:
        stage: what it shows.
        image_hosts: origins such as https://images.example whose images may be shown instead of drawn posters.
    """
    live = Live(stage)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with live.running():
            yield

    app = FastAPI(title="artwork", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.stage, app.state.live = stage, live
    _install_problems(app)
    _install_pages(app)
    _install_api(app, stage, live)
    app.add_middleware(Access, token=stage.token, policy=lambda: content_policy(stage.service, image_hosts))
    return app


def _install_pages(app: FastAPI) -> None:
    mimetypes.add_type("text/javascript", ".js")
    for path, name in PAGES.items():
        app.add_api_route(path, partial(_file, STATIC / name), methods=["GET", "HEAD"])
    plotly = Path(str(files("plotly") / "package_data" / "plotly.min.js"))
    app.add_api_route("/static/plotly.min.js", partial(_file, plotly), methods=["GET", "HEAD"])
    app.mount("/static", StaticFiles(directory=STATIC))


def _file(path: Path) -> Response:
    if not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, headers={"Cache-Control": "no-cache"})


def _install_api(app: FastAPI, stage: Stage, live: Live) -> None:
    @app.get("/api/session")
    def session() -> Response:
        figures = stage.figures()
        return as_json(
            {
                "demo": stage.demo,
                "truth": stage.world is not None,
                "controls": list(stage.controls),
                "service": stage.service,
                "workspace": str(stage.workspace.root),
                "origin": stage.origin,
                "now": figures.now,
                "seed": stage.seed,
            }
        )

    @app.get("/api/live.json")
    async def live_now(history: bool = False) -> Response:
        return Response(live.document(history=history), media_type="application/json", headers=_FRESH)

    @app.get("/api/live")
    async def live_stream() -> Response:
        return StreamingResponse(live.stream(), media_type="text/event-stream", headers=_FRESH)

    @app.post("/api/control/{action}")
    async def control(action: str, request: Request) -> Response:
        if action not in stage.controls:
            raise ProblemError(404, "no-such-control", f"There is no control {action!r} here.")
        arguments = await _arguments(request)
        mark = await run_in_threadpool(stage.press, action, arguments)
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


_FRESH: Final = {"Cache-Control": "no-store"}


def as_json(value: Any, status: int = 200) -> Response:
    """An answer of plain values, dataclasses, times and numpy's numbers."""
    return Response(orjson.dumps(value, option=JSON), status, _FRESH, "application/json")


JSON: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


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

    @app.exception_handler(BusyError)
    async def busy(_request: Request, error: BusyError) -> Response:
        return problem(409, str(error), "not-now")

    @app.exception_handler(SurroundingsError)
    async def away(_request: Request, error: SurroundingsError) -> Response:
        return problem(503, str(error), "surroundings", headers={"Retry-After": "1"})

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> Response:
        detail = "There is nothing here." if error.status_code == 404 else f"{error.detail}."
        return problem(error.status_code, detail, headers=error.headers)

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, _error: Exception) -> Response:
        return problem(500, "The controller met an unexpected error; its log has the details.")
