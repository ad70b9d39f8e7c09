"""Looking for the highest rate, against servers with a limit of their own; and the command line's way there."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scripted import Answering, Writer, scripted, whole

from loadtest.find_max import FIRST_RATE, LOWEST_RATE, Search, find_max
from loadtest.look_ups import LookUps, make_load
from loadtest.targets import make_targets

TARGETS = make_targets(tuple(f"u{number}" for number in range(50)), ("m1", "m2"))


def body(path: str) -> bytes:
    return f'{{"user_id":"{path.split("/")[-1 if path.count("/") < 3 else 3]}","source":"personalized"}}'.encode()


async def right(number: int, path: str, writer: Writer) -> None:
    writer.write(whole(body(path)))


def searched(answering: Answering, slo_p99_ms: float, seconds: float = 0.5) -> Search:
    with scripted(answering) as port:
        host, look_ups = f"http://127.0.0.1:{port}", LookUps()
        return find_max(host, make_load(host, TARGETS, look_ups, None, seconds), slo_p99_ms, seconds, look_ups)


@pytest.mark.faults
@pytest.mark.exclusive
def test_the_highest_rate_lies_under_the_limit_of_the_server_and_was_held() -> None:
    turn = asyncio.Lock()

    async def one_at_a_time(number: int, path: str, writer: Writer) -> None:
        async with turn:
            await asyncio.sleep(0.002)  # the server's limit: at most 500 a second
        await right(number, path, writer)

    found = searched(one_at_a_time, slo_p99_ms=500)
    assert FIRST_RATE < found.rate < 500
    assert found.highest is not None
    assert sum(found.histogram.values()) == sum(found.highest.statuses.values()) >= 1000
    assert found.highest.kept
    assert found.ceiling is not None
    assert any(not step.kept for step in found.steps)


def test_a_service_that_is_always_too_slow_has_no_highest_rate() -> None:
    async def slow(number: int, path: str, writer: Writer) -> None:
        await asyncio.sleep(0.02)
        await right(number, path, writer)

    found = searched(slow, slo_p99_ms=10)
    assert (found.highest, found.rate) == (None, 0.0)
    assert {step.asked_rate for step in found.steps} == {FIRST_RATE, LOWEST_RATE}
    assert found.why_none is None


@pytest.mark.faults
@pytest.mark.exclusive
def test_a_rate_far_below_the_first_is_found_and_held_for_a_thousand_requests() -> None:
    turn = asyncio.Lock()

    async def one_at_a_time(number: int, path: str, writer: Writer) -> None:
        async with turn:
            await asyncio.sleep(0.01)  # the server's limit: at most 100 a second
        await right(number, path, writer)

    found = searched(one_at_a_time, slo_p99_ms=500)
    assert LOWEST_RATE < found.rate < 100
    assert found.highest is not None
    assert sum(found.highest.statuses.values()) >= 1000


def test_wrong_answers_hold_no_rate_however_fast_they_are() -> None:
    async def anothers(number: int, path: str, writer: Writer) -> None:
        writer.write(whole(b'{"user_id":"somebody"}'))

    found = searched(anothers, slo_p99_ms=1000)
    assert found.highest is None
    assert found.steps[0].wrong > 0


def test_refusals_do_not_count_as_achieved_and_hold_no_rate() -> None:
    async def overloaded(number: int, path: str, writer: Writer) -> None:
        writer.write(whole(body(path)) if number % 2 else whole(b"", 503))

    found = searched(overloaded, slo_p99_ms=1000)
    assert found.highest is None
    assert all(step.right for step in found.steps)
    assert found.steps[0].rate_share < 0.6


def loadtest(folder: Path, port: int, *flags: str) -> subprocess.CompletedProcess[str]:
    (folder / "loadtest.json").write_text(json.dumps({"users": list(TARGETS.users), "titles": list(TARGETS.titles)}))
    plan = ["--host", f"http://127.0.0.1:{port}", "--targets", str(folder / "loadtest.json"), "--duration", "1s"]
    command = [sys.executable, "-m", "loadtest", *plan, "--report", str(folder / "report.html"), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_a_refused_key_fails_with_the_status(tmp_path: Path) -> None:
    async def locked(number: int, path: str, writer: Writer) -> None:
        writer.write(whole(b"ready") if path == "/readyz" else whole(b"", 401))

    with scripted(locked) as port:
        done = loadtest(tmp_path, port, "--find-max", "--page-share", "0")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("failed: no rate was kept\n")
    assert done.stdout.count("ms late (p99)") == 2
    assert "x 401" in done.stdout
    assert json.loads((tmp_path / "report.json").read_text())["highest"] is None


def test_the_key_of_the_environment_is_sent_by_locust_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTWORK_LOADTEST_KEY", "secret")
    heads: list[bytes] = []

    async def noted(number: int, path: str, writer: Writer) -> None:
        await right(number, path, writer)

    with scripted(noted, heads=heads) as port:
        loadtest(tmp_path, port, "--rate", "50", "--page-share", "0", "--duration", "2s")
    asked = [head for head in heads if b"/v1/users/" in head]
    assert asked
    assert all(b"Authorization: Bearer secret\r\n" in head for head in asked)


def test_a_run_is_compared_with_an_earlier_report_and_both_are_told(tmp_path: Path) -> None:
    async def locked(number: int, path: str, writer: Writer) -> None:
        writer.write(whole(b"ready") if path == "/readyz" else whole(b"", 401))

    before: dict[str, Any] = {
        "rate": 900.0,
        "scenario": "mixed",
        "page_share": 0.0,
        "slo_p99_ms": 5.0,
        "highest": {"p99_ms": 1.0},
    }
    (tmp_path / "report.json").write_text(json.dumps(before))
    with scripted(locked) as port:
        last = ("--compare", str(tmp_path / "report.json"))
        done = loadtest(tmp_path, port, "--find-max", "--page-share", "0", "--json", *last)
    assert done.returncode == 1, done.stderr
    [rate] = [each for each in json.loads(done.stdout)["comparison"]["changes"] if each["name"] == "rate"]
    assert (rate["before"], rate["now"], rate["worse"]) == (900.0, 0.0, True)
