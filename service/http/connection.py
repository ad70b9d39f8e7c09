"""One client's connection: HTTP as uvicorn speaks it, with limits, and an end that loses no request."""

import asyncio
from ipaddress import IPv6Address
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from service.http.load_shedding import LoadShedding
from service.http.problems import too_many_connections

SPARE: Final = 64
"""So many connections beyond a limit read why they are refused, which keeps each for up to two seconds; others are cut off."""


def client_of(host: str) -> str:
    """The client of an address: of IPv6, where one client has a whole network, its first 64 bits."""
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    return str(address.ipv4_mapped or address.packed[:8].hex())


class Departure(ServerState):
    """What the connections of a server share; ``leaving`` once it is stopping."""

    leaving = False


class Connection(LoadShedding):
    """A connection that is refused where its worker or its client already has as many as allowed.

    Once the server is stopping, it still answers requests and announces with each answer that it closes. Closing without
    announcement, as uvicorn does, loses a request that the client has just sent.
    """

    server_state: Departure
    _client = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, and refuse it beyond a limit."""
        super().connection_made(transport)
        service = self.service
        self._client = client_of(self.client[0]) if self.client else ""
        service.clients[self._client] += 1
        service.metrics.connections(len(self.connections))
        for reason, of, count, limit in (
            ("worker", "", len(self.connections), service.settings.max_connections),
            ("client", " of one client", service.clients[self._client], service.settings.max_client_connections),
        ):
            if count > limit:
                service.metrics.connection_refused(reason)
                if count > limit + SPARE:
                    self.transport.abort()
                else:
                    self.refuse(too_many_connections(of, limit))
                return

    def connection_lost(self, exc: Exception | None) -> None:
        """Take it off the counts."""
        super().connection_lost(exc)
        service = self.service
        service.clients[self._client] -= 1
        if not service.clients[self._client]:
            del service.clients[self._client]
        service.metrics.connections(len(self.connections))

    def on_headers_complete(self) -> None:
        """A request begins."""
        if not self.server_state.leaving:
            super().on_headers_complete()
            return
        earlier = self._unanswered()
        super().on_headers_complete()
        if earlier is not None:
            earlier.keep_alive = True  # another request has followed it, whose answer will close the connection
        self.announce()

    def announce(self) -> None:
        """Close after the answer to the last request, and say so in it, unless it has begun."""
        # The prepared refusal does not announce that the connection closes; the application's does.
        self._may_shed = False
        cycle = self._unanswered()
        if cycle is not None:
            cycle.keep_alive = False

    def _unanswered(self) -> RequestResponseCycle | None:
        """The last request so far, unless its answer has begun."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return None if cycle is None or cycle.response_started else cycle
