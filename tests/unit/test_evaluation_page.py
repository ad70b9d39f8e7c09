"""What docs/evaluation.md says can be done."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

from artwork.app import app
from bandit.evaluation import ESTIMATORS, Thresholds, estimate
from bandit.impressions import ImpressionLog
from batch.logs.open_bandit import NAMES

TEXT = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_its_python_runs_and_says_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL):
        exec(compile(code, "evaluation.md", "exec"), names)  # noqa: S102 - our own page
    found = names["found"]
    assert (round(found.value, 2), round(found.lower, 2), round(found.upper, 2)) == (0.27, 0.25, 0.29)
    assert capsys.readouterr().out.endswith(" ok\n")
    log = ImpressionLog(np.ones((4, 1)), np.array([0, 1, 1, 2]), np.array([0.0, 1.0, 1.0, 0.0]), np.full(4, 1 / 3), 3)
    best = names["Best"]()
    best.fit(log)
    assert best.probabilities(log, 0, np.arange(2)).tolist() == [[0, 1, 0]] * 2
    assert estimate("snips", log.rewards, log.arms, log.propensities, best.probabilities(log, 0, np.arange(4))).n == 4


@pytest.mark.parametrize("name", vars(Thresholds()))
def test_every_threshold_stands_with_its_default(name: str) -> None:
    value = getattr(Thresholds(), name)
    assert re.search(rf"`{name}`[^|]*\|[^|]*\b{value:g}\b|`{name}` \({value:g}\)", TEXT)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_stands_in_its_table(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", TEXT, flags=re.MULTILINE)


def test_its_flags_are_those_of_the_command() -> None:
    command: Any = get_command(app)
    known = {flag for parameter in command.get_command(None, "compare").params for flag in parameter.opts}
    assert set(re.findall(r"`(--[a-z-]+)", TEXT)) <= known
    for line in re.findall(r"^    (artwork compare [^#\n]*)", TEXT, flags=re.MULTILINE):
        assert {word for word in line.split() if word.startswith("--")} <= known


def test_its_logs_are_those_there_are() -> None:
    assert "open-bandit/{random,bts}/{all,men,women}" in TEXT
    assert len(NAMES) == 6
