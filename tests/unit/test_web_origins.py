"""Addresses that get into a Content-Security-Policy are origins and nothing else."""

import pytest

from artwork.web.access import content_policy
from artwork.web.origins import read_image_hosts, read_origin
from bandit.errors import InputError

GOOD = {
    "http://127.0.0.1:8080": "http://127.0.0.1:8080",
    "http://127.0.0.1:8080/": "http://127.0.0.1:8080",
    " HTTP://LocalHost:8080 ": "http://localhost:8080",
    "https://shop.example": "https://shop.example",
    "https://shop.example:443": "https://shop.example",
    "http://shop.example:80": "http://shop.example",
    "https://shop.example:80": "https://shop.example:80",
    "http://[::1]:8080": "http://[::1]:8080",
}
BAD = (
    *(
        "",
        "*",
        "'self'",
        "shop.example",
        "//shop.example",
        "ftp://shop.example",
        "javascript:alert(1)",
        "data:",
        "null",
    ),
    *("https://shop.example/a", "https://shop.example//", "https://shop.example?a", "https://shop.example#a"),
    *(
        "https://user@shop.example",
        "https://user:word@shop.example",
        "https://shop.example:99999",
        "https://shop.example:0",
    ),
    *(
        "https://shop.example; script-src *",
        "https://shop.example script-src",
        "https://shop.example,https://b.example",
    ),
    *("https://shop.example\n.example", "https://*.example", "https://", "https://.example", "https://shop..example"),
    *(
        "https://shöp.example",
        "https://shop.example\0",
        "https://shop.example:8o",
        "http://[::1",
        "https://a'b.example",
    ),
)


@pytest.mark.parametrize("text", GOOD)
def test_an_origin_is_read_as_a_browser_writes_it(text: str) -> None:
    assert read_origin(text, "--service", "http://127.0.0.1:8080") == GOOD[text]


@pytest.mark.parametrize("text", BAD, ids=ascii)
def test_whatever_is_no_origin_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(InputError, match=r"--service is .*expected a scheme, a host and a port"):
        read_origin(text, "--service", "http://127.0.0.1:8080")


def test_hosts_of_images_are_asked_by_https_unless_they_say_otherwise() -> None:
    hosts = read_image_hosts(["images.example, http://localhost:9000", "IMAGES.example", ""])
    assert hosts == ("https://images.example", "http://localhost:9000")


@pytest.mark.parametrize(
    "text", ["*", "a b", "images.example/x", "https://user@images.example", "images.example;", "'none'"]
)
def test_whatever_is_no_host_of_images_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--image-host is"):
        read_image_hosts([text])


def test_the_policy_names_the_service_and_no_host_that_was_not_named() -> None:
    assert "connect-src 'self' http://127.0.0.1:8080;" in content_policy("http://127.0.0.1:8080", ())
    assert "connect-src 'self';" in content_policy("", ())
    assert "img-src 'self';" in content_policy("", ())
