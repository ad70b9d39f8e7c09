"""The settings of the service, from ``ARTWORK_*`` variables or keywords."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bandit.errors import InputError
from bandit.snapshot import MAX_EVENT_PARTITIONS
from bandit.urls import EVENTS_URL_VARIABLE, URL_VARIABLE, read_store_url
from service.keys import load_keys
from service.limits import (
    MAX_BODY_BYTES,
    MAX_CLIENT_CONNECTIONS,
    MAX_CONNECTIONS,
    MAX_EVENT_REQUESTS,
    MAX_HEAD_BYTES,
    MAX_QUERY_BYTES,
    MAX_STREAM_ENTRIES,
    MAX_TITLES,
)

PREFIX = "ARTWORK_"
ANY_ORIGIN: Final = "*"
_LAST_PORT: Final = 65_535
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_origin: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(?P<port>:[1-9][0-9]{0,4})?"
).fullmatch


def _store_url(url: str) -> str:
    """Refuse a wrong URL at the start and not with the first look-up."""
    read_store_url(url)
    return url


def _events_url(url: str) -> str:
    """Refuse a wrong URL at the start and not with the first events."""
    read_store_url(url, EVENTS_URL_VARIABLE)
    return url


def _origins(text: str) -> str:
    """Origins as browsers send them, comma separated; ``*`` alone is every origin."""
    given = [origin.strip().lower() for origin in text.split(",") if origin.strip()]
    if given == [ANY_ORIGIN]:
        return ANY_ORIGIN
    origins = []
    for origin in given:
        match = _origin(origin)
        if match is None:
            raise InputError(
                f"ARTWORK_ALLOWED_ORIGINS has {origin[:200]!r}, expected origins such as https://shop.example or"
                " http://localhost:5173, comma separated: a scheme, a host and a port, without a path or a slash at the end"
            )
        if int((match["port"] or ":0")[1:]) > _LAST_PORT:
            raise InputError(f"ARTWORK_ALLOWED_ORIGINS has {origin!r}, expected a port up to {_LAST_PORT}")
        origins.append(origin.removesuffix(_DEFAULT_PORTS.get(match["scheme"], " ")))  # browsers leave these out
    return ",".join(dict.fromkeys(origins))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


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
    max_event_requests: int = Field(default=MAX_EVENT_REQUESTS, ge=1, le=1_000_000)
    """Requests with events in progress at a worker, beside ``max_waiting``; one more is refused at once."""
    events_url: Annotated[str, AfterValidator(_events_url)] | None = None
    """The store of events; without one, that of look-ups."""
    event_partitions: int = Field(default=8, ge=1, le=MAX_EVENT_PARTITIONS)
    """How many streams events are spread over."""
    max_stream_entries: int = Field(default=MAX_STREAM_ENTRIES, ge=1, le=10**9)
    """Entries of a stream; while it has as many, events are refused with 503."""
    events_deadline_ms: float = Field(default=1000.0, ge=1, le=60_000)
    """How long an append waits for the store."""
    max_skew_seconds: float = Field(default=86_400.0, ge=0, le=3650 * 86_400)
    """How long before its arrival an event may have happened: an earlier time becomes that one, a later one the arrival."""
    trust_event_time: bool = False
    """Take the times of events as they are; only where nobody but this machine can send any."""
    allowed_origins: Annotated[str, AfterValidator(_origins)] = ""
    """Origins whose pages may look up and send events, comma separated."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def origins(self) -> frozenset[str]:
        """The allowed origins."""
        return frozenset(filter(None, self.allowed_origins.split(",")))

    @model_validator(mode="after")
    def _trusts_loopback_alone(self) -> Self:
        if self.trust_event_time and not _is_loopback(self.host):
            raise InputError(
                f"ARTWORK_TRUST_EVENT_TIME is set while ARTWORK_HOST is {self.host!r}: whoever reaches it could write the past"
                " and the future; listen on 127.0.0.1, or unset it"
            )
        return self


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
    value = "no text" if name in (URL_VARIABLE, EVENTS_URL_VARIABLE) else repr(item["input"])
    return f"{name} is {value}: {item['msg']}; correct the variable or the flag of that name"
