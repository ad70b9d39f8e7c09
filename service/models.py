"""The bodies of the HTTP interface, for its documentation. Answers are written from ``ServedPick`` directly."""

from typing import Any, Literal

from pydantic import BaseModel, Field


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
    flip: int
    degraded: list[str]


def refusals(**details: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of problem documents, by ``status_<code>``."""
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {
        int(name.removeprefix("status_")): {"description": text, "content": content} for name, text in details.items()
    }
