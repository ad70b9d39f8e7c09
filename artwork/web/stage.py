"""What the controller shows: a workspace with its service, and whoever plays in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from bandit.errors import BanditError
from bandit.simulation.world import World
from batch.workspace.workspace import Workspace

Phase = Literal["starting", "explore", "visits", "night", "paused", "waiting", "over", "served"]
"""What goes on: the data are made, a day of explore data or of visits is played, a night learns, and so on.

``paused`` by the watcher, ``waiting`` for a service or store that is away, ``over`` after the days that were planned, ``served``
where nobody plays: the page shows a workspace of one's own.
"""

StoreState = Literal["up", "stopped", "frozen", "slow", "away"]
"""What was done to the store; ``away`` is a store that does not answer though nobody here stopped it."""


class BusyError(BanditError):
    """This cannot be done now; the message says why, and when it can."""


@dataclass(frozen=True)
class Step:
    """What a phase is at: ``done`` of ``total`` parts of it."""

    name: str
    done: int
    total: int


@dataclass(frozen=True)
class Day:
    """What a day came to; rates are per impression, ``closed`` is the share of the way from uniform to the true best.

    What only a simulated world knows is None for others. ``rates`` are the take rates of each policy's picks.
    """

    day: int
    generation: int
    policy: str
    impressions: int
    take_rate: float
    click_through_rate: float
    uniform: float | None
    best: float | None
    closed: float | None
    p50_ms: float | None
    p99_ms: float | None
    sources: Mapping[str, int]
    rates: Mapping[str, float]


@dataclass(frozen=True)
class Night:
    """A night that published a generation, and the seconds of its steps in their order."""

    generation: int
    seconds: float
    steps: Mapping[str, float]


@dataclass(frozen=True)
class Mark:
    """A press of a control on the time line: when in real and in simulated time, and in words what it did.

    ``undo`` is the control that takes it back, if one does; ``effect`` says what came of it, once that is known.
    """

    id: str
    at: datetime
    now: datetime
    day: int | None
    kind: str
    words: str
    undo: str | None = None
    effect: str | None = None


@dataclass(frozen=True)
class Figures:
    """What only the player knows. ``now`` is the time of the simulated day, or the time where nothing is simulated."""

    now: datetime
    phase: Phase
    day: int | None = None
    step: Step | None = None
    store: StoreState = "up"
    days: Sequence[Day] = ()
    nights: Sequence[Night] = ()
    marks: Sequence[Mark] = ()


class Stage(Protocol):
    """What the controller shows. All of it may change while the page is open, but for ``workspace`` and ``token``."""

    @property
    def workspace(self) -> Workspace:
        """The workspace; its tables may be missing while ``figures().phase`` is ``starting``."""

    @property
    def service(self) -> str:
        """The address of the look-up service without a slash at its end; empty while it is not known."""

    @property
    def token(self) -> str:
        """What opens the page; made for each run."""

    @property
    def seed(self) -> int:
        """The seed of the run."""

    @property
    def origin(self) -> str | None:
        """Which data these are, in one sentence."""

    @property
    def demo(self) -> bool:
        """Whether a demo plays here."""

    @property
    def world(self) -> World | None:
        """The truth about the workspace's users, in the order of its tables; None where nobody knows it."""

    @property
    def controls(self) -> Sequence[str]:
        """The names of what can be pressed."""

    def figures(self) -> Figures:
        """The newest figures; quick, and never waits for the player."""

    def press(self, action: str, arguments: dict[str, Any]) -> Mark:
        """Press a control.

        Raises:
            InputError: an argument is wrong.
            BusyError: it cannot be pressed now.
        """
