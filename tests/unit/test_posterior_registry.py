"""One list of posteriors, from which everybody takes theirs."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bandit.errors import InputError
from bandit.evaluation.learning import learn
from bandit.evaluation.reward_models import PosteriorModel
from bandit.impressions import ImpressionLog
from bandit.policies import ThompsonSampling
from bandit.posterior.registry import POSTERIORS, WITHOUT_CONTEXT, registered
from bandit.simulation.seasons.contender import contenders_of
from batch.config import Config
from batch.offline.reward_models import parse_reward_model

FEATURES = np.random.default_rng(3).normal(size=(6, 2))
every_posterior = pytest.mark.parametrize("name", POSTERIORS)


def a_log(count: int = 400) -> ImpressionLog:
    random = np.random.default_rng(5)
    contexts = np.column_stack([np.ones(count), random.normal(size=(count, 2))])
    arms = random.integers(0, 6, count)
    return ImpressionLog(
        contexts, arms, (random.random(count) < 0.1).astype(float), None, 6, starts=np.array([0, 2, 6])
    )


@every_posterior
def test_every_posterior_is_known_wherever_one_is_named(name: str) -> None:
    assert Config.of(posterior=name).variants[0].posterior == name
    assert contenders_of([("thompson", ThompsonSampling())], [name])[1].kind == name
    model = parse_reward_model(name, FEATURES)
    assert isinstance(model, PosteriorModel)
    assert (model.name, model.features is FEATURES) == (name, True)
    assert type(learn(a_log(), name, FEATURES).posterior) is registered(name).posterior


@every_posterior
def test_what_a_generation_keeps_of_a_posterior_scores_as_it_does(tmp_path: Path, name: str) -> None:
    log = a_log()
    posterior = learn(log, name, FEATURES, seed=7).posterior
    posterior.model.save(tmp_path / "kept.npz")
    kept = registered(name).load(tmp_path / "kept.npz", 7).scorer([2, 3, 5]).scores(log.contexts[:4])
    wanted = posterior.model.scorer([2, 3, 5]).scores(log.contexts[:4])
    np.testing.assert_array_equal(kept.expected, wanted.expected)
    np.testing.assert_array_equal(kept.deviations, wanted.deviations)
    contexts = None if name == WITHOUT_CONTEXT else log.contexts[:4]
    in_double = posterior.scores(contexts, [2, 3, 5])  # type: ignore[arg-type]
    np.testing.assert_allclose(kept.expected, in_double.expected, rtol=1e-12)
    np.testing.assert_allclose(
        kept.deviations, in_double.deviations, rtol=5e-7
    )  # a scorer of contexts whitens in single


@every_posterior
def test_a_posterior_learns_from_the_evidence_that_it_names(name: str) -> None:
    assert type(learn(a_log(), name, FEATURES).posterior.evidence) is registered(name).evidence


@pytest.mark.parametrize("name", ["", "deep", "LINEAR", "linear "])
def test_a_posterior_that_is_not_in_the_list_is_refused_alike_by_all(name: str) -> None:
    said = []
    for use in (registered, lambda word: Config.of(posterior=word), lambda word: learn(a_log(), word)):
        with pytest.raises(
            InputError, match=r"there is no posterior .*; choose one of beta, linear, logistic, shared"
        ) as refused:
            use(name)
        said.append(str(refused.value))
    assert all(one == other for one, other in pairwise(said))
