"""When a log cannot tell: each reason by itself, and none where overlap is ample."""

from dataclasses import replace

import numpy as np
import pytest

from bandit.evaluation.overlap import Overlap, Thresholds, overlap_of
from bandit.evaluation.sample import Sample

USUAL = Thresholds()
M, K = 4000, 4


def sample_of(logging: list[float], target: list[float], *, seed: int = 1, told: list[float] | None = None) -> Sample:
    """A log under ``logging`` whose propensities are told as ``told``."""
    random = np.random.default_rng(seed)
    arms = random.choice(K, M, p=logging)
    p = np.array(target)
    shown = np.bincount(arms, minlength=K) > 0
    return Sample(
        rewards=np.zeros(M),
        target=p[arms],
        unsupported=np.full(M, p[~shown].sum()),
        propensities=np.array(told or logging)[arms],
        arms=arms,
        expected_arms=M * p,
        expected_squares=M * p**2 / np.maximum(np.bincount(arms, minlength=K) / M, 1 / M),
    )


def reasons(sample: Sample) -> list[str]:
    return overlap_of(sample, USUAL).reasons(USUAL)


def test_ample_overlap_has_no_reason() -> None:
    found = overlap_of(sample_of([0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]), USUAL)
    assert found.reasons(USUAL) == []
    assert found.verdict(USUAL) == "ok"
    assert found.mean_weight == pytest.approx(1, abs=0.05)
    assert found.miscalibration < 4


def test_a_policy_on_its_own_log_has_weights_of_one_and_all_of_the_sample() -> None:
    found = overlap_of(sample_of([0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1]), USUAL)
    assert (found.effective_sample_size, found.max_weight, found.mean_weight_errors) == (M, 1, 0)
    assert found.verdict(USUAL) == "ok"


def test_a_small_effective_sample_is_a_reason() -> None:
    found = reasons(sample_of([0.98, 0.01, 0.005, 0.005], [0.0, 0.4, 0.3, 0.3]))
    assert any(reason.startswith("effective sample size ") and "expected at least 200" in reason for reason in found)


def test_one_decision_with_much_of_the_weight_is_a_reason() -> None:
    sample = sample_of([0.25] * 4, [0.25] * 4)
    weights = np.ones(M)
    weights[0] = 500
    found = reasons(replace(sample, target=0.25 * weights))
    assert any(
        reason.startswith("one decision has, or could have had, 11.1% of all weight (largest weight there: 500)")
        for reason in found
    )


def test_a_weight_that_could_have_come_counts_as_one_that_came() -> None:
    logging, target = np.array([0.99995, 0.00005]), [0.9, 0.1]
    arms = np.zeros(M, dtype=np.int64)  # of 4,000 decisions none happened to show arm 1, whose weight is 2,000
    sample = Sample(np.zeros(M), np.full(M, target[0]), np.zeros(M), logging[arms])
    found = overlap_of(sample, USUAL)
    assert (found.max_weight, found.effective_sample_size) == pytest.approx((0.9, M), rel=1e-3)
    assert found.largest_share == pytest.approx(2000 / (0.9 * M), rel=1e-3)
    assert found.verdict(USUAL).startswith(
        "insufficient overlap: one decision has, or could have had, 55.6% of all weight"
    )


def test_weights_of_one_decision_add_up() -> None:
    sample = sample_of([0.25] * 4, [0.25] * 4)
    together = np.where(np.arange(M) < 400, 0, np.arange(M) - 399)
    found = overlap_of(replace(sample, clusters=together), USUAL)
    assert found.decisions == M - 399
    assert found.largest_share == pytest.approx(400 / M)


def test_arms_that_were_never_shown_are_a_reason() -> None:
    found = overlap_of(sample_of([0.5, 0.3, 0.2, 0.0], [0.3, 0.3, 0.3, 0.1]), USUAL)
    assert found.unsupported == pytest.approx(0.1)
    assert any("never did 10.0% of the time, expected at most 5.0%" in reason for reason in found.reasons(USUAL))


def test_propensities_that_are_all_too_small_move_the_mean_weight() -> None:
    found = reasons(sample_of([0.4, 0.3, 0.2, 0.1], [0.25] * 4, told=[0.2, 0.15, 0.1, 0.05]))
    assert any(reason.startswith("the mean weight is 2.0") for reason in found)


def test_propensities_that_were_rounded_are_no_reason_however_long_the_log() -> None:
    sample = sample_of(
        [0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1], told=[0.398, 0.2985, 0.199, 0.0995]
    )  # 0.5 % too small
    found = overlap_of(sample, USUAL)
    assert found.mean_weight_errors > USUAL.mean_weight_errors
    assert found.verdict(USUAL) == "ok"
    assert overlap_of(sample, Thresholds(rounding=0)).reasons(Thresholds(rounding=0))


def test_support_that_may_be_missing_is_no_mean_weight_that_is_off() -> None:
    found = overlap_of(sample_of([0.5, 0.3, 0.2, 0.0], [0.485, 0.291, 0.194, 0.03]), USUAL)
    assert found.mean_weight == pytest.approx(0.97)
    assert found.mean_weight_errors == 0
    assert found.verdict(USUAL) == "ok"


def test_decisions_count_once_in_the_mean_weight_however_often_they_are_shown() -> None:
    random = np.random.default_rng(8)
    first = random.integers(0, 2, 4000)
    decision = np.repeat(np.arange(4000), np.where(first == 1, 3, 1))  # what shows arm 1 is shown three times as often
    arms, p = first[decision], np.array([0.2, 0.8])
    shares = np.bincount(arms) / len(arms)
    sample = Sample(
        (np.arange(len(arms)) % 2).astype(np.float64),
        p[arms], np.zeros(len(arms)), np.full(len(arms), 0.5), arms=arms, expected_arms=4000 * p,
        expected_squares=4000 * p**2 / shares, clusters=decision,
    )  # fmt: skip
    found = overlap_of(sample, USUAL)
    assert found.verdict(USUAL) == "ok"
    assert found.mean_weight == pytest.approx(1, abs=0.05)
    assert found.impression_weight == pytest.approx(1.3, abs=0.05)
    assert found.caution(USUAL).startswith("what is shown says how often it is shown: the mean weight is 1.299 by")
    assert overlap_of(replace(sample, clusters=None), USUAL).reasons(USUAL)  # as if each were drawn by itself


def _by_context(count: int, logged: float, told: float, seed: int) -> Sample:
    """A log of two arms and a context 0 or 1: arm 1 with ``logged`` where it is 1, else the other way round, told as ``told``."""
    random = np.random.default_rng(seed)
    x = random.integers(0, 2, count)
    chance, claimed = (np.where(x == 1, p, 1 - p) for p in (logged, told))  # of arm 1
    arms = (random.random(count) < chance).astype(np.int64)
    target = np.where(x == 1, 0.9, 0.5)
    return Sample(
        np.zeros(count), np.where(arms == 1, target, 1 - target), np.zeros(count), np.where(arms == 1, claimed, 1 - claimed),
        contexts=np.stack([np.ones(count), x, random.normal(size=count)], axis=1),
    )  # fmt: skip


def test_propensities_that_are_wrong_by_context_are_found() -> None:
    found = overlap_of(_by_context(20_000, logged=0.65, told=0.5, seed=1), USUAL)
    assert found.shifted_context == 1
    assert found.context_shift > 0.1
    assert any("move the mean of context feature 1 by" in reason for reason in found.reasons(USUAL))


def test_right_propensities_hardly_ever_move_a_context() -> None:
    errors = [overlap_of(_by_context(2000, logged=0.9, told=0.9, seed=seed), USUAL).context_shift_errors
              for seed in range(300)]  # fmt: skip
    assert max(errors) < USUAL.calibration_errors


def _by_distance(count: int, *, told: bool, seed: int) -> Sample:
    """A uniform log of two arms whose propensities are told as doubled far from the middle of x, and as two thirds near it."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 1))
    arms = random.integers(0, 2, count)
    claimed = np.where(np.abs(x[:, 0]) > 0.6745, 0.4, 2 / 3) if told else np.full(count, 0.5)  # weights 1.25 and 0.75
    return Sample(np.zeros(count), np.full(count, 0.5), np.zeros(count), claimed, arms=arms, contexts=x)


def test_propensities_that_are_wrong_at_both_ends_of_a_context_alike_are_found_by_its_square() -> None:
    found = overlap_of(_by_distance(10_000, told=True, seed=1), USUAL)
    assert (found.shifted_context, found.is_square) == (0, True)
    assert any("move the mean square of context feature 0 by" in reason for reason in found.reasons(USUAL))
    assert overlap_of(_by_distance(10_000, told=False, seed=1), USUAL).verdict(USUAL) == "ok"


def test_right_propensities_hardly_ever_move_a_context_that_has_far_values() -> None:
    errors = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        x = random.lognormal(sigma=1.5, size=(2000, 3))
        arms = (random.random(2000) < 0.2).astype(np.int64)
        p, target = np.array([0.8, 0.2])[arms], np.array([0.3, 0.7])[arms]
        sample = Sample(np.zeros(2000), target, np.zeros(2000), p, arms=arms, contexts=x)
        errors.append(overlap_of(sample, USUAL).context_shift_errors)
    assert max(errors) < USUAL.calibration_errors


def test_a_context_whose_weight_happened_not_to_come_is_no_wrong_propensity() -> None:
    """One in a hundred contexts would be shown an arm by the target that the log shows there once in a hundred times."""
    shifts = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        rare = random.random(5000) < 0.01
        chance = np.where(rare, 0.01, 0.5)  # of arm 1, which the target always shows where it is rare
        arms = (random.random(5000) < chance).astype(np.int64)
        p, target = np.where(arms == 1, chance, 1 - chance), np.where(rare, 1.0, 0.5)
        sample = Sample(
            np.zeros(5000),
            np.where(arms == 1, target, 1 - target),
            np.zeros(5000),
            p,
            contexts=rare[:, None].astype(float),
        )
        shifts.append(overlap_of(sample, USUAL).context_shift_errors)
    assert max(shifts) < USUAL.calibration_errors


def test_propensities_that_are_wrong_arm_by_arm_are_found_where_they_average_out() -> None:
    swapped = sample_of([0.4, 0.1, 0.4, 0.1], [0.25] * 4, told=[0.25, 0.25, 0.25, 0.25])
    found = overlap_of(swapped, USUAL)
    assert found.mean_weight == pytest.approx(1)
    assert found.miscalibration > 10
    assert any(
        reason.startswith("propensity calibration failed: the weights of arm ") for reason in found.reasons(USUAL)
    )


def test_right_propensities_are_called_miscalibrated_hardly_ever() -> None:
    errors = [overlap_of(sample_of([0.7, 0.2, 0.07, 0.03], [0.1, 0.2, 0.3, 0.4], seed=seed), USUAL).miscalibration
              for seed in range(300)]  # fmt: skip
    assert max(errors) < USUAL.calibration_errors
    assert np.mean(np.array(errors) > 2) < 0.25  # the largest of four


def test_contexts_that_a_log_happened_to_miss_are_no_wrong_propensities() -> None:
    random = np.random.default_rng(3)
    arms = random.integers(0, 50, M)
    p = np.full((M, 50), 0.01 / 49)
    p[np.arange(M), random.integers(0, 50, M)] = 0.99  # each of 50 arms in its own fiftieth of the contexts
    sample = Sample(
        np.zeros(M), p[np.arange(M), arms], np.zeros(M), np.full(M, 0.02), arms=arms,
        expected_arms=p.sum(axis=0), expected_squares=(p**2).sum(axis=0) * 50,
    )  # fmt: skip
    assert overlap_of(sample, USUAL).miscalibration < 4


def test_decisions_that_are_shown_often_are_no_wrong_propensities() -> None:
    """An arm that is hardly ever drawn is missing with all showings of its decisions, or there with all of them."""
    p, logging = np.array([0.25] * 4), np.array([0.5, 0.3, 0.19, 0.01])
    worst = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        times = random.integers(1, 40, 400)
        decision = np.repeat(np.arange(400), times)
        arms = random.choice(K, 400, p=logging)[decision]
        shares = np.maximum(np.bincount(arms, minlength=K), 1) / len(arms)
        sample = Sample(
            np.zeros(len(arms)), p[arms], np.zeros(len(arms)), logging[arms], arms=arms, expected_arms=400 * p,
            expected_squares=400 * p**2 / shares, clusters=decision,
        )  # fmt: skip
        worst.append(overlap_of(sample, USUAL).miscalibration)
    assert max(worst) < USUAL.calibration_errors


def test_arms_that_were_hardly_shown_are_not_tested() -> None:
    few = sample_of([0.5, 0.3, 0.199, 0.001], [0.25] * 4)
    assert np.bincount(few.arms, minlength=K)[3] < 30  # type: ignore[arg-type]
    assert overlap_of(few, USUAL).miscalibrated_arm != 3


def test_a_verdict_has_all_reasons() -> None:
    poor = Overlap(
        100, 2.0, 21739.0, 0.9, 0.5, 3.0, 0.1, 20.0, 3.0, 20.0, 7, 12.0, None, 0.0, 0.0, 2, False, 0.4, 9.0, 50.0, 100.0,
        50.0,
    )  # fmt: skip
    told = poor.verdict(USUAL)
    assert told.startswith("insufficient overlap: effective sample size 2 of 100 decisions, expected at least 200; ")
    assert told.count(";") == 7  # six reasons, two of which ask a question
    assert "arm 7" in told
    assert "context feature 2 by 0.40 of its standard deviations (9.0 standard errors)" in told


def _lingering(times: tuple[int, int, int], seed: int) -> Sample:
    """Three arms under uniform; what shows arm a is shown ``times[a]`` times. The target shows the third as often as uniform."""
    random = np.random.default_rng(seed)
    drawn = random.integers(0, 3, 6000)
    decision = np.repeat(np.arange(6000), np.array(times)[drawn])
    arms, p = drawn[decision], np.array([0.5, 1 / 6, 1 / 3])
    shares = np.bincount(arms) / len(arms)
    return Sample(
        (np.arange(len(arms)) % 2).astype(np.float64),
        p[arms], np.zeros(len(arms)), np.full(len(arms), 1 / 3), arms=arms, expected_arms=6000 * p,
        expected_squares=6000 * p**2 / shares, shown_arms=len(arms) * p, shown_squares=len(arms) * p**2 / shares,
        clusters=decision,
    )  # fmt: skip


def test_an_arm_that_is_shown_more_often_once_it_is_decided_for_is_a_caution() -> None:
    found = overlap_of(_lingering((1, 1, 4), 1), USUAL)
    assert found.verdict(USUAL) == "ok"
    assert found.mean_weight == pytest.approx(1, abs=0.02)
    assert found.impression_weight == pytest.approx(1, abs=0.02)  # which says nothing here
    told = found.caution(USUAL, ("a", "b", "c"))
    assert told.startswith("what is shown says how often it is shown: the weights of arm ")
    assert "snips alone knows of it" in told


def test_arms_that_are_shown_alike_are_no_caution() -> None:
    assert {overlap_of(_lingering((3, 3, 3), seed), USUAL).caution(USUAL) for seed in range(100)} == {""}
