"""What a look-up takes and what it answers, as FastAPI checks and OpenAPI documents them.

The bodies are for the document alone: answers are put together from ready bytes (``service.lookup.answers``).
"""

from typing import Annotated, Any, Final, Literal

from fastapi import Path, Query, Security
from fastapi.security import HTTPBearer
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from bandit.snapshot import ID_PATTERN
from service.keys import LOOKUP, Scope
from service.limits import MAX_FIELDS, MAX_HEAD_BYTES, MAX_TARGET_BYTES
from service.settings import Settings

MAX_SIGNAL_CHARS: Final = 64
LAST_HOUR: Final = 23

DOTS: Final = (".", "..")
"""Ids that no path can name: clients and proxies take them for steps through the path, and remove them."""

_ID = f"^{ID_PATTERN}$"


def _not_dots(path_id: str) -> str:
    if path_id in DOTS:
        raise PydanticCustomError(
            "dots", "A path cannot name an id of one or two dots; clients and proxies remove them"
        )
    return path_id


PathId = Annotated[
    str,
    Path(pattern=_ID, description="an id of 1 to 64 letters, digits, . _ ~ and -, but not . or .. alone"),
    AfterValidator(_not_dots),
]
ListedId = Annotated[str, Field(pattern=_ID)]
_USED_FOR: Final = "used for a user without picks"
Signal = Annotated[
    str | None,
    Query(min_length=1, max_length=MAX_SIGNAL_CHARS, description=f"as the job has it of users; {_USED_FOR}"),
]
Hour = Annotated[int | None, Query(ge=0, le=LAST_HOUR, description=f"hour of the day at the user's place; {_USED_FOR}")]


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
    segment: str | None = Field(
        description="the users whose sign-up signals the look-up has, as in US-mobile; null unless the source is segment"
    )


class PageBody(BaseModel):
    """One pick per title, in the order asked; a title that is asked for twice is answered twice."""

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
    """Whether look-ups are answered, and what is degraded."""

    status: Literal["ready", "degraded"]
    generation: int
    identity: str = Field(
        description="digest of what decided the generation's picks; two workspaces may use the same number"
    )
    flip: int
    revision: int = Field(description="revision of the catalogue's overlay that look-ups obey, 0 without one")
    named_generation: int | None = Field(description="what the store named when it last answered; null if it never has")
    named_flip: int | None
    behind_seconds: float = Field(
        description="for how long the store has named another generation than the one that is served: of the workers of this"
        " service, the one that is behind for longest; 0 where none is"
    )
    degraded: list[str]


def _problem_schema() -> dict[str, Any]:
    """The schema of ``Problem`` without references, which would have to point into the document around it."""
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
    """OpenAPI entries of the refusals that every look-up may get."""
    keyed = refusals(status_401="no key, or one that is not known", status_403="the key may not look up")
    return (keyed if settings.keys_file else {}) | refusals(
        status_413=f"the body has more than {settings.max_body_bytes} bytes",
        status_414=f"the query has more than {settings.max_query_bytes} bytes, or path and query more than {MAX_TARGET_BYTES}",
        status_422="a field is wrong; it is named with its limit",
        status_431=f"request line and header fields have more than {MAX_HEAD_BYTES} bytes, or are more than {MAX_FIELDS}",
        status_503="no catalogue is known yet, or the worker has all the requests or connections that it takes: ask again",
    )


def key_security(settings: Settings, scope: Scope) -> list[Any]:
    """The dependency that documents keys, where there are any. It refuses nothing: ``Application`` has done so before."""
    name = "key" if scope == LOOKUP else f"key-{scope}"
    bearer = HTTPBearer(scheme_name=name, description=f"a key with the scope {scope}", auto_error=False)
    return [Security(bearer)] if settings.keys_file else []
