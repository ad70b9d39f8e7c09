"""What the README says can be done."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

from artwork.app import app
from artwork.cli import FAMILIES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"(?:^    |`)(artwork [^#`\n]+)", TEXT, flags=re.MULTILINE)))
LINKS = sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)", TEXT)))


def test_its_python_runs() -> None:
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL):  # each goes on from the one before
        exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - our own README
    assert np.isclose(np.asarray(names["probabilities"]).sum(), 1)
    assert np.asarray(names["weights"]).dtype == np.uint16
    assert np.asarray(names["estimates"]).shape == (5000, 3)  # where reward_estimates come from
    robust: Any = names["robust"]
    assert robust.lower < 0.28 < robust.upper  # 0.2 and 0.8 of rates of 0.2 and 0.3


def test_it_shows_commands() -> None:
    assert len(COMMANDS) > 6


@pytest.mark.parametrize("line", COMMANDS)
def test_its_commands_exist_with_their_flags(line: str) -> None:
    words = shlex.split(line.replace("...", ""))[1:]
    command: Any = get_command(app)
    path = list(words)
    while path and hasattr(command, "get_command") and not path[0].startswith("-"):
        command = command.get_command(None, path.pop(0))
        assert command is not None, line
    known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
    assert {word for word in path if word.startswith("-")} <= known


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^    make (\w+)", TEXT, flags=re.MULTILINE))))
def test_its_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize("link", LINKS)
def test_its_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_every_command_has_a_family() -> None:
    assert {line.split()[1] for line in COMMANDS} <= set(FAMILIES)
