from itertools import islice
from random import Random

import pytest

from loadtest.boundary import InputError
from loadtest.look_ups import LookUps, make_load
from loadtest.targets import Targets, asking_users, make_targets

USERS = tuple(f"u{rank}" for rank in range(1, 101))
TITLES = tuple(f"m{rank}" for rank in range(1, 61))
HOST = "http://127.0.0.1:8000"


@pytest.fixture
def targets() -> Targets:
    return make_targets(USERS, TITLES)


def test_in_a_cold_scenario_no_user_comes_again_before_all_have_come(targets: Targets) -> None:
    asked = list(islice(asking_users(targets, Random(1), "cold"), 200))
    assert sorted(asked[:100]) == sorted(asked[100:]) == sorted(USERS)


def test_in_a_fallback_scenario_nobody_is_known(targets: Targets) -> None:
    assert not set(islice(asking_users(targets, Random(1), "fallback"), 200)) & set(USERS)


def test_each_request_is_whole_and_expects_its_own_user(targets: Targets) -> None:
    load = make_load(HOST, targets, LookUps(), 100.0, 1.0)
    assert load.expected is not None
    for request, expected in zip(load.requests[:100], load.expected, strict=False):
        path = request.split(b" ")[1].decode()
        assert request == f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n".encode()
        assert expected == f'"user_id":"{path.split("/")[3]}"'.encode()


def test_only_known_titles_are_asked_for(targets: Targets) -> None:
    load = make_load(HOST, targets, LookUps(), 100.0, 1.0)
    assert {request.split(b"/")[5].decode() for request in load.requests} == set(TITLES)


def test_the_share_of_pages_is_kept_and_each_has_different_titles(targets: Targets) -> None:
    load = make_load(HOST, targets, LookUps(page_share=0.5), 100.0, 1.0)
    pages = [request.split(b" ")[1].split(b"title_id=")[1:] for request in load.requests if b"title_id=" in request]
    assert len(pages) / len(load.requests) == pytest.approx(0.5, abs=0.02)
    assert {len(titles) for titles in pages} == {40}
    assert all(len({title.rstrip(b"&") for title in titles}) == 40 for titles in pages[:100])


def test_a_key_goes_with_every_request(targets: Targets) -> None:
    load = make_load(HOST, targets, LookUps(key="secret"), 100.0, 1.0)
    assert all(b"\r\nAuthorization: Bearer secret\r\n" in request for request in load.requests)


def test_an_address_of_tls_is_refused(targets: Targets) -> None:
    with pytest.raises(InputError, match="plain HTTP only"):
        make_load("https://example.org", targets, LookUps(), 100.0, 1.0)
