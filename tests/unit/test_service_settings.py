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


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", set()),
        ("*", {"*"}),
        ("https://shop.example", {"https://shop.example"}),
        (" https://Shop.example , http://localhost:5173,", {"https://shop.example", "http://localhost:5173"}),
        ("https://shop.example:443,http://a.b:80,http://c:443", {"https://shop.example", "http://a.b", "http://c:443"}),
        ("http://[::1]:8000,capacitor://localhost", {"http://[::1]:8000", "capacitor://localhost"}),
    ],
)
def test_origins_are_kept_as_browsers_send_them(given: str, kept: set[str]) -> None:
    assert load_settings(allowed_origins=given).origins == kept


@pytest.mark.parametrize(
    "given",
    [
        "shop.example",
        "https://shop.example/",
        "https://shop.example/page",
        "*.shop.example",
        "https://*.shop.example",
        "https://shop.example,*",
        "null",
        "https://me:pw@shop.example",
        "https://",
        "https://a b",
        "http://a:99999",
        "https://a?x",
        "http://a:0",
        "https://a;https://b",
        "http://ä.example",
    ],
)
def test_what_is_no_origin_is_refused_at_the_start(given: str) -> None:
    with pytest.raises(InputError, match="ARTWORK_ALLOWED_ORIGINS"):
        load_settings(allowed_origins=given)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_times_of_clients_may_be_trusted_on_loopback(host: str) -> None:
    assert load_settings(host=host, trust_event_time=True).trust_event_time


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "192.168.0.7", "", "example.org", "localhost.example.org", "127.0.0"],  # noqa: S104
)
def test_times_of_clients_are_not_trusted_where_others_reach_the_service(host: str) -> None:
    with pytest.raises(InputError, match="ARTWORK_TRUST_EVENT_TIME is set while ARTWORK_HOST"):
        load_settings(host=host, trust_event_time=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event_partitions", 0),
        ("event_partitions", 257),
        ("max_stream_entries", 0),
        ("events_deadline_ms", 0),
        ("max_skew_seconds", -1),
        ("max_skew_seconds", float("nan")),
        ("max_event_requests", 0),
    ],
)
def test_a_wrong_limit_of_events_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"ARTWORK_{name.upper()} is"):
        load_settings(**{name: value})


def test_a_wrong_url_of_the_store_of_events_is_named_without_its_password() -> None:
    with pytest.raises(InputError, match="ARTWORK_EVENTS_URL") as caught:
        load_settings(events_url="postgres://me:hunter22@host/0")
    assert "hunter22" not in str(caught.value)


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
