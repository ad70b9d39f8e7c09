"""Policies: scores in, the probability of each arm out. None draws; ``decide`` does.

>>> import numpy as np
>>> from bandit.posterior import Moments
>>> scores = Moments(means=np.array([[0.05, 0.04]]), deviations=np.array([[0.01, 0.01]]))
>>> ThompsonSampling().probabilities(scores).round(4)
array([[0.7602, 0.2398]])
"""

from bandit.policies.base import Policy
from bandit.policies.deciding import Decisions, decide, draw_arms, quantise
from bandit.policies.epsilon_greedy import EpsilonGreedy
from bandit.policies.greedy import Greedy
from bandit.policies.linucb import LinUCB
from bandit.policies.popularity import Popularity
from bandit.policies.registry import POLICIES, parse_policy
from bandit.policies.softmax import Softmax
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
    "ThompsonSampling",
    "Uniform",
    "decide",
    "draw_arms",
    "parse_policy",
    "quantise",
]
