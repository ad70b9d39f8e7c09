"""Paths of sockets in URLs: jobs, service and the client library read the same."""

from pathlib import Path

import pytest
import redis
import redis.asyncio.connection

from bandit.urls import read_store_url, socket_url
from service.settings import load_settings

PATHS = [
    "/run/user/1000/s",
    "/srv/50%/s",
    "/srv/%41/s",
    "/srv/%25/s",
    "/srv/a?b=1&password=x/s",
    "/srv/a#b/s",
    "/srv/me:you@host/s",
    "/srv/a b /s",
    "/srv/a\nb\t\r/s",
    "/srv/é/女/🎨/s",
    "/srv/a;b=1/s",
    "/srv/[a]/s",
    "//srv//s",
    "/srv/a+b&c\\d\"e'/s",
]


def of_redis_py(url: str) -> str:
    """The path that the client of the jobs reads in a URL."""
    return str(redis.ConnectionPool.from_url(url).connection_kwargs["path"])


@pytest.mark.parametrize("path", PATHS)
def test_the_socket_of_a_quoted_path_is_that_path_for_jobs_and_service(path: str) -> None:
    url = socket_url(Path(path))
    assert str(Path(path)) == read_store_url(url).path
    assert load_settings(redis_url=url).redis_url == url
    assert of_redis_py(url) == str(Path(path))
    assert redis.asyncio.connection.parse_url(url)["path"] == str(Path(path))
