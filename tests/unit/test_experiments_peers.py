"""Values equal those of other packages, from the arrays and values that `tests/peers/record.py` wrote."""

import json
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandit.experiments import (
    Effect,
    benjamini_hochberg,
    bonferroni,
    confidence_sequence,
    difference_in_differences,
    discontinuity,
    equivalence,
    heterogeneity,
    holm,
    mean_effect,
    ratio_effect,
    sample_size,
    sequence_p_value,
    shrunken,
    spending_bounds,
)

RECORDED = json.loads((Path(__file__).parent.parent / "fixtures" / "peers.json").read_text(encoding="utf-8"))
DATA: dict[str, Any] = RECORDED["arrays"]
STATSMODELS, GBSTATS, PYFIXEST, RDROBUST = (
    RECORDED["peers"][name]["values"] for name in ("statsmodels", "gbstats", "pyfixest", "rdrobust")
)
BOUNDS = RECORDED["peers"]["spotify-confidence"]["values"]
VALUES = DATA["treatment"], DATA["control"]
EFFECTS = {
    "mean": mean_effect(*VALUES),
    "ratio": ratio_effect((DATA["taken"][0], DATA["shown"][0]), (DATA["taken"][1], DATA["shown"][1])),
    "covariate": mean_effect(*VALUES, covariates=DATA["before"]),
}


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9)


def assert_effect(effect: Effect | None, peer: dict[str, Any]) -> None:
    assert effect is not None
    assert (effect.value, effect.standard_error) == near((peer["value"], peer["standard_error"]))
    assert (effect.lower, effect.upper) == near(tuple(peer["interval"]))
    assert effect.p_value == near(peer["p_value"])


def test_means_are_those_of_statsmodels() -> None:
    effect, peer = EFFECTS["mean"], STATSMODELS["mean"]
    assert effect.p_value == near(peer["p_value"])
    assert effect.degrees == near(peer["degrees"])
    assert effect.standard_error == near(peer["standard_error"])
    assert (effect.lower, effect.upper) == near(tuple(peer["interval"]))


def test_equivalence_is_that_of_statsmodels() -> None:
    assert equivalence(*VALUES, DATA["margin"]).p_value == near(STATSMODELS["equivalence"])


@pytest.mark.parametrize(
    ("method", "adjust"), [("holm", holm), ("fdr_bh", benjamini_hochberg), ("bonferroni", bonferroni)]
)
def test_adjusted_p_values_are_those_of_statsmodels(method: str, adjust: Any) -> None:
    assert adjust(DATA["p_values"]).tolist() == near(STATSMODELS["adjusted"][method])


def test_sample_sizes_are_those_of_statsmodels_rounded_up() -> None:
    ours = [sample_size(rate, lift) for rate, lift in DATA["rates"]]
    assert ours == [int(np.ceil(size)) for size in STATSMODELS["sample_sizes"]]


def test_effects_are_shrunken_by_the_variance_of_statsmodels() -> None:
    found, peer = shrunken(DATA["effects"], DATA["errors"]), STATSMODELS["random_effects"]
    assert found.spread**2 == near(peer["variance"])
    assert found.mean == near(peer["mean"])
    assert heterogeneity(DATA["effects"], DATA["errors"]).statistic == near(peer["q"])


@pytest.mark.parametrize("kind", EFFECTS)
def test_effects_are_those_of_gbstats(kind: str) -> None:
    assert_effect(EFFECTS[kind], GBSTATS[f"{kind}, absolute"])


@pytest.mark.parametrize("kind", ["mean", "ratio"])
def test_relative_effects_are_those_of_gbstats(kind: str) -> None:
    assert_effect(EFFECTS[kind].relative, GBSTATS[f"{kind}, relative"])


def test_a_relative_effect_with_a_covariate_is_that_of_gbstats_but_for_the_mean_it_is_a_share_of() -> None:
    effect, before = EFFECTS["covariate"].relative, DATA["before"]
    y, x = np.concatenate(VALUES), np.concatenate(before)
    slope = np.cov(y, x)[0, 1] / x.var(ddof=1)
    mean = np.mean(DATA["control"])  # theirs is a share of the control's mean, ours of the adjusted one
    adjusted = mean - slope * (np.mean(before[1]) - x.mean())
    assert effect is not None
    assert effect.value * adjusted / mean == near(GBSTATS["covariate, relative"]["value"])


@pytest.mark.parametrize("kind", EFFECTS)
def test_sequences_are_those_of_gbstats(kind: str) -> None:
    effect, peer = EFFECTS[kind], GBSTATS[f"{kind}, absolute"]
    looked = effect.value, effect.standard_error, sum(effect.users), DATA["tuning"]
    assert tuple(confidence_sequence(*looked)) == near(tuple(peer["sequence"]))
    assert sequence_p_value(*looked) == near(peer["sequence_p_value"])


def test_differences_in_differences_are_those_of_pyfixest() -> None:
    found = difference_in_differences(**DATA["panel"])
    assert (found.value, found.standard_error) == near((PYFIXEST["value"], PYFIXEST["standard_error"]))
    assert (found.lower, found.upper) == near(tuple(PYFIXEST["interval"]))
    assert found.p_value == near(PYFIXEST["p_value"])


def test_differences_in_differences_are_those_of_statsmodels_but_for_counting_the_levels_of_units() -> None:
    found, peer = difference_in_differences(**DATA["panel"]), STATSMODELS["panel"]
    rows, times = len(DATA["panel"]["times"]), len(set(DATA["panel"]["times"]))
    assert found.value == near(peer["value"])
    assert found.standard_error * sqrt((rows - 1 - times) / (rows - peer["columns"])) == near(peer["standard_error"])


@pytest.mark.parametrize("place", range(3))
def test_discontinuities_are_those_of_rdrobust(place: int) -> None:
    jump, peer = DATA["jump"], RDROBUST[place]
    found = discontinuity(jump["outcomes"], jump["scores"], jump["cutoff"], *jump["bandwidths"][place])
    assert (found.conventional.value, found.conventional.standard_error) == near(tuple(peer["conventional"]))
    assert (found.value, found.standard_error) == near(tuple(peer["robust"]))


@pytest.mark.parametrize("spending", BOUNDS)
def test_bounds_are_those_of_spotify_confidence(spending: str) -> None:
    ours = spending_bounds(DATA["information"], 0.05, spending)
    assert ours.tolist() == pytest.approx(
        BOUNDS[spending], abs=1e-4
    )  # theirs are integrated on a grid, one side at a time
