"""Whole runs of the load test against a small HTTP server that keeps the look-up contract, or breaks it on purpose.

Budgets are given as flags, far from what any machine does, so that a busy machine does not decide a test.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import pytest
from shell import call

from loadtest.boundary import InputError, RunError
from loadtest.command import main

TITLES = [f"m{rank}" for rank in range(1, 101)]
GENEROUS = ("--single-p99-ms", "60000", "--page-p99-ms", "60000", "--min-rate-share", "0.01")


class LookUps(BaseHTTPRequestHandler):
    """Answers look-ups as the service's contract says."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: in two packets they would wait for each other's acknowledgement
    artworks: ClassVar[dict[str, str]] = {title_id: f"{title_id}-a1" for title_id in TITLES}

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        words = address.path.split("/")
        if address.path == "/readyz":
            self.answer(200, {"status": "ready"})
        elif address.path == "/openapi.json":
            self.answer(200, {"info": {"version": "9.9.9"}})
        elif not address.path.startswith("/v1/"):
            self.answer(404, {"status": 404})
        elif len(words) == 5:
            title_ids = [title_id for _, title_id in parse_qsl(address.query)]
            self.answer(200, self.page(words[3], title_ids))
        elif words[5] in self.artworks:
            self.answer(200, self.pick(words[3], words[5]))
        else:
            self.answer(404, {"status": 404})

    def page(self, user_id: str, title_ids: list[str]) -> dict[str, Any]:
        picks = [self.pick(user_id, title_id) for title_id in title_ids]
        return {"user_id": user_id, "generation": 17, "picks": picks}

    def pick(self, user_id: str, title_id: str) -> dict[str, Any]:
        source = "popularity" if user_id.startswith("cold-") else "personalized"
        known = title_id in self.artworks
        return {
            "user_id": user_id,
            "title_id": title_id,
            "artwork_id": self.artworks.get(title_id),
            "source": source if known else None,
            "policy": "thompson" if known else None,
            "propensity": 0.5 if known else None,
            "generation": 17,
            "revision": 0,
            "segment": None,
        }

    def answer(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the base class's
        """Say nothing."""


class SlowPages(LookUps):
    def page(self, user_id: str, title_ids: list[str]) -> dict[str, Any]:
        time.sleep(0.5)  # the slowness under test, not a wait for something
        return super().page(user_id, title_ids)


class NobodysUser(LookUps):
    def answer(self, status: int, value: dict[str, Any]) -> None:
        super().answer(status, value | {"user_id": "nobody"})


class WrongOrder(LookUps):
    def page(self, user_id: str, title_ids: list[str]) -> dict[str, Any]:
        return super().page(user_id, title_ids[::-1])


class BrokenOff(LookUps):
    def answer(self, status: int, value: dict[str, Any]) -> None:
        self.send_response(status)
        body = json.dumps(value).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:-1])
        self.close_connection = True

    def do_GET(self) -> None:
        if self.path == "/readyz":
            LookUps.answer(self, 200, {"status": "ready"})
        else:
            super().do_GET()


class NotReady(LookUps):
    def do_GET(self) -> None:
        self.answer(503, {"status": 503})


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str
    report: Path

    @property
    def verdict(self) -> Any:
        return json.loads(self.report.with_suffix(".json").read_text())


LoadTest = Callable[..., Ended]


@contextmanager
def serving(handler: type[LookUps]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loadtest") / "loadtest.json"
    path.write_text(json.dumps({"generation": 17, "users": ["u1", "u2", "u3"], "titles": TITLES}))
    return path


@pytest.fixture(scope="module")
def loadtest(targets: Path, tmp_path_factory: pytest.TempPathFactory) -> LoadTest:
    plan = ["--targets", str(targets), "--duration", "12s", "--users", "8", "--rate", "250"]

    def run(host: str, *flags: str) -> Ended:
        report = tmp_path_factory.mktemp("report") / "reports" / "loadtest.html"
        command = [sys.executable, "-m", "loadtest", "--host", host, *plan, "--report", str(report), *flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        return Ended(done.returncode, done.stdout, done.stderr, report)

    return run


@pytest.fixture(scope="module")
def good(loadtest: LoadTest) -> Ended:
    with serving(LookUps) as host:
        return loadtest(host, *GENEROUS)


def test_a_service_that_answers_rightly_and_in_time_is_within_budgets(good: Ended) -> None:
    assert good.code == 0, good.err
    assert "within budgets" in good.out


def test_both_scenarios_were_asked_for_without_a_failure(good: Ended) -> None:
    scenarios = {each["name"]: each for each in good.verdict["figures"]["scenarios"]}
    assert min(scenarios["single"]["requests"], scenarios["page"]["requests"]) > 20
    assert good.verdict["figures"]["faults"] == []


def test_cold_users_were_asked_for_and_their_source_was_counted(good: Ended) -> None:
    sources = good.verdict["figures"]["sources"]
    assert sources["personalized"] > sources["popularity"] > 0


def test_percentiles_are_finer_than_locusts_whole_milliseconds(good: Ended) -> None:
    times = [each[name] for each in good.verdict["figures"]["scenarios"] for name in ("p50_ms", "p90_ms", "p99_ms")]
    assert any(time != round(time) for time in times)


def test_the_html_report_is_there_and_needs_no_other_file(good: Ended) -> None:
    html = good.report.read_text()
    assert "<title>Locust</title>" in html
    assert 'src="http' not in html


def test_it_opens_with_the_verdict(good: Ended) -> None:
    assert good.out.startswith("within budgets\n")


def test_times_over_the_run_and_a_histogram_have_every_request(good: Ended) -> None:
    for one in good.verdict["figures"]["scenarios"]:
        assert sum(piece["requests"] for piece in one["slices"]) == one["requests"]
        assert sum(one["histogram"].values()) == one["requests"]
        assert len(one["slices"]) >= 5
    assert "p99 over time, one mark for 1 s" in good.out


def test_what_a_figure_needs_to_be_quoted_is_in_the_json(good: Ended) -> None:
    run = good.verdict["run"]
    assert datetime.fromisoformat(run["began_at"]).tzinfo is not None
    assert run["versions"]["service"] == "9.9.9"
    assert run["command"].startswith("python -m loadtest --host http://127.0.0.1:")
    assert str(good.report.parent) not in json.dumps(run)


def test_a_service_without_metrics_is_loaded_and_that_is_said(good: Ended) -> None:
    assert "/metrics cannot be read (HTTP Error 404" in good.verdict["service"]["missing"]


@pytest.mark.parametrize("driver", [(), ("--open-loop",)])
def test_a_run_of_too_few_requests_has_no_verdict_and_ends_with_3(loadtest: LoadTest, driver: tuple[str, ...]) -> None:
    with serving(LookUps) as host:
        ended = loadtest(host, *GENEROUS, "--duration", "2s", "--rate", "50", *driver)
    assert ended.code == 3, ended.err
    assert ended.out.startswith("no verdict: ")
    assert "at least 1,000 are needed" in ended.out
    assert (ended.verdict["verdict"], ended.verdict["passed"]) == ("none", False)
    assert ended.verdict["why_none"] in ended.out


@pytest.mark.parametrize("driver", [(), ("--open-loop",)])
def test_a_client_that_is_late_by_more_than_half_the_budget_gives_no_verdict(
    loadtest: LoadTest, driver: tuple[str, ...]
) -> None:
    never_so_quick = ("--single-p99-ms", "0.0001", "--page-p99-ms", "0.0001", "--min-rate-share", "0.01")
    with serving(LookUps) as host:
        ended = loadtest(host, *never_so_quick, *driver, "--duration", "6s")
    assert ended.code == 3, ended.err
    assert "more than half of the budget of 0.0001 ms" in ended.verdict["why_none"]


def test_an_open_loop_holds_its_rate_and_is_judged_as_locust_is(loadtest: LoadTest) -> None:
    with serving(LookUps) as host:
        ended = loadtest(host, *GENEROUS, "--open-loop", "--duration", "6s", "--rate", "300")
    assert ended.code == 0, ended.out + ended.err
    figures = ended.verdict["figures"]
    assert (figures["driver"], figures["users"], figures["asked_rate"]) == ("open loop", 8, 300.0)
    assert sum(one["requests"] for one in figures["scenarios"]) == pytest.approx(1800, abs=6 * 1800**0.5)
    assert min(one["requests"] for one in figures["scenarios"]) > 500
    assert all(sum(one["histogram"].values()) == one["requests"] for one in figures["scenarios"])
    assert not ended.report.exists()


def test_an_open_loop_counts_a_slow_answer_from_when_it_was_due(loadtest: LoadTest) -> None:
    """Each of two connections answers two pages a second, so requests wait in line for seconds."""
    with serving(SlowPages) as host:
        ended = loadtest(host, "--open-loop", "--users", "2", "--page-share", "1", "--duration", "6s")
    assert ended.code == 1, ended.out + ended.err
    [page] = [one for one in ended.verdict["figures"]["scenarios"] if one["name"] == "page"]
    assert page["p99_ms"] > 2000


def test_an_open_loop_fails_with_wrong_answers_and_their_address(loadtest: LoadTest) -> None:
    with serving(NobodysUser) as host:
        ended = loadtest(host, *GENEROUS, "--open-loop", "--duration", "1s", "--rate", "50")
    assert ended.code == 1, ended.out + ended.err
    assert {fault["message"] for fault in ended.verdict["figures"]["faults"]} == {
        "the answer does not name the user who was asked for"
    }


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--open-loop", "--find-max"), "give one of them"),
        (("--open-loop", "--host", "https://127.0.0.1:9"), "plain HTTP only"),
    ],
)
def test_an_open_loop_refuses_what_it_cannot_do(targets: Path, flags: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        main(["--host", "http://127.0.0.1:9", "--targets", str(targets), *flags])


def test_slow_pages_fail_with_the_budget_named(loadtest: LoadTest) -> None:
    with serving(SlowPages) as host:
        ended = loadtest(host, *GENEROUS, "--page-p99-ms", "450", "--users", "100")
    assert ended.code == 1, ended.err
    assert [each["name"] for each in ended.verdict["checks"] if not each["kept"]] == ["p99 of page, ms"]
    assert "MISSED  p99 of page, ms" in ended.out


def test_wrong_content_fails_with_the_fault_and_an_address(loadtest: LoadTest) -> None:
    with serving(WrongOrder) as host:
        ended = loadtest(host, *GENEROUS, "--page-share", "1", "--duration", "6s")
    assert ended.code == 1, ended.err
    [fault] = ended.verdict["figures"]["faults"]
    assert fault["message"] == "title_ids are not the ones asked for, in order"
    assert "/artwork?title_id=" in fault["first_url"]


def test_an_answer_that_breaks_off_is_a_failed_request(loadtest: LoadTest) -> None:
    with serving(BrokenOff) as host:
        ended = loadtest(host, *GENEROUS, "--page-share", "1", "--duration", "8s")
    assert ended.code == 1, ended.err
    figures = ended.verdict["figures"]
    assert (
        sum(each["count"] for each in figures["faults"]) == sum(each["requests"] for each in figures["scenarios"]) > 0
    )


def test_the_json_output_is_the_json_report(loadtest: LoadTest) -> None:
    with serving(LookUps) as host:
        ended = loadtest(host, *GENEROUS, "--json", "--duration", "1s")
    assert ended.code == 3
    assert json.loads(ended.out) == ended.verdict


def test_a_service_that_is_not_ready_is_not_loaded(targets: Path, tmp_path: Path) -> None:
    report = tmp_path / "reports" / "loadtest.html"
    with serving(NotReady) as host, pytest.raises(RunError, match="answers 503"):
        main(["--host", host, "--targets", str(targets), "--report", str(report)])
    assert not report.parent.exists()


def test_an_address_where_nothing_answers_is_named(loadtest: LoadTest) -> None:
    ended = loadtest("http://127.0.0.1:9")
    assert (ended.code, ended.out) == (3, "")
    assert "nothing answers at http://127.0.0.1:9" in ended.err


def test_targets_that_are_not_there_are_wrong_input(loadtest: LoadTest) -> None:
    ended = loadtest("http://127.0.0.1:9", "--targets", "nowhere.json")
    assert (ended.code, ended.out) == (2, "")
    assert "nowhere.json: No such file" in ended.err


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--duration", "soon"], "'soon' is not a duration"),
        (["--users", "0"], "'0' is not a whole number of at least 1"),
        (["--page-share", "2"], "'2' is not between 0 and 1"),
        (["--page-p99-ms", "-1"], "budget page_p99_ms"),
    ],
)
def test_a_wrong_flag_is_refused_before_anything_starts(targets: Path, flags: list[str], complaint: str) -> None:
    with pytest.raises(InputError, match=re.escape(complaint)):
        main(["--host", "http://127.0.0.1:9", "--targets", str(targets), *flags])


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "loadtest.json").write_text(json.dumps({"generation": 17, "users": ["u1"], "titles": TITLES}))
    return tmp_path


def artwork_loadtest(workspace: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    report = workspace / "loadtest.html"
    command = [
        sys.executable,
        "-m",
        "artwork.cli",
        "loadtest",
        "--workspace",
        str(workspace),
        "--report",
        str(report),
        *flags,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_loads_a_running_service_and_hands_further_flags_and_the_exit_code_on(workspace: Path) -> None:
    with serving(WrongOrder) as host:
        plan = ("--host", host, "--duration", "6s", "--rate", "100")
        done = artwork_loadtest(workspace, *plan, *GENEROUS, "--page-share", "1", "--json")
    assert done.returncode == 1, done.stderr
    missed = [each["name"] for each in json.loads(done.stdout)["checks"] if not each["kept"]]
    assert missed == ["failed requests, share"]
    page = (workspace / "loadtest.html").read_text()
    assert "Missed: failed requests, share" in page
    assert json.loads(done.stdout)["run"]["command"].startswith("artwork loadtest --workspace ")
    assert f"--host {host} --report loadtest.html --duration 6s" in page
    assert str(workspace.parent) not in page
    assert page.index('class="verdict missed"') < page.index("<svg")
    assert not re.search(r"<script|<link|https?://(?!127\.0\.0\.1)", page)
    assert len(page.encode()) < 300_000
    assert "<title>Locust</title>" in (workspace / "loadtest-locust.html").read_text()


def test_the_command_refuses_a_running_service_without_its_targets(workspace: Path) -> None:
    (workspace / "loadtest.json").unlink()
    done = call("loadtest", "--workspace", str(workspace), "--host", "http://127.0.0.1:9")
    assert done.code == 2
    assert str(workspace / "loadtest.json") in done.err
