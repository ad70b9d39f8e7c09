"""A demo that is watched: what plays it, what may be pressed, and what the page shows of both."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from artwork.demo.board import Board
from artwork.demo.pace import EndedError, Pace
from artwork.demo.play import Outcome, Plan
from artwork.demo.player import Player
from artwork.demo.pressing.presses import Presses
from artwork.web.stage import Figures, Mark
from bandit.simulation.world import World
from batch.workspace.workspace import Workspace


class Season:
    """The stage of a demo.

    Args:
        root: the workspace's folder.
        plan: what to play.
        say: given the lines of the report.
        terms: under which the data of MovieLens may be used.
        seconds_per_day: how long a live day takes at first; 0 is as fast as it can.
        service_port: of the service.
        origins: of the page, which may ask the service.
    """

    demo = True

    def __init__(
        self,
        root: Path,
        plan: Plan,
        say: Callable[[str], None],
        *,
        terms: str,
        seconds_per_day: float,
        service_port: int,
        origins: Sequence[str],
    ) -> None:
        self.token = secrets.token_urlsafe(24)
        self._board, self._pace = Board(), Pace(seconds_per_day)
        self._player = Player(
            root, plan, self._pace, self._board, say, terms=terms, service_port=service_port, origins=tuple(origins)
        )
        self._presses = Presses(self._player)

    @property
    def workspace(self) -> Workspace:
        """Where it is played."""
        return self._player.workspace

    @property
    def service(self) -> str:
        """The address of the service, which does not answer before there is something to serve."""
        return self._player.address

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        return self._player.plan.config.seed

    @property
    def origin(self) -> str | None:
        """Which data these are; None before they are made."""
        return self._player.origin

    @property
    def world(self) -> World | None:
        """The truth, in the order of the workspace's tables; it follows tastes that move."""
        return self._player.truth

    @property
    def controls(self) -> Sequence[str]:
        """What may be pressed."""
        return self._presses.controls

    def figures(self) -> Figures:
        """The newest figures."""
        return self._board.figures(self._player.store_state, is_held=self._pace.holds)

    def press(self, action: str, arguments: Mapping[str, Any]) -> Mark:
        """Press a control.

        Raises:
            InputError: there is none, or an argument is wrong.
            BusyError: it cannot be pressed now.
        """
        return self._presses.press(action, arguments)

    def play(self, *, once: bool) -> Outcome | None:
        """Play in the calling thread until the last day with ``once``, else until ``end`` or Ctrl-C; what the days came to.

        Raises:
            InputError: the folder or its tables do not do.
            SurroundingsError: store, service or network failed.
        """
        try:
            self._player.play(once=once)
        except EndedError:
            pass
        except KeyboardInterrupt:
            if self._player.outcome is None:
                raise
        finally:
            self._presses.end()
        return self._player.outcome

    def end(self) -> None:
        """Let what plays come to an end, from any thread."""
        self._pace.end()
