"""The bodies of the HTTP interface, for its documentation. Answers are put together by ``service.lookup.answers``."""

from typing import Any, Literal

from fastapi import Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field

from service.http.limits import MAX_HEAD_BYTES
from service.http.request_head import MAX_TARGET_BYTES
from service.settings import Settings


class PickBody(BaseModel):
    """One pick."""

    user_id: str
    title_id: str
    artwork_id: str | None = Field(description="null for a title that the catalogue does not know (pages only)")
    source: Literal["personalized", "segment", "popularity", "default"] | None
    policy: str | None = Field(description="the policy that drew the artwork")
    propensity: float | None = Field(description="probability with which that policy shows this artwork")
    generation: int
    revision: int = Field(description="revision of the catalogue's overlay, 0 without one")
    segment: str | None = Field(description="null unless the source is segment")


class PageBody(BaseModel):
    """One pick a title, in the order asked; a title asked twice is answered twice."""

    user_id: str
    generation: int
    picks: list[PickBody]


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    detail: str
    limit: int | str | None = None


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


class Readiness(BaseModel):
    """Whether look-ups are answered, and what is not as it should be."""

    status: Literal["ready", "degraded"]
    generation: int
    identity: str = Field(
        description="digest of what decided the generation's picks; a number may be used by two workspaces"
    )
    flip: int
    degraded: list[str]


def _problem_schema() -> dict[str, Any]:
    """The schema of ``Problem``, whole in itself: a reference would have to point into the document around it."""
    schema = Problem.model_json_schema()
    schema["properties"]["errors"]["items"] = schema.pop("$defs")[FieldError.__name__]
    return schema


def refusals(**details: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of problem documents, by ``status_<code>``."""
    content = {"application/problem+json": {"schema": _problem_schema()}}
    return {
        int(name.removeprefix("status_")): {"description": text, "content": content} for name, text in details.items()
    }


def look_up_refusals(settings: Settings) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of what every look-up may be refused with."""
    keyed = refusals(status_401="no key, or one that is not known", status_403="the key may not look up")
    return (keyed if settings.keys_file else {}) | refusals(
        status_413=f"the body has more than {settings.max_body_bytes} bytes",
        status_414=f"the query has more than {settings.max_query_bytes} bytes, or path and query more than {MAX_TARGET_BYTES}",
        status_422="a field is wrong; it is named with its limit",
        status_431=f"request line and header fields have more than {MAX_HEAD_BYTES} bytes",
        status_503="no catalogue is known yet, or there are more requests or connections than allowed; ask again in a second",
    )


def look_up_security(settings: Settings) -> list[Any]:
    """The dependency that tells OpenAPI of keys, where there are any. It refuses nothing: the door has done so."""
    bearer = HTTPBearer(scheme_name="key", description="a key with the scope lookup", auto_error=False)
    return [Security(bearer)] if settings.keys_file else []
