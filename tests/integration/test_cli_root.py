"""What stands before a command: the version, the help by its short name, what a shell completes."""

import tomllib
from pathlib import Path

import pytest
from shell import artwork, call

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    called = call("--version")
    assert (called.code, called.out, called.err) == (0, f"{project['name']} {project['version']}\n", "")


@pytest.mark.parametrize("words", [(), ("store",), ("store", "status"), ("loadtest",), ("run",)])
def test_the_help_has_a_short_name(words: tuple[str, ...]) -> None:
    short, long = call(*words, "-h"), call(*words, "--help")
    assert (short.code, short.out) == (0, long.out)
    assert short.out.strip().startswith(f"Usage: artwork {' '.join(words)}".strip())


@pytest.mark.parametrize(
    ("line", "place", "completed"), [("artwork cata", "1", ["catalogue"]), ("artwork generations a", "2", ["activate"])]
)
def test_a_shell_completes_commands(line: str, place: str, completed: list[str]) -> None:
    done = artwork(_ARTWORK_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=place)
    assert done.stdout.split() == completed
