"""The servers' answers against each other and against the rows, before anything is timed."""

import json
import random
import time
from collections.abc import Mapping
from itertools import islice
from typing import Any

from artwork.bench.serving.contenders import ask_page, ask_row
from artwork.bench.serving.plan import GENERATION
from artwork.bench.serving.servers import BEFORE, FASTPYSGI, GRANIAN, MODELLED, NAIVE, OURS, UVICORN, WEBDIS, Running
from artwork.bench.targets import WrongAnswerError
from artwork.bench.testbed.store_fixture import POLICY, StoreFixture, identity_of
from bandit.snapshot import decode_row

CHECKED_USERS = 100
_SECONDS = 4.0
"""How long a service may answer without the user's row: on a machine that is loaded its deadline passes often."""
_SHOWN = 300


def check(fixture: StoreFixture, servers: Mapping[str, Running]) -> None:
    """Ask all running servers for the same users and titles.

    Raises:
        WrongAnswerError: an answer is not what the user's row says, or two servers differ.
    """
    drawn = random.Random(3)  # noqa: S311 - the same questions in every run
    for user, (user_id, row) in enumerate(islice(fixture.rows(GENERATION), CHECKED_USERS)):
        title = drawn.choice(fixture.titles_of(user))
        expected = _pick(fixture, row, user_id, title)
        path = f"/v1/users/{user_id}/titles/t{title}/artwork"
        for name in (OURS, BEFORE, NAIVE, UVICORN, GRANIAN, FASTPYSGI):
            if name in servers:
                _compare(f"{name} for {path}", _json(servers[name], path), expected)
        for name in (OURS, BEFORE):
            if name in servers:
                _compare_page(fixture, name, servers[name], user, row)
        if WEBDIS in servers:
            _compare("webdis", servers[WEBDIS].get(ask_row(fixture, user, drawn).path), (200, row))
        if MODELLED in servers:
            _compare("fields of FastAPI's model", list(_json(servers[MODELLED], path)), list(expected))


def _compare_page(fixture: StoreFixture, name: str, server: Running, user: int, row: bytes) -> None:
    path = ask_page(fixture, user, random.Random(user)).path  # noqa: S311
    titles = [int(part.partition("=t")[2]) for part in path.partition("?")[2].split("&")]
    expected = {
        "user_id": f"u{user}",
        "generation": GENERATION,
        "picks": [_pick(fixture, row, f"u{user}", title) for title in titles],
    }
    _compare(f"{name} for {path}", _json(server, path), expected)


def _pick(fixture: StoreFixture, row: bytes, user_id: str, title: int) -> dict[str, Any]:
    """What the row says, by the decoder that publisher and service share; rows are dense where answers are compared."""
    opened = decode_row(row, user_id, GENERATION, identity_of(GENERATION))
    pick = opened.pick(title)
    if pick is None:
        raise WrongAnswerError(f"the row of {user_id} has no pick for title {title}")
    return {
        "user_id": user_id,
        "title_id": f"t{title}",
        "artwork_id": fixture.artwork_ids(GENERATION, f"t{title}")[pick.arm],
        "source": "personalized",
        "policy": POLICY,
        "propensity": pick.weight / opened.total,
        "generation": GENERATION,
        "revision": 0,
        "segment": None,
    }


def _json(server: Running, path: str) -> Any:
    """The answer from the user's row; a service that is held up past its deadline answers without, and is asked again."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        status, body = server.get(path)
        if status != 200:
            raise WrongAnswerError(f"{path} is answered with {status}: {body[:200]!r}, expected 200")
        if b'"source":"personalized"' in body:
            return json.loads(body)
        time.sleep(0.02)
    raise WrongAnswerError(f"{path} is answered for {_SECONDS:g} s without the user's row: {body[:200]!r}")


def _compare(what: str, answer: object, expected: object) -> None:
    if answer != expected:
        shown = (repr(value)[:_SHOWN] for value in (answer, expected))
        raise WrongAnswerError("{}: the answer is {}, expected {}".format(what[:_SHOWN], *shown))
