"""Estimators of a target policy's value from a log, one a file, all behind one protocol."""

from bandit.evaluation.estimators.base import Estimator as Estimator
from bandit.evaluation.estimators.base import Terms as Terms
from bandit.evaluation.estimators.registry import ESTIMATORS as ESTIMATORS
from bandit.evaluation.estimators.registry import make_estimator as make_estimator
from bandit.evaluation.estimators.registry import parse_estimator as parse_estimator
