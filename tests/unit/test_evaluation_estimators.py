"""Every estimator: against its formula written out, and what each keeps whatever the log."""

from math import inf
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from naive_evaluation import ESTIMATES, Row

from bandit.errors import InputError
from bandit.evaluation.estimators import ESTIMATORS, Estimator, make_estimator, parse_estimator
from bandit.evaluation.sample import Sample

F64 = npt.NDArray[np.float64]


class Drawn(NamedTuple):
    """A log drawn for a test: p and q are (m, k)."""

    arms: npt.NDArray[np.int64]
    rewards: F64
    propensities: F64
    p: F64
    q: F64

    @property
    def sample(self) -> Sample:
        at = np.arange(len(self.arms))
        return Sample(
            rewards=self.rewards,
            target=self.p[at, self.arms],
            unsupported=np.zeros(len(self.arms)),
            propensities=self.propensities,
            logged_estimates=self.q[at, self.arms],
            target_estimates=(self.p * self.q).sum(axis=1),
            arms=self.arms,
            expected_arms=self.p.sum(axis=0),
        )

    @property
    def rows(self) -> list[Row]:
        return [
            Row(int(arm), float(reward), float(propensity), list(target), list(estimates))
            for arm, reward, propensity, target, estimates in zip(*self, strict=True)
        ]

    def turned(self, order: npt.NDArray[np.int64]) -> "Drawn":
        """Some of its impressions, in an order."""
        return Drawn(self.arms[order], self.rewards[order], self.propensities[order], self.p[order], self.q[order])


def drawn(seed: int = 1, m: int = 60, k: int = 4, *, deterministic: bool = False, uniform: bool = False) -> Drawn:
    random = np.random.default_rng(seed)
    logging = np.full((m, k), 1 / k) if uniform else random.dirichlet(np.ones(k), m)
    arms = np.array([random.choice(k, p=row) for row in logging])
    p = np.eye(k)[random.integers(0, k, m)] if deterministic else random.dirichlet(np.ones(k), m)
    return Drawn(arms, random.integers(0, 2, m).astype(float), logging[np.arange(m), arms], p, random.random((m, k)))


SETTINGS: list[tuple[str, dict[str, float]]] = [
    ("ips", {}), ("ips", {"clip": 2.0}), ("snips", {}), ("snips", {"clip": 1.5}), ("dm", {}), ("dr", {}), ("dr", {"clip": 2.0}),
    ("sndr", {}), ("sndr", {"clip": 2.0}), ("switch_dr", {"threshold": 1.0}), ("switch_dr", {"threshold": inf}),
    ("dros", {"shrinkage": 3.0}), ("dros", {"shrinkage": inf}),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("name", "tuning"), SETTINGS, ids=str)
def test_an_estimate_is_its_formula_written_out(name: str, tuning: dict[str, float], seed: int) -> None:
    log = drawn(seed)
    found = make_estimator(name, **tuning).terms(log.sample).value
    assert found == pytest.approx(ESTIMATES[name](log.rows, **tuning), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_replay_of_a_deterministic_target_is_the_mean_reward_where_it_chose_as_the_log(seed: int) -> None:
    log = drawn(seed, deterministic=True, uniform=True)
    assert make_estimator("replay").terms(log.sample).value == pytest.approx(ESTIMATES["replay"](log.rows), rel=1e-12)


def every() -> list[Estimator]:
    return [make_estimator(name, **tuning) for name, tuning in SETTINGS] + [make_estimator("replay")]


EVERY = pytest.mark.parametrize("estimator", every(), ids=lambda each: each.word)


@EVERY
def test_the_mean_of_the_values_of_single_impressions_is_the_estimate(estimator: Estimator) -> None:
    terms = estimator.terms(drawn(3).sample)
    assert terms.per_decision.shape == (60,)
    assert terms.per_decision.mean() == pytest.approx(terms.value, rel=1e-12)


@EVERY
def test_the_order_of_impressions_does_not_matter(estimator: Estimator) -> None:
    log = drawn(4)
    turned = log.turned(np.random.default_rng(0).permutation(60))
    assert estimator.terms(turned.sample).value == pytest.approx(estimator.terms(log.sample).value, rel=1e-12)


@EVERY
def test_a_log_twice_over_says_the_same(estimator: Estimator) -> None:
    log = drawn(5)
    twice = log.turned(np.tile(np.arange(60), 2))
    assert estimator.terms(twice.sample).value == pytest.approx(estimator.terms(log.sample).value, rel=1e-12)


@EVERY
def test_the_logging_policy_with_a_model_that_is_right_is_worth_what_the_log_earned(estimator: Estimator) -> None:
    log = drawn(6, uniform=True)
    rewards = np.where(log.arms == 2, 1.0, 0.0)
    known = np.tile([0.0, 0.0, 1.0, 0.0], (60, 1))
    same = log._replace(p=np.full((60, 4), 0.25), q=known, rewards=rewards)
    expected = 0.25 if estimator.name in {"dm", "dr", "sndr", "switch_dr", "dros"} else rewards.mean()
    assert estimator.terms(same.sample).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["snips", "sndr", "dr", "replay"])
def test_rewards_of_one_give_one_however_weights_scatter(name: str) -> None:
    log = drawn(7)
    ones = log._replace(rewards=np.ones(60), q=np.ones((60, 4)))
    assert make_estimator(name).terms(ones.sample).value == pytest.approx(1.0, rel=1e-12)
    assert make_estimator("ips").terms(ones.sample).value != pytest.approx(1.0, rel=1e-2)


@pytest.mark.parametrize("name", ["dr", "sndr", "switch_dr", "dros"])
def test_a_model_that_is_right_leaves_no_scatter_of_the_weights(name: str) -> None:
    log = drawn(8)
    exact = log._replace(rewards=log.q[np.arange(60), log.arms])
    estimator = make_estimator(name)
    if estimator.setting is None:
        estimator = estimator.with_setting(2.0)
    assert estimator.terms(exact.sample).value == pytest.approx(
        make_estimator("dm").terms(exact.sample).value, rel=1e-12
    )


@pytest.mark.parametrize(
    ("name", "setting", "limit"),
    [
        ("switch_dr", inf, "dr"),
        ("switch_dr", 1e-12, "dm"),
        ("dros", inf, "dr"),
        ("dros", 1e18, "dr"),
        ("dros", 1e-15, "dm"),
    ],
)
def test_settings_lead_from_the_model_to_doubly_robust(name: str, setting: float, limit: str) -> None:
    sample = drawn(9).sample
    found = make_estimator(name).with_setting(setting).terms(sample).value
    assert found == pytest.approx(make_estimator(limit).terms(sample).value, rel=1e-9)


@pytest.mark.parametrize("name", [name for name, kind in ESTIMATORS.items() if kind.tuned])
def test_candidates_fall_from_infinity(name: str) -> None:
    settings = list(make_estimator(name).candidates(drawn(10).sample))
    assert settings[0] == inf
    assert settings == sorted(settings, reverse=True)
    assert len(settings) > 4


def test_without_any_weight_a_ratio_is_not_a_number() -> None:
    log = drawn(11)
    nothing = Sample(log.rewards, np.zeros(60), np.zeros(60), log.propensities)
    assert np.isnan(make_estimator("snips").terms(nothing).value)
    assert make_estimator("ips").terms(nothing).value == 0


@pytest.mark.parametrize(
    ("text", "word", "setting"),
    [
        ("ips", "ips", inf),
        ("ips:clip=10", "ips:clip=10", 10.0),
        ("snips:clip=slope", "snips:clip=slope", None),
        ("switch_dr", "switch_dr", None),
        ("switch_dr:threshold=5", "switch_dr:threshold=5", 5.0),
        ("dros:shrinkage=slope", "dros", None),
        ("replay", "replay", None),
    ],
)
def test_words_name_estimators(text: str, word: str, setting: float | None) -> None:
    estimator = parse_estimator(text)
    assert (estimator.word, estimator.setting) == (word, setting)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("magic", "there is no estimator 'magic'; choose one of replay, ips, snips, dm, dr, sndr, switch_dr, dros"),
        ("ips:threshold=1", "ips has no parameter 'threshold'; it takes clip"),
        ("dm:clip=1", "dm has no parameter 'clip'; it takes none"),
        ("ips:clip=0", "clip is 0.0, expected a number above 0"),
        ("dr:clip=-1", "clip is -1.0"),
        ("dros:shrinkage=nan", "shrinkage is nan"),
        ("ips:clip=much", "parameter clip of ips is 'much', expected a number"),
    ],
)
def test_wrong_words_are_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_estimator(text)
    assert said in str(caught.value)


def test_a_setting_that_is_no_number_is_refused() -> None:
    tuning: dict[str, Any] = {"clip": "ten"}
    with pytest.raises(InputError, match="clip is 'ten', expected a number above 0"):
        make_estimator("ips", **tuning)
