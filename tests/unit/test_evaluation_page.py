"""What docs/evaluation.md says can be done."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from shell import call
from typer.main import get_command

from artwork.app import app
from bandit.evaluation import ESTIMATORS, Thresholds, estimate
from bandit.impressions import ImpressionLog
from batch.logs.open_bandit import NAMES

TEXT = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
CLASS = next(code for code in PYTHON if "class Best" in code)


def best_of_the_page() -> Any:
    """An object of the page's own class, as somebody copies it."""
    names: dict[str, Any] = {}
    exec(compile(CLASS, "evaluation.md", "exec"), names)  # noqa: S102 - our own page
    return names["Best"]()


class World(NamedTuple):
    """Two kinds of users who come equally often: the rate of each arm, (2, k), and how often the log shows it, (2, k)."""

    rates: Any
    shares: Any

    def log(self, count: int, seed: int) -> ImpressionLog:
        random = np.random.default_rng(seed)
        kinds = random.integers(0, 2, count)
        arms = (random.random((count, 1)) > np.cumsum(self.shares, axis=1)[kinds]).sum(axis=1)
        rewards = (random.random(count) < np.asarray(self.rates)[kinds, arms]).astype(float)
        contexts = np.column_stack([np.ones(count), kinds])
        return ImpressionLog(contexts, arms, rewards, np.asarray(self.shares)[kinds, arms], n_arms=len(self.rates[0]))


WORLDS = {
    "the best arm is shown least": World([[0.2, 0.1, 0.4]] * 2, [[0.85, 0.1, 0.05]] * 2),
    "the best arm is shown most": World([[0.4, 0.1, 0.2]] * 2, [[0.85, 0.1, 0.05]] * 2),
    "an arm is shown to those who take everything": World([[0.5, 0.55], [0.4, 0.1]], [[0.1, 0.9], [0.9, 0.1]]),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_class_of_the_page_shows_the_arm_that_truly_earns_most_and_is_judged_by_what_that_earns(
    world: World,
) -> None:
    means = np.mean(world.rates, axis=0)  # of an average user, (k,)
    best = best_of_the_page()
    best.fit(world.log(20_000, seed=1))
    judged_by = world.log(20_000, seed=2)
    target = best.probabilities(judged_by, 0, np.arange(len(judged_by)))
    assert (target == np.eye(len(means))[means.argmax()]).all()
    answer = estimate("snips", judged_by.rewards, judged_by.arms, judged_by.propensities, target)
    assert answer.lower is not None
    assert answer.upper is not None
    assert answer.lower < means.max() < answer.upper


def test_the_class_of_the_page_shows_eligible_arms_alone_also_where_rewards_are_below_zero_or_unknown() -> None:
    arms, rewards = np.array([0, 0, 1, 1, 3]), np.array([-1.0, -2.0, -3.0, -5.0, 9.0])
    eligible = np.array(
        [[True, True, True], [True, True, False], [False, True, True], [False, False, True], [True, True, True]]
    )
    log = ImpressionLog(np.ones((5, 1)), arms, rewards, np.full(5, 0.5), 6, starts=np.array([0, 3, 6]), eligible=None)
    best = best_of_the_page()
    best.fit(log)
    assert best.probabilities(log, 0, np.arange(2)).tolist() == [[1, 0, 0]] * 2
    assert best.probabilities(log, 1, np.arange(4, 5)).tolist() == [[1, 0, 0]]

    shown = ImpressionLog(
        np.ones((5, 1)),
        np.array([0, 1, 1, 2, 3]),
        rewards,
        np.full(5, 0.5),
        6,
        starts=np.array([0, 3, 6]),
        eligible=eligible,
    )
    assert best.probabilities(shown, 0, np.arange(4)).tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_the_class_of_the_page_is_compared_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = WORLDS["the best arm is shown least"]
    log = world.log(20_000, seed=3)
    columns = {"arm": log.arms, "reward": log.rewards, "propensity": log.propensities, "x_kind": log.contexts[:, 1]}
    pl.DataFrame({name: np.asarray(column) for name, column in columns.items()}).write_parquet(tmp_path / "log.parquet")
    (tmp_path / "page_best.py").write_text(CLASS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    answer = call("compare", "--log", "log.parquet", "--policies", "page_best:Best", "--estimators", "snips", "--json")
    assert answer.code == 0, answer.err
    result = json.loads(answer.out)["evaluation"]["results"][1]
    assert result["policy"] == "page_best:Best"
    assert result["estimates"]["snips"]["lower"] < 0.4 < result["estimates"]["snips"]["upper"]


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
