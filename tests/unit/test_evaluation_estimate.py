"""``estimate`` from plain arrays: values, intervals, refusals, and what is wrong told by name."""

from math import inf, nan
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bandit.errors import InputError
from bandit.evaluation import ESTIMATORS, Estimate, Thresholds, estimate

F64 = npt.NDArray[np.float64]
M, K = 3000, 3
RATES = np.array([0.1, 0.3, 0.5])
TARGET = np.tile([0.2, 0.3, 0.5], (M, 1))


def log(seed: int = 1) -> dict[str, Any]:
    """A log under probabilities 0.5, 0.3, 0.2 of arms that are taken 10, 30 and 50 % of the time."""
    random = np.random.default_rng(seed)
    probabilities = np.array([0.5, 0.3, 0.2])
    arms = random.choice(K, M, p=probabilities)
    return {
        "rewards": (random.random(M) < RATES[arms]).astype(float),
        "arms": arms,
        "propensities": probabilities[arms],
        "target_probabilities": TARGET,
        "reward_estimates": np.tile(RATES, (M, 1)),
    }


TRUTH = float(TARGET[0] @ RATES)
WEIGHTED = [name for name in ESTIMATORS if name != "replay"]


@pytest.mark.parametrize("name", WEIGHTED)
def test_the_truth_is_inside_and_the_verdict_is_ok(name: str) -> None:
    found = estimate(name, **log())
    assert found.verdict == "ok"
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < TRUTH < found.upper or name == "dm"
    assert found.value == pytest.approx(TRUTH, abs=0.04)
    assert (found.n, found.level, found.unreliable_value) == (M, 0.95, None)
    assert found.max_weight == pytest.approx(2.5)
    assert found.is_reliable


def test_effective_sample_size_is_that_of_kish() -> None:
    given = log()
    w = np.take_along_axis(TARGET, given["arms"][:, None], axis=1)[:, 0] / given["propensities"]
    assert estimate("ips", **given).effective_sample_size == pytest.approx(w.sum() ** 2 / (w**2).sum())


@pytest.mark.parametrize("interval", ["bootstrap", "normal", "bernstein"])
def test_every_interval_surrounds_the_value_and_the_conservative_one_is_widest(interval: str) -> None:
    found, wide = estimate("ips", **log(), interval=interval), estimate("ips", **log(), interval="bernstein")
    assert found.lower is not None
    assert found.upper is not None
    assert found.value is not None
    assert found.lower < found.value < found.upper
    assert wide.upper is not None
    assert wide.lower is not None
    assert found.upper - found.lower <= wide.upper - wide.lower


def test_a_level_nearer_to_one_is_wider_and_a_seed_repeats() -> None:
    narrow, wide = (estimate("snips", **log(), level=level) for level in (0.8, 0.99))
    assert wide.lower < narrow.lower < narrow.upper < wide.upper  # type: ignore[operator]
    one, again, other = (estimate("snips", **log(), interval="bootstrap", seed=seed) for seed in (3, 3, 4))
    assert one == again != other


def test_impressions_of_one_decision_count_as_one() -> None:
    given = log()
    thrice: dict[str, Any] = {name: np.repeat(value, 3, axis=0) for name, value in given.items()}
    clusters = np.repeat(np.arange(M), 3)
    once, together, apart = (
        estimate("ips", **given), estimate("ips", **thrice, clusters=clusters), estimate("ips", **thrice)
    )  # fmt: skip
    assert together.value == pytest.approx(once.value)
    assert together.effective_sample_size == pytest.approx(once.effective_sample_size)
    assert width(together) == pytest.approx(width(once), rel=1e-9)
    assert width(apart) < 0.7 * width(once)


def width(found: Estimate) -> float:
    assert found.lower is not None
    assert found.upper is not None
    return found.upper - found.lower


def test_clusters_may_be_named_by_text() -> None:
    given = log()
    named = np.array([f"u{i // 2}" for i in range(M)])
    assert estimate("ips", **given, clusters=named) == estimate("ips", **given, clusters=np.arange(M) // 2)


def test_slope_chooses_what_is_left_to_it() -> None:
    tuned, untuned = estimate("switch_dr", **log()), estimate("switch_dr", **log(), threshold=inf)
    assert tuned.value == pytest.approx(untuned.value, abs=0.02)
    assert estimate("ips", **log(), clip=None).value == pytest.approx(TRUTH, abs=0.05)


def test_the_direct_method_works_without_propensities_and_says_that_overlap_is_not_judged() -> None:
    given = log() | {"propensities": None}
    found = estimate("dm", **given)
    assert found.value == pytest.approx(TRUTH)
    assert found.verdict == "overlap not judged: the log has no propensities"
    assert (found.effective_sample_size, found.max_weight) == (None, None)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "dm"])
def test_no_other_works_without_propensities(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} needs propensities, and there are none; dm alone works without them"):
        estimate(name, **log() | {"propensities": None})


@pytest.mark.parametrize("name", ["dm", "dr", "sndr", "switch_dr", "dros"])
def test_what_needs_a_model_says_what_works_without(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} needs reward_estimates.*replay, ips and snips work without them"):
        estimate(name, **log() | {"reward_estimates": None})


def test_replay_works_on_uniform_logs_alone() -> None:
    with pytest.raises(
        InputError, match=r"row 0 has the propensity 0\.\d+ with 3 arms to choose from; use snips or dr"
    ):
        estimate("replay", **log())
    arms = np.random.default_rng(3).integers(0, K, M)
    for told in (1 / 3, 0.3333333, 21846 / 65535):  # a weight of ours may be one off
        uniform = log() | {"arms": arms, "propensities": np.full(M, told)}
        assert estimate("replay", **uniform).value is not None


@pytest.mark.parametrize(
    ("weight", "total"), [(21844, 65535), (21846, 65535), (1364, 4095), (1366, 4095), (682, 2047), (683, 2047)]
)
def test_replay_takes_weights_of_every_row_format_that_are_one_off(weight: int, total: int) -> None:
    arms = np.random.default_rng(3).integers(0, K, M)
    uniform = log() | {"arms": arms, "propensities": np.full(M, weight / total)}
    assert estimate("replay", **uniform).value is not None


@pytest.mark.parametrize("told", [1363 / 4095, 1367 / 4095, 681 / 2047, 685 / 2047, 0.33370, 0.33296])
def test_replay_takes_nothing_that_is_further_off(told: float) -> None:
    with pytest.raises(InputError, match="replay needs a log under uniform"):
        estimate("replay", **log() | {"propensities": np.full(M, told)})


def test_where_fewer_arms_were_eligible_uniform_is_one_over_these() -> None:
    random = np.random.default_rng(2)
    eligible = np.ones((600, 3), dtype=np.bool_)
    eligible[::2, 2] = False
    arms = random.integers(0, eligible.sum(axis=1))
    given: dict[str, Any] = {
        "rewards": np.ones(600), "arms": arms, "propensities": 1 / eligible.sum(axis=1),
        "target_probabilities": np.tile([0.5, 0.5, 0.0], (600, 1)),
    }  # fmt: skip
    assert estimate("replay", **given, eligible=eligible).value == 1
    with pytest.raises(InputError, match="replay needs a log under uniform"):
        estimate("replay", **given)


def nan_at(values: F64, row: int) -> F64:
    out = np.array(values, dtype=float)
    out[row] = nan
    return out


def changed(values: npt.ArrayLike, row: int, value: float) -> npt.NDArray[Any]:
    out = np.array(values)
    out[row] = value
    return out


GOOD = log()
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "propensity_0": ({"propensities": changed(GOOD["propensities"], 7, 0.0)}, "row 7 has the propensity 0.0, expected above 0"),
    "propensity_negative": ({"propensities": changed(GOOD["propensities"], 8, -0.1)}, "row 8 has the propensity -0.1"),
    "propensity_above_1": ({"propensities": changed(GOOD["propensities"], 9, 1.1)}, "row 9 has the propensity 1.1"),
    "propensity_missing": ({"propensities": nan_at(GOOD["propensities"], 5)}, "row 5 has no propensity"),
    "which_still_work": ({"propensities": nan_at(GOOD["propensities"], 5)}, "of all estimators dm alone works without"),
    "propensities_few": ({"propensities": GOOD["propensities"][:-1]}, "propensities have the shape (2999,)"),
    "sums": ({"target_probabilities": changed(TARGET, 4, 0.4)}, "row 4 of the target_probabilities sums to 1.2"),
    "negative": (
        {"target_probabilities": np.tile([1.2, -0.2, 0.0], (M, 1))},
        "row 0 of the target_probabilities sums to 1 with a smallest of -0.2",
    ),
    "target_nan": ({"target_probabilities": nan_at(TARGET, 6)}, "row 6 of the target_probabilities"),
    "target_flat": ({"target_probabilities": TARGET[:, 0]}, "expected (m, k)"),
    "target_short": ({"target_probabilities": TARGET[:-1]}, "2999 rows for 3000 arms"),
    "reward_nan": ({"rewards": nan_at(GOOD["rewards"], 3)}, "row 3 has the reward nan, expected a number up to 1e+50"),
    "reward_large": ({"rewards": changed(GOOD["rewards"], 3, 1e60)}, "row 3 has the reward 1e+60, expected a number up to 1e+50"),
    "arm_unknown": ({"arms": changed(GOOD["arms"], 2, 3)}, "row 2 has the arm 3, expected 0 to 2"),
    "arm_float": ({"arms": GOOD["arms"] + 0.5}, "row 0 of the arms is"),
    "estimates_nan": ({"reward_estimates": nan_at(np.tile(RATES, (M, 1)), 1)}, "row 1 of the reward_estimates has a number"),
    "estimates_shape": ({"reward_estimates": np.ones((M, 2))}, "reward_estimates have the shape (3000, 2), expected (3000, 3)"),
    "clusters_none": ({"clusters": [None] * M}, "row 0 of the clusters is missing (None)"),
    "seed": ({"seed": 1.5}, "seed is 1.5, expected a whole number"),
    "seed_below": ({"seed": -1}, "seed is -1, expected a whole number of at least 0"),
    "tiny": ({"propensities": np.full(M, 1e-200)}, "row 0 has the propensity 1e-200, expected at least 1e-12"),
    "bound_above": ({"interval": "bernstein", "weight_bound": 1e308}, "weight_bound is 1e+308, expected a number of at least"),
    "clusters": ({"clusters": np.arange(5)}, "clusters are (5,) int64, expected (3000,) numbers or text"),
    "level": ({"level": 95}, "level is 95, expected a share between 0 and 1"),
    "interval": ({"interval": "magic"}, "there is no interval 'magic'; choose one of hall, bootstrap, normal, bernstein"),
    "resamples": ({"resamples": 1}, "resamples is 1, expected a whole number of at least 2"),
    "bound": ({"interval": "bernstein", "weight_bound": 1.0}, "weight_bound is 1.0, expected a number of at least 2.5"),
    "tuning": ({"threshold": 3.0}, "dr has no parameter 'threshold'; it takes clip"),
    "eligible": ({"eligible": np.ones((M, K))}, "eligible is an array of float64, expected booleans"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_told_with_its_row(case: tuple[dict[str, Any], str]) -> None:
    given, said = case
    with pytest.raises(InputError) as caught:
        estimate("dr", **GOOD | given)
    assert said in str(caught.value)


def test_an_arm_outside_the_eligible_set_is_refused_with_its_row() -> None:
    eligible = np.ones((M, K), dtype=np.bool_)
    row = int(np.flatnonzero(GOOD["arms"] == 2)[0])
    eligible[row, 2] = False
    with pytest.raises(InputError, match=f"row {row} shows arm 2, which is not among its eligible arms"):
        estimate("ips", **GOOD, eligible=eligible)


def test_no_impressions_are_refused() -> None:
    empty: dict[str, Any] = {name: value[:0] for name, value in GOOD.items()}
    with pytest.raises(InputError, match="there are no impressions to judge by"):
        estimate("ips", **empty)


def test_a_single_impression_has_a_number_and_no_interval() -> None:
    one: dict[str, Any] = {name: value[:1] for name, value in GOOD.items()}
    found = estimate("ips", **one, interval="normal", thresholds=Thresholds(1, 1, 1, inf, inf))
    assert found.value is not None
    assert (found.lower, found.upper) == (None, None)


def test_thresholds_are_settings() -> None:
    strict = estimate("ips", **GOOD, thresholds=Thresholds(effective_sample_size=1e6))
    assert strict.value is None
    assert strict.unreliable_value == estimate("ips", **GOOD).value
    assert strict.verdict.startswith("insufficient overlap: effective sample size ")
    with pytest.raises(InputError, match="the threshold weight_share is -1, expected a number of at least 0"):
        Thresholds(weight_share=-1)


def test_a_handful_of_rewards_has_a_value_and_a_caution() -> None:
    arms = np.arange(1000) % 2
    found = estimate("snips", (np.arange(1000) < 6).astype(float), arms, np.full(1000, 0.5), np.full((1000, 2), 0.5))
    assert found.is_reliable
    assert found.verdict == "ok"
    assert found.caution.startswith("too few rewards: the answer rests on 6.0 of them")
    many = estimate("snips", (arms == 0).astype(float), arms, np.full(1000, 0.5), np.full((1000, 2), 0.5))
    assert many.caution == ""


@pytest.mark.parametrize(
    ("name", "tuning", "is_biased"),
    [
        ("dm", {}, True),
        ("ips", {}, False),
        ("ips", {"clip": 1.5}, True),
        ("ips", {"clip": 10.0}, False),  # no weight is as large
        ("dros", {"shrinkage": 2.0}, True),
        ("switch_dr", {"threshold": 10.0}, False),
    ],
)
def test_a_biased_estimator_says_so(name: str, tuning: dict[str, Any], is_biased: bool) -> None:
    assert ("is biased" in estimate(name, **log(), **tuning).caution) == is_biased


def test_without_propensities_the_model_is_biased_all_the_same() -> None:
    assert estimate("dm", **log() | {"propensities": None}).caution.startswith("dm is biased")


def test_contexts_test_the_propensities() -> None:
    random = np.random.default_rng(1)
    x = random.integers(0, 2, 20_000)
    arms = (random.random(20_000) < np.where(x == 1, 0.65, 0.35)).astype(np.int64)
    shown = np.where(x == 1, 0.9, 0.5)  # arm 1 by the target
    given = np.ones(20_000), arms, np.full(20_000, 0.5), np.stack([1 - shown, shown], axis=1)
    assert "context" not in estimate("ips", *given).verdict
    refused = estimate("ips", *given, contexts=np.stack([np.ones(20_000), x], axis=1))
    assert "the weights move the mean of context feature 1" in refused.verdict
    with pytest.raises(InputError, match=r"contexts have the shape \(20000,\), expected \(20000, d\)"):
        estimate("ips", *given, contexts=x)
