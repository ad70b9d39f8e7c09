"""Policies by the words of the command line: ``thompson``, ``epsilon_greedy:epsilon=0.2,halving=5000``."""

from __future__ import annotations

from dataclasses import fields

from bandit.errors import InputError
from bandit.parameters import check_parameters, parse_parameters
from bandit.policies.base import Policy
from bandit.policies.epsilon_greedy import EpsilonGreedy
from bandit.policies.greedy import Greedy
from bandit.policies.linucb import LinUCB
from bandit.policies.popularity import Popularity
from bandit.policies.softmax import Softmax
from bandit.policies.thompson import ThompsonSampling
from bandit.policies.uniform import Uniform

POLICIES: dict[str, type[Policy]] = {
    policy.name: policy for policy in (ThompsonSampling, EpsilonGreedy, Greedy, Uniform, Popularity, Softmax, LinUCB)
}
"""Every policy by its name."""


def parse_policy(text: str) -> Policy:
    """A policy from ``name`` or ``name:parameter=value,parameter=value``.

    Raises:
        InputError: the name or a parameter is not known, one is given twice, or a value is not a number in its range.

    >>> parse_policy("epsilon_greedy:epsilon=0.2")
    EpsilonGreedy(epsilon=0.2, halving=None, total_halving=None)
    >>> parse_policy("softmax:temperature=0.02")
    Softmax(temperature=0.02)
    """
    name, parameters = parse_parameters(text)
    if name not in POLICIES:
        raise InputError(f"there is no policy {name!r}; choose one of {', '.join(POLICIES)}")
    check_parameters(name, parameters, (field.name for field in fields(POLICIES[name])))  # type: ignore[arg-type]
    return POLICIES[name](**parameters)
