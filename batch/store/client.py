"""The store, named by its URL: connecting to it, and one boundary for its errors."""

import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AskError
from redis.retry import Retry

from bandit.errors import RowError, SurroundingsError
from bandit.urls import URL_VARIABLE, hide_secrets, read_store_url, secrets_of, show_url

__all__ = ["URL_VARIABLE", "connect", "read_bytes", "store_errors"]

_TIMEOUT_SECONDS = 30.0


def connect(url: str) -> redis.Redis:
    """A client of the store that has answered once.

    Raises:
        InputError: the URL is none.
        SurroundingsError: it does not answer; one line says why and what to do.
    """
    # A job may wait, but not without end, and a command that timed out must not be sent twice unseen.
    options = read_store_url(url).client_options
    client = redis.Redis(**options, socket_timeout=_TIMEOUT_SECONDS, retry=Retry(NoBackoff(), 0))
    with store_errors(url), ExitStack() as unless_it_answers:
        unless_it_answers.callback(client.close)
        client.ping()
        unless_it_answers.pop_all()
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
        raise _unavailable(url, _said(error)) from error
    except RowError as error:
        raise SurroundingsError(
            f"the store at {show_url(url)} holds what no publisher wrote: {error}; empty it, then publish again"
        ) from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        if not _is_from_client(error):
            raise
        raise _unavailable(url, f"it answers as no store does: {error}") from error


def _unavailable(url: str, said: str) -> SurroundingsError:
    # Hidden: an old server repeats a command that it does not know, such as the one with the password.
    said = hide_secrets(said, secrets_of(url))
    return SurroundingsError(
        f"the store at {show_url(url)} failed: {said}; check {URL_VARIABLE}, or run `artwork store start`"
    )


def _said(error: redis.RedisError) -> str:
    if isinstance(error, AskError):  # MOVED as well
        return f"it is a node of a cluster, which sent {error} as the address of another node"
    return str(error) or "it answered with an error without a word"


def _is_from_client(error: Exception) -> bool:
    """Whether redis-py stumbled over a reply: an address in an error that is none, a number that is none."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] in ("redis", "hiredis")
