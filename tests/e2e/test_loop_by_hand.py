"""The loop as somebody closes it by hand, and the clients of docs/events.md: run, serve, post events, run again."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from shell import artwork, call

from artwork.bench.testbed.service_process import running_service
from batch.store.client import URL_VARIABLE
from batch.store.embedded import stop_store

pytestmark = pytest.mark.faults

DOCS = Path(__file__).parents[2] / "docs" / "events.md"
SHOWN = "http://127.0.0.1:8000"
SETTINGS = {"ARTWORK_POLL_SECONDS": "0.1", "ARTWORK_STORE_DEADLINE_MS": "2000"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A workspace with drawn users and a store of its own."""
    root = Path(tempfile.mkdtemp(prefix="artwork-"))
    patch = pytest.MonkeyPatch()
    patch.delenv(URL_VARIABLE, raising=False)
    try:
        made = call("data", "synthetic", "--users", "60", "--titles", "8", "--seed", "5", "--workspace", str(root))
        assert made.code == 0, made.err
        yield root
    finally:
        stop_store(root)
        shutil.rmtree(root)
        patch.undo()


def ran(root: Path) -> Any:
    done = artwork("run", "--json", "--workspace", str(root))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def exchange(address: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
    with closing(connection):
        connection.request("GET" if body is None else "POST", path, body)
        answer = connection.getresponse()
        return answer.status, json.load(answer)


def ask(address: str, user: str, title: str) -> Any:
    status, pick = exchange(address, f"/v1/users/{user}/titles/{title}/artwork")
    assert status == 200
    return pick


def post(address: str, events: list[dict[str, Any]]) -> None:
    assert exchange(address, "/v1/events", json.dumps(events).encode()) == (202, {"accepted": len(events)})


def test_what_is_posted_by_hand_is_learned_by_the_next_run(folder: Path) -> None:
    first = ran(folder)
    assert first["trained"]["impressions"] == 0
    with running_service(folder, settings=SETTINGS) as address:
        picks = [ask(address, user, "t0001") for user in ("u0001", "u0002", "u0003")]
        now = datetime.now(UTC).isoformat()
        shown = [
            pick | {"event_id": f"e{place}", "type": "impression", "occurred_at": now}
            for place, pick in enumerate(picks)
        ]
        post(address, shown)
        post(address, shown)  # again, as after an answer that was lost
        post(address, [shown[0] | {"event_id": "p0", "type": "play", "watch_fraction": 0.9}])
    second = ran(folder)
    assert second["joined"]["rows"] == second["trained"]["impressions"] == 3
    assert second["joined"]["joined_plays"] == 1
    assert second["joined"]["duplicates"] == 3
    assert second["trained"]["parent"] == first["trained"]["generation"]
    assert ran(folder)["trained"]["impressions"] == 3


def test_a_simulated_day_closes_the_loop_through_the_running_service(folder: Path) -> None:
    ran(folder)
    with running_service(folder, settings=SETTINGS) as address:
        played = artwork("simulate", "--json", "--service", address, "--workspace", str(folder))
        assert played.returncode == 0, played.stderr
    [day] = json.loads(played.stdout)["days"]
    assert day["sources"].get("personalized") == day["impressions"] > 0
    made = ran(folder)
    assert made["trained"]["impressions"] == made["joined"]["rows"] == day["impressions"]
    assert made["joined"]["joined_plays"] == day["plays"] > 0
    assert made["joined"]["set_aside"] == {}


@pytest.mark.parametrize("clients", [("python", "curl"), ("javascript",)])
def test_clients_of_the_docs_are_learned_from(clients: tuple[str, ...], folder: Path, tmp_path: Path) -> None:
    ran(folder)
    with running_service(folder, settings=SETTINGS) as address:
        for client in clients:
            CLIENTS[client](address, tmp_path)
    joined = ran(folder)["joined"]
    assert (joined["rows"], joined["joined_plays"]) == (len(clients), 1)  # curl only shows


def shown_client(language: str, address: str) -> str:
    """A block of the page word for word, but for where the service is."""
    match = re.search(rf"^```{language}\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert match is not None
    assert SHOWN in match[1]
    return match[1].replace(SHOWN, address)


def play_in_python(address: str, folder: Path) -> None:
    script = shown_client("python", address) + (
        'pick = look_up("u0001", "t0001")\n'
        'assert send([event("impression", pick)]) == 1\n'
        'assert send([event("play", pick, watch_fraction=0.9)]) == 1\n'
    )
    path = folder / "client.py"
    path.write_text(script)
    subprocess.run([sys.executable, "-I", str(path)], check=True, timeout=60)


def play_in_javascript(address: str, folder: Path) -> None:
    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed")
    script = shown_client("javascript", address) + (
        'const pick = await lookUp("u0001", "t0001");\n'
        'note("impression", pick);\n'
        "await send();\n"
        'note("play", pick, { watch_fraction: 0.9 });\n'
        "await send();\n"
        'if (waiting.length) throw new Error("not sent");\n'
    )
    path = folder / "client.mjs"
    path.write_text(script)
    subprocess.run([node, str(path)], check=True, timeout=60)


def show_by_curl(address: str, folder: Path) -> None:
    [lines] = re.findall(r"^With curl:\n\n((?:    .*\n)+)", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    commands = lines.replace(SHOWN, address).replace("users/1/titles/50", "users/u0001/titles/t0001")
    done = subprocess.run(["bash", "-e", "-c", commands], cwd=folder, check=True, timeout=60, capture_output=True)
    assert json.loads(done.stdout) == {"accepted": 1}


CLIENTS = {"python": play_in_python, "javascript": play_in_javascript, "curl": show_by_curl}
