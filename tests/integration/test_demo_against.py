"""Two policies live in the demo: whose users are whose, what is told of each day, and of both at the end."""

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
from learned_workspace import silent
from make_impressions import make_generation
from on_disk import OnDisk, explore

from artwork.console.shell import pasted
from artwork.demo.against import judge_offline, judge_online, lines_of, users_of_first
from artwork.demo.answers import ServiceClient
from artwork.demo.days import DayResult, judge_policy
from artwork.demo.experiment import experiment_of, experiment_of_policies
from artwork.demo.loop import Loop
from artwork.demo.play import Plan
from artwork.demo.table import rates_line
from bandit.errors import InputError, SurroundingsError
from bandit.evaluation import Evaluation
from bandit.snapshot import keyed_hash
from batch.config import Config, Variant
from batch.datasets import synthetic
from batch.datasets.dataset import write
from batch.workspace.workspace import Workspace

CONFIG = experiment_of_policies("thompson", "greedy", "linear", seed=3)


@dataclass(frozen=True)
class Played:
    loop: Loop
    explored: list[DayResult]
    offline: Evaluation
    live: DayResult


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Two explore days and a live one."""
    workspace = Workspace(tmp_path_factory.mktemp("against"))
    write(workspace, synthetic.build(n_users=400, n_titles=10, seed=3))
    loop = Loop.of(workspace, CONFIG)
    explored = [explore(loop, number) for number in range(2)]
    offline = judge_offline(workspace, CONFIG, silent)
    generation = make_generation(workspace, config=CONFIG)
    client = cast("ServiceClient", OnDisk(workspace, generation))
    return Played(loop, explored, offline, loop.live(2, client, silent))


def test_explore_days_are_uniform_for_everybody(played: Played) -> None:
    assert [list(day.rates) for day in played.explored] == [["uniform"], ["uniform"]]


def test_a_live_day_tells_what_the_users_of_each_policy_took(played: Played) -> None:
    rates = played.live.rates
    assert list(rates) == ["greedy", "thompson"]
    assert min(rates.values()) < played.live.take_rate < max(rates.values())
    assert rates_line(rates) == f"            greedy {rates['greedy']:.2%}, thompson {rates['thompson']:.2%}"


def test_the_verdict_over_uniform_is_of_the_first_policys_users_alone(played: Played) -> None:
    own = users_of_first(CONFIG, played.loop.tables)
    users = played.loop.tables.users["user_id"]
    assert own.tolist() == [keyed_hash("other", 3, 0, user, "demo") >= 2**63 for user in users]
    lead, shown = played.live.lead[own], played.live.shown[own]
    verdict = judge_policy([played.live], own, seed=1)
    assert (verdict.users, verdict.impressions) == ((shown > 0).sum(), shown.sum())
    assert verdict.difference == pytest.approx(lead.sum() / shown.sum())
    everybody = judge_policy([played.live], np.ones_like(own), seed=1)
    assert everybody.difference == pytest.approx(played.live.take_rate - played.live.uniform)


def test_both_are_told_offline_and_online_and_how_to_look_closer(played: Played) -> None:
    workspace = played.loop.workspace
    both = judge_online(workspace, CONFIG, played.offline)
    assert both.offline is not None
    assert both.online.policy.rate == pytest.approx(played.live.rates["thompson"])
    told = lines_of(both, workspace, CONFIG, explore_days=2)
    for part in (
        f"{100 * both.online.difference:+.3f} points (",
        f"{100 * (both.offline.difference.value or 0):+.3f} points (",
    ):
        assert part in told
    flags = ("--until", "2026-01-02", "--policies", "thompson,greedy", "--seed", "3")
    command = pasted("compare", "--workspace", workspace.root, *flags)
    assert told.splitlines()[-1] == f"look closer: {command}"
    shared = lines_of(both, workspace, experiment_of_policies("thompson", "greedy", "shared", seed=3), explore_days=2)
    assert shared.splitlines()[-1] == f"look closer: {command} --posterior shared"


@pytest.mark.parametrize(
    ("control", "treatment", "is_judged"),
    [
        ({}, {"policy": "greedy"}, True),
        ({}, {"reward": "click"}, False),
        ({}, {"policy": "greedy", "reward": "click"}, False),
        ({"floor": 0.1}, {"policy": "greedy"}, False),
    ],
)
def test_a_log_is_asked_where_policies_differ_and_nothing_else(
    control: dict[str, Any], treatment: dict[str, Any], *, is_judged: bool
) -> None:
    config = experiment_of(Variant(**control), Variant(**treatment), seed=3)
    plan = Plan(config, days=1, users=None, titles=None)
    assert plan.is_experiment
    assert plan.is_judged_offline == is_judged


def test_one_policy_is_no_experiment() -> None:
    plan = Plan(Config(), days=1, users=None, titles=None)
    assert not plan.is_experiment
    assert not plan.is_judged_offline


def test_before_anything_was_live_there_is_nothing_to_judge(workspace: Workspace) -> None:
    explore(Loop.of(workspace, CONFIG), 0)
    with pytest.raises(SurroundingsError, match="one variant had no answer from its picks"):
        judge_online(workspace, CONFIG, Evaluation(0, 0, 0.95, 1, "dr", 0.0, [], []))


def test_users_who_are_all_of_one_variant_are_refused(workspace: Workspace) -> None:
    tables = Loop.of(workspace, CONFIG).tables
    with pytest.raises(InputError, match="all 1 users are of one variant of --against"):
        users_of_first(CONFIG, replace(tables, users=tables.users.head(1)))
    assert users_of_first(Config(seed=3), tables).all()
