"""Reward models by the words of the command line: our posteriors, some of scikit-learn's regressors, and anybody's own."""

from typing import Any, Final

import numpy.typing as npt

from bandit.errors import InputError
from bandit.evaluation.reward_models import PosteriorModel, RegressorModel, RewardModel
from bandit.posterior.registry import POSTERIORS
from batch.offline.user_classes import find_class, names_a_class

NONE: Final = "none"
_BOOSTING: Final = "gradient_boosting"
_RIDGE: Final = "ridge"
WORDS: Final = (*POSTERIORS, _RIDGE, _BOOSTING, NONE)


def parse_reward_model(word: str, features: npt.ArrayLike | None) -> RewardModel | None:
    """A model from its word; ``module:Class`` is any of scikit-learn's interface. None for ``none``.

    Raises:
        InputError: there is no such model.
    """
    if word == NONE:
        return None
    if word in POSTERIORS:
        return PosteriorModel(word, features)
    if word == _RIDGE:
        return RegressorModel(word, _ridge)
    if word == _BOOSTING:
        return RegressorModel(word, _boosting)
    if not names_a_class(word):
        raise InputError(f"there is no reward model {word!r}; choose one of {', '.join(WORDS)}, or <module>:<class>")
    try:
        return RegressorModel(word, find_class(word))
    except InputError as error:
        raise InputError(f"there is no reward model {word!r}: {error}; choose one of {', '.join(WORDS)}") from error


def _ridge() -> Any:
    from sklearn.linear_model import Ridge  # noqa: PLC0415 - takes a second to load, and most comparisons do without

    return Ridge(alpha=10.0)


def _boosting() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415

    return HistGradientBoostingRegressor(max_iter=50, random_state=0)
