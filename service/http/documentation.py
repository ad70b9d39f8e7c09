"""The documentation page: Swagger UI out of an installed package, so that the page asks no other host."""

from importlib import resources
from typing import Final

from fastapi import APIRouter, HTTPException
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import Response

PACKAGE: Final = "fastapi_swagger.resources"
FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'"
)
"""Keeps the browser from asking any other host. Swagger UI starts by inline script; its icons are data in its style sheet."""

router = APIRouter(prefix="/docs", include_in_schema=False)


@router.get("")
async def page(request: Request) -> Response:
    """Swagger UI over the OpenAPI document. Its addresses are relative, so that they hold behind a proxy's prefix."""
    script, style, icon = (f"docs/{name}" for name in FILES)
    html = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=request.app.title,
        swagger_js_url=script,
        swagger_css_url=style,
        swagger_favicon_url=icon,
        swagger_ui_parameters={"validatorUrl": None},  # else it would send the document's address to its validator
    )
    html.headers["Content-Security-Policy"] = POLICY
    return html


@router.get("/{name}")
async def file(name: str) -> Response:
    """A file of the page, read from disk every time: it is seldom asked for, and too large to keep in memory."""
    media_type = FILES.get(name)
    if media_type is None:
        raise HTTPException(404)
    content = resources.files(PACKAGE).joinpath(name).read_bytes()
    return Response(content, media_type=media_type, headers={"Cache-Control": "max-age=3600"})
