"""Estimators of a target policy's value from a log, one a file, all behind one protocol."""

from bandit.evaluation.estimators.base import Estimator as Estimator
from bandit.evaluation.estimators.base import Terms as Terms
from bandit.evaluation.estimators.dm import DM as DM
from bandit.evaluation.estimators.dr import DR as DR
from bandit.evaluation.estimators.dros import DRos as DRos
from bandit.evaluation.estimators.ips import IPS as IPS
from bandit.evaluation.estimators.registry import ESTIMATORS as ESTIMATORS
from bandit.evaluation.estimators.registry import make_estimator as make_estimator
from bandit.evaluation.estimators.registry import parse_estimator as parse_estimator
from bandit.evaluation.estimators.replay import Replay as Replay
from bandit.evaluation.estimators.sndr import SNDR as SNDR
from bandit.evaluation.estimators.snips import SNIPS as SNIPS
from bandit.evaluation.estimators.switch_dr import SwitchDR as SwitchDR
