"""Estimates beside the truth of the world."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from seasons import contender, played, scene, season

from bandit.deploying import Floors
from bandit.errors import InputError
from bandit.evaluation import PolicyTarget, Settings, Thresholds, learn, split_in_time
from bandit.simulation.seasons.contender import Contender, contenders_of
from bandit.simulation.seasons.estimator_table import accuracies
from bandit.simulation.seasons.season_run import Ran, Run, ran
from bandit.simulation.seasons.simulate import Played
from bandit.simulation.seasons.truths import Beside, Ends, Judging, judge

SOME = ("ips", "snips", "dr", "dm")
JUDGING = Judging(Settings(estimators=SOME, resamples=100))


@cache
def logged(word: str) -> Played:
    return played(word, on=scene(150, 12), days=6)


@cache
def judged(word: str) -> list[Beside]:
    return judge(logged(word), [contender("uniform"), contender("greedy")], JUDGING)


def of(found: list[Beside], target: str, estimator: str) -> Beside:
    return next(each for each in found if (each.target, each.estimator) == (target, estimator))


def test_the_truth_of_uniform_is_the_worlds_uniform_mean_on_the_judged_visits() -> None:
    made = logged("thompson")
    second = split_in_time(made.log, 0.5).judged_by
    uniform, _ = made.scene.world.uniform_and_best(made.users_of(second), second.titles)
    assert of(judged("thompson"), "uniform", "ips").truth == pytest.approx(uniform.mean(), rel=1e-4)  # quantised


def test_the_truth_of_a_policy_is_what_its_probabilities_are_worth() -> None:
    made = logged("uniform")
    first, second = split_in_time(made.log, 0.5)
    target = PolicyTarget(contender("greedy").policy, learn(first, "linear"), Floors())
    users, total = made.users_of(second), 0.0
    for title, rows in second.by_title():
        p = target.probabilities(second, title, rows)
        total += float((p * made.scene.world.take_probabilities(users[rows], title)).sum())
    assert of(judged("uniform"), "greedy + linear", "dr").truth == pytest.approx(total / len(second))


def test_users_of_a_part_of_the_log_are_its_users() -> None:
    made = logged("thompson")
    assert np.array_equal(made.users_of(made.log), made.visits.users[made.live])
    rows = np.array([5, 17, 3])
    assert np.array_equal(made.users_of(made.log.take(rows)), made.visits.users[made.live][rows])


@pytest.mark.parametrize("estimator", ["ips", "snips", "dr"])
def test_estimates_from_a_uniform_log_come_near_the_truth(estimator: str) -> None:
    for target in ("greedy + linear",):
        found = of(judged("uniform"), target, estimator)
        assert found.value is not None
        ends = found.intervals["hall"]
        assert abs(found.value - found.truth) < ends.upper - ends.lower
        assert ends.upper - ends.lower < found.truth


def test_intervals_of_every_kind_are_there_for_what_is_unbiased_and_the_bootstrap_for_all() -> None:
    kinds = {each.estimator: set(each.intervals) for each in judged("uniform") if each.target == "greedy + linear"}
    assert kinds["dr"] == {"hall", "normal", "bernstein", "batches"}
    assert kinds["ips"] == {"hall", "normal", "bernstein", "batches", "sequence"}
    assert kinds["snips"] == kinds["dm"] == {"hall"}


def test_where_the_log_cannot_tell_the_number_stands_aside() -> None:
    strict = Judging(replace(JUDGING.settings, thresholds=Thresholds(effective_sample_size=1e9)))
    found = judge(logged("thompson"), [contender("greedy")], strict)
    assert all(each.value is None and each.refused_value is not None and not each.intervals for each in found)


def test_a_log_too_short_to_be_cut_is_refused() -> None:
    with pytest.raises(InputError, match="split"):
        judge(logged("thompson"), [contender("uniform")], replace(JUDGING, split=1e-9))


def beside(value: float | None, *, refused: float | None = None, ends: tuple[float, float] | None = None) -> Beside:
    intervals = {} if ends is None else {"hall": Ends(*ends, 0.05)}
    return Beside("greedy + linear", "dr", 0.05, value, refused, intervals)


def run_of(seed: int, *judged: Beside) -> Ran:
    template = ran(Run(scene(), season(), contender("uniform"), 1))
    return replace(template, seed=seed, judged=list(judged))


def test_bias_error_and_coverage_are_those_of_the_estimates_that_stand() -> None:
    runs = [
        run_of(1, beside(0.06, ends=(0.04, 0.08))),
        run_of(2, beside(0.07, ends=(0.06, 0.08))),
        run_of(3, beside(None, refused=0.02)),
    ]
    everybody, one = accuracies(runs)
    assert (everybody.target, one.target, one.logging) == (None, "greedy + linear", "uniform")
    assert one.judged == 3
    assert one.refused == pytest.approx(1 / 3)
    assert one.bias is not None
    assert (one.bias.mean, one.bias.error) == pytest.approx((0.015, 0.005))
    assert one.root_mean_square == pytest.approx(np.sqrt((0.01**2 + 0.02**2) / 2))
    assert one.refused_root_mean_square == pytest.approx(0.03)
    assert one.coverage["hall"].covered == 0.5
    assert one.coverage["hall"].width == pytest.approx(0.03)
    assert one.coverage["hall"].intervals == 2


def test_where_every_log_is_refused_there_is_no_bias() -> None:
    found = accuracies([run_of(1, beside(None, refused=0.02))])[1]
    assert (found.bias, found.root_mean_square, found.refused, found.coverage) == (None, None, 1.0, {})


def test_contenders_are_every_policy_with_every_posterior_and_those_without_once() -> None:
    words = [(each.word, each.policy) for each in map(contender, ("thompson", "popularity", "uniform", "linucb"))]
    found = contenders_of(words, ["linear", "beta"])
    assert [each.name for each in found] == [
        "uniform", "thompson + linear", "thompson + beta", "popularity", "linucb + linear", "linucb + beta",
    ]  # fmt: skip


def test_uniform_is_always_there() -> None:
    assert [each.name for each in contenders_of([], ["linear"])] == ["uniform"]


@pytest.mark.parametrize("posteriors", [[], ["linear", "linear"], ["cubic"]])
def test_posteriors_that_are_none_are_refused(posteriors: list[str]) -> None:
    with pytest.raises(InputError, match="posterior"):
        contenders_of([], posteriors)


def test_who_learns_otherwise_is_not_judged() -> None:
    linear, beta, uniform = contender("thompson"), contender("thompson", "beta"), contender("uniform")
    greedy = Contender(contender("greedy").policy, "greedy", "linear")
    assert linear.meets(greedy)
    assert linear.meets(uniform)
    assert uniform.meets(beta)
    assert not linear.meets(beta)
    assert not linear.meets(linear)
