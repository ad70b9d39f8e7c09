"""HTTP as uvicorn speaks it, with a way to part from clients that loses no request."""

from typing import cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from service.http.connection_limit import ConnectionLimit
from service.http.one_write import OneWrite
from service.http.shedding import Shedding
from service.http.write_limit import WriteLimit


class Departure(ServerState):
    """What the connections of a server share; ``leaving`` once it has been told to stop."""

    leaving = False


class Connection(ConnectionLimit, Shedding, WriteLimit, OneWrite):
    """A connection that, once the server leaves, answers what comes and announces with each answer that it closes.

    Closing without a word, as uvicorn does, loses the request that the client has just sent.
    """

    server_state: Departure

    def on_headers_complete(self) -> None:
        """A request begins."""
        if not self.server_state.leaving:
            super().on_headers_complete()
            return
        earlier = self._unanswered()
        super().on_headers_complete()
        if earlier is not None:
            earlier.keep_alive = True  # another request has come behind it: the answer to that one closes
        self.announce()

    def announce(self) -> None:
        """Let the answer to the last request be the last one; an answer that has begun cannot say so any more."""
        self._may_shed = False  # refusals come from the application now: the bytes kept ready announce nothing
        cycle = self._unanswered()
        if cycle is not None:
            cycle.keep_alive = False

    def _unanswered(self) -> RequestResponseCycle | None:
        """The last request so far, unless its answer has begun."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return None if cycle is None or cycle.response_started else cycle
