"""Rolling back moves a running service within two polls, and no request notices."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.request import ProxyHandler, build_opener

import pytest
from learned_workspace import LearnedWorkspace, silent
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.faults

OPEN = build_opener(ProxyHandler({})).open


class Visitor:
    """Asks the service for a page again and again, and keeps what came back."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.generations: list[int] = []
        self.statuses: set[int] = set()
        self.mixed = 0
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            with OPEN(self.page, timeout=30) as response:
                self.statuses.add(response.status)
                answer = json.load(response)
            seen = {pick["generation"] for pick in answer["picks"]} | {answer["generation"]}
            self.mixed += len(seen) > 1
            self.generations.append(answer["generation"])

    @contextmanager
    def visiting(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            thread.join()


@pytest.fixture
def page(learned: LearnedWorkspace, address: str) -> str:
    user = learned.loop.tables.users["user_id"][0]
    return f"{address}/v1/users/{user}/artwork?" + "&".join(
        f"title_id={title}" for title in learned.loop.catalogue.title_ids
    )


def test_a_rollback_is_served_within_two_polls_without_a_failed_request(
    learned: LearnedWorkspace, address: str, page: str
) -> None:
    before = learned.loop.learn(learned.url, silent).trained.generation
    after = learned.loop.learn(learned.url, silent).trained.generation
    with closing(learned.loop.client(address)) as client:
        client.wait_for(after)
    visitor = Visitor(page)
    with visitor.visiting():
        _wait_for_polls(address, 2)
        flipped = _artwork("generations", "rollback", "--workspace", str(learned.workspace.root), "--json")
        _wait_for_polls(address, 2)
        with OPEN(f"{address}/readyz", timeout=30) as response:
            served = json.load(response)["generation"]
    assert json.loads(flipped)["generation"] == before
    assert served == before
    assert visitor.statuses == {200}
    assert visitor.mixed == 0
    assert visitor.generations == sorted(visitor.generations, reverse=True)
    assert {before, after} == set(visitor.generations)


def _wait_for_polls(address: str, count: int) -> None:
    """Return when ``count`` more polls have ended after one that may be under way."""
    wanted = _polls(address) + count + 1
    while _polls(address) < wanted:
        pass


def _polls(address: str) -> float:
    with OPEN(f"{address}/metrics", timeout=30) as response:
        families = text_string_to_metric_families(response.read().decode())
    return next(
        sample.value for family in families for sample in family.samples if sample.name == "artwork_polls_total"
    )


def _artwork(*words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "artwork.cli", *words], capture_output=True, text=True, check=True
    ).stdout
