"""Every command explains itself."""

from collections.abc import Iterator
from typing import Any

import pytest
from shell import call
from typer.main import get_command

from artwork.app import app
from artwork.cli import FAMILIES


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command that does something, families walked through."""
    if not hasattr(group, "list_commands"):
        yield path
        return
    for name in group.list_commands(None):
        yield from commands(group.get_command(None, name), (*path, name))


COMMANDS = list(commands(get_command(app)))


def test_the_walk_finds_every_family_and_the_commands_below_them() -> None:
    assert {words[0] for words in COMMANDS} == set(FAMILIES)
    single = {("run",), ("compare",), ("explain",)}
    paired = {("store", "stop"), ("generations", "rollback"), ("data", "check"), ("bench", "kernels")}
    assert single | paired <= set(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_has_an_example_of_it(words: tuple[str, ...]) -> None:
    answer = call(*words, "--help")
    assert answer.code == 0
    assert f"Example: artwork {' '.join(words)}" in answer.out


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_speaks_json(words: tuple[str, ...]) -> None:
    assert "--json" in call(*words, "--help").out


@pytest.mark.parametrize("words", [(), ("data",), ("store",), ("generations",), ("bench",)], ids=" ".join)
def test_the_help_of_a_family_lists_its_commands(words: tuple[str, ...]) -> None:
    answer = call(*words, "--help")
    assert answer.code == 0
    for command in COMMANDS:
        if command[: len(words)] == words:
            assert command[len(words)] in answer.out


def test_an_unknown_command_is_wrong_input() -> None:
    assert call("magic").code == 2
