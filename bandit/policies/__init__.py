"""Policies: scores in, the probability of each arm out. None draws; ``decide`` does.

``ThompsonSampling`` by the probability of being the best, ``EpsilonGreedy`` and ``Softmax`` by the mean with a share for the
others, ``LinUCB`` by the mean and the deviation, ``Greedy`` by the mean alone; ``Popularity`` and ``Uniform`` know no context.

>>> import numpy as np
>>> from bandit.posterior import Moments
>>> scores = Moments(means=np.array([[0.05, 0.04]]), deviations=np.array([[0.01, 0.02]]))
>>> ThompsonSampling().probabilities(scores).round(4)
array([[0.6726, 0.3274]])

The same from a word of the command line, with an arm that may not be shown:

>>> parse_policy("linucb:alpha=2").probabilities(scores)
array([[0., 1.]])
>>> parse_policy("epsilon_greedy:epsilon=0.1").probabilities(scores, eligible=np.array([False, True]))
array([[0., 1.]])

One arm a decision, with the weight that it was drawn with; floors keep every propensity above 0:

>>> from bandit.hashing import hash_ids
>>> decide(LinUCB(alpha=2).probabilities(scores), hash_ids(["user-1"]), floor=0.02)
Decisions(arms=array([1], dtype=uint8), weights=array([64879], dtype=uint16))
"""

from bandit.policies.base import Policy
from bandit.policies.deciding import Decisions, decide, draw_arms, draw_quantised, quantise
from bandit.policies.epsilon_greedy import EpsilonGreedy
from bandit.policies.greedy import Greedy
from bandit.policies.linucb import LinUCB
from bandit.policies.popularity import Popularity
from bandit.policies.registry import POLICIES, parse_policy
from bandit.policies.softmax import Softmax
from bandit.policies.stickiness import Stickiness
from bandit.policies.thompson import ThompsonSampling
from bandit.policies.uniform import Uniform

__all__ = [
    "POLICIES",
    "Decisions",
    "EpsilonGreedy",
    "Greedy",
    "LinUCB",
    "Policy",
    "Popularity",
    "Softmax",
    "Stickiness",
    "ThompsonSampling",
    "Uniform",
    "decide",
    "draw_arms",
    "draw_quantised",
    "parse_policy",
    "quantise",
]
