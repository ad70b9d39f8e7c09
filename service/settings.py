"""The settings of the service, from ``ARTWORK_*`` variables or keywords."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bandit.errors import InputError
from bandit.urls import URL_VARIABLE, read_store_url
from service.keys import load_keys
from service.limits import (
    MAX_BODY_BYTES,
    MAX_CLIENT_CONNECTIONS,
    MAX_CONNECTIONS,
    MAX_HEAD_BYTES,
    MAX_QUERY_BYTES,
    MAX_TITLES,
)

PREFIX = "ARTWORK_"


def _store_url(url: str) -> str:
    """Refuse a wrong URL at the start and not with the first look-up."""
    read_store_url(url)
    return url


def _keys_file(path: Path) -> Path:
    """Refuse a wrong file before a port is taken and workers are started."""
    load_keys(path)
    return path


class Settings(BaseSettings):
    """Settings of one service process. Every field is also the variable ``ARTWORK_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    redis_url: Annotated[str, AfterValidator(_store_url)] = "redis://127.0.0.1:6379/0"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=256)
    store_deadline_ms: float = Field(default=3.0, ge=1, le=60_000)
    """Budget of one row read, from its request to its reply, in whole milliseconds. There is no second try."""
    max_waiting: int = Field(default=64, ge=1, le=1_000_000)
    """Requests of a worker in progress; one more is refused at once. While refusals go on, a quarter of it for plain look-ups."""
    max_connections: int = Field(default=MAX_CONNECTIONS, ge=1)
    """Open connections of a worker; one more is refused with 503, or cut off."""
    max_client_connections: int = Field(default=MAX_CLIENT_CONNECTIONS, ge=1)
    """Open connections of one client's address at a worker."""
    poll_seconds: float = Field(default=1.0, gt=0, le=3600)
    kept_catalogue: Path | None = None
    """File of the last good catalogue; without one, a start without a store answers 503."""
    keys_file: Annotated[Path, AfterValidator(_keys_file)] | None = None
    """Bearer keys and their scopes; without it every client may look up."""
    max_titles: int = Field(default=MAX_TITLES, ge=1, le=1_000_000)
    max_query_bytes: int = Field(default=MAX_QUERY_BYTES, ge=1, le=MAX_HEAD_BYTES)
    max_body_bytes: int = Field(default=MAX_BODY_BYTES, ge=1, le=2**30)
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def load_settings(**given: Any) -> Settings:
    """Settings from keywords (None means not given), then from the environment, then the defaults.

    Raises:
        InputError: names every variable that is wrong and what was expected.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise InputError("; ".join(_complaint(dict(item)) for item in error.errors(include_url=False))) from None


def _complaint(item: dict[str, Any]) -> str:
    name = PREFIX + "_".join(str(part) for part in item["loc"]).upper()
    error = item.get("ctx", {}).get("error")
    if isinstance(error, InputError):  # of our own check, which names everything
        return str(error) if name in str(error) else f"{name} is refused: {error}"
    # A URL may hold a password, also one that pydantic refused before our own check.
    value = "no text" if name == URL_VARIABLE else repr(item["input"])
    return f"{name} is {value}: {item['msg']}; correct the variable or the flag of that name"
