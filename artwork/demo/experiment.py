"""An experiment that a demo runs live: registered after the explore days, read and decided after the last one."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from artwork.console.shell import pasted
from artwork.reports.experiments.readings import effects_lines, verdict_lines
from batch.config import Config, Variant
from batch.experiments.deciding import Decided, decide_now
from batch.experiments.plans.drafting import draft_workspace
from batch.experiments.reading import Source
from batch.experiments.register import Registered, start
from batch.workspace.workspace import Workspace

NAME: Final = "demo"
_HYPOTHESIS: Final = "The treatment raises the take rate, and people watch no less."


def experiment_of(control: Variant, treatment: Variant, seed: int) -> Config:
    """The settings of live days: half of the users have the control, the others the treatment."""
    variants = replace(control, name="control", share=None), replace(treatment, name=treatment.name or "treatment")
    return Config(variants, seed=seed, salt=NAME)


def experiment_of_policies(policy: str, against: str, posterior: str, seed: int) -> Config:
    """The same of two policies, which the variants are named after."""
    return Config.of(policy, against, posterior=posterior, seed=seed, salt=NAME)


def register_experiment(workspace: Workspace, config: Config, days: int) -> Registered:
    """Write the plan of the live days and register it, before anything of them is seen."""
    today = datetime.now(UTC).date()
    draft_workspace(
        workspace, NAME, config.variants, hypothesis=_HYPOTHESIS, start=None, length=days, today=today
    )  # fmt: skip
    return start(workspace, NAME, late=False, today=today)


def decide_experiment(workspace: Workspace) -> Decided:
    """What the live days say, on record."""
    return decide_now(Source(workspace, None, datetime.now(UTC).date()), NAME)


def lines_of(decided: Decided, root: Path) -> str:
    """The effects and the decision, and how to look closer."""
    closer = [
        pasted("experiment", command, NAME, "--workspace", root, *more)
        for command, more in (("read", ()), ("explain", ("--why", "mixed")), ("explain", ("--why", "neutral")))
    ]
    return "\n".join(
        (
            *effects_lines(decided.reading),
            *verdict_lines(decided.verdicts),
            *(f"look closer: {command}" for command in closer),
        )
    )
