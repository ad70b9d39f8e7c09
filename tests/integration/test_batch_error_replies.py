"""A store that answers a job with an error: one line with the store's reason, and a job that can be run again."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from failing_store import failing_store
from make_impressions import Served, make_generation, served, silent
from shell import artwork, assert_refused

from bandit.errors import SurroundingsError
from batch.publishing.publish import Published, publish
from batch.store.client import URL_VARIABLE, connect, store_errors
from batch.workspace.workspace import Workspace

CODES = (
    *("ERR", "DENIED", "NOAUTH", "WRONGPASS", "NOPERM", "LOADING", "OOM", "MISCONF", "BUSY", "MASTERDOWN", "READONLY"),
    *("CLUSTERDOWN", "TRYAGAIN", "EXECABORT", "NOREPLICAS", "UNBLOCKED", "NOSCRIPT", "NOPROTO", "NOTHING-KNOWN"),
)
ERRORS = {code: (f"-{code} for a reason\r\n".encode(), "for a reason") for code in CODES} | {
    "an address": (b"-MOVED 1 127.0.0.1:1\r\n", "a node of a cluster, which sent 1 127.0.0.1:1"),
    "an address that is none": (b"-MOVED somewhere else\r\n", "answers as no store does"),
    "another address that is none": (b"-ASK\r\n", "answers as no store does"),
    "a port that is none": (b"-ASK 1 here:there\r\n", "answers as no store does"),
    "an error of RESP3": (b"!19\r\nSYNTAX for a reason\r\n", "Protocol error"),
    "an error without a word": (b"-\r\n", "an error without a word"),
}


LOST = ("NOAUTH", "WRONGPASS", "LOADING")


def refusal_of(url: str, workspace: Workspace, generation: int) -> str:
    """What a publish says that fails; nothing if it does not."""
    try:
        publish_through(url, workspace, generation)
    except SurroundingsError as error:
        return str(error)
    return ""


class Failing:
    """Answers one command with an error, or it and all that follow; counts all of them."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.steps = range(0)
        self.reply = b""

    def __call__(self, _number: int, command: list[bytes]) -> bytes | None:
        self.seen.append(command[0])
        return self.reply if len(self.seen) - 1 in self.steps else None

    def fail(self, steps: range, reply: bytes) -> None:
        self.seen, self.steps, self.reply = [], steps, reply


@contextmanager
def proxied(store: str) -> Iterator[tuple[str, Failing]]:
    failing = Failing()
    with tempfile.TemporaryDirectory() as folder:  # a short path, for the socket
        where = (Path(store.removeprefix("unix://")), Path(folder) / "p")
        with failing_store(*where, failing) as url:
            yield url, failing


def publish_through(url: str, workspace: Workspace, generation: int) -> Published:
    with connect(url) as client:
        return publish(workspace, generation, client, url, silent)


@pytest.mark.faults
def test_whatever_error_the_store_answers_a_publish_with_is_its_reason_in_one_line(
    workspace: Workspace, store: str
) -> None:
    generation = make_generation(workspace)
    with proxied(store) as (url, failing):
        for _ in range(2):  # the second one finds its meta, as those do that are refused below
            failing.seen = []
            publish_through(url, workspace, generation)
        commands = list(failing.seen)
        for command in ("PING", "GETRANGE", "SCAN", "INFO", "SET", "MSET", "MGET", "WATCH", "MULTI", "EXEC"):
            at = commands.index(command.encode())
            for name, (reply, reason) in ERRORS.items():
                failing.fail(range(at, at + 1), reply)
                said = refusal_of(url, workspace, generation)
                if not said:  # redis-py takes these for a lost connection, and the transaction of the claim began anew
                    assert (command, name) in {(step, code) for step in ("MULTI", "SET", "EXEC") for code in LOST}
                    continue
                # Without MULTI the commands stand alone, and what refuses the last of them is told.
                assert reason in said or (command == "MULTI" and "EXEC without MULTI" in said), (command, name)
                assert "\n" not in said, (command, name)
                assert "Command #" not in said, (command, name)


# A pipeline of redis-py that is reset and refused again while it introduces itself leaves that socket to the collector.
@pytest.mark.faults
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_store_that_refuses_from_any_step_on_leaves_what_was_served_and_the_next_run_takes_it_up(
    workspace: Workspace, store: str
) -> None:
    first, second = make_generation(workspace), make_generation(workspace)
    with proxied(store) as (url, failing), connect(store) as direct:
        publish_through(url, workspace, first)
        for step in count(failing.seen.index(b"PING") + 1):  # until it lies beyond the last one
            failing.fail(range(step, 10_000), b"-BUSY for a reason\r\n")
            try:
                publish_through(url, workspace, second)
            except SurroundingsError:
                assert served(direct) == Served(first, 1, None), failing.seen
            else:
                break
        assert (failing.seen[-1], step >= len(failing.seen)) == (b"EXEC", True)
        assert served(direct) == Served(second, 2, first)


def test_a_command_says_it_in_one_line_and_ends_with_3(workspace: Workspace, store: str) -> None:
    with proxied(store) as (url, failing):
        failing.fail(range(3, 4), b"-MOVED somewhere else\r\n")
        done = artwork("generations", "list", "-w", str(workspace.root), **{URL_VARIABLE: url})
    assert_refused(done, 3, "answers as no store does")


def test_a_fault_of_ours_is_not_put_on_the_store() -> None:
    with pytest.raises(ValueError, match="our own"), store_errors("redis://127.0.0.1:1"):
        raise ValueError("our own")
