"""The door of store URLs: jobs and the service accept the same ones, and no message holds a password."""

import os
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from odd_urls import SAID, SECRET, SHOWN

from bandit.errors import InputError
from bandit.urls import StoreUrl, hide_secrets, read_store_url, secrets_of, show_url, socket_url
from batch.store.embedded import store_url
from service.settings import load_settings

ACCEPTED = {
    "redis://host": StoreUrl("redis", "host"),
    "redis://": StoreUrl("redis"),
    "redis:///2": StoreUrl("redis", database=2),
    "  redis://host:6380/1\n": StoreUrl("redis", "host", 6380, database=1),
    "REDIS://host": StoreUrl("redis", "host"),
    "redis://[::1]:6379/0": StoreUrl("redis", "::1"),
    "redis://:p%40ss%2F%25@host": StoreUrl("redis", "host", password="p@ss/%"),
    "redis://me:100%@host": StoreUrl("redis", "host", username="me", password="100%"),
    "redis://me:p@ss:w@host": StoreUrl("redis", "host", username="me", password="p@ss:w"),
    "redis://me@host": StoreUrl("redis", "host", username="me"),
    "redis://host?db=3": StoreUrl("redis", "host", database=3),
    "redis://host?username=me&password=a+b%2B": StoreUrl("redis", "host", username="me", password="a b+"),
    "rediss://host?ssl_cert_reqs=None&ssl_check_hostname=no": StoreUrl(
        "rediss", "host", tls={"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    ),
    "unix:///run/valkey.sock?db=4": StoreUrl("unix", "", 0, "/run/valkey.sock", database=4),
    "unix://me:pw@/run/valkey.sock": StoreUrl("unix", "", 0, "/run/valkey.sock", "me", "pw"),
    "unix:///run/100%25%3F%23%0A/%C3%A9@1.sock": StoreUrl("unix", "", 0, "/run/100%?#\n/é@1.sock"),
    "unix:///run/a b.sock": StoreUrl("unix", "", 0, "/run/a b.sock"),
    "unix:///run/%FF.sock": StoreUrl("unix", "", 0, "/run/\udcff.sock"),
}

REFUSED = {
    # --- no URL of a store
    "": "no scheme",
    "localhost:6379": "no scheme",
    f"me:{SECRET}@host": "no scheme",
    f"//me:{SECRET}@host": "no scheme",
    f"redis:/me:{SECRET}@host": "no scheme",
    f"me:{SECRET}://host": "no scheme",
    f"http://me:{SECRET}@host": "scheme is not",
    f"redis+sentinel://:{SECRET}@one:26379,two:26379/mymaster": "scheme is not",
    f"redis-sentinel://me:{SECRET}@host": "scheme is not",
    f"redis+cluster://me:{SECRET}@host/3": "a cluster has no databases but 0",
    f"redis+cluster://me:{SECRET}@host?db=3": "a cluster has no databases but 0",
    f"redis+cluster://me:{SECRET}@host,": "after a comma",
    f"redis+cluster://me:{SECRET}@host,other:x": "after a comma",
    f"redis+cluster://me:{SECRET}@host,other:70000": "its port is out of range",
    f"redis+cluster://me:{SECRET}@host,-_-!": "its host is no name",
    f"redis+cluster://me:{SECRET}@host?ssl_cert_reqs=none": "has no effect without TLS",
    f"redis://me:{SECRET}@host,other": "it has a comma",
    f"unix+cluster://:{SECRET}@/run/s": "scheme is not",
    # --- what cannot be taken apart
    f"redis://me:se/{SECRET}@host": "cannot be taken apart",
    f"redis://:{SECRET}/x@host:6379/0": "cannot be taken apart",
    f"redis://:{SECRET}?x@host:6379/0": "cannot be taken apart",
    f"redis://:{SECRET}#x@host:6379/0": "holds a #",
    f"redis://default:{SECRET}": "cannot be taken apart",
    f"redis://host:{SECRET}/0": "cannot be taken apart",
    f"redis://a@host:b@{SECRET}:c": "cannot be taken apart",
    f"redis://me:{SECRET}@[::1": "cannot be taken apart",
    f"redis://me:{SECRET}@[host]": "no IPv6 address",
    f"redis://me:{SECRET} x@host": "space or a control character",
    f"redis://me:{SECRET}\tx@host": "space or a control character",
    f"redis://me:{SECRET}\x00@host": "space or a control character",
    f"redis://redis://:{SECRET}@host": "cannot be taken apart",
    f"redis://me:{SECRET}%ff@host": "no UTF-8",
    f"redis://me:{SECRET}\udcff@host": "no UTF-8",
    # --- parts out of range
    f"redis://me:{SECRET}@host:0": "port is out of range",
    f"redis://me:{SECRET}@host:70000": "port is out of range",
    f"redis://me:{SECRET}@host:{'9' * 5000}": "port is out of range",
    f"redis://me:{SECRET}@ho..st": "host is no name",
    f"redis://me:{SECRET}@{'h' * 64}": "host is no name",
    f"redis://me:{SECRET}@hö": "host is no name",
    f"redis://me:{SECRET}@h%6f": "host is no name",
    f"redis://me:{SECRET}@host/-1": "database is a whole number",
    f"redis://host/{SECRET}": "database is a whole number",
    f"redis://host/0/{SECRET}": "database is a whole number",
    "redis://host/1/2": "database is a whole number",
    "redis://host/99999999999": "database is a whole number",
    "unix://run/valkey.sock": "begins with a /",
    "unix://": "names no socket",
    "unix:///run/": "names no socket",
    "unix:///run/%00": "names no socket",
    f"unix:///{'é' * 54}": "has 109 bytes",
    f"unix://{SECRET}@host/x": "begins with a /",
    # --- options
    "redis://host?timeout=5": "option timeout is not known",
    "redis://host?decode_responses=true": "option decode_responses is not known",
    "redis://host?protocol=9": "option protocol is not known",
    "redis://host?socket_timeout=x": "option socket_timeout is not known",
    "redis://host?max_connections=0": "option max_connections is not known",
    "redis://host?connection_class=x": "option connection_class is not known",
    "redis://host?__class__=x": "option number 1 is not known",
    f"redis://host?{SECRET}": "option number 1 is not known",
    f"redis://host?password=a&{SECRET}": "option number 2 is not known",
    f"redis://host?password=a&{SECRET}=b": "option number 2 is not known",
    f"redis://host?Password={SECRET}": "option number 1 is not known",
    "redis://host?db=-1": "option db is wrong: a database is a whole number",
    "redis://host?db=1e1": "option db is wrong",
    "redis://host?db=": "option db is wrong",
    "redis://host?db=1&db=2": "option db twice",
    "redis://host/1?db=2": "a database twice",
    f"redis://me:x@host?password={SECRET}": "a password twice",
    "redis://host?password=": "option password is wrong: it is empty",
    "redis://host?ssl_cert_reqs=none": "no effect without TLS",
    "rediss://host?ssl_cert_reqs=sometimes": "expected none, optional or required",
    "rediss://host?ssl_check_hostname=maybe": "option ssl_check_hostname is wrong",
    "rediss://host?ssl_ca_certs=/no/such/file": "there is no such file",
    f"redis://me:{SECRET}@host?health_check_interval=1": "option health_check_interval is not known",
}


@pytest.mark.parametrize(("text", "expected"), ACCEPTED.items())
def test_a_url_is_taken_apart(text: str, expected: StoreUrl) -> None:
    assert read_store_url(text) == expected


@pytest.mark.parametrize(("text", "why"), REFUSED.items())
def test_a_wrong_url_is_refused_by_what_is_wrong_and_without_its_password(text: str, why: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_store_url(text)
    assert why in str(refusal.value)
    assert str(refusal.value).startswith("ARTWORK_REDIS_URL is ")
    assert SECRET not in "".join(traceback.format_exception(refusal.value))


@pytest.mark.parametrize("text", [each for each in REFUSED if each and "\0" not in each])
def test_jobs_and_the_service_refuse_the_same_urls_in_the_same_words(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTWORK_REDIS_URL", text)
    with pytest.raises(InputError) as by_jobs:
        store_url(Path())
    with pytest.raises(InputError) as by_service:
        load_settings()
    assert str(by_jobs.value) == str(by_service.value)
    assert SECRET not in "".join(traceback.format_exception(by_service.value))


SHOWN_OF_STORES = {
    "redis://host:6379/0": "redis://host:6379/0",
    f"redis://me:{SECRET}@host:6379/0": "redis://me:***@host:6379/0",
    f"redis://host/0?password={SECRET}": "redis://host/0",
    f"unix:///run/s?db=1&password={SECRET}": "unix:///run/s",
    f"unix://me:{SECRET}@/run/s": "unix://me:***@/run/s",
    f"unix:///run/me:{SECRET}@host": "unix://...",
}


@pytest.mark.parametrize(("url", "shown"), [*SHOWN.items(), *SHOWN_OF_STORES.items()])
def test_a_url_is_shown_without_its_password_and_what_is_none_by_its_scheme(url: str, shown: str) -> None:
    assert show_url(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        f"redis://me:{SECRET}@host",
        f"redis://{SECRET}@host",
        "redis://me:%68unter2@host",
        f"redis://host?password={SECRET}",
        f"redis://me:se/{SECRET}@host",
        f"redis://me:{SECRET}@[::1",
        f"me:{SECRET}@host",
    ],
)
def test_what_others_say_about_a_url_is_told_without_its_password(url: str) -> None:
    said = f"ERR unknown command `HELLO`, with args beginning with: `3` `AUTH` `me` `{SECRET}` at {url}"
    assert SECRET not in hide_secrets(said, secrets_of(url))


@pytest.mark.parametrize(("said", "told"), SAID.items())
def test_what_others_say_loses_what_is_known_to_be_secret_and_what_stands_before_a_host(said: str, told: str) -> None:
    assert hide_secrets(said, [SECRET]) == told


def test_a_url_that_was_taken_apart_does_not_show_its_password_as_a_value_of_a_log() -> None:
    assert SECRET not in repr(read_store_url(f"redis://me:{SECRET}@host"))


def test_a_folder_of_certificates_is_accepted_and_a_file_without_any_is_not(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    assert read_store_url(f"rediss://host?ssl_ca_path={tmp_path}").tls == {"ssl_ca_path": str(tmp_path)}
    for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        with pytest.raises(InputError, match=name):
            read_store_url(f"rediss://host?{name}={path}")


@pytest.mark.parametrize("content", [b"hunter22", b"hunter22\n", b"hunter22\r\n"])
def test_a_password_is_the_line_of_a_file_and_as_secret_as_one_in_the_url(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "the store's"
    path.write_bytes(content)
    url = f"redis://host/1?password_file={quote(str(path))}"
    assert read_store_url(url) == StoreUrl("redis", "host", database=1, password="hunter22")
    assert show_url(url) == "redis://host/1"
    assert secrets_of(url) == {"hunter22"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no such file"), (b"", "not one line"), (b"\n", "not one line"), (b"hunter22\nother\n", "not one line"),
        (b"hunter22\n\n", "not one line"), (b"hunter22\0", "not one line"), (b"h" * 1025, "not one line"), (b"\xff", "no UTF-8"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_file_that_holds_no_password_is_refused_without_what_it_holds(
    content: bytes | None, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"option password_file is wrong: .*{why}") as refused:
        read_store_url(f"redis://host?password_file={path}")
    assert "hunter22" not in str(refused.value)


@pytest.mark.parametrize("path", ["", "/", "/dev/zero", "/proc/self/mem/x", "%00"])
def test_what_is_no_file_is_refused_and_not_waited_for(path: str) -> None:
    with pytest.raises(InputError, match=r"there is no such file|cannot be read"):
        read_store_url(f"redis://host?password_file={path}")


@pytest.mark.parametrize("url", ["redis://:pw-1@host?password_file={}", "redis://host?password_file={}&password=pw-1"])
def test_a_password_in_the_url_and_one_in_a_file_are_one_too_many(url: str, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("pw-2")
    with pytest.raises(InputError, match="a password twice"):
        read_store_url(url.format(path))


def test_the_path_of_a_socket_is_what_was_quoted_byte_by_byte() -> None:
    path = Path(os.fsdecode(b"/run/\xff?#% x\n.sock"))
    assert read_store_url(socket_url(path)).path == str(path)
