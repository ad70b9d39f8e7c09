"""Estimates from the log of a season beside the truth, which the world knows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Final, NamedTuple

import numpy as np

from bandit.arrays import F64, I64
from bandit.evaluation import (
    PolicyTarget,
    PosteriorModel,
    Settings,
    cross_fit,
    evaluate,
    learn,
    samples_of,
    split_in_time,
)
from bandit.evaluation.learning import Learned
from bandit.evaluation.results import PolicyResult
from bandit.evaluation.reward_models import RewardModel
from bandit.evaluation.targets import Target
from bandit.impressions import ImpressionLog
from bandit.simulation.scene import Scene
from bandit.simulation.seasons.contender import Contender
from bandit.simulation.seasons.simulate import Played

HALL: Final = "hall"
SEQUENCE: Final = "sequence"


@dataclass(frozen=True)
class Judging:
    """How contenders are judged by each other's logs.

    ``split`` is the share of a log's decisions that they learn from, ``model`` the model of rewards, None for none.
    """

    settings: Settings = field(default_factory=Settings)
    split: float = 0.5
    model: RewardModel | None = field(default_factory=PosteriorModel)


class Ends(NamedTuple):
    """Both ends of an interval, and the truth that it is about."""

    lower: float
    upper: float
    truth: float

    @property
    def covers(self) -> bool:
        """Whether the truth is inside."""
        return self.lower <= self.truth <= self.upper


@dataclass(frozen=True)
class Beside:
    """One estimate of one contender's expected takes per impression, beside the truth.

    ``value`` is None where the log cannot tell, and then ``refused_value`` has the number, which is None otherwise. ``intervals``
    are by kind, of an estimate that stands; ``cautioned`` says that they are not to be believed, for lack of rewards.
    """

    target: str
    estimator: str
    truth: float
    value: float | None
    refused_value: float | None
    intervals: dict[str, Ends]
    cautioned: bool = False


class Truthful:
    """A target that keeps what the world expects of it at each impression, (m,), as it is asked for its probabilities there."""

    def __init__(self, target: Target, scene: Scene, users: I64) -> None:
        self._target, self._scene, self._users = target, scene, users
        self.expected: F64 = np.full(len(users), np.nan)

    @property
    def name(self) -> str:
        """The target's."""
        return self._target.name

    def probabilities(self, log: ImpressionLog, title: int, rows: I64) -> F64:
        """The target's."""
        p = self._target.probabilities(log, title, rows)
        self.expected[rows] = np.einsum("nk,nk->n", p, self._scene.takes[title][self._users[rows]])
        return p


def judge(played: Played, others: Sequence[Contender], judging: Judging) -> list[Beside]:
    """Judge other contenders by the log of a season's live days, as one would who has nothing but the log.

    The log is cut in time: they learn from the first part, and the second judges them, with floors as deployed. The truth is
    about the visits of the second part: the mean over its impressions of Σ_a π(a|x) · P(take of a); for confidence sequences,
    which count every decision once, over its decisions.

    Args:
        played: the season whose log it is.
        others: who is judged.
        judging: how.

    Raises:
        InputError: the log is too short to be cut, or none of the estimators works on it.
    """
    first, second = split_in_time(played.log, judging.split)
    learned: dict[str, Learned] = {}
    for kind in dict.fromkeys(other.kind for other in others):
        learned[kind] = learn(first, kind, played.scene.features, played.seed)
    users, season = played.users_of(second), played.season
    targets = [
        Truthful(
            PolicyTarget(other.policy, learned[other.kind], season.floors(other.policy), other.name),
            played.scene,
            users,
        )
        for other in others
    ]
    fitted = None if judging.model is None else cross_fit(judging.model, second, seed=judging.settings.seed)
    samples = dict(zip((target.name for target in targets), samples_of(second, targets, fitted), strict=True))
    evaluated = evaluate(samples, judging.settings, second.n_eligible, second.batches)
    assert second.clusters is not None  # noqa: S101 - every log of a season has them
    once = np.unique(second.clusters, return_index=True)[1]  # a row of each decision, all of whose rows are alike
    return [
        beside
        for target, result in zip(targets, evaluated.results, strict=True)
        for beside in _beside(result, float(target.expected.mean()), float(target.expected[once].mean()))
    ]


def _beside(result: PolicyResult, truth: float, truth_by_decision: float) -> Iterator[Beside]:
    for word, estimate in result.estimates.items():
        intervals = {
            other.kind: Ends(other.lower, other.upper, truth_by_decision if other.kind == SEQUENCE else truth)
            for other in result.others
            if other.estimator == word and isfinite(other.lower + other.upper)
        }
        if estimate.lower is not None and estimate.upper is not None:
            intervals[HALL] = Ends(estimate.lower, estimate.upper, truth)
        cautioned = estimate.value is not None and bool(result.caution)
        yield Beside(result.policy, word, truth, estimate.value, estimate.unreliable_value, intervals, cautioned)
