"""Gated experiments of a workspace as the page shows them."""

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from artwork.web.kept import Kept, stamps
from batch.experiments.deciding import records
from batch.experiments.gated.standing import KIND, Standing, standing_of
from batch.experiments.register import Register, plan_of, read_register
from batch.workspace.workspace import Workspace

NEWEST: Final = 60
"""Decisions that are shown."""


@dataclass(frozen=True)
class GateNight:
    """A decision of a gate: the day that the data ended with, what was done, and the share from then on."""

    day: str
    action: str
    share: float


@dataclass(frozen=True)
class ShownGate:
    """A gated experiment: where it stands, why, and its newest decisions in order."""

    experiment: str
    state: str
    control: str
    treatment: str
    shares: Sequence[float]
    step: int
    share: float
    action: str
    day: str | None
    reasons: Sequence[str]
    nights: Sequence[GateNight]


class Gates:
    """The gates of a workspace, those that run first."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._kept = Kept(self._stamp, self._read)

    def get(self) -> Sequence[ShownGate]:
        """What the page shows of them.

        Raises:
            NotReadyError: they could not be read yet.
        """
        return self._kept.get()

    def _stamp(self) -> Hashable:
        folder = self._workspace.experiments
        return stamps(sorted([*folder.glob("*/register.json"), *folder.glob(f"*/{KIND}-*.json")]))

    def _read(self) -> Sequence[ShownGate]:
        names = sorted(path.parent.name for path in self._workspace.experiments.glob("*/register.json"))
        shown = [
            self._shown(register)
            for name in names
            if (register := read_register(self._workspace, name)).versions and register.versions[-1].plan.get("gate")
        ]
        return sorted(shown, key=lambda one: one.state != "running")

    def _shown(self, register: Register) -> ShownGate:
        plan = plan_of(register.versions[-1].plan)
        stands: Standing = standing_of(self._workspace, plan)
        control, treatment = (arm.live.label if arm.live else arm.name for arm in plan.variants)
        nights = []
        for path in records(self._workspace, plan.name, KIND)[-NEWEST:]:
            record = json.loads(path.read_bytes())
            nights.append(GateNight(record["inputs"]["day"], record["move"]["action"], record["move"]["share"]))
        return ShownGate(
            plan.name, register.state, control, treatment, stands.shares, stands.step, stands.share, stands.action,
            stands.day, stands.reasons, nights,
        )  # fmt: skip
