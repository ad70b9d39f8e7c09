"""Where a gate stands: what its last record says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bandit.errors import InputError
from batch.experiments.deciding import records, replay
from batch.experiments.plans.plan import Gate, Plan
from batch.workspace.workspace import Workspace

KIND: Final = "gate"
"""Of its records, experiments/NAME/gate-N.json."""
START: Final = "START"
SHIP: Final = "SHIP"
ENDS: Final = (SHIP, "ROLL BACK", "END")


@dataclass(frozen=True)
class Standing:
    """Where a gate stands after its last record: the place of its share among ``shares``, and what was decided last.

    ``share`` is 0 after a roll-back and 1 once it shipped. Before the first record ``action`` is START and ``day`` None.
    ``records`` counts the decisions, ``record`` is the last one.
    """

    name: str
    step: int
    share: float
    shares: tuple[float, ...]
    action: str
    day: str | None
    verdict: str | None
    reasons: tuple[str, ...]
    records: int
    record: Path | None

    @property
    def is_over(self) -> bool:
        """Whether it has ended: shipped, rolled back, or out of time."""
        return self.action in ENDS

    @property
    def told(self) -> str:
        """In a few words: the step and what was decided last."""
        return f"step {self.step + 1} of {len(self.shares)}, {100 * self.share:g} %, {self.action}"


def gate_of(plan: Plan) -> Gate:
    """The gate of a plan.

    Raises:
        InputError: it has none.
    """
    if plan.gate is None:
        raise InputError(
            f"experiment {plan.name} has no gate; write [gate] with shares = [0.05, 0.2, 0.5, 1] into a plan, or make its"
            f" generations with --experiment {plan.name}"
        )
    return plan.gate


def standing_of(workspace: Workspace, plan: Plan) -> Standing:
    """Where the gate of a plan stands.

    Raises:
        InputError: it has no gate, or its last record is not what its inputs say.
        SurroundingsError: the record cannot be read.
    """
    gate, there = gate_of(plan), records(workspace, plan.name, KIND)
    if not there:
        why = ("nothing was read yet",)
        return Standing(plan.name, 0, gate.shares[0], gate.shares, START, None, None, why, 0, None)
    made = replay(there[-1])
    if not made.same or made.move is None:
        raise InputError(
            f"{there[-1]} is not what its inputs say ({', '.join(made.differs) or 'it has no move'}); restore it from a copy"
        )
    if made.name != plan.name:
        raise InputError(f"{there[-1]} is a record of experiment {made.name}, expected {plan.name}; remove it")
    found = made.move
    verdict = made.verdicts[0].verdict
    return Standing(
        plan.name, found.step, found.share, gate.shares, found.action, made.day, verdict, found.reasons,
        len(there), there[-1],
    )  # fmt: skip
