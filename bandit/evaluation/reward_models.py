"""Models of expected rewards for the direct method and its doubly robust relatives, cross-fitted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bandit.arrays import F64, I64, real_array
from bandit.errors import InputError, user_code_errors
from bandit.evaluation.learning import Learned, learn, take_rates
from bandit.impressions import ImpressionLog
from bandit.scores import expected_rewards
from bandit.snapshot import hash_base

PURPOSE = "folds"
"""Of the keyed hash that says which decision is in which fold."""

FOLDS = 3
_MOST_DUMMIES = 128
"""Arms up to which a regressor sees them one by one; beyond, by their take rates alone."""


class Predictor(Protocol):
    """A model that has learned."""

    def predict(self, contexts: npt.NDArray[np.floating], arms: I64) -> F64:
        """The expected reward of each arm (k,) for each context (n, d), (n, k)."""
        ...


class RewardModel(Protocol):
    """A kind of model; its name stands in reports."""

    @property
    def name(self) -> str:
        """Its word."""
        ...

    def fit(self, log: ImpressionLog) -> Predictor:
        """Learn from all impressions of a log."""
        ...


@dataclass(frozen=True)
class PosteriorModel:
    """The posterior mean of one of ours: ``beta``, ``linear``, ``logistic`` or ``shared``, which needs ``features`` (A, f).

    A linear mean may leave [0, 1], where rewards are: cutting it off would bias it where rewards are rare.
    """

    name: str = "linear"
    features: npt.ArrayLike | None = None

    def fit(self, log: ImpressionLog) -> Predictor:
        """Learn."""
        return _PosteriorMean(learn(log, self.name, self.features))


@dataclass(frozen=True)
class _PosteriorMean:
    learned: Learned

    def predict(self, contexts: npt.NDArray[np.floating], arms: I64) -> F64:
        return expected_rewards(self.learned.scorer(arms).scores(contexts))


@dataclass(frozen=True)
class RegressorModel:
    """Any regressor or classifier of scikit-learn's interface, one for all arms.

    Its features are the context, the arm's shrunk take rate in the part that is learned from, and, up to 128 arms, which arm it
    is. Of a classifier the probability of a reward of 1 is taken, so its rewards have to be 0 and 1.

    Args:
        name: for reports.
        make: called for each fit, so that fits share nothing.
    """

    name: str
    make: Callable[[], Any]

    def fit(self, log: ImpressionLog) -> Predictor:
        """Learn.

        Raises:
            InputError: the model does not take the rewards.
        """
        with user_code_errors(f"reward model {self.name} could not be made"):
            model = self.make()
        if not (callable(getattr(model, "fit", None)) and callable(getattr(model, "predict", None))):
            raise InputError(f"reward model {self.name} has no fit and predict, expected scikit-learn's interface")
        predictor = _Regressor(self.name, model, take_rates(log), hasattr(model, "predict_proba"))
        wanted: Any = log.rewards
        if predictor.is_classifier:
            if not np.isin(log.rewards, (0.0, 1.0)).all():
                raise InputError(f"{self.name} is a classifier and rewards are not all 0 or 1; take a regressor")
            wanted = log.rewards.astype(np.int64)
        with user_code_errors(f"reward model {self.name} could not be fitted"):
            model.fit(predictor.features(log.contexts, log.arms), wanted)
        return predictor


@dataclass(frozen=True)
class _Regressor:
    name: str
    model: Any
    rates: F64
    is_classifier: bool

    def features(self, contexts: npt.NDArray[np.floating], arms: I64) -> F64:
        """(n, d + 1), and a column per arm."""
        parts = [np.asarray(contexts, dtype=np.float64), self.rates[arms][:, None]]
        if len(self.rates) <= _MOST_DUMMIES:
            parts.append(arms[:, None] == np.arange(len(self.rates)))
        return np.concatenate(parts, axis=1)

    def predict(self, contexts: npt.NDArray[np.floating], arms: I64) -> F64:
        pairs = np.repeat(contexts, len(arms), axis=0), np.tile(arms, len(contexts))
        rows = self.features(*pairs)
        with user_code_errors(f"reward model {self.name} could not predict"):
            rewards = real_array("predictions", self._expected(rows))
        if rewards.size != len(rows) or not np.isfinite(rewards).all():
            raise InputError(
                f"reward model {self.name} predicts {rewards.shape} of {len(rows)} rows, {np.isfinite(rewards).sum()} of them"
                " finite; expected a finite number each"
            )
        return rewards.reshape(len(contexts), len(arms))

    def _expected(self, rows: F64) -> npt.ArrayLike:
        if not self.is_classifier:
            return self.model.predict(rows)  # type: ignore[no-any-return]
        place = np.flatnonzero(self.model.classes_ == 1)
        return self.model.predict_proba(rows)[:, place[0]] if len(place) else np.zeros(len(rows))


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """A model an impression's own fold has no part in (Chernozhukov et al. 2018, definition 3.1): ``folds`` (m,) of the log."""

    name: str
    predictors: tuple[Predictor, ...]
    folds: I64

    def predict(self, log: ImpressionLog, rows: I64, arms: I64) -> F64:
        """The expected reward of each arm (k,) for some impressions of the log, (n, k), by models that have not seen them."""
        out, folds = np.empty((len(rows), len(arms))), self.folds[rows]
        for fold, predictor in enumerate(self.predictors):
            own = folds == fold
            if own.any():
                out[own] = self._checked(predictor.predict(log.contexts[rows[own]], arms), (int(own.sum()), len(arms)))
        return out

    def _checked(self, values: npt.ArrayLike, shape: tuple[int, int]) -> F64:
        rewards = real_array(f"predictions of reward model {self.name}", values)
        if rewards.shape != shape or not np.isfinite(rewards).all():
            raise InputError(
                f"reward model {self.name} predicts {rewards.shape}, {np.isfinite(rewards).sum()} of them finite; expected"
                f" {shape}: a finite number for each context and arm"
            )
        return rewards


def cross_fit(model: RewardModel, log: ImpressionLog, folds: int = FOLDS, seed: int = 0) -> CrossFitted:
    """Fit a model once a fold, to the impressions of all other folds; those of a user, or else a decision, are in one fold.

    Raises:
        InputError: there are fewer than two folds or fewer users, or else decisions, than folds.
    """
    whose = log.clusters if log.users is None else log.users
    units = np.arange(len(log)) if whose is None else np.unique(whose, return_inverse=True)[1]
    count = int(units.max(initial=-1)) + 1
    if not 2 <= folds <= count:
        what = "decisions" if log.users is None else "users"
        raise InputError(f"{folds} folds of {count} {what}, expected 2 to as many folds as {what}")
    shuffled = np.random.default_rng(hash_base(PURPOSE, seed, 0)).permutation(count)
    of_rows = (shuffled % folds)[units]
    return CrossFitted(model.name, tuple(model.fit(log.take(of_rows != fold)) for fold in range(folds)), of_rows)
