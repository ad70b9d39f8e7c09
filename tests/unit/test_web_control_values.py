"""The control room offers what the demo takes: faults and policies by the names that they have there."""

import re
from pathlib import Path

import artwork.web
from artwork.demo.pressing.broken_generations import FAULTS
from bandit.policies import parse_policy

PRESSES = (Path(artwork.web.__file__).parent / "static" / "control" / "presses.js").read_text(encoding="utf-8")


def offered(name: str) -> list[str]:
    """The values of a list of the module."""
    listed = re.search(rf"const {name} = \[\n(.*?)\n\];", PRESSES, re.DOTALL)
    assert listed is not None
    return re.findall(r'^  \["([^"]*)"', listed[1], re.MULTILINE)


def test_every_fault_that_can_be_made_is_offered() -> None:
    assert offered("FAULTS") == list(FAULTS)


def test_every_policy_that_is_offered_can_be_parsed() -> None:
    policies = offered("POLICIES")
    assert policies[-1] == ""  # nobody has another one any more
    assert [parse_policy(text).name for text in policies[:-1]] == [text.partition(":")[0] for text in policies[:-1]]
