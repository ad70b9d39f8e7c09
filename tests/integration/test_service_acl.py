"""The store's users, as docs/operations.md has them, on a Redis that knows nobody else but its administrator."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from debian_redis import needs_redis_server, redis_server
from faults import running_service, short_folder, until
from make_impressions import make_generation
from posted_events import body
from shell import call

from artwork.bench.testbed.store_fixture import StoreFixture, publish
from bandit.errors import InputError
from bandit.snapshot import event_stream_key
from batch.publishing.flips import flip
from batch.workspace.workspace import Workspace

pytestmark = needs_redis_server

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
PASSWORD = "secret"  # noqa: S105 - of a store that lives as long as a test
DATABASE = 1
ADMINISTRATORS = "config|resetstat"
"""The INFO that tells the statistics is not yet in them."""
ALWAYS_ALLOWED = {"auth", "hello"}
"""Redis lets everybody introduce themselves."""


def documented() -> dict[str, str]:
    """The rules of each user in the page's ACL file."""
    lines = re.findall(r"^    user (\S+) (.*)$", OPERATIONS.read_text(), re.MULTILINE)
    return {name: rules.replace("PASSWORD", PASSWORD) for name, rules in lines}


def commands(rules: str) -> set[str]:
    """What the rules allow, as the store's statistics name it."""
    return set(re.findall(r" \+(\S+)", rules))


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture
def admin(folder: Path) -> Iterator[redis.Redis]:
    users = "".join(f"user {name} {rules}\n" for name, rules in documented().items())
    (folder / "users.acl").write_text("user default on nopass ~* &* +@all\n" + users)
    options = ["--port", "0", "--unixsocket", str(folder / "s"), "--aclfile", str(folder / "users.acl")]
    with redis_server(folder, f"unix://{folder}/s?db={DATABASE}", options) as client:
        yield client


def url_of(folder: Path, name: str) -> str:
    return f"unix://{name}:{PASSWORD}@{folder}/s?db={DATABASE}"


def used(admin: redis.Redis) -> set[str]:
    """The commands that somebody else was allowed since the statistics were reset."""
    statistics: Any = admin.info("commandstats")
    names = {name.removeprefix("cmdstat_") for name, each in statistics.items() if each["calls"]}
    return names - {ADMINISTRATORS} - ALWAYS_ALLOWED


def test_the_service_needs_every_command_of_its_user_and_no_other(
    admin: redis.Redis, folder: Path, tmp_path: Path
) -> None:
    publish(admin, StoreFixture(users=4, titles=2), 1, flip=1)
    admin.config_resetstat()
    with running_service(tmp_path, url_of(folder, "artwork-service"), store_deadline_ms="5000") as service:
        until(lambda: service.get("/readyz").status_code == 200, "ready")
        assert service.get("/v1/users/u1/titles/t1/artwork").json()["source"] == "personalized"
        assert service.degraded() == []
        assert httpx.post(service.address + "/v1/events", content=body()).status_code == 202
    assert used(admin) == commands(documented()["artwork-service"])


def test_the_jobs_need_every_command_of_their_user_and_no_other(
    admin: redis.Redis, folder: Path, workspace: Workspace
) -> None:
    url = url_of(folder, "artwork-batch")
    admin.config_resetstat()
    for _ in range(4):  # current and previous stay, so the fourth one has something to sweep
        make_generation(workspace)
        done = call("publish", "-w", str(workspace.root), ARTWORK_REDIS_URL=url)
        assert done.code == 0, done.err
    for words in (("generations", "list"), ("generations", "rollback"), ("generations", "activate", "4")):
        done = call(*words, "-w", str(workspace.root), ARTWORK_REDIS_URL=url)
        assert done.code == 0, done.err
    with redis.Redis.from_url(url) as client, pytest.raises(InputError, match="published meanwhile"):
        flip(client, 1, "0" * 32, forward_only=True)
    with redis.Redis.from_url(url) as client:
        client.xadd(event_stream_key(0), {"what": "ever"})
    for of_events in (("ingest",), ("events", "dead"), ("events", "dead", "--all")):
        done = call(*of_events, "-w", str(workspace.root), ARTWORK_REDIS_URL=url)
        assert done.code == 0, done.err
    assert used(admin) == commands(documented()["artwork-batch"])


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "art:current", "x"),
        ("GET", "other"),
        ("XADD", "art:current", "*", "a", "b"),
        ("XTRIM", "art:events:0", "MAXLEN", "0"),
        ("KEYS", "*"),
        ("FLUSHALL",),
    ],
)
def test_the_service_may_not_do_what_it_does_not_need(admin: redis.Redis, folder: Path, command: tuple[str]) -> None:
    with redis.Redis.from_url(url_of(folder, "artwork-service")) as client:
        assert client.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)
