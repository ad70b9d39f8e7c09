"""The health checks of the containers, run as Docker runs them: by their exit code."""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

HEALTH = Path(__file__).parents[2] / "docker" / "health.py"


class Alive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
        """Say nothing."""


def exit_code(*words: str) -> int:
    return subprocess.run([sys.executable, HEALTH, *words], check=False, timeout=60).returncode


@pytest.fixture
def heartbeat(tmp_path: Path) -> Path:
    path = tmp_path / "heartbeat"
    path.write_text(json.dumps({"at": "2026-01-01T00:00:00Z", "status": "done"}))
    return path


@pytest.mark.parametrize(("path", "code"), [("/livez", 0), ("/other", 1)])
def test_a_service_is_healthy_when_it_answers_200(path: str, code: int) -> None:
    with HTTPServer(("127.0.0.1", 0), Alive) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        assert exit_code("service", f"http://127.0.0.1:{server.server_port}{path}") == code
        thread.join()


def test_a_service_that_does_not_answer_is_not_healthy() -> None:
    assert exit_code("service", "http://127.0.0.1:9/livez") == 1


def test_a_batch_job_with_a_fresh_heartbeat_is_healthy(heartbeat: Path) -> None:
    assert exit_code("batch", str(heartbeat), "3600") == 0


def test_a_batch_job_with_an_old_heartbeat_is_not_healthy(heartbeat: Path) -> None:
    hour_ago = time.time() - 3601
    os.utime(heartbeat, (hour_ago, hour_ago))
    assert exit_code("batch", str(heartbeat), "3600") == 1


def test_a_batch_job_whose_last_cycle_failed_is_not_healthy(heartbeat: Path) -> None:
    heartbeat.write_text(json.dumps({"at": "2026-01-01T00:00:00Z", "status": "failed"}))
    assert exit_code("batch", str(heartbeat), "3600") == 1


@pytest.mark.parametrize("content", [None, "", "[]", "{}"])
def test_a_batch_job_without_a_whole_heartbeat_is_not_healthy(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "heartbeat"
    if content is not None:
        path.write_text(content)
    assert exit_code("batch", str(path), "3600") == 1
