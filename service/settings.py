"""What the service can be told, by ``ARTWORK_*`` variables or by keyword."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from redis.asyncio.connection import parse_url

from bandit.errors import InputError

PREFIX = "ARTWORK_"


def _store_url(url: str) -> str:
    """Accept what the store's client accepts, so that a typing error ends the start and not the first look-up."""
    parse_url(url)
    return url


class Settings(BaseSettings):
    """Settings of one service process. Every field is also the variable ``ARTWORK_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    redis_url: Annotated[str, AfterValidator(_store_url)] = "redis://127.0.0.1:6379/0"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    store_deadline_ms: float = Field(default=20.0, gt=0)
    """Budget of one row read: waiting for a connection, connecting, asking, reading. There is no second try."""
    poll_seconds: float = Field(default=1.0, gt=0)
    kept_catalogue: Path | None = None
    """File of the last good catalogue; without one, a start without a store answers 503."""
    max_titles: int = Field(default=200, ge=1)
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def load_settings(**given: Any) -> Settings:
    """Settings from keywords (None stands for not given), then from the environment, then the defaults.

    Raises:
        InputError: names every variable that is wrong and what was expected.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise InputError("; ".join(_complaint(dict(item)) for item in error.errors(include_url=False))) from None


def _complaint(item: dict[str, Any]) -> str:
    name = PREFIX + "_".join(str(part) for part in item["loc"]).upper()
    return f"{name} is {item['input']!r}: {item['msg']}; correct the variable or the flag of that name"
