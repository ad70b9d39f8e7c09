"""The running service, which the lifespan makes and every request uses."""

from asyncio import Task
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, cast

from starlette.requests import HTTPConnection

from service.http.clients import Clients
from service.http.problems import ProblemError
from service.keys import Keys
from service.lookup.look_up import LookUp
from service.lookup.poller import Poller
from service.lookup.served_generation import ServedGeneration
from service.metrics.health import Health
from service.metrics.metrics import Metrics
from service.pressure import Pressure
from service.settings import Settings


@dataclass
class Service:
    """The parts of one running application, and its settings.

    ``clients`` are those with open connections, ``in_progress`` and ``events_in_progress`` the look-ups and the requests with
    events that this worker has begun and not yet answered; ``event_tasks`` are the latter from when they are read, begun or not.
    Of the look-ups in progress, ``fast_in_progress`` are on the fast path, which makes no tasks.
    """

    look_up: LookUp
    poller: Poller
    health: Health
    metrics: Metrics
    keys: Keys | None
    settings: Settings
    in_progress: int = 0
    fast_in_progress: int = 0
    events_in_progress: int = 0
    event_tasks: set[Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        settings = self.settings
        self.clients = Clients(self.metrics, settings.max_connections, settings.max_client_connections)
        self.pressure = Pressure(settings.max_waiting)
        self.origins = frozenset(origin.encode() for origin in settings.origins)

    def serving(self, troubles: Sequence[str] = ()) -> ServedGeneration:
        """The generation that is served at this moment; to be called once per request.

        Args:
            troubles: reasons to add to the refusal.

        Raises:
            ProblemError: 503, no catalogue is known yet.
        """
        serving = self.poller.serving
        if serving is None:
            raise ProblemError(
                503,
                "no-catalogue",
                " ".join(("No catalogue is known yet: the store has given none and none is kept on disk.", *troubles)),
                headers={"Retry-After": "1"},
            )
        return serving


class LifespanState(TypedDict):
    """What the lifespan yields to each request."""

    service: Service


def service_of(connection: HTTPConnection) -> Service:
    """The service that answers this request."""
    return cast("Service", connection.state.service)
