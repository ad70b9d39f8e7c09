"""The driver against servers that stall, break off, refuse and answer in pieces: everything must be counted for what it is."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
from scripted import Answering, Writer, scripted, whole

from loadtest.boundary import RunError
from loadtest.driver.ceiling import ceiling, null_server
from loadtest.driver.open_loop import Drive, Load, drive

USERS = [f"u{number}" for number in range(50)]
REQUESTS = [f"GET /{user} HTTP/1.1\r\nHost: here\r\n\r\n".encode() for user in USERS]
EXPECTED = [f'"user_id":"{user}"'.encode() for user in USERS]
RATE = 400.0


def body(path: str, source: str = "personalized") -> bytes:
    return f'{{"user_id":"{path[1:]}","source":"{source}"}}'.encode()


async def right(number: int, path: str, writer: Writer) -> None:
    writer.write(whole(body(path)))


def driven(
    answering: Answering,
    rate: float | None = RATE,
    expected: Sequence[bytes] | None = EXPECTED,
    seconds: float = 0.5,
    timeout_seconds: float = 5.0,
    connections: int = 8,
) -> Drive:
    with scripted(answering) as port:
        return drive(
            Load(
                "127.0.0.1",
                port,
                REQUESTS,
                rate,
                seconds,
                expected=expected,
                connections=connections,
                timeout_seconds=timeout_seconds,
            )
        )


def test_every_request_that_was_due_is_sent_in_order_and_answered() -> None:
    asked: list[str] = []

    async def noted(number: int, path: str, writer: Writer) -> None:
        asked.append(path)
        await right(number, path, writer)

    found = driven(noted, connections=1)
    assert asked == [f"/{USERS[i % len(USERS)]}" for i in range(found.requests)]
    assert found.statuses == {200: found.requests}
    assert (found.wrong, found.unanswered, found.reconnects) == (0, 0, 0)
    assert found.rate_share > 0.5


def test_what_waits_for_a_connection_is_told_apart_from_what_waits_for_the_server() -> None:
    async def slow(number: int, path: str, writer: Writer) -> None:
        await asyncio.sleep(0.02)
        await right(number, path, writer)

    found = driven(slow, connections=1, timeout_seconds=0.3)
    sent = found.waited_ms >= 0
    answered = found.status_each == 200
    assert np.all(sent[answered])
    assert np.all((found.latencies_ms - found.waited_ms)[answered] >= 20)  # the server alone
    assert np.all(np.diff((found.intended_seconds + found.waited_ms / 1000)[answered]) >= 0.02)  # one behind the other
    assert 0 < np.count_nonzero(~sent) == found.statuses[0] - np.count_nonzero(sent & ~answered)


def test_a_stall_is_in_the_percentiles_of_all_requests_that_were_due_during_it() -> None:
    async def stalling(number: int, path: str, writer: Writer) -> None:
        if number == 100:
            time.sleep(0.5)  # the stall under test: the server's only thread answers nobody
        await right(number, path, writer)

    found = driven(stalling, seconds=1.0, connections=4)
    late = found.latencies_ms > 50
    # Some 180 requests were due more than 50 ms before the end of the stall; a client that counts from sending sees 4.
    assert np.count_nonzero(late) > 100
    assert found.latency.p90_ms > 100
    assert found.latency.p50_ms < found.latency.p90_ms
    stalled_at = found.intended_seconds[late][0]
    assert found.between(stalled_at, stalled_at + 0.1).p50_ms > 300


def test_latencies_fall_through_a_stall_because_they_count_from_the_intended_time() -> None:
    async def stalling(number: int, path: str, writer: Writer) -> None:
        if number == 0:
            time.sleep(0.4)  # the stall under test
        await right(number, path, writer)

    found = driven(stalling, connections=1)
    during = found.intended_seconds < 0.35
    ends = found.intended_seconds[during] + found.latencies_ms[during] / 1000
    assert ends.min() > 0.35  # nothing was answered before the stall was over


def test_an_answer_without_the_expected_text_is_wrong() -> None:
    async def now_and_then_anothers(number: int, path: str, writer: Writer) -> None:
        writer.write(whole(body("/u999" if number % 4 == 0 else path)))

    found = driven(now_and_then_anothers)
    assert found.wrong == (found.requests + 3) // 4


def test_a_refusal_is_counted_by_its_status_and_kept_out_of_accepted_latencies() -> None:
    async def half_refused(number: int, path: str, writer: Writer) -> None:
        writer.write(whole(b"", 503, "Retry-After: 1\r\n") if number % 2 else whole(body(path)))

    found = driven(half_refused)
    assert found.statuses == {200: (found.requests + 1) // 2, 503: found.requests // 2}
    assert found.wrong == 0
    assert found.accepted.count == found.statuses[200]
    assert found.latency.count == found.requests


def test_the_mark_that_comes_first_is_counted() -> None:
    async def by_turns(number: int, path: str, writer: Writer) -> None:
        first, second = ("popularity", "default") if number % 2 else ("default", "personalized")
        writer.write(whole(body(path, first) + body(path, second)))

    found = driven(by_turns)
    assert found.marks['"source":"popularity"'] == found.requests // 2
    assert found.marks['"source":"default"'] == (found.requests + 1) // 2
    assert found.marks['"source":"personalized"'] == 0
    assert np.bincount(found.mark_each + 1, minlength=5).tolist()[1:] == list(found.marks.values())


def test_an_answer_that_arrives_byte_by_byte_is_one_answer() -> None:
    async def in_pieces(number: int, path: str, writer: Writer) -> None:
        for byte in whole(body(path), head="cOnTent-Type: text\r\n"):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    found = driven(in_pieces, rate=50.0)
    assert found.statuses == {200: found.requests}
    assert (found.wrong, found.reconnects) == (0, 0)


def test_an_answer_of_many_packets_is_read_to_its_end() -> None:
    async def long(number: int, path: str, writer: Writer) -> None:
        writer.write(whole(b"-" * 200_000 + body(path)))

    found = driven(long, rate=100.0)
    assert (found.statuses, found.wrong) == ({200: found.requests}, 0)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n"])
def test_an_answer_without_a_body_is_whole(answer: bytes) -> None:
    async def empty(number: int, path: str, writer: Writer) -> None:
        writer.write(answer)

    found = driven(empty, expected=None)
    assert sum(found.statuses.values()) == found.requests
    assert (found.unanswered, found.reconnects) == (0, 0)


def test_a_connection_that_is_closed_properly_is_opened_anew_and_nothing_is_lost() -> None:
    async def closing(number: int, path: str, writer: Writer) -> None:
        writer.write(whole(body(path), head="Connection: close\r\n"))
        writer.close()

    found = driven(closing)
    assert found.statuses == {200: found.requests}
    assert found.reconnects == found.requests


def test_an_answer_that_ends_with_its_connection_is_whole() -> None:
    async def unmeasured(number: int, path: str, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + body(path))
        writer.close()

    found = driven(unmeasured)
    assert (found.statuses, found.wrong) == ({200: found.requests}, 0)


def test_an_answer_that_breaks_off_is_no_answer() -> None:
    async def broken(number: int, path: str, writer: Writer) -> None:
        writer.write(whole(body(path))[: -1 if number % 5 == 0 else None])
        if number % 5 == 0:
            writer.close()

    found = driven(broken)
    assert found.unanswered == found.statuses[0] == (found.requests + 4) // 5
    assert found.reconnects == found.unanswered


def test_a_reset_connection_is_no_answer() -> None:
    async def reset(number: int, path: str, writer: Writer) -> None:
        if number % 5 == 0:
            writer.transport.abort()
        else:
            await right(number, path, writer)

    found = driven(reset)
    assert found.unanswered == (found.requests + 4) // 5
    assert found.statuses[200] == found.requests - found.unanswered


def test_a_request_that_is_never_answered_is_given_up_and_its_connection_replaced() -> None:
    async def silent_once(number: int, path: str, writer: Writer) -> None:
        if number != 3:
            await right(number, path, writer)

    found = driven(silent_once, timeout_seconds=0.1)
    assert (found.unanswered, found.reconnects) == (1, 1)
    assert found.latencies_ms[found.status_each == 0].min() >= 100


def test_requests_that_could_not_even_be_sent_are_unanswered() -> None:
    async def silent(number: int, path: str, writer: Writer) -> None:
        """Say nothing."""

    found = driven(silent, timeout_seconds=0.3)
    assert found.unanswered == found.requests > 100
    assert (found.rate, found.accepted.count) == (0.0, 0)


def test_bytes_after_an_answer_make_it_wrong() -> None:
    async def chatty(number: int, path: str, writer: Writer) -> None:
        writer.write(whole(body(path)) + b"and another thing")

    found = driven(chatty, rate=50.0)
    assert found.wrong == found.requests


def test_a_closed_loop_asks_again_as_soon_as_it_is_answered() -> None:
    found = driven(right, rate=None, seconds=0.3)
    assert found.requests > 8
    assert found.statuses == {200: found.requests}
    assert found.seconds >= 0.3


@pytest.mark.parametrize(
    ("head", "complaint"),
    [("Transfer-Encoding: chunked\r\n", "in chunks"), ("Content-Length: 99999999\r\n", "longer than")],
)
def test_an_answer_that_cannot_be_read_ends_the_run_with_its_reason(head: str, complaint: str) -> None:
    async def unreadable(number: int, path: str, writer: Writer) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())

    with pytest.raises(RunError, match=complaint):
        driven(unreadable)


def test_an_address_where_nothing_listens_is_named() -> None:
    with pytest.raises(RunError, match=r"nothing answers at 127\.0\.0\.1:9 "):
        drive(Load("127.0.0.1", 9, REQUESTS, RATE, 0.1))


def test_a_server_that_goes_away_and_comes_back_is_found_again() -> None:
    gone, back = threading.Event(), threading.Event()

    async def before(number: int, path: str, writer: Writer) -> None:
        if number == 50:
            gone.set()
        await right(number, path, writer)

    async def after(number: int, path: str, writer: Writer) -> None:
        back.set()
        await right(number, path, writer)

    found: list[Drive] = []
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    load = Load("127.0.0.1", port, REQUESTS, RATE, 2.0, expected=EXPECTED, connections=4)
    with scripted(before, port):
        thread = threading.Thread(target=lambda: found.append(drive(load)))
        thread.start()
        assert gone.wait(30)
    with scripted(after, port):
        assert back.wait(30)
        thread.join()
    assert found[0].reconnects >= 4
    assert found[0].status_each[-1] == 200
    assert found[0].wrong == 0


def test_the_driver_and_a_plain_client_agree_on_what_a_server_answers() -> None:
    async def mixed(number: int, path: str, writer: Writer) -> None:
        known = int(path[2:]) % 3
        writer.write(whole(body(path, "default"), 200) if known else whole(b"{}", 404))

    async def one(port: int, request: bytes) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1])

    async def plain(port: int) -> list[int]:
        return [await one(port, request) for request in REQUESTS]

    with scripted(mixed) as port:
        wanted = asyncio.run(plain(port))
        found = drive(Load("127.0.0.1", port, REQUESTS, RATE, 0.5, expected=EXPECTED))
    assert found.status_each.tolist() == [wanted[i % len(wanted)] for i in range(found.requests)]
    assert found.wrong == 0


def test_the_null_server_answers_the_driver() -> None:
    with null_server() as port:
        found = drive(Load("127.0.0.1", port, REQUESTS, RATE, 0.3))
    assert found.statuses == {200: found.requests}


def test_a_rate_that_no_machine_reaches_is_above_the_ceiling() -> None:
    found = ceiling(Load("127.0.0.1", 1, REQUESTS, 1.0, 0.3, timeout_seconds=0.1), rate=5_000_000, seconds=0.1)
    assert not found.held


def test_the_driver_ends_early_at_an_interrupt() -> None:
    program = (
        "import signal, threading\n"
        "from loadtest.driver.open_loop import Load, drive\n"
        "import sys\n"
        "print('ready', flush=True)\n"
        "try:\n"
        f"    drive(Load('127.0.0.1', int(sys.argv[1]), [{REQUESTS[0]!r}], 50.0, 600.0))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    asked = threading.Event()

    async def noted(number: int, path: str, writer: Writer) -> None:
        asked.set()
        await right(number, path, writer)

    with (
        scripted(noted) as port,
        subprocess.Popen([sys.executable, "-c", program, str(port)], stdout=subprocess.PIPE, text=True) as process,
    ):
        assert asked.wait(60)
        os.kill(process.pid, 2)
        said, _ = process.communicate(timeout=60)
    assert said.endswith("interrupted\n")


@pytest.mark.parametrize(("module", "entry"), [("loop", "run_loop"), ("null_server", "answer_all")])
def test_whatever_is_compiled_stands_in_the_file_of_its_one_cached_entry_which_numba_watches(
    module: str, entry: str
) -> None:
    program = (
        f"import loadtest.driver.{module} as module\n"
        "from numba.core.caching import NullCache\n"
        "from numba.core.dispatcher import Dispatcher\n"
        "compiled = [it for it in vars(module).values() if isinstance(it, Dispatcher)]\n"
        "print(*{it.py_func.__module__ for it in compiled})\n"
        "print(*(it.__name__ for it in compiled if not isinstance(it._cache, NullCache)))\n"
        "print(*sorted(name for name, it in vars(module.libc).items() if isinstance(it, Dispatcher)))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.split("\n") == [f"loadtest.driver.{module}", entry, "", ""]


def test_reading_the_flags_does_not_load_the_compiler() -> None:
    program = "import sys, loadtest.command; print('numba' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


def test_the_command_carries_nothing_that_only_a_new_workspace_needs() -> None:
    program = "import sys, artwork.commands.loadtest; print({'numba', 'numpy', 'polars', 'redis'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
