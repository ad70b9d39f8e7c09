"""Rows say how another library's beliefs and choices differ from the posterior, and stay silent where they do not."""

import numpy as np
import pytest
from samplers import Sampler

from artwork.bench.kernels.data import Size, learned, make_contexts, make_log
from artwork.bench.rivals.agreement import compare_beliefs
from bandit.arrays import F64, I64
from bandit.policies import ThompsonSampling
from bandit.scores import Moments

SIZE = Size(users=8, impressions=2000, features=4, arms=5)


class Shared(Sampler):
    def noise(self, shape: tuple[int, ...]) -> F64:
        return np.broadcast_to(self.random.normal(size=(*shape[:-1], 1)), shape)


class Wide(Sampler):
    def noise(self, shape: tuple[int, ...]) -> F64:
        return 2 * self.random.normal(size=shape)


class Off(Sampler):
    def noise(self, shape: tuple[int, ...]) -> F64:
        return 0.5 + self.random.normal(size=shape)


class Stubborn(Sampler):
    def choose(self, contexts: F64) -> I64:
        return np.where(self.random.random(len(contexts)) < 0.2, 0, super().choose(contexts))


def sentence(rival: type[Sampler]) -> str:
    log, contexts = make_log(SIZE, 5), make_contexts(SIZE)
    scores: Moments = learned(log).moments(contexts, np.arange(log.n_arms))
    wins = ThompsonSampling().probabilities(scores)
    return compare_beliefs(rival.learn(log), contexts, scores, wins).sentence()


def test_a_faithful_sampler_has_nothing_said_of_it() -> None:
    assert sentence(Sampler) == ""


@pytest.mark.parametrize(
    ("rival", "said"),
    [
        (
            Shared,
            "its arms share random numbers (correlation 1.00), its choices are off the win probabilities by up to",
        ),
        (Wide, "its draws deviate 2.1 x what the posterior does"),
        (Off, "its means are off by"),
        (Stubborn, "its choices are off the win probabilities by up to 0."),
    ],
)
def test_a_sampler_that_differs_has_it_said_how(rival: type[Sampler], said: str) -> None:
    assert sentence(rival).startswith(said)
