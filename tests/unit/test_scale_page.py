"""The page about the full size shows what its commands print, and says in words what stands there."""

import importlib.util
import re
import shlex
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


keep_figures: Any = script("keep_figures")
scale: Any = script("scale")
BLOCKS = keep_figures.BLOCK.findall(TEXT)


@cache
def output(command: str) -> str:
    return str(keep_figures.output(command))


def test_the_page_shows_plans_and_what_was_played() -> None:
    commands = [command for command, _ in BLOCKS]
    assert [shlex.split(command)[0] for command in commands] == ["artwork", "artwork", "python"]


@pytest.mark.parametrize(("command", "shown"), BLOCKS)
def test_what_a_command_prints_is_what_the_page_shows(command: str, shown: str) -> None:
    """Else run tests/benchmarks/keep_figures.py, which writes it anew, and read the words around it."""
    assert shown == output(command)


def test_figures_in_bold_are_figures_of_the_plans() -> None:
    printed = " ".join(" ".join(output(command) for command, _ in BLOCKS).split())
    bold = re.findall(r"\*\*([\d.,]+)\*\*", TEXT)
    assert len(bold) > 8
    assert [figure for figure in bold if not re.search(rf"(?<![\d.,]){re.escape(figure)}(?![\d,]|\.\d)", printed)] == []


def test_a_publish_is_never_faster_than_its_publisher_or_its_nodes() -> None:
    for nodes in (1, 3, 20):
        played = scale.publish(nodes, stalls=False)
        limit = min(scale.PUBLISHER_ROWS, nodes * scale.NODE_ROWS)
        assert 0.98 * limit < played.free <= limit
        assert played.resting < played.free / 2
        assert scale.publish(nodes, stalls=True).free <= played.free


def test_the_last_of_many_workers_polls_within_the_longest_pause() -> None:
    assert scale.last_worker(1)[0] < scale.last_worker(20)[0] < scale.last_worker(2_600)[1] <= 1.1


def test_a_cache_of_rows_is_of_use_where_a_user_comes_back_to_the_same_worker() -> None:
    sticky, anywhere = (scale.row_cache(2_000, 1_000, sticky=own, requests=20_000) for own in (True, False))
    assert sticky > 3 * anywhere
    # Of 8 requests in a visit, all but the first, if nothing is ever dropped; the first visits have begun before.
    assert scale.row_cache(200, 10_000, sticky=True, requests=20_000) == pytest.approx(1 - 1 / 8, abs=0.03)
