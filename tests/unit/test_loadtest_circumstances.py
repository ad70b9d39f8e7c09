"""What stands beside figures: time, command, versions and machine, and nothing of whose machine it is."""

import getpass
import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loadtest.circumstances import is_here, look_around
from loadtest.command import make_parser, shown_command

WHEN = datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC)


def test_time_versions_and_machine_are_there() -> None:
    around = look_around(WHEN, "artwork loadtest", "http://127.0.0.1:8000", "0.1.0")
    assert (around.began_at, around.command) == ("2026-11-28T12:00:00+00:00", "artwork loadtest")
    assert around.versions["python"] == platform.python_version()
    assert all(around.versions[name] for name in ("artwork-bandit", "locust", "service"))
    assert around.machine.cores >= around.machine.usable_cores >= 1
    assert around.machine.memory_bytes > 2**26
    assert around.machine.processor


def test_neither_the_name_of_the_machine_nor_of_its_user_nor_a_path_is_there() -> None:
    text = json.dumps(asdict(look_around(WHEN, "", "http://127.0.0.1:8000", None).machine))
    assert platform.node() not in text
    assert os.sep not in text
    assert getpass.getuser() not in text.split()


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8000", True),
        ("http://LOCALHOST.:80", True),
        ("http://10.0.0.1:8000", False),
        ("http://localhost.example:8000", False),
    ],
)
def test_a_service_on_loopback_shares_the_machine(host: str, here: bool) -> None:
    assert is_here(host) == here


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--rate", "5"], "--rate 5"),
        (["--key", "secret", "--rate", "5"], "--rate 5"),
        (["--key=secret"], ""),
        (["--report=/home/joe/a b.html"], "--report 'a b.html'"),
        (["--compare", "../x/last.json", "--budgets", "/etc/own.toml"], "--compare last.json --budgets own.toml"),
    ],
)
def test_the_command_has_neither_the_key_nor_folders(words: list[str], shown: str) -> None:
    given = ["--host", "http://h:1", "--targets", str(Path.cwd() / "loadtest.json"), *words]
    command = shown_command(make_parser().parse_args(given), given)
    assert command == f"python -m loadtest --host http://h:1 --targets loadtest.json {shown}".strip()


def test_a_command_that_hands_on_is_shown_as_it_was_given_and_without_folders_too() -> None:
    given = [
        "--host",
        "http://h:1",
        "--targets",
        "t.json",
        "--shown-command",
        "artwork loadtest -w x --budgets '/a b/c.toml'",
    ]
    assert shown_command(make_parser().parse_args(given), given) == "artwork loadtest -w x --budgets c.toml"
