"""Policies by the words of the command line: ``thompson``, ``epsilon_greedy:epsilon=0.2,halving=5000``."""

from dataclasses import fields

from bandit.errors import InputError
from bandit.policies.base import Policy
from bandit.policies.epsilon_greedy import EpsilonGreedy
from bandit.policies.greedy import Greedy
from bandit.policies.popularity import Popularity
from bandit.policies.thompson import ThompsonSampling
from bandit.policies.uniform import Uniform

POLICIES: dict[str, type[Policy]] = {
    policy.name: policy for policy in (ThompsonSampling, EpsilonGreedy, Greedy, Uniform, Popularity)
}
"""Every policy by its name."""


def parse_policy(text: str) -> Policy:
    """A policy from ``name`` or ``name:parameter=value,parameter=value``.

    Raises:
        InputError: the name or a parameter is not known, or a value is not a number in its range.

    >>> parse_policy("epsilon_greedy:epsilon=0.2")
    EpsilonGreedy(epsilon=0.2, halving=None)
    """
    name, _, arguments = text.partition(":")
    if name not in POLICIES:
        raise InputError(f"there is no policy {name!r}; choose one of {', '.join(POLICIES)}")
    known = {field.name for field in fields(POLICIES[name])}  # type: ignore[arg-type]
    return POLICIES[name](**dict(_parameter(item, name, known) for item in arguments.split(",") if item))


def _parameter(item: str, policy: str, known: set[str]) -> tuple[str, float]:
    key, _, value = item.partition("=")
    if key not in known:
        raise InputError(f"{policy} has no parameter {key!r}; it takes {', '.join(sorted(known)) or 'none'}")
    try:
        return key, float(value)
    except ValueError:
        raise InputError(f"parameter {key} of {policy} is {value!r}, expected a number") from None
