"""Commands that are printed for another shell."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from artwork.console.shell import pasted
from artwork.demo.play import closing_lines

AWKWARD = ["a b", "it's", "$HOME", "-x", "a;b", "größe", '"']


@pytest.mark.parametrize("name", AWKWARD)
def test_every_word_comes_back_whole_out_of_a_shell(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARTWORK_REDIS_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(pasted("explain", "--workspace", Path(name), "--user", "u1"))
    assert words[-5:] == ["explain", "--workspace", str(tmp_path / name), "--user", "u1"]
    assert Path(words[0]).is_absolute()
    assert Path(words[0]).is_file()


def test_it_runs_in_another_folder_without_our_environment(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", pasted("--version")], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()[0]) == (0, "artwork-bandit"), done.stderr


def test_without_a_script_beside_the_interpreter_the_interpreter_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARTWORK_REDIS_URL", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python 3"))
    assert shlex.split(pasted("store", "status")) == [
        str(tmp_path / "python 3"), "-P", "-m", "artwork.cli", "store", "status",
    ]  # fmt: skip


def test_a_store_that_a_variable_names_stands_before_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTWORK_REDIS_URL", "redis://me:secret@h:1/0")
    first, *_ = shlex.split(pasted("run"))
    assert first.startswith("ARTWORK_REDIS_URL=redis://")
    assert "secret" not in first


def test_the_closing_lines_of_the_demo_are_commands_for_any_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARTWORK_REDIS_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    said = closing_lines("http://127.0.0.1:8001", Path("my work/demo"), "u0001", ("m1", "m2"))
    commands = [shlex.split(line) for line in said.splitlines() if line.startswith("  ")]
    assert [command[0] for command in commands[:3]] == ["curl"] * 3
    assert commands[1][1] == "http://127.0.0.1:8001/v1/users/u0001/artwork?title_id=m1&title_id=m2"
    assert commands[3][-7:] == [
        "explain",
        "--workspace",
        f"{tmp_path}/my work/demo",
        "--user",
        "u0001",
        "--title",
        "m1",
    ]
