"""Off-policy evaluation: what another policy would have come to on a log, how sure that is, and when the log cannot tell.

``estimate`` takes plain arrays. ``evaluate`` compares several policies on an ``ImpressionLog``, by paired differences;
``Thresholds`` say what a log has to reach for an answer. Estimators are in ``bandit.evaluation.estimators``, one a file,
intervals in ``bandit.evaluation.intervals``; ``learn``, ``PolicyTarget`` and ``samples_of`` judge policies of ours,
``replay_learning`` lets them learn on the way, ``plan`` says what more data would tell.

>>> import numpy as np
>>> random = np.random.default_rng(7)
>>> arms = (random.random(5000) < 0.9).astype(int)  # the log shows arm 1 nine times in ten
>>> rewards = (random.random(5000) < np.where(arms == 1, 0.05, 0.10)).astype(float)
>>> propensities = np.where(arms == 1, 0.9, 0.1)
>>> other = estimate("snips", rewards, arms, propensities, np.tile([0.8, 0.2], (5000, 1)))
>>> round(other.value, 3), round(other.lower, 3), round(other.upper, 3)
(0.099, 0.077, 0.124)

Half of what the target would show was never shown, so there is no answer, only a number that is not to be used:

>>> blind = arms == 1
>>> refused = estimate("snips", rewards[blind], arms[blind], propensities[blind], np.tile([0.5, 0.5], (blind.sum(), 1)))
>>> refused.value, refused.verdict.partition(";")[0]
(None, 'insufficient overlap: the target shows arms that the log could not or never did 50.0% of the time, expected at most 5.0%')
"""

from bandit.evaluation.comparing import evaluate
from bandit.evaluation.estimate import Estimate, estimate
from bandit.evaluation.estimators import ESTIMATORS, Estimator, parse_estimator
from bandit.evaluation.judging import samples_of
from bandit.evaluation.learning import Learned, learn
from bandit.evaluation.overlap import Overlap, Thresholds, overlap_of
from bandit.evaluation.planning import Gathering, Plan, plan
from bandit.evaluation.replaying import Replayed, replay_learning
from bandit.evaluation.results import Difference, Evaluation, PolicyResult, Settings
from bandit.evaluation.reward_models import PosteriorModel, RegressorModel, cross_fit
from bandit.evaluation.sample import Sample
from bandit.evaluation.splitting import Split, in_time, nearest_day, split_at, split_in_time
from bandit.evaluation.targets import LoggingPolicy, PolicyTarget, TableTarget

__all__ = [
    "ESTIMATORS",
    "Difference",
    "Estimate",
    "Estimator",
    "Evaluation",
    "Gathering",
    "Learned",
    "LoggingPolicy",
    "Overlap",
    "Plan",
    "PolicyResult",
    "PolicyTarget",
    "PosteriorModel",
    "RegressorModel",
    "Replayed",
    "Sample",
    "Settings",
    "Split",
    "TableTarget",
    "Thresholds",
    "cross_fit",
    "estimate",
    "evaluate",
    "in_time",
    "learn",
    "nearest_day",
    "overlap_of",
    "parse_estimator",
    "plan",
    "replay_learning",
    "samples_of",
    "split_at",
    "split_in_time",
]
