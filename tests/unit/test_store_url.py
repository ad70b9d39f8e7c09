"""URLs of stores: what is quoted, what is refused, and that jobs and service read the same."""

from pathlib import Path

import pytest
import redis
import redis.asyncio.connection

from bandit.errors import InputError
from bandit.store_url import SOCKET_BYTES, check_store_url, socket_path, socket_url
from batch.store import checked_url
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
    assert str(Path(path)) == str(socket_path(url))
    assert checked_url(url) == load_settings(redis_url=url).redis_url == url
    assert of_redis_py(url) == str(Path(path))
    assert redis.asyncio.connection.parse_url(url)["path"] == str(Path(path))


@pytest.mark.parametrize(
    "url",
    [
        "redis://host:6379/0",
        "rediss://me:secret@host:6380/2?ssl_ca_certs=/etc/ca.crt",
        "redis://[::1]:6379",
        "redis://",
        "unix:///run/store.sock",
        "unix:///run/store.sock?db=2&password=secret",
        "unix://me:secret@/run/store.sock",
        "unix:///srv/100%/s",
        "unix:///srv/a b/s",
        "unix:///srv/a%20b/s",
        "unix:///srv/me@host:1/s",
    ],
)
def test_a_url_that_every_client_reads_alike_is_taken(url: str) -> None:
    check_store_url(url)
    assert checked_url(url) == load_settings(redis_url=url).redis_url == url
    ours = socket_path(url)
    assert ours is None or str(ours) == of_redis_py(url)


REFUSED = {
    "host:6379": "starts with redis://",
    "http://host": "starts with redis://",
    "unix:/run/s": "starts with redis://",
    "UNIX:///run/s": "starts with redis://",
    "": "starts with redis://",
    "unix:///srv/a#b/s": "%23",
    "redis://:pass#word@host": "%23",
    "unix:///srv/a?b/s": "%3F",
    "unix:///srv/a?b=1&c": "%3F",
    "redis://:pass?word@host": "%3F",
    "unix:///srv/a\nb/s": "%0A",
    "unix:///srv/s\n": "%0A",
    "unix:///srv/s\t": "%0A",
    "unix:///srv/s ": "control signs",
    "redis://host\x7f": "control signs",
    "unix://srv/s": "three slashes",
    "unix://localhost/srv/s": "three slashes",
    "unix://me:secret@host/srv/s": "three slashes",
    "unix://": "three slashes",
    "unix://s": "three slashes",
    "unix:///srv/%FF/s": "UTF-8",
    "unix:///srv/%00/s": "%00",
    "unix:///srv/" + "a" * (SOCKET_BYTES - 4): f"at most {SOCKET_BYTES} bytes",
    "unix:///srv/" + "%C3%A9" * 52: f"at most {SOCKET_BYTES} bytes",
    "redis://host:port": "expected a URL like",
    "redis://host:99999": "expected a URL like",
    "redis://host:0": "a port from 1",
    "redis://[::1": "expected a URL like",
}


@pytest.mark.parametrize(("url", "hint"), REFUSED.items())
def test_a_url_that_would_be_read_otherwise_is_refused_by_jobs_and_service(url: str, hint: str) -> None:
    with pytest.raises(InputError, match="expected") as refused:
        check_store_url(url)
    assert hint in str(refused.value)
    assert "secret" not in str(refused.value)
    with pytest.raises(InputError, match="expected"):
        checked_url(url)
    if url:  # an empty variable counts as not set
        with pytest.raises(InputError, match="expected"):
            load_settings(redis_url=url)


def test_the_longest_path_of_a_socket_is_taken() -> None:
    check_store_url("unix:///" + "a" * (SOCKET_BYTES - 1))
