"""The store, named by its URL: connecting to it, and one boundary for its errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bandit.errors import InputError, RowError, SurroundingsError
from bandit.store_url import check_store_url

URL_VARIABLE = "ARTWORK_REDIS_URL"
_TIMEOUT_SECONDS = 30.0


def checked_url(url: str) -> str:
    """A store's URL as given.

    Raises:
        InputError: its scheme is not one of redis, rediss and unix, its port or an option is not a number, or it would be
            read differently from what was meant.
    """
    try:
        check_store_url(url)
        redis.ConnectionPool.from_url(url)
    except InputError as error:
        raise InputError(f"{URL_VARIABLE} is {shown_url(url)}, {error}") from None
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{URL_VARIABLE} is {shown_url(url)}, expected a URL like redis://host:6379/0 or unix:///path/to/socket; correct it"
        ) from error
    return url


def shown_url(url: str) -> str:
    """A URL without its passwords, fit for a message; they stand before the host or among the options."""
    # By pattern: urlsplit raises for some malformed URLs, which are the ones that messages show.
    return re.sub(r"([?&]password=)[^&]*", r"\1***", re.sub(r"(//[^/:@?]*:)[^?]*@", r"\1***@", url))


def connect(url: str) -> redis.Redis:
    """A client of the store that has answered once.

    Raises:
        SurroundingsError: it does not answer; one line says why and what to do.
    """
    # A job may wait, but not without end, and a command that timed out must not be sent twice unseen.
    client = redis.Redis.from_url(url, socket_timeout=_TIMEOUT_SECONDS, retry=Retry(NoBackoff(), 0))
    with store_errors(url):
        client.ping()
    return client


def read_bytes(client: redis.Redis, keys: list[str]) -> list[bytes | None]:
    """The values of some keys; the client that ``connect`` makes gives bytes, which redis-py's types leave open."""
    return cast("list[bytes | None]", client.mget(keys)) if keys else []


@contextmanager
def store_errors(url: str) -> Iterator[None]:
    """Translate what redis-py raises, at this one boundary.

    Raises:
        SurroundingsError: for every error of the store or the connection to it, and for values that no publisher wrote.
    """
    try:
        yield
    except redis.RedisError as error:
        raise SurroundingsError(
            f"the store at {shown_url(url)} failed: {error}; check {URL_VARIABLE}, or run `artwork store start`"
        ) from error
    except RowError as error:
        raise SurroundingsError(
            f"the store at {shown_url(url)} holds what no publisher wrote: {error}; empty it, then publish again"
        ) from error
