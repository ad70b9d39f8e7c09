"""The OpenAPI document against a running service: what it says of requests, answers and refusals is so."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from faults import Service, new_store, running_service
from redis import Redis

from artwork.bench.testbed.store_fixture import StoreFixture, publish
from service.keys import entry_text, new_key

HANG_SECONDS = 120
KEY, ENTRY = new_key("web", ["lookup", "events"])
CONFIG = """
warnings = { fail-on = true }

[dictionaries.titles]
values = ["t0", "t1", "t2"]

[parameters]
"path.title_id" = { dictionary = "titles", probability = 0.5 }

[phases.fuzzing.checks.negative_data_rejection]
enabled = false
"""
"""Wrong data has to be refused where it is chosen one by one (coverage); fuzzing also counts values as wrong that a URL cannot
tell from right ones, such as ``title_id=false``, the boolean."""


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with new_store() as store:
        with Redis.from_url(store.url) as client:
            publish(client, StoreFixture(users=20, titles=4), 1, flip=1)
        yield store.url


@pytest.fixture(scope="module")
def service(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without keys; its deadline is no part of what is asked here."""
    with running_service(tmp_path_factory.mktemp("open"), store, store_deadline_ms="5000") as service:
        yield service


@pytest.fixture(scope="module")
def locked_service(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that knows one key."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "keys.toml").write_text(entry_text(ENTRY))
    with running_service(folder, store, store_deadline_ms="5000", keys_file=str(folder / "keys.toml")) as service:
        yield service


some_and_many = pytest.mark.parametrize("examples", [8, pytest.param(60, marks=pytest.mark.faults)])


def schemathesis(service: Service, folder: Path, examples: int, *options: str) -> subprocess.CompletedProcess[str]:
    """Every check on every call, with right and wrong data, the same data in every run."""
    (folder / "schemathesis.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "schemathesis.cli", "run", service.address + "/openapi.json"]
    bounds = ["--mode", "all", "--max-examples", str(examples), "--generation-deterministic"]
    return subprocess.run(
        [*command, *bounds, "--no-color", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )


@some_and_many
def test_every_answer_of_an_open_service_is_as_documented(service: Service, tmp_path: Path, examples: int) -> None:
    done = schemathesis(service, tmp_path, examples)
    assert done.returncode == 0, done.stdout + done.stderr


@some_and_many
def test_every_answer_of_a_service_with_keys_is_as_documented(
    locked_service: Service, tmp_path: Path, examples: int
) -> None:
    done = schemathesis(locked_service, tmp_path, examples, "--header", f"Authorization: Bearer {KEY}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_document_names_every_refusal_and_asks_for_a_key_where_one_is_needed(
    service: Service, locked_service: Service
) -> None:
    open_call, locked_call = (
        each.get("/openapi.json").json()["paths"]["/v1/users/{user_id}/artwork"]["get"]
        for each in (service, locked_service)
    )
    assert open_call["responses"].keys() == {"200", "413", "414", "422", "431", "503"}
    assert locked_call["responses"].keys() == open_call["responses"].keys() | {"401", "403"}
    assert "security" not in open_call
    assert locked_call["security"] == [{"key": []}]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1/users/u1/titles/t1/artwork", "/v1/users/u1/artwork", "/livez", "/metrics"])
def test_another_method_is_405_and_a_problem_that_names_the_right_one(service: Service, path: str, method: str) -> None:
    response = httpx.request(method, service.address + path)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
    assert response.headers["content-type"] == "application/problem+json"
