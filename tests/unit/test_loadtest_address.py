"""The load test's own door of addresses and keys; it shows URLs as the other door does."""

import pytest
from odd_urls import SAID, SECRET, SHOWN

from loadtest.address import WrongAddressError, hide_secrets, read_host, read_key, show_host
from loadtest.boundary import InputError
from loadtest.command import make_parser


@pytest.mark.parametrize(("url", "shown"), SHOWN.items())
def test_an_address_is_shown_without_its_password_and_what_is_none_by_its_scheme(url: str, shown: str) -> None:
    assert show_host(url) == shown


@pytest.mark.parametrize(("said", "told"), SAID.items())
def test_what_others_say_is_told_without_secrets(said: str, told: str) -> None:
    assert hide_secrets(said, [SECRET]) == told


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("HTTPS://host", "https://host"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        (" http://a_b.host.:80\n", "http://a_b.host.:80"),
    ],
)
def test_an_address_is_read(text: str, address: str) -> None:
    assert read_host(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *(url for url in SHOWN if url.startswith("http") or "://" not in url),
        "http://host:0",
        "http://host:65536",
        "http://host:123456",
        "http://a..b",
        f"http://{'a' * 64}",
        "http://[:::1]",
        "http://hö",
        "http://host/path",
        "http://host?x=1",
        "ftp://host",
    ],
)
def test_a_wrong_address_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(WrongAddressError) as refusal:
        read_host(text)
    assert SECRET not in str(refusal.value)
    with pytest.raises(InputError) as on_the_command_line:
        make_parser().parse_args(["--host", text, "--targets", "x"])
    assert SECRET not in str(on_the_command_line.value)


@pytest.mark.parametrize("key", [f"{SECRET}\r\nX: y", f"{SECRET} x", f"{SECRET}é", f'"{SECRET}"'])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(WrongAddressError) as refusal:
        read_key(key)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "words",
    [
        ["--rate", "nan"], ["--rate", "inf"], ["--rate", "1e400"], ["--rate", "-1"], ["--rate", "x"], ["--users", "²"],
        ["--users", "9" * 30], ["--seed", "-1"], ["--seed", "1e3"], ["--duration", "9" * 30 + "h"], ["--duration", "0s"],
        ["--page-share", "nan"], ["--slo-p99-ms", "0"], ["--page-p99-ms", "nan"], ["--scenario", "all"], ["--nothing"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_number_out_of_range_is_refused_by_its_option(words: list[str]) -> None:
    with pytest.raises(InputError, match=words[0]):
        make_parser().parse_args(["--host", "http://host", "--targets", "x", *words])
