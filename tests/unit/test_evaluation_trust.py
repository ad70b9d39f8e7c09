"""What is said, and how surely: answers are unflagged only where they can be believed."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from full_size import size

from bandit.errors import InputError
from bandit.evaluation import (
    Evaluation,
    Gathering,
    LoggingPolicy,
    Sample,
    Settings,
    TableTarget,
    cross_fit,
    estimate,
    evaluate,
    nearest_day,
    plan,
    samples_of,
    split_at,
)
from bandit.evaluation.estimators import Terms
from bandit.evaluation.fragility import equal_rewards, fragility
from bandit.evaluation.intervals.batches import stabilised
from bandit.evaluation.intervals.hall import effective_count, hall_interval
from bandit.evaluation.intervals.normal import Interval, standard_error
from bandit.evaluation.overlap import Thresholds, effective_rewards
from bandit.evaluation.reward_models import PosteriorModel
from bandit.evaluation.targets import Target
from bandit.impressions import ImpressionLog
from bandit.simulation.studies.trust import WORLDS, TrustReplicates, World, replicate, trust_of

F64 = npt.NDArray[np.float64]


def two_arms(count: int, rates: tuple[float, float], share: float, seed: int = 1) -> dict[str, Any]:
    """A log that shows arm 1 so often, and a target that always shows it."""
    random = np.random.default_rng(seed)
    arms = (random.random(count) < share).astype(int)
    return {
        "rewards": (random.random(count) < np.array(rates)[arms]).astype(float),
        "arms": arms,
        "propensities": np.where(arms == 1, share, 1 - share),
        "target_probabilities": np.tile([0.0, 1.0], (count, 1)),
    }


# --- rewards that the target itself would have earned ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ips", "snips"])
def test_a_target_whose_arm_earned_hardly_anything_is_flagged_however_much_the_log_earned(name: str) -> None:
    for seed in range(50):
        assert "too few rewards" in estimate(name, **two_arms(2000, (0.1, 0.001), 0.3, seed)).caution


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_rewards_that_are_all_alike_at_an_end_are_flagged(value: float) -> None:
    data = two_arms(300, (0.5, 0.5), 0.9)
    found = estimate("snips", **{**data, "rewards": np.full(300, value)})
    assert (found.lower, found.upper) == (value, value)
    assert "rests on 0.0 of them" in found.caution


def test_a_reward_that_nearly_always_comes_is_flagged_as_one_that_hardly_does() -> None:
    for seed in range(20):
        assert "too few rewards" in estimate("snips", **two_arms(400, (0.996, 0.996), 0.8, seed)).caution


def test_the_target_s_own_rewards_are_counted_by_their_weights_from_both_ends() -> None:
    weights, rewards = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 0.0, 1.0, 0.0])
    sample = Sample(rewards, weights * 0.1, np.zeros(4), np.full(4, 0.1))
    assert effective_rewards(sample, weights) == pytest.approx(min(16 / 10, 36 / 20))
    users = replace(sample, users=np.array([0, 0, 0, 1]))
    assert effective_rewards(users, weights) == pytest.approx(1.0)  # all that came came to one user


def test_without_known_ends_the_influences_are_counted() -> None:
    random = np.random.default_rng(3)
    data = two_arms(2000, (0.5, 0.5), 0.5)
    money = estimate("snips", **{**data, "rewards": 40 * random.random(2000)})
    assert money.caution == ""
    one = np.zeros(2000)
    one[data["arms"].argmax()] = 5000.0  # all that was earned was earned at once
    assert "too few rewards" in estimate("snips", **{**data, "rewards": one}).caution


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e150])
def test_how_many_values_make_up_a_variance_does_not_depend_on_their_unit(scale: float) -> None:
    assert effective_count(scale * np.array([1.0, -1.0, 1.0, -1.0])) == pytest.approx(4)
    assert effective_count(scale * np.array([3.0, -1.0, -1.0, -1.0])) == pytest.approx(144 / 84)
    assert effective_count(np.zeros(5)) == 0


def test_each_side_of_a_difference_and_the_difference_itself_are_checked() -> None:
    random = np.random.default_rng(5)
    logging = np.array([0.49, 0.49, 0.02])
    arms = random.choice(3, 20_000, p=logging)
    rewards = (random.random(20_000) < np.array([0.1, 0.1, 0.01])[arms]).astype(float)
    log = ImpressionLog(np.ones((20_000, 1)), arms, rewards, logging[arms], 3)
    first = np.tile([0.5, 0.48, 0.02], (20_000, 1))
    second = first.copy()
    second[:60] = [0.1, 0.88, 0.02]  # they differ for one user in a hundred
    tables: dict[str, Any] = {"rare": [0.02, 0.0, 0.98], "first": first, "same": first, "second": second}
    found = comparison(log, tables)
    cautions = {(each.policy, each.against): each.caution for each in found.differences}
    assert "too few rewards" in cautions["rare", "logging"]
    assert "too few rewards" in cautions["first", "rare"]
    assert cautions["same", "first"] == ""  # one policy by two names is exactly no difference
    assert cautions["second", "logging"] == cautions["first", "logging"] == ""
    assert cautions["second", "first"].startswith("of the difference: too few rewards")


def test_two_policies_that_happened_to_earn_the_same_are_not_the_same() -> None:
    log = ImpressionLog(np.ones((400, 1)), np.arange(400) % 2, np.ones(400), np.full(400, 0.5), 2)
    [lead] = comparison(log, {"other": [0.3, 0.7]}).differences
    assert lead.value == pytest.approx(0)
    assert "too few rewards" in lead.caution


# --- intervals ---------------------------------------------------------------------------------------------------------


def test_halls_interval_is_the_one_of_student_where_nothing_is_skewed() -> None:
    values = np.tile([-1.0, 1.0], 50)
    lower, upper = hall_interval(0.3, values, 100, 0.95)
    error = np.sqrt(100 / 99 * 100) / 100
    assert (0.3 - lower) == pytest.approx(2.0423 * error, rel=1e-4)  # 30 degrees of freedom
    assert (upper - 0.3) == pytest.approx(0.3 - lower)


def test_halls_interval_reaches_further_up_where_rewards_are_rare_and_mirrors_with_them() -> None:
    values = np.repeat([0.95, -0.05], [10, 190])
    lower, upper = hall_interval(0.05, values, 200, 0.95)
    assert upper - 0.05 > 1.4 * (0.05 - lower)
    mirrored = hall_interval(-0.05, -values, 200, 0.95)
    assert [mirrored.lower, mirrored.upper] == pytest.approx([-upper, -lower])


def test_halls_interval_of_rare_rewards_is_near_the_exact_one() -> None:
    for count in (10, 20, 40):  # exact ends of a Poisson mean: Garwood (1936)
        lower, upper = hall_interval(
            count, np.repeat([1 - count / 1e4, -count / 1e4], [count, 10_000 - count]), 1, 0.95
        )
        exact = {10: (4.80, 18.39), 20: (12.22, 30.89), 40: (28.58, 54.47)}[count]
        assert lower == pytest.approx(exact[0], rel=0.15)
        assert upper == pytest.approx(exact[1], rel=0.15)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.999])
@pytest.mark.parametrize("unit", [1e-160, 1.0, 1e140])
def test_halls_interval_scales_with_its_values(level: float, unit: float) -> None:
    values = np.repeat([0.9, -0.1], [10, 90])
    usual = hall_interval(0.1, values, 100, level)
    found = hall_interval(0.1 * unit, values * unit, 100, level)
    assert [found.lower / unit, found.upper / unit] == pytest.approx([usual.lower, usual.upper])


def test_intervals_end_where_rewards_do() -> None:
    found = estimate("snips", **two_arms(400, (0.02, 0.02), 0.5))
    assert found.lower is not None
    assert 0 <= found.lower < found.value < found.upper <= 1  # type: ignore[operator]


# --- users who come back -----------------------------------------------------------------------------------------------


def returning(seed: int, users: int = 100, showings: int = 20) -> tuple[dict[str, Any], npt.NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(users), showings)
    arms = random.integers(0, 2, len(who))
    chance = 1 / (1 + np.exp(-(random.normal(size=users)[who] - 1)))
    data = {
        "rewards": (random.random(len(who)) < chance).astype(float),
        "arms": arms,
        "propensities": np.full(len(who), 0.5),
        "target_probabilities": np.tile([0.3, 0.7], (len(who), 1)),
    }
    return data, who


def test_with_users_known_an_interval_is_for_users_like_them_and_wider() -> None:
    data, who = returning(1)
    alone, together = estimate("snips", **data), estimate("snips", **data, users=who)
    assert alone.value == together.value
    assert together.upper - together.lower > 1.3 * (alone.upper - alone.lower)  # type: ignore[operator]
    named = estimate("snips", **data, users=np.array([f"u{user}" for user in who]))
    assert named == together


def test_few_users_are_a_caution() -> None:
    data, who = returning(2, users=40, showings=50)
    assert "too few users" in estimate("snips", **data, users=who).caution
    data, who = returning(2, users=60, showings=50)
    assert estimate("snips", **data, users=who).caution == ""


def test_one_user_who_has_most_of_the_log_is_few_users() -> None:
    data, who = returning(3, users=100, showings=20)
    assert "too few users" in estimate("snips", **data, users=np.where(np.arange(2000) < 400, 0, who)).caution


def of_users(seed: int = 4) -> ImpressionLog:
    data, who = returning(seed)
    return ImpressionLog(
        np.ones((len(who), 1)), data["arms"], data["rewards"], data["propensities"], 2,
        clusters=np.arange(len(who)) // 2, users=who,
    )  # fmt: skip


def comparison(
    log: ImpressionLog, tables: dict[str, list[float]], population: str = "users", **settings: Any
) -> Evaluation:
    targets: list[Target | LoggingPolicy] = [
        LoggingPolicy(),
        *(TableTarget(name, table, log) for name, table in tables.items()),
    ]
    found = samples_of(log, targets, population=population, reward_range=settings.get("reward_range"))
    samples = dict(zip((target.name for target in targets), found, strict=True))
    chosen = Settings(estimators=("snips", "ips"), population=population, **settings)
    return evaluate(samples, chosen, log.n_eligible, log.batches)


def test_a_log_that_knows_its_users_is_judged_for_users_like_them_unless_the_log_itself_is_asked_for() -> None:
    log, table = of_users(), {"other": [0.3, 0.7]}
    users, alone = comparison(log, table), comparison(log, table, population="log")
    assert (users.users, users.population) == (100, "users")
    assert (alone.users, alone.population) == (None, "log")
    width = [each.results[1].estimates["snips"] for each in (users, alone)]
    assert width[0].upper - width[0].lower > 1.2 * (width[1].upper - width[1].lower)  # type: ignore[operator]
    assert not any("no user is known" in note for note in (*users.notes, *alone.notes))


def test_a_log_without_users_says_so() -> None:
    found = comparison(replace(of_users(), users=None), {"other": [0.3, 0.7]})
    assert any("no user is known" in note for note in found.notes)
    with pytest.raises(InputError, match="there is no population 'people'; choose one of users, log"):
        Settings(population="people")


def test_folds_take_a_user_whole() -> None:
    log = of_users()
    folds = cross_fit(PosteriorModel("beta"), log, 3).folds
    assert all(len(set(folds[log.users == user])) == 1 for user in range(100))


def test_a_decision_of_two_users_is_refused() -> None:
    log = replace(of_users(), clusters=np.zeros(2000, dtype=np.int64))
    with pytest.raises(InputError, match="row 20 shows its decision to another user than before"):
        samples_of(log, [LoggingPolicy()])


def test_batches_know_that_a_user_comes_back_in_another_batch() -> None:
    data, who = returning(6)
    batches = np.arange(len(who)) % 20 // 5
    weights = np.array([0.3, 0.7])[data["arms"]]
    sample = Sample(data["rewards"], weights, np.zeros(len(who)), data["propensities"])
    terms = Terms(numerator=sample.weighted_rewards)
    alone = stabilised(sample, terms, batches, 0.95).interval
    together = stabilised(replace(sample, users=who), terms, batches, 0.95).interval
    assert together.upper - together.lower > 1.3 * (alone.upper - alone.lower)
    usual = standard_error(replace(sample, users=who), terms)
    assert (together.upper - together.lower) / (2 * 1.96) == pytest.approx(usual, rel=0.1)


# --- weights that were possible ----------------------------------------------------------------------------------------


def propensities_of(sample: Sample) -> F64:
    assert sample.propensities is not None
    return sample.propensities


def unseen_tail(seed: int) -> Sample:
    """4 % of the users have the target\'s arm at 0.001 and take it nine times in ten; the others at a third."""
    random = np.random.default_rng(seed)
    rare = random.random(2000) < 0.04
    propensity = np.where(rare, 0.001, 1 / 3)
    is_target = random.random(2000) < propensity
    rewards = (random.random(2000) < np.where(rare & is_target, 0.9, 0.1)).astype(float)
    shown = np.where(is_target, propensity, (1 - propensity) / 2)
    return Sample(rewards, is_target.astype(float), np.zeros(2000), shown)


def test_a_tail_that_nobody_saw_is_flagged_where_the_smallest_propensity_is_known() -> None:
    passed = 0
    for seed in range(40):
        samples = {
            "logging": replace(unseen_tail(seed), target=propensities_of(unseen_tail(seed))),
            "target": unseen_tail(seed),
        }
        choices = np.full(2000, 3)
        guessed = evaluate(samples, Settings(estimators=("snips", "ips")), choices)
        passed += guessed.results[1].is_reliable
        if guessed.results[1].is_reliable:
            assert any("is a guess" in note for note in guessed.notes)
        known = evaluate(samples, Settings(estimators=("snips", "ips"), least_propensity=0.001), choices)
        assert "one decision has, or could have had" in known.results[1].verdict
    assert passed > 10  # without being told nobody can know


def test_other_intervals_say_whether_their_bound_is_known() -> None:
    log, table = of_users(), {"other": [0.3, 0.7]}
    guessed = comparison(log, table).results[1].others
    known = comparison(log, table, least_propensity=0.1).results[1].others
    stated = comparison(log, table, weight_bound=9.0).results[1].others
    for found, bound, is_known in ((guessed, 2.0, False), (known, 7.0, True), (stated, 9.0, True)):
        bounded = [each for each in found if each.kind in {"bernstein", "sequence"}]
        assert bounded
        assert {each.is_bound_known for each in bounded} == {is_known}
        assert [each.weight_bound for each in bounded] == pytest.approx([bound] * len(bounded))
        assert {each.weight_bound for each in found if each.kind == "normal"} == {None}


def test_a_stated_bound_counts_as_a_weight_that_was_possible() -> None:
    data = two_arms(2000, (0.1, 0.1), 0.5)
    assert estimate("snips", **data).verdict == "ok"
    assert "one decision has, or could have had" in estimate("snips", **data, weight_bound=2000).verdict


@pytest.mark.parametrize("value", [0, -1, 1.5, float("nan"), "0.1"])
def test_a_least_propensity_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="least_propensity is"):
        Settings(least_propensity=value)


# --- rewards that are not in [0, 1] ------------------------------------------------------------------------------------


def test_what_is_said_of_money_is_what_is_said_of_shares_in_another_unit() -> None:
    log, table = of_users(), {"other": [0.3, 0.7]}
    money = replace(log, rewards=40 * log.rewards - 10)
    shares, priced = comparison(log, table), comparison(money, table, reward_range=(-10, 30))
    for before, after in zip(shares.differences, priced.differences, strict=True):
        for name in ("value", "lower", "upper", "adjusted_lower", "adjusted_upper", "sequence_lower", "sequence_upper"):
            assert getattr(after, name) == pytest.approx(40 * getattr(before, name), abs=1e-9)
        assert after.caution == before.caution
    one, other = (found.results[1].estimates["snips"] for found in (shares, priced))
    assert [other.lower, other.upper] == pytest.approx([40 * one.lower - 10, 40 * one.upper - 10])  # type: ignore[operator]


def test_bounded_methods_ask_for_the_range_of_money() -> None:
    data = two_arms(2000, (0.5, 0.5), 0.5)
    data["rewards"] = 250 * data["rewards"]
    with pytest.raises(InputError, match="pass the smallest and the largest possible one as reward_range"):
        estimate("ips", **data, interval="bernstein")
    assert estimate("ips", **data, interval="bernstein", reward_range=(0, 250)).value == estimate("ips", **data).value
    log = ImpressionLog(np.ones((2000, 1)), data["arms"], data["rewards"] / 250, data["propensities"], 2)
    samples = samples_of(log, [LoggingPolicy(), TableTarget("other", [0.3, 0.7], log)])
    unknown = {
        name: replace(sample, rewards=250 * sample.rewards, reward_range=None)
        for name, sample in zip(("logging", "other"), samples, strict=True)
    }
    found = evaluate(unknown, Settings(estimators=("snips", "ips")), log.n_eligible)
    assert {each.kind for each in found.results[1].others} == {"normal"}
    assert found.differences[0].sequence_lower is None
    assert any("need to know the smallest and the largest possible one" in note for note in found.notes)


@pytest.mark.parametrize("given", [(1, 0), (0, 0), (0,), "01", 7, (0, float("inf")), (0, float("nan")), (0, "1")])
def test_a_range_of_rewards_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="reward_range is"):
        estimate("snips", **two_arms(400, (0.5, 0.5), 0.5), reward_range=given)


def test_a_reward_outside_the_stated_range_is_refused_by_its_row() -> None:
    with pytest.raises(InputError, match=r"row \d+ has the reward 1, expected 0 to 0.5 as reward_range says"):
        estimate("snips", **two_arms(400, (0.5, 0.5), 0.5), reward_range=(0, 0.5))


# --- looks -------------------------------------------------------------------------------------------------------------


def test_a_log_is_cut_at_the_same_time_however_long_it_grows() -> None:
    times = np.arange(100) * 10
    log = ImpressionLog(
        np.arange(100.0)[:, None], np.zeros(100, dtype=int), np.zeros(100), np.ones(100), 1, times=times
    )
    short = log.take(np.arange(60))
    day = nearest_day(short, 0.5, 200)
    assert day == 200
    assert split_at(short, 200).learned_from.contexts.tolist() == split_at(log, 200).learned_from.contexts.tolist()
    assert len(split_at(log, 200).judged_by) == 80
    assert nearest_day(log, 0.5, 10_000) is None  # it is all of one day
    for time in (0, 5000):
        with pytest.raises(InputError, match="both need some"):
            split_at(log, time)
    with pytest.raises(InputError, match="has no times"):
        split_at(replace(log, times=None), 200)


def test_a_decision_belongs_to_where_it_was_first_shown() -> None:
    log = ImpressionLog(
        np.ones((4, 1)), np.zeros(4, dtype=int), np.zeros(4), np.ones(4), 1,
        clusters=np.array([7, 8, 7, 9]), times=np.array([1, 2, 11, 12]),
    )  # fmt: skip
    early, late = split_at(log, 10)
    assert early.times.tolist() == [1, 2, 11]  # type: ignore[union-attr]
    assert late.times.tolist() == [12]  # type: ignore[union-attr]


def test_where_every_decision_is_shown_once_nothing_is_said_of_how_often() -> None:
    random = np.random.default_rng(9)
    arms = random.integers(0, 2, 3000)
    wrong = Sample(
        (random.random(3000) < 0.5).astype(float), np.where(arms == 1, 0.9, 0.1), np.zeros(3000), np.where(arms == 1, 0.4, 0.6),
        clusters=np.arange(3000),
    )  # fmt: skip
    found = evaluate(
        {"logging": replace(wrong, target=propensities_of(wrong)), "other": wrong},
        Settings(estimators=("ips",)),
        np.full(3000, 2),
    )
    assert "the mean weight is" in found.results[1].verdict
    assert "how often" not in found.results[1].caution


def test_one_sentence_says_what_a_sequence_covers() -> None:
    notes = comparison(of_users(), {"other": [0.3, 0.7]}).notes
    assert (
        sum(
            "confidence sequences cover the mean over the decisions of this log so far, for its own users" in note
            for note in notes
        )
        == 1
    )


# --- what did not come -------------------------------------------------------------------------------------------------


def told_of(sample: Sample, shares: F64, value: float, interval: Interval, bound: float = 0.0, **need: float) -> str:
    influences = sample.unit_sums(shares * (sample.rewards - value))
    return fragility(sample, shares, value, interval, influences, Thresholds(**need), bound)


def test_a_reward_more_where_weights_are_large_must_not_lead_out_of_an_interval() -> None:
    weights = np.repeat([0.8 / 0.98, 10.0], [1960, 40])
    rewards = (np.arange(2000) % 50 == 0).astype(float)
    earned = Sample(rewards * (weights < 5), weights * 0.01, np.zeros(2000), np.full(2000, 0.01))
    shares = weights / weights.sum()
    found = told_of(earned, shares, 0.02, Interval(0.015, 0.026))
    assert found.startswith("too few rewards where weights are large: 1.5 more rewards at the largest weight")
    assert told_of(earned, shares, 0.02, Interval(0.0, 0.04)) == ""
    assert told_of(earned, shares, 0.02, Interval(0.015, 0.026), more_rewards=0) == ""
    mirrored = replace(earned, rewards=1 - earned.rewards)
    assert told_of(mirrored, shares, 0.98, Interval(0.974, 0.985))
    assert told_of(mirrored, shares, 0.98, Interval(0.96, 1.0)) == ""


@pytest.mark.parametrize("count", [1000, 100_000])  # however many impressions, it is users that are looked at
def test_a_user_unlike_the_others_must_not_lead_out_of_an_interval_for_users_like_them(count: int) -> None:
    sample = Sample(np.tile([1.0, 0.0], count // 2), np.full(count, 0.5), np.zeros(count), np.full(count, 0.5))
    shares, interval = np.full(count, 1 / count), Interval(0.45, 0.55)
    assert told_of(sample, shares, 0.5, interval) == ""
    for users, is_told in ((5, True), (20, True), (400, False)):
        often = replace(sample, users=np.arange(count) * users // count)
        assert ("2.3 more users unlike the others" in told_of(often, shares, 0.5, interval, equal_units=0)) == is_told


def test_users_who_come_often_may_be_those_whom_a_log_lacks() -> None:
    random = np.random.default_rng(8)
    shares, interval = np.full(4000, 1 / 4000), Interval(0.03, 0.07)
    sample = Sample((random.random(4000) < 0.05).astype(float), np.full(4000, 0.5), np.zeros(4000), np.full(4000, 0.5))
    alike = replace(sample, users=np.arange(4000) // 20)
    assert told_of(alike, shares, 0.05, interval) == ""
    times = np.repeat([5, 35], 100)  # 200 users too, and as good as 128 alike
    assert "more users unlike the others" in told_of(
        replace(alike, users=np.repeat(np.arange(200), times)), shares, 0.05, Interval(0.034, 0.066)
    )
    assert told_of(alike, shares, 0.05, Interval(0.034, 0.066)) == ""


@pytest.mark.parametrize(("users", "is_told"), [(235, True), (1000, False)])
def test_users_whom_a_log_may_lack_are_fewer_the_more_it_has(users: int, is_told: bool) -> None:
    count = users * 20
    half, shares = np.full(count, 0.5), np.full(count, 1 / count)
    rewards = (np.random.default_rng(8).random(count) < 0.05).astype(float)
    sample = Sample(rewards, half, np.zeros(count), half, users=np.arange(count) // 20)
    found = told_of(sample, shares, 0.05, Interval(0.044, 0.056))
    assert ("more users unlike the others" in found) == is_told


def test_a_weight_that_was_possible_and_never_came_counts_as_one_that_did() -> None:
    few = np.arange(4000) < 120  # they were shown the other arm, all of them, with 0.98
    arms = np.where(few, 0, np.arange(4000) % 2)
    data: dict[str, Any] = {
        "rewards": (np.arange(4000) % 9 == 0).astype(float),
        "arms": arms,
        "propensities": np.where(few, 0.98, 0.5),
        "target_probabilities": np.where(few[:, None], [0.0, 1.0], [0.3, 0.7]),
    }
    usual = Thresholds(mean_weight_errors=100, calibration_errors=100)
    found = estimate("snips", **data, thresholds=usual).caution
    assert "rewards at a larger weight, which was possible and never came, would lead out" in found
    same = {**data, "target_probabilities": np.where(few[:, None], [0.98, 0.02], [0.3, 0.7])}
    assert estimate("snips", **same, thresholds=usual).caution == ""


def test_an_error_that_one_user_makes_up_is_flagged() -> None:
    users = np.repeat(np.arange(300), 10)
    rewards = ((np.arange(3000) + users) % 20 == 0).astype(float)  # every user earns once in twenty times
    sample = Sample(rewards, np.full(3000, 0.5), np.zeros(3000), np.full(3000, 0.5), users=users)
    shares, interval = np.full(3000, 1 / 3000), Interval(0.0, 0.2)
    assert told_of(sample, shares, 0.05, interval) == ""
    loving = replace(sample, rewards=np.where(users == 0, 1.0, rewards))
    assert "the error is that of " in told_of(loving, shares, 0.053, interval)
    assert told_of(replace(loving, users=None), shares, 0.053, interval) == ""


def test_what_was_possible_and_unseen_must_not_move_an_answer_by_three_half_widths() -> None:
    sample = Sample(np.tile([1.0, 0.0], 500), np.full(1000, 0.5), np.zeros(1000), np.full(1000, 0.5))
    shares, interval = np.full(1000, 1e-3), Interval(0.45, 0.55)
    assert told_of(sample, shares, 0.5, interval, bound=0.15) == ""
    assert "gone unseen" in told_of(sample, shares, 0.5, interval, bound=0.25)


@pytest.mark.parametrize("came", [0, 1, 2, 5])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_an_answer_that_hangs_on_a_rare_arm_is_flagged_whether_its_rewards_came_or_not(
    came: int, is_mirrored: bool
) -> None:
    arms = np.repeat([0, 1], [4900, 100])
    rewards = (np.arange(5000) % 50 == 0).astype(float)  # 98 of them at small weights
    rewards[4900:] = 0
    rewards[4900 : 4900 + came] = 1  # two were to be expected at a weight of 15
    data: dict[str, Any] = {
        "rewards": 1 - rewards if is_mirrored else rewards,
        "arms": arms,
        "propensities": np.where(arms == 1, 0.02, 0.98),
        "target_probabilities": np.tile([0.7, 0.3], (5000, 1)),
    }
    assert "too few rewards where weights are large" in estimate("snips", **data).caution
    often: dict[str, Any] = {name: np.repeat(value, 12, axis=0) for name, value in data.items()}
    assert estimate("snips", **often).caution == ""


def test_rewards_of_one_weight_are_as_skewed_as_they_are_many() -> None:
    for count in (10, 40):
        rewards = (np.arange(100_000) < count).astype(float)
        sample = Sample(rewards, np.full(100_000, 0.5), np.zeros(100_000), np.full(100_000, 0.5))
        assert equal_rewards(sample, sample.weights) == pytest.approx(count, rel=0.01)
        assert equal_rewards(replace(sample, rewards=1 - rewards), sample.weights) == pytest.approx(count, rel=0.01)
        money = replace(sample, rewards=30 * rewards, reward_range=None)
        assert equal_rewards(money, sample.weights) == pytest.approx(count, rel=0.01)


@pytest.mark.parametrize("unit", [1e-200, 1.0, 1e150])
def test_how_skewed_an_answer_is_does_not_depend_on_the_unit_of_shares_or_rewards(unit: float) -> None:
    random = np.random.default_rng(12)
    weights = np.exp(random.normal(size=1000))
    rewards = (random.random(1000) < 0.1).astype(float)
    sample = Sample(rewards, weights * 1e-3, np.zeros(1000), np.full(1000, 1e-3))
    usual = equal_rewards(sample, weights)
    assert equal_rewards(sample, unit * weights) == pytest.approx(usual)
    scaled = replace(sample, rewards=unit * rewards, reward_range=(0.0, unit))
    assert equal_rewards(scaled, weights) == pytest.approx(usual)
    assert equal_rewards(sample, -weights) == pytest.approx(usual)
    assert equal_rewards(sample, np.concatenate([weights[:500], np.zeros(500)])) > 0
    assert equal_rewards(sample, np.zeros(1000)) == float("inf")
    assert equal_rewards(replace(sample, rewards=np.zeros(1000)), weights) == 0


def test_what_has_no_support_widens_an_interval_by_what_it_may_earn() -> None:
    data = two_arms(4000, (0.2, 0.2), 0.5)
    full = estimate("snips", **{**data, "target_probabilities": np.tile([0.5, 0.5], (4000, 1))})
    part = {**data, "target_probabilities": np.tile([0.48, 0.48, 0.04], (4000, 1))}
    found = estimate("snips", **part)
    assert found.upper - full.upper == pytest.approx(0.04, abs=0.005)  # type: ignore[operator]
    assert full.lower - found.lower == pytest.approx(0.04 * 0.2, abs=0.005)  # type: ignore[operator]


def test_a_value_that_no_reward_can_be_is_a_caution() -> None:
    data = two_arms(2000, (0.2, 0.2), 0.5)
    q = np.tile([50.0, -50.0], (2000, 1))
    found = estimate("dr", **data, reward_estimates=q)
    assert found.value is not None
    assert ("outside of what a reward can be" in found.caution) == (not 0 <= found.value <= 1)
    many = estimate("dr", **data, reward_estimates=1e9 * q)
    assert "outside of what a reward can be" in many.caution


def test_a_target_that_never_agrees_with_the_log_is_refused_by_every_estimator() -> None:
    data = two_arms(1000, (0.2, 0.2), 0.5)
    data["arms"], data["propensities"] = np.zeros(1000, dtype=int), np.full(1000, 0.5)
    for name in ("ips", "snips", "dr", "sndr"):
        given: dict[str, Any] = {"reward_estimates": np.full((1000, 2), 0.2)} if name in {"dr", "sndr"} else {}
        found = estimate(name, **data, **given)
        assert found.value is None
        assert "insufficient overlap" in found.verdict


def test_one_user_alone_has_no_interval_and_no_plan() -> None:
    data, who = returning(5, users=1, showings=600)
    log = ImpressionLog(np.ones((600, 1)), data["arms"], data["rewards"], data["propensities"], 2, users=who)
    found = comparison(log, {"other": [0.3, 0.7]})
    [lead] = found.differences
    assert (lead.lower, lead.adjusted_upper) == (None, None)
    sample = samples_of(log, [TableTarget("other", [0.3, 0.7], log)])[0]
    assert plan("other", found, sample, log.n_eligible).detectable is None


def test_a_log_without_a_reward_has_no_plan() -> None:
    log = replace(of_users(), rewards=np.zeros(2000))
    found = comparison(log, {"other": [0.3, 0.7]})
    sample = samples_of(log, [TableTarget("other", [0.3, 0.7], log)])[0]
    made = plan("other", found, sample, log.n_eligible, Gathering(0.2, 100, 0.01))
    assert (made.detectable, made.days) == (None, None)


def test_a_least_propensity_above_one_that_is_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"least_propensity is 0\.6 and the log has 0\.5"):
        comparison(of_users(), {"other": [0.3, 0.7]}, least_propensity=0.6)


@pytest.mark.parametrize("unit", [1e-150, 1e-6, 1.0, 1e6])
def test_counts_of_rewards_do_not_depend_on_their_unit(unit: float) -> None:
    weights, rewards = np.array([1.0, 2.0, 3.0, 4.0]), unit * np.array([1.0, 0.0, 1.0, 0.0])
    sample = Sample(rewards, weights * 0.1, np.zeros(4), np.full(4, 0.1), reward_range=(0.0, unit))
    assert effective_rewards(sample, weights) == pytest.approx(1.6)


def with_tastes(seed: int, rates: tuple[float, float], users: int = 200) -> dict[str, Sample]:
    """Users who come ten times, with a level and a taste for the second arm, which the target prefers."""
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(users), 10)
    level, taste = (np.exp(0.7 * random.normal(size=users) - 0.245)[who] for _ in range(2))
    is_second = random.random(len(who)) < 0.3
    chance = np.where(is_second, rates[1] * taste, rates[0]) * level
    rewards = (random.random(len(who)) < np.minimum(chance, 1)).astype(float)
    logged = Sample(
        rewards, np.where(is_second, 0.3, 0.7), np.zeros(len(who)), np.where(is_second, 0.3, 0.7), users=who
    )
    return {
        "logging": logged,
        "other": replace(logged, target=np.where(is_second, 0.8, 0.2), target_squares=np.full(len(who), 0.68)),
    }


def lead_of(samples: dict[str, Sample]) -> tuple[Evaluation, Sample]:
    choices = np.full(len(samples["other"]), 2)
    return evaluate(samples, Settings(estimators=("snips",), resamples=200), choices), samples["other"]


def test_what_users_have_in_common_grows_with_the_square_of_a_lead() -> None:
    found, sample = lead_of(with_tastes(1, (0.1, 0.1)))
    alone, apart = lead_of({name: replace(each, users=None) for name, each in with_tastes(1, (0.1, 0.1)).items()})
    choices = np.full(len(sample), 2)
    leads = [plan("other", *each, choices).detectable for each in ((found, sample), (alone, apart))]
    assert leads[0] is not None
    assert leads[1] is not None
    widths = [each.differences[0].upper - each.differences[0].lower for each in (found, alone)]  # type: ignore[operator]
    assert leads[0] / leads[1] > 1.05 * widths[0] / widths[1]


@pytest.mark.simulations
def test_a_lead_among_users_with_tastes_is_found_as_often_as_planned() -> None:
    hits = []
    for number in range(20):
        found, sample = lead_of(with_tastes(number, (0.1, 0.1)))
        lead = plan("other", found, sample, np.full(len(sample), 2)).detectable
        assert lead is not None
        better = (0.1, 0.1 + 2 * lead)  # the target shows the second arm half as often again as the log
        for again in range(20):
            told = lead_of(with_tastes(1000 + 20 * number + again, better))[0].differences[0]
            hits.append(told.adjusted_lower is not None and told.adjusted_lower > 0 and not told.caution)
    assert 0.74 <= np.mean(hits) <= 0.92


# --- by simulation -----------------------------------------------------------------------------------------------------

_A_FEW = (
    "the target's arm earns nothing like the log",
    "rewards nearly always",
    "a rare arm of large weight, both arms of 0.4 %",
)


@pytest.mark.parametrize("world", [each for each in WORLDS if each.name in _A_FEW], ids=lambda world: world.name)
def test_worlds_in_which_intervals_cannot_be_right_are_flagged(world: World) -> None:
    for row in trust_of([replicate(TrustReplicates(world.name, 0, 60))], world):
        assert row.unflagged <= 0.1, row
        assert row.wrong_unflagged == 0, row


@pytest.mark.simulations
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_an_answer_that_nothing_warns_of_is_seldom_wrong(world: World) -> None:
    count = size(200, 300) if world.is_family else size(250, 400)
    slack = 3 * (0.05 * 0.95 / count) ** 0.5  # three standard errors of so many replicates
    for row in trust_of([replicate(TrustReplicates(world.name, 0, count))], world):
        assert row.wrong_unflagged <= (0.06 if world.is_family else 0.05) + slack, row
        if row.unflagged >= 0.5 and not world.is_family:
            assert 0.93 - slack <= row.held <= 0.98 + slack, row
