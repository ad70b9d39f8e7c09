"""The controller as a server: live figures of a real service and store, streams that are bounded, and an end that is clean."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults import new_store, running_service, until
from make_impressions import make_generation, shorten, silent
from shell import HANG_SECONDS, call, environment
from web_stage import TOKEN, NotedStage, nowhere

from artwork.bench.testbed.service_process import free_port
from artwork.web.live import MAX_PAGES
from artwork.web.origins import refusal_of
from artwork.web.serving import MAX_HEAD_BYTES, bind_page, page_server
from batch.events.ingest import ingest
from batch.publishing.publish import publish
from batch.store.client import connect
from batch.workspace.workspace import Workspace


@contextmanager
def page(stage: NotedStage) -> Iterator[httpx.Client]:
    """A browser that has opened the page of a stage, which is served on a free port."""
    with bind_page(0) as listener, page_server(stage, listener) as address:
        cookies = {f"artwork_{address.rpartition(':')[2]}": TOKEN}
        with httpx.Client(base_url=address, cookies=cookies, timeout=HANG_SECONDS) as browser:
            yield browser


def live(browser: httpx.Client) -> Any:
    return browser.get("/api/live.json").raise_for_status().json()


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_live_figures_come_as_events_at_most_four_a_second() -> None:
    with page(nowhere()) as browser, browser.stream("GET", "/api/live") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        following = events(stream.iter_lines())
        times = [next(following)["at"] for _ in range(6)]
    assert len(set(times)) == 6
    assert times == sorted(times)
    seconds = [float(at[17:-1]) for at in times[1:]]
    assert min((after - before) % 60 for before, after in pairwise(seconds)) >= 0.25


def test_as_many_streams_as_may_be_leave_room_when_one_ends() -> None:
    with page(nowhere()) as browser, ExitStack() as stack:
        limits = httpx.Limits(max_connections=None)
        many = stack.enter_context(
            httpx.Client(base_url=browser.base_url, cookies=browser.cookies, limits=limits, timeout=HANG_SECONDS)
        )
        first = stack.enter_context(ExitStack())
        first.enter_context(many.stream("GET", "/api/live"))
        for _ in range(MAX_PAGES - 1):
            assert stack.enter_context(many.stream("GET", "/api/live")).status_code == 200
        refused = many.get("/api/live")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert live(browser)["phase"] == "visits"
        first.close()

        def opens() -> bool:
            with many.stream("GET", "/api/live") as again:
                return again.status_code == 200

        until(opens, "a stream that ended makes room")


def test_streams_end_with_the_server() -> None:
    with ExitStack() as stack:
        browser = stack.enter_context(page(nowhere()))
        own = httpx.Client(base_url=browser.base_url, cookies=browser.cookies, timeout=HANG_SECONDS)
        stream = own.send(own.build_request("GET", "/api/live"), stream=True)
        following = events(stream.iter_lines())
        next(following)
        stack.close()
        assert len(list(following)) <= 3
        with pytest.raises(httpx.ConnectError):
            own.get("/api/session")
        own.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: HOST\r\nX: " + "x" * 2 * MAX_HEAD_BYTES, 400),
        ("GET / HTTP/1.1\r\nHost: HOST\r\nHost: evil.example", 400),
        ("GET / HTTP/1.1", 400),
        ("GET / HTTP/1.0", 421),
        ("GET http://evil.example/?token=TOKEN HTTP/1.1\r\nHost: HOST", 401),
        ("GET /?token=TOKEN HTTP/1.1\r\nHost: evil.example", 421),
        ("GET //evil.example/?token=TOKEN HTTP/1.1\r\nHost: HOST", 401),
        ("\0", 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_heads_that_no_browser_sends_open_nothing(head: str, status: int) -> None:
    with bind_page(0) as listener, page_server(nowhere(), listener) as address:
        host, _, port = address.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=HANG_SECONDS) as connection:
            request = head.replace("HOST", f"{host}:{port}").replace("TOKEN", TOKEN)
            connection.sendall(request.encode() + b"\r\n\r\n")
            answer = connection.recv(4096)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"set-cookie" not in answer.lower()


def test_a_port_that_is_taken_is_passed_over_unless_it_was_asked_for() -> None:
    with bind_page(None) as first, bind_page(None) as second:
        assert first.getsockname()[1] != second.getsockname()[1]
        with pytest.raises(Exception, match=f"cannot listen on 127.0.0.1 port {first.getsockname()[1]}"):
            bind_page(first.getsockname()[1])


@pytest.fixture
def made(workspace: Workspace) -> Workspace:
    shorten(workspace, n_artwork_features=2)
    make_generation(workspace, seed=3)
    return workspace


def seen(count: int) -> bytes:
    """A request of events of as many impressions."""
    shown = {"type": "impression", "user_id": "u0001", "title_id": "t0001", "artwork_id": "a01", "generation": 1}
    more = {"revision": 0, "source": "personalized", "segment": None, "occurred_at": "2026-01-01T00:00:00Z"}
    return json.dumps([{"event_id": f"e{number}", **shown, **more} for number in range(count)]).encode()


def test_figures_follow_a_service_and_a_store_through_their_troubles(
    made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_store() as store, connect(store.url) as client:
        publish(made, 1, client, store.url, silent)
        monkeypatch.setenv("ARTWORK_REDIS_URL", store.url)
        with running_service(made.root, store.url, store_deadline_ms="5000") as service:
            stage = NotedStage(made, service=service.address)
            with page(stage) as browser:
                until(lambda: live(browser)["service"]["ready"], "ready")
                for _ in range(50):
                    service.get("/v1/users/u0001/artwork?title_id=t0001&title_id=t0002")
                until(lambda: live(browser)["service"]["by_source"].get("personalized", 0) > 0, "picks are counted")
                figures = live(browser)
                low, high = figures["service"]["p99_between_ms"]
                assert low <= figures["service"]["p99_ms"] <= high
                assert (figures["generation"], figures["revision"]) == (1, 0)
                until(lambda: live(browser)["store"]["memory_bytes"] is not None, "the store tells its memory")
                series = browser.get("/api/live.json?history=1").json()["series"]
                assert series[-1].keys() == {"at", "p50_ms", "p99_ms", "per_second", "by_source"}

                httpx.post(f"{service.address}/v1/events", content=seen(7)).raise_for_status()
                until(lambda: live(browser)["learned"]["since"] == 7, "events wait")
                until(lambda: live(browser)["ingest"]["waiting"] == 1, "an entry waits")
                assert live(browser)["ingest"]["lag_seconds"] >= 0
                ingest(made, store.url, silent)
                until(lambda: live(browser)["ingest"]["waiting"] == 0, "the entry was taken out")
                assert live(browser)["learned"]["since"] == 7
                publish(made, make_generation(made, seed=3), client, store.url, silent)
                until(lambda: live(browser)["learned"]["since"] == 0, "what a night took in does not wait")
                until(lambda: live(browser)["previous"] == 1, "the store tells what was served before")
                assert live(browser)["generation"] == 2

                store.kill()
                until(lambda: live(browser)["store"]["state"] == "away", "the store is away")
                until(lambda: bool(live(browser)["service"]["degraded"]), "the service says so")
                assert live(browser)["service"]["up"]
                for path in ("/api/catalogue", "/api/rows/u0001", "/api/explain/u0001/t0001", "/api/generations"):
                    assert browser.get(path).status_code == 200
                assert live(browser)["generation"] == 2
                store.start()
                until(lambda: live(browser)["store"]["state"] == "up", "the store is back")
                with store.frozen():
                    until(lambda: live(browser)["store"]["state"] == "away", "a frozen store does not answer")
                    assert browser.get("/api/catalogue").status_code == 200
                until(lambda: live(browser)["store"]["state"] == "up", "it goes on")

                stage.service = f"http://127.0.0.1:{free_port()}"
                until(lambda: not live(browser)["service"]["up"], "nobody answers there")
                assert live(browser)["service"]["p99_ms"] is None


def test_a_generation_of_the_same_number_from_elsewhere_is_not_taken_for_ones_own(
    made: Workspace, written_tables: Path, tmp_path: Path
) -> None:
    other = Workspace(tmp_path / "other")
    shutil.copytree(written_tables, other.root)
    shorten(other, n_artwork_features=2)
    make_generation(other, seed=4)
    with new_store() as store, connect(store.url) as client:
        publish(other, 1, client, store.url, silent)
        with (
            running_service(made.root, store.url) as service,
            page(NotedStage(made, service=service.address)) as browser,
        ):
            until(
                lambda: any("is not of the workspace" in word for word in live(browser)["service"]["degraded"]), "told"
            )
            assert live(browser)["learned"]["impressions"] == 0
            assert browser.get("/api/generations").json()["current"] is None
            assert browser.get("/api/explain/u0001/t0001").json()["current"] is None


def test_the_page_is_told_when_the_service_does_not_let_it_ask(made: Workspace) -> None:
    page_origin, other = "http://127.0.0.1:8001", "http://127.0.0.1:8002"
    with new_store() as store, running_service(made.root, store.url, allowed_origins=page_origin) as service:
        assert refusal_of(service.address, page_origin) is None
        assert f"ARTWORK_ALLOWED_ORIGINS={other}" in str(refusal_of(service.address, other))
    assert "does not answer" in str(refusal_of(f"http://127.0.0.1:{free_port()}", page_origin))


@contextmanager
def web_command(workspace: Workspace, log: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``artwork web`` in a process of its own, and the first line that it prints."""
    command = [sys.executable, "-m", "artwork.cli", "web", "--workspace", str(workspace.root), "--port", "0", *words]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment())
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_serves_a_workspace_and_ends_by_a_signal_with_a_page_open(
    made: Workspace, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    log = tmp_path / "log"
    with web_command(made, log, "--service", "http://127.0.0.1:1") as (process, line):
        address, token = line.removeprefix("open ").strip().split("/?token=")
        with httpx.Client(base_url=address, timeout=HANG_SECONDS) as browser:
            assert browser.get("/api/session").status_code == 401
            assert browser.get(f"/?token={token}").status_code == 303
            session = browser.get("/api/session").json()
            assert (session["demo"], session["truth"], session["controls"], session["seed"]) == (False, False, [], 3)
            assert browser.get("/api/explain/u0001/t0001").json()["generation"] == 1
            assert browser.post("/api/control/play", headers={"Origin": address}).status_code == 404
            assert live(browser)["phase"] == "served"
            with browser.stream("GET", "/api/live") as stream:
                next(stream.iter_lines())
                process.send_signal(number)
                assert process.wait(HANG_SECONDS) == code
        assert process.stdout is not None
        assert token not in process.stdout.read() + log.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--service", "127.0.0.1:8000"), "--service is '127.0.0.1:8000', expected a scheme, a host and a port"),
        (("--service", "http://a.example; script-src *"), "--service is 'http://a.example; script-src *'"),
        (("--service", "http://a.example", "--image-host", "a b"), "--image-host is 'https://a b'"),
        (("--service", "http://a.example", "--workspace", "/nonexistent"), "/nonexistent is not a folder"),
        (("--service", "http://a.example", "--port", "65536"), "--port"),
        ((), "--service"),
    ],
)
def test_the_command_refuses_what_it_cannot_serve(made: Workspace, words: tuple[str, ...], message: str) -> None:
    ended = call("web", "--workspace", str(made.root), *words)
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1
