"""Bounds the connections that a worker keeps, and those of them that one client's address has."""

import asyncio
from ipaddress import IPv6Address
from typing import Any, Final

from service.http.problems import too_many_connections
from service.http.refusing import Refusing
from service.state import Service

SPARE: Final = 64
"""So many more are told why they are refused, which keeps each for up to two seconds; what is beyond them is cut off."""


class ConnectionLimit(Refusing):
    """A connection that is refused where its worker, or its client, has as many as allowed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._service: Service = self.app_state["service"]
        self._who = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, and see whether there is room."""
        super().connection_made(transport)
        service = self._service
        self._who = client_of(self.client[0]) if self.client else ""
        service.clients[self._who] += 1
        service.metrics.connections(len(self.connections))
        for reason, of, count, limit in (
            ("worker", "", len(self.connections), service.max_connections),
            ("client", " of one client", service.clients[self._who], service.max_client_connections),
        ):
            if count > limit:
                service.metrics.connection_refused(reason)
                if count > limit + SPARE:
                    self.transport.abort()
                else:
                    self.refuse(too_many_connections(of, limit))
                return

    def connection_lost(self, exc: Exception | None) -> None:
        """There is room for another."""
        super().connection_lost(exc)
        service = self._service
        service.clients[self._who] -= 1
        if not service.clients[self._who]:
            del service.clients[self._who]
        service.metrics.connections(len(self.connections))


def client_of(host: str) -> str:
    """Whom an address belongs to: of IPv6, where one client has a network of them, its first 64 bits."""
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    return str(address.ipv4_mapped or address.packed[:8].hex())
