"""Settings, the port, and what importing the service brings along."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bandit.errors import InputError, SurroundingsError
from service.server import address_of, bind
from service.settings import load_settings


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "HOST", "PORT", "STORE_DEADLINE_MS", "POLL_SECONDS", "KEPT_CATALOGUE", "MAX_TITLES"):
        monkeypatch.delenv(f"ARTWORK_{name}", raising=False)


def test_variables_are_read_and_keywords_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTWORK_PORT", "9000")
    monkeypatch.setenv("ARTWORK_KEPT_CATALOGUE", "kept.bin")
    settings = load_settings(port=9001, host=None)
    assert (settings.port, settings.host, settings.kept_catalogue) == (9001, "127.0.0.1", Path("kept.bin"))


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTWORK_REDIS_URL", "")
    assert "redis_url" not in load_settings().model_fields_set


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARTWORK_PORT", "http"),
        ("ARTWORK_PORT", "65536"),
        ("ARTWORK_STORE_DEADLINE_MS", "0"),
        ("ARTWORK_STORE_DEADLINE_MS", "inf"),
        ("ARTWORK_POLL_SECONDS", "nan"),
        ("ARTWORK_POLL_SECONDS", "1e400"),
        ("ARTWORK_MAX_WAITING", "9" * 30),
        ("ARTWORK_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_variable_is_refused_by_name_and_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"{name} is '{value}'"):
        load_settings()


def test_a_port_in_use_is_refused_with_its_number() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SurroundingsError, match=f"127.0.0.1 port {port}.*--port"):
            bind("127.0.0.1", port)


def test_a_free_port_is_told_by_its_address() -> None:
    with bind("127.0.0.1", 0) as listener:
        assert address_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_importing_the_application_loads_no_numerics() -> None:
    code = (
        "import sys, service.server; print([m for m in ('numpy','numba','polars','ray','scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("limits", "wanted", "kept"),
    [((1000, 4000), 500, 500), ((300, 4000), 2048, 2048), ((300, 1000), 2048, 744), ((64, 64), 2048, 1)],
)
def test_a_process_keeps_as_many_connections_as_the_system_lets_it_have_files(
    limits: tuple[int, int], wanted: int, kept: int
) -> None:
    told = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, {limits})
from service.listening import OTHER_FILES, room_for
kept = room_for({wanted})
print(kept, resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(kept + OTHER_FILES, {limits[1]}))
"""
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == f"{kept} True\n"
