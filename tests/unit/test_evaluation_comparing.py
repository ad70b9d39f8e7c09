"""Several policies on one log: paired differences, adjusted for many, refusals, replay of policies that learn, and plans."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import norm

from bandit.errors import InputError
from bandit.evaluation import (
    Evaluation,
    Gathering,
    LoggingPolicy,
    Sample,
    Settings,
    TableTarget,
    Thresholds,
    evaluate,
    plan,
    replay_learning,
    samples_of,
)
from bandit.evaluation.differences import Judged, differences
from bandit.evaluation.estimators import Terms
from bandit.evaluation.planning import whole_days
from bandit.evaluation.targets import Target
from bandit.impressions import ImpressionLog
from bandit.policies import EpsilonGreedy, Greedy, ThompsonSampling, Uniform

F64 = npt.NDArray[np.float64]
M, K = 6000, 4
RATES = np.array([0.05, 0.1, 0.2, 0.3])
TABLES = {"low": [0.7, 0.1, 0.1, 0.1], "even": [0.25] * 4, "high": [0.1, 0.1, 0.1, 0.7]}


def log_of(m: int = M, seed: int = 1, logging: tuple[float, ...] = (0.25,) * 4) -> ImpressionLog:
    random = np.random.default_rng(seed)
    arms = random.choice(K, m, p=logging)
    return ImpressionLog(
        np.ones((m, 1)), arms, (random.random(m) < RATES[arms]).astype(float), np.array(logging)[arms], K
    )


def samples(log: ImpressionLog, *names: str) -> dict[str, Sample]:
    targets: list[Target | LoggingPolicy] = [
        LoggingPolicy(),
        *(TableTarget(name, TABLES[name], log) for name in names or TABLES),
    ]
    return dict(zip((target.name for target in targets), samples_of(log, targets), strict=True))


def compared(log: ImpressionLog, *names: str, **settings: Any) -> Evaluation:
    chosen = Settings(estimators=("snips", "ips", "replay"), **settings)
    return evaluate(samples(log, *names), chosen, log.n_eligible, log.batches)


def judged(log: ImpressionLog, *names: str) -> Evaluation:
    return evaluate(samples(log, *names), Settings(estimators=("ips",)), log.n_eligible)


def test_values_are_the_truth_within_their_intervals() -> None:
    found = compared(log_of())
    for result in found.results[1:]:
        truth = float(np.array(TABLES[result.policy]) @ RATES)
        for word in ("snips", "ips", "replay"):
            assert result.estimates[word].lower < truth < result.estimates[word].upper  # type: ignore[operator]
    assert [result.policy for result in found.results] == ["logging", "low", "even", "high"]
    assert found.estimator == "snips"


def test_differences_say_which_is_better_and_are_paired() -> None:
    found = {(each.policy, each.against): each for each in compared(log_of()).differences}
    assert len(found) == 6
    best = found["high", "low"]
    assert best.adjusted_lower is not None
    assert best.adjusted_lower > 0
    same = found["even", "logging"]  # on a uniform log both weigh everything alike
    for end in (same.value, same.lower, same.upper):
        assert end == pytest.approx(0)


def test_adjusted_intervals_contain_the_single_ones_and_one_pair_alone_is_hardly_wider() -> None:
    many = [each for each in compared(log_of()).differences if each.value]
    for each in many:
        assert each.adjusted_lower < each.lower + 1e-3  # type: ignore[operator]
        assert each.adjusted_upper > each.upper - 1e-3  # type: ignore[operator]
    [alone] = compared(log_of(), "high").differences
    together = next(each for each in many if (each.policy, each.against) == ("high", "logging"))
    assert width(alone.adjusted_lower, alone.adjusted_upper) < width(together.adjusted_lower, together.adjusted_upper)
    assert width(alone.adjusted_lower, alone.adjusted_upper) == pytest.approx(width(alone.lower, alone.upper), rel=0.1)


def width(lower: float | None, upper: float | None) -> float:
    assert lower is not None
    assert upper is not None
    return upper - lower


def test_all_adjusted_differences_hold_together_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    missed = 0
    for _ in range(300):
        rewards = random.random(400)
        judged = [
            Judged(str(i), Sample(rewards, rewards, np.zeros(400), None), Terms(base=random.normal(size=400)), "ok", "")
            for i in range(5)
        ]
        found = differences(judged, "dm", Settings(level=0.9, resamples=200)).pairs
        missed += any(not each.adjusted_lower <= 0 <= each.adjusted_upper for each in found)  # type: ignore[operator]
    assert 0.04 <= missed / 300 <= 0.16


def test_a_refused_policy_has_no_value_and_no_difference_but_its_number_is_there() -> None:
    log = log_of(300, logging=(0.97, 0.01, 0.01, 0.01))
    found = compared(log, "high")
    [_, high] = found.results
    assert not high.is_reliable
    assert high.estimates["snips"].value is None
    assert high.estimates["snips"].unreliable_value is not None
    assert (high.others, high.value_curve) == ([], None)
    [difference] = found.differences
    assert (difference.value, difference.lower, difference.adjusted_lower) == (None, None, None)
    assert difference.unreliable_value is not None
    assert difference.verdict.startswith("insufficient overlap")


def test_what_the_logging_policy_is_worth_is_what_it_earned_by_every_estimator() -> None:
    log = log_of(logging=(0.4, 0.3, 0.2, 0.1))
    words = ("dr", "snips", "ips:clip=1.5", "switch_dr", "dros", "dm", "sndr", "ips")
    model: dict[str, Any] = {"logged_estimates": np.full(M, 0.3), "target_estimates": np.full(M, 0.3)}
    found = evaluate(
        {name: replace(each, **model) for name, each in samples(log, "high").items()},
        Settings(estimators=words),
        log.n_eligible,
    ).results[0]
    assert {word: each.value for word, each in found.estimates.items()} == pytest.approx(
        dict.fromkeys(words, log.rewards.mean())
    )
    assert found.tuned == {}
    assert {(each.estimator, each.kind) for each in found.others} == {
        ("ips", "normal"),
        ("ips", "bernstein"),
        ("ips", "sequence"),
    }


def test_one_policy_by_two_names_is_no_difference() -> None:
    log = log_of(logging=(0.4, 0.3, 0.2, 0.1))
    one = samples(log, "high")["high"]
    found = evaluate({"one": one, "other": replace(one, target=one.target * (1 + 1e-13))}, Settings(), log.n_eligible)
    [same] = found.differences
    assert (same.value, same.adjusted_lower, same.adjusted_upper) == (0, 0, 0)


def test_without_propensities_the_model_answers_with_a_caution_and_knows_nothing_of_arms_that_were_never_shown() -> (
    None
):
    log = replace(log_of(logging=(0.5, 0.3, 0.2, 0.0)), propensities=None)
    table = {"high": [0.1, 0.1, 0.1, 0.7], "known": [0.1, 0.5, 0.4, 0.0]}
    targets: list[Target | LoggingPolicy] = [LoggingPolicy()]
    targets += [TableTarget(name, p, log) for name, p in table.items()]
    model: dict[str, Any] = {"logged_estimates": np.full(M, 0.3), "target_estimates": np.full(M, 0.35)}
    by_name = {t.name: replace(s, **model) for t, s in zip(targets, samples_of(log, targets), strict=True)}
    found = evaluate(by_name, Settings(), log.n_eligible)
    logging, high, known = found.results
    assert found.estimator == "dm"
    assert logging.estimates["dm"].value == pytest.approx(log.rewards.mean())
    assert high.verdict.startswith(
        "insufficient overlap: the target shows arms that the log could not or never did 70.0%"
    )
    assert high.estimates["dm"].unreliable_value == pytest.approx(0.35)
    assert known.verdict == "overlap not judged: the log has no propensities"
    assert known.caution.startswith("dm is biased, by how much the log does not say")
    assert logging.caution == ""
    assert found.differences[1].value == pytest.approx(0.35 - log.rewards.mean())


@pytest.mark.parametrize(
    ("word", "is_biased"),
    [("snips", False), ("ips:clip=1.5", True), ("ips:clip=100", False), ("dros:shrinkage=100", True), ("dm", True)],
)
def test_a_biased_estimator_that_differences_are_of_is_a_caution(word: str, is_biased: bool) -> None:
    log = log_of()
    model: dict[str, Any] = {"logged_estimates": np.full(M, 0.3), "target_estimates": np.full(M, 0.3)}
    by_name = {name: replace(each, **model) for name, each in samples(log, "high").items()}
    found = evaluate(by_name, Settings(estimators=(word, "ips")), log.n_eligible)
    assert found.results[1].caution.startswith(f"{word} is biased") == is_biased


def test_a_handful_of_rewards_is_a_caution_and_no_refusal() -> None:
    log = log_of(1000)
    rare = replace(log, rewards=(np.arange(1000) < 8).astype(float))
    result = compared(rare, "low").results[1]
    assert result.is_reliable
    assert result.caution.startswith("too few rewards: the answer rests on ")
    lenient = compared(rare, "low", thresholds=Thresholds(effective_rewards=1, equal_rewards=1)).results[1]
    assert lenient.caution == ""


def test_replay_is_left_out_with_its_reason_where_the_log_is_not_uniform() -> None:
    log = log_of(logging=(0.4, 0.3, 0.2, 0.1))
    [logging, _] = compared(log, "low").results
    assert "replay" not in logging.estimates
    assert "replay needs a log under uniform" in logging.unusable["replay"]


def test_other_intervals_are_of_unbiased_estimators_alone() -> None:
    log = log_of()
    batches = np.repeat(np.arange(3), M // 3)
    with_model = {name: replace(s, logged_estimates=np.zeros(M), target_estimates=np.zeros(M)) for name, s in
                  samples(log, "high").items()}  # fmt: skip
    found = evaluate(with_model, Settings(estimators=("dr", "snips", "ips", "ips:clip=1")), log.n_eligible, batches)
    kinds = {(each.estimator, each.kind) for each in found.results[1].others}
    assert kinds == {
        ("dr", "normal"), ("dr", "bernstein"), ("dr", "batches"),
        ("ips", "normal"), ("ips", "bernstein"), ("ips", "batches"), ("ips", "sequence"),
    }  # fmt: skip
    leads = {each.estimator: each for each in found.results[1].others if each.quantity == "lead"}
    assert leads.keys() == {"dr", "ips"}
    assert leads["ips"].value == pytest.approx(found.results[1].estimates["ips"].value - log.rewards.mean(), abs=0.005)
    assert all(each.lower < each.value < each.upper for each in found.results[1].others)


def test_the_sequence_of_a_lead_ends_around_the_truth() -> None:
    curve = compared(log_of(40_000), "high").results[1].lead_curve
    assert curve is not None
    truth = float(np.array(TABLES["high"]) @ RATES - RATES.mean())
    assert curve.decisions[-1] == 40_000
    assert 0 < curve.lower[-1] < truth < curve.upper[-1]


def test_differences_of_any_two_policies_have_a_sequence_that_holds_the_truth() -> None:
    found = compared(log_of(40_000)).differences
    values = {name: float(np.array(table) @ RATES) for name, table in TABLES.items()} | {"logging": float(RATES.mean())}
    for each in found:
        truth = values[each.policy] - values[each.against]
        assert each.sequence_lower is not None
        assert each.sequence_upper is not None
        assert each.sequence_lower < truth < each.sequence_upper
        assert width(each.sequence_lower, each.sequence_upper) >= width(each.lower, each.upper)
    best = next(each for each in found if (each.policy, each.against) == ("high", "low"))
    assert best.sequence_lower is not None
    assert best.sequence_lower > 0


def test_what_slope_chose_is_told() -> None:
    log = log_of()
    found = evaluate(samples(log, "high"), Settings(estimators=("ips:clip=slope",)), log.n_eligible)
    assert found.results[1].tuned.keys() == {"ips:clip=slope"}


def test_where_no_estimator_works_it_says_why() -> None:
    log = log_of(logging=(0.4, 0.3, 0.2, 0.1))
    with pytest.raises(
        InputError, match="none of the estimators replay works on this log: replay needs a log under uniform"
    ):
        evaluate(samples(log, "low"), Settings(estimators=("replay",)), log.n_eligible)


# --- policies that learn, by replay ------------------------------------------------------------------------------------


def test_uniform_keeps_one_in_k_and_earns_what_the_log_earned() -> None:
    log = log_of(20_000)
    found = replay_learning(log, Uniform(), "beta", 500)
    assert found.kept / found.offered == pytest.approx(1 / K, abs=0.01)
    assert found.value == pytest.approx(log.rewards.mean(), abs=0.02)
    assert found.lower < found.value < found.upper  # type: ignore[operator]
    assert sum(found.kept_by_batch) == found.kept
    assert set(found.kept_by_batch[:-1]) == {500}


@pytest.mark.parametrize("policy", [EpsilonGreedy(0.1), ThompsonSampling()], ids=lambda p: p.name)
def test_a_policy_that_learns_gets_better_from_update_to_update(policy: Any) -> None:
    found = replay_learning(log_of(20_000), policy, "beta", 250)
    early, late = found.value_by_batch[0], found.value_by_batch[-2]
    assert early is not None
    assert late is not None
    assert late > early + 0.05
    assert late == pytest.approx(0.3, abs=0.08)


def test_larger_batches_learn_later() -> None:
    log = log_of(20_000)
    soon, late = (replay_learning(log, Greedy(), "beta", size).value for size in (50, 2500))
    assert soon is not None
    assert late is not None
    assert soon > late


def test_titles_of_few_arms_do_not_count_more() -> None:
    random = np.random.default_rng(4)
    starts = np.array([0, 2, 10])
    titles = random.integers(0, 2, 30_000)
    sizes = np.diff(starts)[titles]
    arms = starts[titles] + random.integers(0, sizes)
    log = ImpressionLog(
        np.ones((30_000, 1)), arms, (titles == 0).astype(float), 1 / sizes, 10, starts
    )  # fmt: skip
    assert replay_learning(log, Uniform(), "beta", 400).value == pytest.approx(0.5, abs=0.04)


def test_replay_of_learning_policies_refuses_what_it_cannot_do() -> None:
    with pytest.raises(InputError, match="replay needs a log under uniform"):
        replay_learning(log_of(logging=(0.4, 0.3, 0.2, 0.1)), Uniform(), "beta", 100)
    with pytest.raises(InputError, match="the batch size of replay is 0, expected a whole number"):
        replay_learning(log_of(), Uniform(), "beta", 0)
    with pytest.raises(InputError, match="replay needs propensities"):
        replay_learning(replace(log_of(), propensities=None), Uniform(), "beta", 10)


def test_replay_goes_through_a_log_in_time_and_takes_decisions_together() -> None:
    log = replace(log_of(8000), times=np.arange(8000), clusters=np.arange(8000) // 4)
    turned = log.take(np.random.default_rng(1).permutation(8000))
    one, other = (replay_learning(each, EpsilonGreedy(0.1), "beta", 250) for each in (log, turned))
    assert one == other
    alone = replay_learning(replace(log, clusters=None), EpsilonGreedy(0.1), "beta", 250)
    assert (one.value, one.lower) != (alone.value, alone.lower)
    assert one.value == alone.value


# --- plans -------------------------------------------------------------------------------------------------------------


def _called_better(rates: F64, shown: npt.NDArray[np.int64], propensities: F64, seed: int) -> bool:
    """Whether the lead of ``high`` over the logging policy is told from a log of what was shown."""
    rewards = (np.random.default_rng(seed).random(len(shown)) < rates[shown]).astype(float)
    found = judged(ImpressionLog(np.ones((len(shown), 1)), shown, rewards, propensities, K), "high")
    lead = found.differences[0].adjusted_lower
    return lead is not None and lead > 0


def _rates_with_lead(lead: float, rates: F64, logging: F64) -> F64:
    """The rates at which ``high`` leads by so much because the arms that it shows more often earn more often."""
    target = np.array(TABLES["high"])
    above = target > logging
    excess = target - logging
    return np.where(above, rates * (lead - excess[~above] @ rates[~above]) / (excess[above] @ rates[above]), rates)


@pytest.mark.parametrize("level", [pytest.param(0.005, marks=pytest.mark.simulations), 0.05])
def test_the_smallest_lead_is_found_as_often_as_planned_though_a_lead_raises_its_own_variance(level: float) -> None:
    logging = np.array([0.4, 0.3, 0.2, 0.1])
    count = round(100 / level)
    random = np.random.default_rng(4)
    rates = np.full(K, level)
    shown = random.choice(K, count, p=logging)
    log = ImpressionLog(
        np.ones((count, 1)), shown, (random.random(count) < rates[shown]).astype(float), logging[shown], K
    )
    detectable = plan("high", judged(log, "high"), samples(log, "high")["high"], log.n_eligible).detectable
    assert detectable is not None
    better = _rates_with_lead(detectable, rates, logging)
    hits = 0
    for seed in range(200):
        again = np.random.default_rng((seed, 1)).choice(K, count, p=logging)
        hits += _called_better(better, again, logging[again], seed)
    assert 0.7 <= hits / 200 <= 0.92


def test_a_lead_of_the_size_of_the_standard_error_is_the_usual_power_analysis() -> None:
    log = log_of()
    sample = samples(log, "even")["even"]
    found = plan("even", judged(log, "even"), sample, log.n_eligible)
    assert (found.detectable, found.days) == (0.0, None)  # it chooses as the log did
    low = samples(log, "low")["low"]
    leads = low.weighted_rewards - low.rewards
    usual = (norm.ppf(0.975) + norm.ppf(0.8)) * leads.std(ddof=1) / np.sqrt(M)
    detectable = plan("low", judged(log, "low"), low, log.n_eligible).detectable
    assert detectable == pytest.approx(usual, rel=0.6)


def test_the_more_policies_are_compared_the_larger_a_lead_has_to_be() -> None:
    log = log_of()
    alone, among = (plan("high", judged(log, *names), samples(log, "high")["high"], log.n_eligible).detectable
                    for names in (("high",), tuple(TABLES)))  # fmt: skip
    assert alone is not None
    assert among is not None
    assert alone < among < 1.3 * alone


def test_a_refused_policy_has_days_to_gather_and_no_lead_to_be_found() -> None:
    log = log_of(300, logging=(0.97, 0.01, 0.01, 0.01))
    gathering = Gathering(explore_share=0.2, impressions_a_day=1000, difference=0.02)
    found = plan("high", judged(log, "high"), samples(log, "high")["high"], log.n_eligible, gathering)
    assert (found.detectable, found.detectable_share) == (None, None)
    assert found.days is not None


def test_explore_data_of_a_refused_policy_judged_alone_find_the_lead_as_often_as_planned() -> None:
    log = log_of(3000, logging=(0.97, 0.01, 0.01, 0.01))
    gathering = Gathering(explore_share=0.2, impressions_a_day=1000, difference=0.02)
    found = plan("even", judged(log, "even"), samples(log, "even")["even"], log.n_eligible, gathering)
    assert found.detectable is None
    assert found.days_alone is not None
    days = whole_days(found.days_alone)
    random = np.random.default_rng(6)
    logged_rate = float(log.rewards.mean())
    hits = 0
    for _ in range(400):  # explore data tell of the policy, the rest of what is logged, which is 0.02 worse
        explored, rest = int(200 * days), int(800 * days)
        policy = (random.random(explored) < logged_rate + 0.02).astype(float)
        logged = (random.random(rest) < logged_rate).astype(float)
        error = np.sqrt(policy.var() / explored + logged.var() / rest)
        hits += (policy.mean() - logged.mean()) / error > norm.ppf(0.975)
    assert hits / 400 == pytest.approx(0.8, abs=0.07)


def test_days_of_a_refused_policy_are_those_of_all_rows_whose_large_weights_count_too() -> None:
    days = []
    for least in (0.01, 0.004):
        log = log_of(3000, logging=(1 - 3 * least, least, least, least))
        sample = samples(log, "high")["high"]
        found = plan("high", judged(log, "high"), sample, log.n_eligible, Gathering(0.2, 1000, 0.05))
        assert found.detectable is None
        assert found.days is not None
        assert found.days_alone is not None
        assert found.days > 1.5 * found.days_alone
        days.append(found.days)
    assert days[1] > 1.5 * days[0]


def test_what_the_live_policy_never_shows_is_never_told_by_all_rows() -> None:
    log = log_of(3000, logging=(1.0, 0.0, 0.0, 0.0))
    sample = samples(log, "even")["even"]
    found = plan("even", judged(log, "even"), sample, log.n_eligible, Gathering(0.2, 1000, 0.02))
    assert found.days is None
    assert found.days_alone is not None
    most = plan("even", judged(log, "even"), sample, log.n_eligible, Gathering(0.97, 1000, 0.02))
    assert most.days is not None  # nearly all rows are explore data then


def test_a_lead_on_few_rewards_has_to_be_so_large_that_there_are_enough() -> None:
    log = log_of(4000, logging=(0.4, 0.3, 0.2, 0.1))
    log = replace(log, rewards=(np.arange(4000) % 100 == 0).astype(float))
    sample, evaluation = samples(log, "high")["high"], judged(log, "high")
    usual, careless, strict = (
        plan("high", evaluation, sample, log.n_eligible, Gathering(0.2, 1000, 0.01), need=need)
        for need in (None, Thresholds(effective_rewards=0, equal_rewards=0), Thresholds(effective_rewards=60))
    )
    assert careless.detectable is not None
    assert usual.detectable is not None
    assert strict.detectable is not None
    assert careless.detectable <= usual.detectable < strict.detectable
    assert careless.days is not None
    assert strict.days is not None
    assert careless.days < strict.days


@pytest.mark.simulations
def test_days_count_what_the_log_tells_already() -> None:
    logging, rates = np.array([0.4, 0.3, 0.2, 0.1]), np.full(K, 0.05)
    log = log_of(4000, logging=(0.4, 0.3, 0.2, 0.1))
    log = replace(log, rewards=(np.random.default_rng(8).random(4000) < 0.05).astype(float))
    gathering = Gathering(explore_share=0.2, impressions_a_day=1000, difference=0.015)
    found = plan("high", judged(log, "high"), samples(log, "high")["high"], log.n_eligible, gathering)
    assert found.detectable is not None
    assert found.detectable > 0.015
    assert found.days is not None
    count = round(1000 * found.days)
    better, hits = _rates_with_lead(0.015, rates, logging), 0
    for seed in range(200):
        random = np.random.default_rng((seed, 2))
        explored = random.random(4000 + count) < np.where(np.arange(4000 + count) < 4000, 0.0, 0.2)
        shown = np.where(explored, random.integers(0, K, len(explored)), random.choice(K, len(explored), p=logging))
        hits += _called_better(better, shown, np.where(explored, 1 / K, logging[shown]), seed)
    assert 0.7 <= hits / 200 <= 0.93


def test_a_lead_that_the_log_shows_needs_no_day() -> None:
    log = log_of()
    sample, evaluation = samples(log, "high")["high"], judged(log, "high")
    found = plan("high", evaluation, sample, log.n_eligible)
    assert found.detectable is not None
    days = [
        plan("high", evaluation, sample, log.n_eligible, Gathering(0.1, 1000, times * found.detectable)).days
        for times in (1.01, 0.99, 0.5)
    ]
    assert days[0] == 0
    assert 0 < days[1] < days[2]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((0.0, 1000, 0.01), "the explore share is 0.0, expected a share between 0 and 1"),
        ((1.0, 1000, 0.01), "the explore share is 1.0"),
        ((0.1, 0, 0.01), "the impressions a day are 0, expected a number above 0"),
        ((0.1, 1000, -0.1), "the difference is -0.1, expected a lead of at least 1e-09"),
    ],
)
def test_plans_that_make_no_sense_are_refused(given: tuple[float, float, float], said: str) -> None:
    with pytest.raises(InputError) as caught:
        Gathering(*given)
    assert said in str(caught.value)
