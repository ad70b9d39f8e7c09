"""Open connections, counted by client, and what becomes of one too many."""

from collections import Counter
from ipaddress import IPv6Address
from typing import Final

from starlette.responses import Response

from service.http.problems import too_many_connections
from service.metrics.metrics import Metrics

SPARE: Final = 64
"""So many connections beyond a limit read why they are refused, which keeps each for up to two seconds; others are cut off."""


def client_of(host: str) -> str:
    """The client of an address: of IPv6, where one client has a whole network, its first 64 bits."""
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    return str(address.ipv4_mapped or address.packed[:8].hex())


class Clients(Counter[str]):
    """How many connections each client has, by ``client_of``.

    Args:
        metrics: that are counted in.
        max_connections: of all clients.
        max_client_connections: of one.
    """

    def __init__(self, metrics: Metrics, max_connections: int, max_client_connections: int) -> None:
        super().__init__()
        self._metrics = metrics
        self._max_connections, self._max_client_connections = max_connections, max_client_connections

    def came(self, client: str, n_open: int) -> tuple[Response | None, bool]:
        """One more connection of a client; its refusal, if any, and whether it is cut off without one.

        Args:
            client: whose it is.
            n_open: connections of the worker, with this one.
        """
        self[client] += 1
        self._metrics.connections(n_open)
        for reason, of, count, limit in (
            ("worker", "", n_open, self._max_connections),
            ("client", " of one client", self[client], self._max_client_connections),
        ):
            if count > limit:
                self._metrics.connection_refused(reason)
                return too_many_connections(of, limit), count > limit + SPARE
        return None, False

    def left(self, client: str, n_open: int) -> None:
        """One fewer."""
        self[client] -= 1
        if not self[client]:
            del self[client]
        self._metrics.connections(n_open)
