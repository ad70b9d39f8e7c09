"""Estimators of a target policy's value from a log, one a file, all behind one protocol."""

from bandit.evaluation.estimators.base import Estimator, Terms
from bandit.evaluation.estimators.dm import DM
from bandit.evaluation.estimators.dr import DR
from bandit.evaluation.estimators.dros import DRos
from bandit.evaluation.estimators.ips import IPS
from bandit.evaluation.estimators.registry import ESTIMATORS, make_estimator, parse_estimator
from bandit.evaluation.estimators.replay import Replay
from bandit.evaluation.estimators.sndr import SNDR
from bandit.evaluation.estimators.snips import SNIPS
from bandit.evaluation.estimators.switch_dr import SwitchDR

__all__ = [
    "DM",
    "DR",
    "ESTIMATORS",
    "IPS",
    "SNDR",
    "SNIPS",
    "DRos",
    "Estimator",
    "Replay",
    "SwitchDR",
    "Terms",
    "make_estimator",
    "parse_estimator",
]
