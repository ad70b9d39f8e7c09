"""bandit as a library: what importing it loads, what help() shows, what a repr says."""

import inspect
import pydoc
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import bandit.policies
import bandit.posterior
from artwork.cli import FAMILIES
from bandit.policies import POLICIES, ThompsonSampling, decide
from bandit.posterior import (
    BetaEvidence,
    BetaPosterior,
    BetaScores,
    Draws,
    Hyperparameters,
    LinearEvidence,
    LinearPosterior,
    LogisticPosterior,
    Moments,
    SharedPosterior,
    SharedPrior,
)

HEAVY = ("optimize", "special", "stats", "sparse", "linalg", "integrate", "interpolate", "spatial", "fft")


@pytest.mark.parametrize(
    "module", ["bandit.posterior", "bandit.policies", "bandit.scores", "bandit.evaluation", "bandit.experiments"]
)
def test_importing_a_package_loads_no_heavy_part_of_scipy_and_no_scikit_learn(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {f"scipy.{part}" for part in HEAVY} & set(loaded)
    assert not {"sklearn", "pandas", "polars"} & set(loaded)


def test_commands_load_no_heavy_part_of_scipy_before_they_use_it() -> None:
    names = ", ".join(f"artwork.commands.{name}" for name in dict.fromkeys(FAMILIES.values()))
    code = f"import sys, {names}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {f"scipy.{part}" for part in HEAVY if part not in ("special", "linalg")} & set(loaded)
    assert not {"sklearn", "pandas"} & set(loaded)


SHOWN = [
    LinearPosterior.observe,
    LinearPosterior.scores,
    LinearPosterior,
    SharedPosterior,
    BetaPosterior.observe,
    Moments,
    Draws,
    bandit.posterior.fit_laplace,
    bandit.posterior.estimate_hyperparameters,
    ThompsonSampling.probabilities,
    decide,
]


@pytest.mark.parametrize("shown", SHOWN)
def test_a_signature_names_its_array_types_in_a_word(shown: Callable[..., Any]) -> None:
    said = str(inspect.signature(shown))
    assert "numpy" not in said
    assert "F64" in said or "ArrayLike" in said


@pytest.mark.parametrize("package", [bandit.posterior, bandit.policies])
def test_help_spells_out_no_array_type(package: Any) -> None:
    for name in package.__all__:
        said = pydoc.plain(pydoc.render_doc(getattr(package, name)))
        assert "numpy.ndarray[" not in said
        assert "_SupportsArray" not in said


def linear(count: int) -> LinearPosterior:
    made = LinearPosterior(3, 16)
    made.observe(np.ones((count, 16)), np.zeros(count, dtype=np.int64), np.ones(count))
    return made


def forgotten(nights: int) -> LinearPosterior:
    made = linear(100)
    for _ in range(nights):
        made.forget(0.9)
    return made


def logistic() -> LogisticPosterior:
    made = LogisticPosterior(2, 1)
    made.observe([[1.0], [2.0]], [0, 1], [0.0, 1.0])
    return made


SAID: list[tuple[Callable[[], Any], str]] = [
    (lambda: linear(12345), "LinearPosterior(3 arms, 16 features, 12,345 impressions)"),
    (lambda: linear(1).evidence, "LinearEvidence(3 arms, 16 features, 1 impression)"),
    (lambda: forgotten(1), "LinearPosterior(3 arms, 16 features, 90 impressions)"),
    (lambda: forgotten(60), "LinearPosterior(3 arms, 16 features, 0.18 impressions)"),
    (lambda: linear(0).scorer([0, 1]), "LinearScorer(2 arms, 16 features)"),
    (lambda: LinearEvidence.empty(1, 1), "LinearEvidence(1 arm, 1 feature, 0 impressions)"),
    (logistic, "LogisticPosterior(2 arms, 1 feature, 2 impressions)"),
    (lambda: logistic().evidence, "LogisticEvidence(2 arms, 1 feature, 2 impressions)"),
    (lambda: logistic().evidence.rows, "Rows(2 impressions)"),
    (lambda: logistic().fitted, "Laplace(2 arms, 1 feature)"),
    (lambda: BetaPosterior([0, 0, 1]), "BetaPosterior(3 arms, 0 impressions)"),
    (lambda: BetaPosterior([0, 0], n_segments=3), "BetaPosterior(2 arms, 3 segments, 0 impressions)"),
    (lambda: BetaEvidence(np.full(2, 1e299), np.full(2, 1e300)), "BetaEvidence(2 arms, 2e+300 impressions)"),
    (lambda: BetaPosterior([0, 0], n_segments=3).scorer([0]), "BetaScorer(1 arm, 3 segments)"),
    (
        lambda: SharedPosterior([[1.0, 2.0]], 3),
        "SharedPosterior(1 arm, 3 features, 0 impressions, 2 artwork features)",
    ),
    (lambda: SharedPosterior([[1.0]], 3).fitted, "SharedWeights(1 arm, 3 features, 1 artwork feature, 256 draws)"),
    (lambda: SharedPosterior([[1.0]], 3).scorer([0]), "SharedScorer(1 arm, 3 features, 256 draws)"),
    (lambda: Moments(np.zeros((5000, 3)), np.ones((5000, 3))), "Moments(5,000 users, 3 arms)"),
    (lambda: logistic().scores([[1.0]], [0, 1]), "Moments(1 user, 2 arms, on log-odds)"),
    (lambda: BetaScores(np.ones((2, 3)), np.ones((2, 3))), "BetaScores(2 users, 3 arms)"),
    (lambda: Draws(np.ones((8, 2, 3)), np.ones((2, 3))), "Draws(8 draws of 2 users, 3 arms)"),
    (
        lambda: Hyperparameters(np.array([1.0, 8.0]), 20.0),
        "Hyperparameters(2 features, prior precision 1 to 8, noise precision 20)",
    ),
    (
        lambda: SharedPrior(1.0, 2.0, 3.0),
        "SharedPrior(prior_precision=1.0, intercept_precision=2.0, noise_precision=3.0)",
    ),
]


@pytest.mark.parametrize(("made", "said"), SAID)
def test_a_repr_says_what_it_knows(made: Callable[[], Any], said: str) -> None:
    assert repr(made()) == said


@pytest.mark.parametrize("policy", POLICIES.values())
def test_the_repr_of_a_policy_is_its_settings_on_a_line(policy: Callable[[], Any]) -> None:
    said = repr(policy())
    assert said.startswith(f"{type(policy()).__name__}(")
    assert len(said) < 80
